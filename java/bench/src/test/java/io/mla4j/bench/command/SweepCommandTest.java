package io.mla4j.bench.command;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code mla4j sweep} refuses before it computes anything. */
class SweepCommandTest {
  private static final Path MODELS = Path.of(System.getProperty("mla4j.root"), "models");

  @TempDir private Path folder;

  private void refused(int code, String message, String... options) {
    String[] all = new String[options.length + 9];
    String[] first = {
      "sweep",
      "--model",
      MODELS.resolve("tiny-gqa").toString(),
      "--calibrate",
      MODELS.resolve("tiny-gqa/heldout.txt").toString(),
      "--backend",
      "vector",
      "--json",
      folder.resolve("sweep.json").toString()
    };
    System.arraycopy(first, 0, all, 0, first.length);
    System.arraycopy(options, 0, all, first.length, options.length);
    Command.run(all).refused(code, message);
  }

  @Test
  void whatCannotBeIsOneLine() throws Exception {
    refused(2, "--latent is x, but must be auto or numbers", "--latent", "x");
    refused(1, "--latent is 0", "--latent", "0", "--rope", "32");
    refused(1, "--rope is 31", "--latent", "32", "--rope", "31");
    refused(2, "method is x", "--method", "x");
    refused(2, "--tokens is 0", "--tokens", "0");
    refused(1, "is scored from token 90000 on", "--from", "90000");
    Files.writeString(folder.resolve("sweep.json"), "no");
    refused(1, "holds no results of a sweep");
    Command.run("sweep", "--model", "x", "--calibrate", "y").refused(2, "--json or --plot");
  }
}
