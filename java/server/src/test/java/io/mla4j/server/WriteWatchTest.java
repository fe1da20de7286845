package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/** Given a reader who takes nothing, when it is written to, then the writer is let go. */
class WriteWatchTest {
  @Test
  void aWriteThatTakesTooLongFails() throws IOException {
    try (WriteWatch watch = new WriteWatch(Duration.ofMillis(100));
        ServerSocketChannel door = ServerSocketChannel.open();
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      door.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
      try (SocketChannel _ = SocketChannel.open(door.getLocalAddress()); // reads nothing
          SocketChannel writer = door.accept()) {
        OutputStream out = watch.watched(Channels.newOutputStream(writer));
        CompletableFuture<Void> writing =
            CompletableFuture.runAsync(
                () -> {
                  try {
                    while (true) {
                      out.write(new byte[1 << 16]);
                    }
                  } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                  }
                },
                threads);
        assertThrows(ExecutionException.class, writing::get);
        assertThrows(IOException.class, () -> out.write(1));
      }
    }
  }
}
