package io.mla4j.server;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** A connection on which anything can be sent. */
final class Raw implements AutoCloseable {
  private static final int PATIENCE = 15_000;
  private final Socket socket;

  Raw(TestServer server) throws IOException {
    InetSocketAddress address = server.server.address();
    socket = new Socket(address.getAddress(), address.getPort());
    socket.setSoTimeout(PATIENCE);
  }

  /** A request with a body. */
  static String post(String path, String json) {
    String body = json.replace('\'', '"');
    return "POST "
        + path
        + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        + body.getBytes(StandardCharsets.UTF_8).length
        + "\r\n\r\n"
        + body;
  }

  Raw send(String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
    return this;
  }

  /** What comes until {@code end} was seen or the server closes the connection. */
  String readUntil(String end) throws IOException {
    StringBuilder text = new StringBuilder();
    InputStream in = socket.getInputStream();
    while (text.indexOf(end) < 0) {
      int next;
      try {
        next = in.read();
      } catch (java.net.SocketException e) {
        next = -1;
      }
      if (next < 0) {
        break;
      }
      text.append((char) next);
    }
    return text.toString();
  }

  /** What comes until the server closes the connection. */
  String readAll() throws IOException {
    return readUntil("\0\0");
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
