package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.EngineModel;
import java.io.IOException;

/** The one model that is served. */
final class Models {
  private Models() {}

  static void list(Call call) throws IOException {
    call.json(
        200,
        json -> {
          json.writeStringField("object", "list");
          json.writeArrayFieldStart("data");
          json.writeStartObject();
          write(json, call.service());
          json.writeEndObject();
          json.writeEndArray();
        });
  }

  static void show(Call call) throws IOException {
    String asked = call.path().substring("/models/".length());
    if (!asked.equals(call.service().modelName())) {
      throw ApiException.unknownModel(asked, call.service().modelName());
    }
    call.json(200, json -> write(json, call.service()));
  }

  private static void write(JsonGenerator json, Service service) throws IOException {
    EngineModel model = service.engine().model();
    json.writeStringField("id", service.modelName());
    json.writeStringField("object", "model");
    json.writeNumberField("created", service.created());
    json.writeStringField("owned_by", "mla4j");
    json.writeNumberField("max_model_len", service.context());
    json.writeObjectFieldStart("meta");
    json.writeStringField("family", model.family());
    json.writeStringField("computes", model.summary());
    json.writeBooleanField("chat", service.hasTemplate());
    json.writeNumberField("n_vocab", model.vocabulary());
    json.writeNumberField("n_ctx_train", model.context());
    json.writeEndObject();
  }
}
