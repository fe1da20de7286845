package io.mla4j.server;

import java.io.IOException;
import java.io.OutputStream;

/**
 * One JSON object at the end. An answer that takes longer than a second begins with blanks, which
 * JSON allows: only who writes notices that the reader has gone. Its status is then 200, whatever
 * follows.
 */
final class WholeReply implements Reply {
  private static final long SILENCE_NANOS = 1_000_000_000L;
  private static final long PAUSE_NANOS = 20_000_000L;

  private final Call call;
  private long next = System.nanoTime() + SILENCE_NANOS;
  private OutputStream out;

  WholeReply(Call call) {
    this.call = call;
  }

  @Override
  public void idle() throws IOException {
    long now = System.nanoTime();
    if (now < next) {
      return;
    }
    if (out == null) {
      out = call.begin(Call.JSON);
    }
    out.write(' ');
    out.flush();
    next = now + PAUSE_NANOS;
  }

  /** Sends the object. */
  void finish(JsonOut.Content content) throws IOException {
    if (out == null) {
      call.json(200, content);
    } else {
      end(content);
    }
  }

  @Override
  public void fail(ApiException e) throws IOException {
    if (out == null) {
      call.fail(e);
    } else {
      end(JsonOut.error(e));
    }
  }

  private void end(JsonOut.Content content) throws IOException {
    out.write(JsonOut.bytes(content));
    out.close();
  }
}
