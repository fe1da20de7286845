package io.mla4j.server;

import java.util.Map;

/**
 * Limits of the JDK's HTTP server, which reads them once from system properties when its classes
 * load. What the user has set stays.
 */
final class HttpSettings {
  private static final Map<String, String> PROPERTIES =
      Map.of(
          // Without it each streamed piece waits for the acknowledgement of the one before: 40 ms.
          "sun.net.httpserver.nodelay",
          "true",
          // Seconds until a request has to be here, header and body.
          "sun.net.httpserver.maxReqTime",
          "30",
          "sun.net.httpserver.maxReqHeaders",
          "100",
          "sun.net.httpserver.maxReqHeaderSize",
          Integer.toString(64 << 10),
          // Seconds that a connection may wait for its next request.
          "sun.net.httpserver.idleInterval",
          "60",
          // Milliseconds after which that is looked at.
          "sun.net.httpserver.clockTick",
          "1000",
          "jdk.httpserver.maxConnections",
          "1024",
          "sun.net.httpserver.maxIdleConnections",
          "1024");

  private HttpSettings() {}

  /** To be called before the first class of the server is used. */
  static void apply() {
    PROPERTIES.forEach(
        (name, value) -> {
          if (System.getProperty(name) == null) {
            System.setProperty(name, value);
          }
        });
  }
}
