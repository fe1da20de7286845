package io.mla4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;

/** A request with its answer. Belongs to one thread. */
final class Call {
  static final String JSON = "application/json";

  private final HttpExchange exchange;
  private final Service service;
  private final String path;
  private final String tenant;
  private int status;

  /**
   * @param path without /v1
   * @param tenant whose key it came with
   */
  Call(HttpExchange exchange, Service service, String path, String tenant) {
    this.exchange = exchange;
    this.service = service;
    this.path = path;
    this.tenant = tenant;
  }

  Service service() {
    return service;
  }

  String path() {
    return path;
  }

  String tenant() {
    return tenant;
  }

  /** The status that was sent; 0 before. */
  int status() {
    return status;
  }

  /** The object that was sent. */
  Fields body() throws IOException {
    ObjectNode object = RequestBody.read(exchange, service.limits().bodyBytes());
    return Fields.of(object);
  }

  void header(String name, String value) {
    exchange.getResponseHeaders().set(name, value);
  }

  /** Sends an object. */
  void json(int code, JsonOut.Content content) throws IOException {
    send(code, JSON, JsonOut.bytes(content));
  }

  /** Sends a refusal. */
  void fail(ApiException e) throws IOException {
    if (e.status() == 401) {
      header("WWW-Authenticate", "Bearer");
    }
    if (e.status() == 429 || e.status() == 503) {
      header("Retry-After", "1");
    }
    json(e.status(), JsonOut.error(e));
  }

  /** Sends a whole body. */
  void send(int code, String type, byte[] body) throws IOException {
    header("Content-Type", type);
    header("X-Content-Type-Options", "nosniff");
    status = code;
    boolean head = exchange.getRequestMethod().equals("HEAD");
    exchange.sendResponseHeaders(code, body.length == 0 || head ? -1 : body.length);
    if (!head) {
      try (OutputStream out = service.watch().watched(exchange.getResponseBody())) {
        out.write(body);
      }
    }
    exchange.close();
  }

  /** Begins a body whose length is not known yet. */
  OutputStream begin(String type) throws IOException {
    header("Content-Type", type);
    header("Cache-Control", "no-store");
    header("X-Accel-Buffering", "no");
    header("X-Content-Type-Options", "nosniff");
    status = 200;
    exchange.sendResponseHeaders(200, 0);
    return service.watch().watched(exchange.getResponseBody());
  }
}
