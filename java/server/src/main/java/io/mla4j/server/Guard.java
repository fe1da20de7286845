package io.mla4j.server;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Locale;

/**
 * Who may ask: keys, and pages of other origins. A browser lets any page send requests to this
 * machine; so one that names an origin has to come from the server's own page, and a server that
 * listens to this machine alone has to be called by a name of this machine. Thread-safe.
 */
final class Guard {
  private final ServerOptions options;
  private final InetSocketAddress address;
  private final List<byte[]> keys;

  Guard(ServerOptions options, InetSocketAddress address) {
    this.options = options;
    this.address = address;
    this.keys = options.keys().stream().map(Guard::digest).toList();
  }

  /** Whether a browser asks what it may send; allowed origins are told. */
  boolean isPreflight(HttpExchange exchange) {
    Headers asked = exchange.getRequestHeaders();
    String origin = asked.getFirst("Origin");
    if (origin == null || !isAllowed(origin)) {
      return false;
    }
    Headers answer = exchange.getResponseHeaders();
    answer.set("Access-Control-Allow-Origin", origin);
    answer.add("Vary", "Origin");
    if (!exchange.getRequestMethod().equals("OPTIONS")
        || !asked.containsKey("Access-Control-Request-Method")) {
      return false;
    }
    answer.set("Access-Control-Allow-Methods", "GET, POST");
    answer.set("Access-Control-Allow-Headers", "authorization, content-type");
    answer.set("Access-Control-Max-Age", "3600");
    return true;
  }

  /**
   * Refuses requests that pages of other origins send.
   *
   * @throws ApiException 403
   */
  void check(HttpExchange exchange) {
    String host = exchange.getRequestHeaders().getFirst("Host");
    if (host != null && address.getAddress().isLoopbackAddress() && !isOwn(host)) {
      throw ApiException.of(
          403,
          null,
          "the Host header is "
              + Quoted.of(host)
              + ", but the server listens to this machine alone: --host names another address");
    }
    String origin = exchange.getRequestHeaders().getFirst("Origin");
    if (origin != null && !isAllowed(origin) && !isSame(origin, host)) {
      throw ApiException.of(
          403, null, "pages of " + Quoted.of(origin) + " may not ask: --cors names those that may");
    }
  }

  /**
   * Refuses a request without a key.
   *
   * @throws ApiException 401
   */
  void requireKey(HttpExchange exchange) {
    if (!keys.isEmpty() && keyIndex(exchange) < 0) {
      throw ApiException.of(
          401,
          "invalid_api_key",
          "the Authorization header is not Bearer with a key that the server knows");
    }
  }

  /** Whose request it is: those with one key share what is cached. */
  String tenant(HttpExchange exchange) {
    int index = keyIndex(exchange);
    return index < 0 ? "" : "key-" + index;
  }

  /** Takes the same time whichever key it is, if any. */
  private int keyIndex(HttpExchange exchange) {
    String header = exchange.getRequestHeaders().getFirst("Authorization");
    String scheme = "Bearer ";
    boolean isBearer = header != null && header.regionMatches(true, 0, scheme, 0, scheme.length());
    byte[] given = digest(isBearer ? header.substring(scheme.length()).strip() : "");
    int found = -1;
    for (int i = 0; i < keys.size(); i++) {
      boolean same = MessageDigest.isEqual(given, keys.get(i));
      found = same ? i : found;
    }
    return found;
  }

  private static byte[] digest(String key) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private boolean isAllowed(String origin) {
    return options.origins().contains("*") || options.origins().contains(origin);
  }

  private static boolean isSame(String origin, String host) {
    return host != null && origin.equalsIgnoreCase("http://" + host);
  }

  /** Whether a Host header names this machine, so that no other name was made to point to it. */
  private boolean isOwn(String host) {
    String name;
    try {
      name = URI.create("http://" + host).getHost();
    } catch (IllegalArgumentException e) {
      return false;
    }
    if (name == null) {
      return false;
    }
    String plain = name.toLowerCase(Locale.ROOT);
    boolean isAddress = plain.matches("127(\\.\\d{1,3}){3}|\\[[0-9a-f:]+]");
    return plain.equals("localhost")
        || plain.equalsIgnoreCase(options.host())
        || (isAddress && isLoopback(plain));
  }

  /** Only for addresses, which are not looked up. */
  private static boolean isLoopback(String text) {
    try {
      return InetAddress.getByName(text).isLoopbackAddress();
    } catch (java.net.UnknownHostException e) {
      return false;
    }
  }
}
