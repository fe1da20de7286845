package io.mla4j.server;

import java.io.IOException;

/** Whether requests are answered. */
final class Health {
  private Health() {}

  static void show(Call call) throws IOException {
    if (call.service().isStopping()) {
      throw ApiException.of(503, null, "the server is being stopped");
    }
    if (!call.service().isLoaded()) {
      throw ApiException.of(503, null, "the model is being loaded");
    }
    call.json(200, json -> json.writeStringField("status", "ok"));
  }
}
