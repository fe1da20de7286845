package io.mla4j.server;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Ends writes that take too long: their reader takes nothing. A thread that writes to a socket and
 * is interrupted closes it.
 */
final class WriteWatch implements AutoCloseable {
  private final Map<Thread, Long> writing = new ConcurrentHashMap<>();
  private final long mostNanos;
  private final Thread watch;

  WriteWatch(Duration most) {
    mostNanos = most.toNanos();
    Duration pause = Duration.ofNanos(Math.clamp(mostNanos / 4, 10_000_000L, 1_000_000_000L));
    watch = Thread.ofVirtual().name("mla4j-write-watch").start(() -> watch(pause));
  }

  private void watch(Duration pause) {
    try {
      while (true) {
        Thread.sleep(pause);
        long now = System.nanoTime();
        writing.forEach(
            (thread, since) -> {
              if (now - since > mostNanos && writing.remove(thread, since)) {
                thread.interrupt();
              }
            });
      }
    } catch (InterruptedException e) {
      // closed
    }
  }

  /** A stream whose writes are watched. */
  OutputStream watched(OutputStream out) {
    return new Watched(out);
  }

  @Override
  public void close() {
    watch.interrupt();
  }

  private final class Watched extends OutputStream {
    private final OutputStream out;

    Watched(OutputStream out) {
      this.out = out;
    }

    @Override
    public void write(int one) throws IOException {
      write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
      during(() -> out.write(bytes, from, count));
    }

    @Override
    public void flush() throws IOException {
      during(out::flush);
    }

    @Override
    public void close() throws IOException {
      during(out::close);
    }

    private void during(Write write) throws IOException {
      Thread self = Thread.currentThread();
      writing.put(self, System.nanoTime());
      try {
        write.run();
      } finally {
        writing.remove(self);
      }
    }
  }

  private interface Write {
    void run() throws IOException;
  }
}
