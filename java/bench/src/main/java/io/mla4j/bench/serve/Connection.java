package io.mla4j.bench.serve;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import javax.net.ssl.SSLSocketFactory;

/**
 * A connection to an HTTP server on which requests follow each other, and on which anything else
 * can be sent too. It costs next to nothing beside the server that is measured on the same machine.
 * Belongs to one thread.
 */
final class Connection implements AutoCloseable {
  private static final int HTTP_PORT = 80;
  private static final int HTTPS_PORT = 443;
  private static final int MOST_LINE = 1 << 20;

  private final URI base;
  private final String key;
  private final Socket socket;
  private final InputStream in;

  /** Takes lines of a body as they come. */
  @FunctionalInterface
  interface Lines {
    /** Takes one; false to leave in the middle. */
    boolean take(String line) throws IOException;
  }

  /**
   * A response.
   *
   * @param body empty where its lines were taken
   */
  record Response(int status, String body) {}

  private Connection(URI base, String key, Socket socket) throws IOException {
    this.base = base;
    this.key = key;
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream(), 1 << 16);
  }

  /**
   * Opens one.
   *
   * @param key that it brings; null for none
   * @param patience how long it waits for anything
   */
  static Connection open(URI base, String key, Duration patience) throws IOException {
    boolean secure = "https".equals(base.getScheme());
    int port = base.getPort() >= 0 ? base.getPort() : secure ? HTTPS_PORT : HTTP_PORT;
    Socket socket = secure ? SSLSocketFactory.getDefault().createSocket() : new Socket();
    try {
      socket.connect(new InetSocketAddress(base.getHost(), port), (int) patience.toMillis());
      socket.setTcpNoDelay(true);
      socket.setSoTimeout((int) patience.toMillis());
      return new Connection(base, key, socket);
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  /** A request as text; what follows the host of the base comes before its path. */
  String request(String method, String path, String body) {
    String prefix = base.getRawPath() == null ? "" : base.getRawPath().replaceAll("/+$", "");
    return method
        + " "
        + prefix
        + path
        + " HTTP/1.1\r\nHost: "
        + base.getRawAuthority()
        + (key == null ? "" : "\r\nAuthorization: Bearer " + key)
        + "\r\nContent-Type: application/json\r\nContent-Length: "
        + body.getBytes(StandardCharsets.UTF_8).length
        + "\r\n\r\n"
        + body;
  }

  /** Sends anything. */
  void send(String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Gets what is at a path. */
  Response get(String path) throws IOException {
    send(request("GET", path, ""));
    return receive(null);
  }

  /** Posts JSON. */
  Response post(String path, String body) throws IOException {
    send(request("POST", path, body));
    return receive(null);
  }

  /** Posts JSON, and takes the lines of the answer as they come where all went well. */
  Response post(String path, String body, Lines lines) throws IOException {
    send(request("POST", path, body));
    return receive(lines);
  }

  private Response receive(Lines lines) throws IOException {
    String first = line();
    if (!first.startsWith("HTTP/1.1 ")) {
      throw new IOException("the answer is no HTTP/1.1");
    }
    int status = Integer.parseInt(first.substring(9, 12));
    long length = -1;
    boolean chunked = false;
    for (String line = line(); !line.isEmpty(); line = line()) {
      String header = line.toLowerCase(Locale.ROOT);
      if (header.startsWith("content-length:")) {
        length = Long.parseLong(header.substring(15).strip());
      }
      chunked |= header.startsWith("transfer-encoding:") && header.contains("chunked");
    }
    InputStream body = new Body(length, chunked);
    if (lines == null || status != 200) {
      return new Response(status, new String(body.readAllBytes(), StandardCharsets.UTF_8));
    }
    for (String line = line(body); line != null; line = line(body)) {
      if (!lines.take(line)) {
        close();
        break;
      }
    }
    return new Response(status, "");
  }

  private String line() throws IOException {
    String line = line(in);
    if (line == null) {
      throw new EOFException("the server closed the connection");
    }
    return line;
  }

  private static String line(InputStream from) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int next = from.read(); next != '\n'; next = from.read()) {
      if (next < 0) {
        return line.size() == 0 ? null : line.toString(StandardCharsets.UTF_8);
      }
      if (next != '\r') {
        line.write(next);
      }
      if (line.size() > MOST_LINE) {
        throw new IOException("a line has more than " + MOST_LINE + " bytes");
      }
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }

  /** The bytes of a body: so many, in chunks, or until the server closes the connection. */
  private final class Body extends InputStream {
    private final boolean chunked;
    private long left;
    private boolean ended;

    Body(long length, boolean chunked) {
      this.chunked = chunked;
      this.left = chunked ? 0 : length >= 0 ? length : Long.MAX_VALUE;
    }

    @Override
    public int read() throws IOException {
      if (!more()) {
        return -1;
      }
      int next = in.read();
      if (next < 0) {
        if (chunked) {
          throw new EOFException("the server closed the connection in the middle of an answer");
        }
        ended = true;
        return -1;
      }
      left--;
      if (chunked && left == 0) {
        line();
      }
      return next;
    }

    private boolean more() throws IOException {
      if (left == 0 && chunked && !ended) {
        left = Long.parseLong(line().split(";")[0].strip(), 16);
        if (left == 0) {
          ended = true;
          while (!line().isEmpty()) {
            // trailers
          }
        }
      }
      return !ended && left > 0;
    }
  }
}
