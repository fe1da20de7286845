package io.mla4j.server;

import java.io.IOException;

/**
 * What answers requests to one path.
 *
 * @param method GET or POST
 * @param path without /v1; one that ends in / is for everything below it
 * @param isOpen whether it is answered without a key, while the model is loaded, and while the
 *     server stops
 * @param isForWatchers whether it is answered while the server stops
 */
record Route(String method, String path, boolean isOpen, boolean isForWatchers, Handler handler) {
  /** Answers a request. */
  @FunctionalInterface
  interface Handler {
    /**
     * Answers.
     *
     * @throws ApiException where the request is refused, before anything was sent
     * @throws IOException where the client has gone
     */
    void handle(Call call) throws IOException, InterruptedException;
  }

  static Route get(String path, Handler handler) {
    return new Route("GET", path, false, false, handler);
  }

  /** One that needs a key, and is answered until the server has stopped. */
  static Route watch(String path, Handler handler) {
    return new Route("GET", path, false, true, handler);
  }

  static Route post(String path, Handler handler) {
    return new Route("POST", path, false, false, handler);
  }

  /** One that is always answered. */
  static Route open(String path, Handler handler) {
    return new Route("GET", path, true, true, handler);
  }

  boolean isFor(String asked) {
    return path.length() > 1 && path.endsWith("/")
        ? asked.startsWith(path) && asked.length() > path.length()
        : asked.equals(path);
  }

  boolean allows(String asked) {
    return method.equals(asked) || (method.equals("GET") && asked.equals("HEAD"));
  }
}
