package io.mla4j.text;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A program that encodes 12,000 tokens and counts the sockets that were opened meanwhile. */
final class NoSocketProbe {
  private NoSocketProbe() {}

  @SuppressWarnings("deprecation") // there is no other way to see every socket of a process
  public static void main(String[] args) throws Exception {
    AtomicInteger opened = new AtomicInteger();
    Socket.setSocketImplFactory(
        () -> {
          opened.incrementAndGet();
          throw new IllegalStateException("a socket was opened");
        });
    try {
      new Socket("localhost", 1).close();
    } catch (IllegalStateException e) {
      // the trap works
    }
    int trap = opened.getAndSet(0);
    int ids;
    try (Tokenizer tokenizer = Tokenizer.open(Path.of(args[0]))) {
      ids = tokenizer.encode(" the LORD".repeat(6000), false).length;
      tokenizer.decode(new int[] {1, 2, 3}, true);
    }
    System.out.println(
        "trap works: " + trap + ", sockets: " + (opened.get() + descriptors()) + ", ids: " + ids);
  }

  /** Sockets of this process that are open now, whoever opened them. */
  private static int descriptors() throws Exception {
    Path folder = Path.of("/proc/self/fd");
    if (!Files.isDirectory(folder)) {
      return 0;
    }
    int sockets = 0;
    try (Stream<Path> descriptors = Files.list(folder)) {
      for (Path descriptor : descriptors.toList()) {
        try {
          if (Files.readSymbolicLink(descriptor).toString().startsWith("socket:")) {
            sockets++;
          }
        } catch (IOException e) {
          // the descriptor of the listing itself is gone
        }
      }
    }
    return sockets;
  }
}
