package io.mla4j.server;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** Server-sent events: pieces as they come, a comment where none came for a second. */
final class EventStream implements Reply {
  private static final long PING_NANOS = 1_000_000_000L;
  private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] END = "\n\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] PING = ": ping\n\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.US_ASCII);

  private final OutputStream out;
  private final boolean endsWithDone;
  private final ByteArrayOutputStream buffer = new ByteArrayOutputStream();
  private long last = System.nanoTime();

  private EventStream(OutputStream out, boolean endsWithDone) {
    this.out = out;
    this.endsWithDone = endsWithDone;
  }

  /**
   * Sends the headers.
   *
   * @param endsWithDone whether the last event is {@code [DONE]}
   */
  static EventStream begin(Call call, boolean endsWithDone) throws IOException {
    EventStream stream =
        new EventStream(call.begin("text/event-stream; charset=utf-8"), endsWithDone);
    stream.out.flush();
    return stream;
  }

  /** An event without a name. It goes out with the next {@link #flush}. */
  void send(JsonOut.Content content) throws IOException {
    buffer.write(DATA);
    JsonOut.write(buffer, content);
    buffer.write(END);
  }

  /** An event with a name. It goes out with the next {@link #flush}. */
  void send(String name, JsonOut.Content content) throws IOException {
    buffer.write(("event: " + name + "\n").getBytes(StandardCharsets.US_ASCII));
    send(content);
  }

  /** Lets out what was sent, in one piece. */
  void flush() throws IOException {
    if (buffer.size() > 0) {
      buffer.writeTo(out);
      buffer.reset();
      out.flush();
      last = System.nanoTime();
    }
  }

  @Override
  public void idle() throws IOException {
    flush();
    if (System.nanoTime() - last >= PING_NANOS) {
      buffer.write(PING);
      flush();
    }
  }

  /** The last event. */
  void finish() throws IOException {
    if (endsWithDone) {
      buffer.write(DONE);
    }
    flush();
    out.close();
  }

  @Override
  public void fail(ApiException e) throws IOException {
    if (endsWithDone) {
      send(JsonOut.error(e));
    } else {
      send(
          "error",
          json -> {
            json.writeStringField("type", "error");
            json.writeStringField("code", e.type());
            json.writeStringField("message", e.getMessage());
            json.writeStringField("param", e.field());
          });
    }
    finish();
  }
}
