package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.InvalidArgumentException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code mla4j serve}: what it refuses before it serves. The server has tests of its own. */
class ServeCommandTest {
  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "--port, 70000, port",
    "--parallel, 0, parallel",
    "--context, -1, --context",
    "--context, 0, --context",
    "--queue, 0, queue",
    "--page, 0, --page",
    "--cache-memory, much, --cache-memory",
    "--cors, example.com, origin",
    "--backend, abacus, --backend",
    "--threads, -1, --threads"
  })
  void optionsOutOfTheirRangeAreBadUsage(String option, String value, String named) {
    TinyMla.run("serve", option, value).refused(2, named, value);
  }

  @Test
  void aFileWithoutKeysIsBadUsage() throws IOException {
    Path empty = Files.writeString(folder.resolve("keys"), "\n  \n");
    TinyMla.run("serve", "--api-key-file", empty.toString()).refused(2, "--api-key-file", "no key");
    TinyMla.run("serve", "--api-key-file", folder.resolve("none").toString())
        .refused(1, "none", "does not exist");
  }

  @Test
  void aKeyThatNoHeaderHasIsNamedByItsLine() throws IOException {
    Path file = Files.writeString(folder.resolve("keys"), "good\n\nnot good\n");
    TinyMla.run("serve", "--api-key-file", file.toString()).refused(2, file.toString(), "line 3");
  }

  @Test
  void aModelThatIsMissingIsToldOfBeforeTheAddress() {
    String none = folder.resolve("none").toString();
    Command.run("serve", "--port", "0", "--model", none).refused(1, none);
  }

  @Test
  void anAddressThatIsTakenIsNamed() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      String port = Integer.toString(taken.getLocalPort());
      TinyMla.run("serve", "--port", port).refused(1, "127.0.0.1:" + port);
    }
  }

  @ParameterizedTest
  @CsvSource({"4096, 4096", "512M, 536870912", "1.5g, 1610612736", "2GiB, 2147483648", "1k, 1024"})
  void sizesHaveUnits(String size, long bytes) {
    assertEquals(bytes, Units.parse(size));
  }

  @ParameterizedTest
  @CsvSource({"x", "-1", "1.5.2G", "9999999999", "''"})
  void whatIsNoSizeIsRefused(String size) {
    assertThrows(InvalidArgumentException.class, () -> Units.parse(size));
  }
}
