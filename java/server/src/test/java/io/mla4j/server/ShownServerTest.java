package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The program of docs/serving.md; that what is shown is this is a test of java/bench. */
class ShownServerTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");

  private interface Client {
    void ask(URI address) throws IOException, InterruptedException;
  }

  private static void serve(Path path, int port, String key, Client client)
      throws IOException, InterruptedException {
    // begin
    ServerOptions options = ServerOptions.builder().port(port).keys(List.of(key)).build();
    try (Server server = Server.start(options, () -> Engine.open(path, EngineOptions.DEFAULT))) {
      server.ready().join();
      client.ask(server.uri()); // any client, until the server is closed
    }
    // end
  }

  @Test
  void serves() throws IOException, InterruptedException {
    serve(
        MODEL,
        0,
        "secret",
        address -> {
          try (HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest models =
                HttpRequest.newBuilder(address.resolve("v1/models"))
                    .header("Authorization", "Bearer secret")
                    .build();
            assertEquals(
                200, client.send(models, HttpResponse.BodyHandlers.discarding()).statusCode());
          }
        });
  }
}
