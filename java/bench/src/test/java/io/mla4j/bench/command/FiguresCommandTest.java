package io.mla4j.bench.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands behind single figures of the documents: what they print and what they refuse. */
class FiguresCommandTest {
  private static final String MTP = Path.of("../../models/tiny-mla-mtp").toString();

  @TempDir Path folder;

  @Test
  void guessesAreComparedOverEqualIds() {
    Command command =
        Command.run(
            "bench",
            "speculate",
            "--model",
            MTP,
            "--kind",
            "lookup,mtp",
            "--prompts",
            "2",
            "--prompt",
            "20",
            "--tokens",
            "12",
            "--repetitions",
            "1",
            "--twice",
            "--backend",
            "vector",
            "--threads",
            "1");
    command.fine();
    assertEquals(3, command.out().lines().count(), command.out());
    assertEquals(
        2,
        command.out().lines().filter(l -> l.contains("2 prompts with the same ids")).count(),
        command.out());
  }

  @Test
  void anEditedDocumentIsWrittenInFewerPasses() {
    Command command =
        Command.run(
            "bench",
            "speculate",
            "--model",
            MTP,
            "--edit",
            "8",
            "--prompts",
            "2",
            "--prompt",
            "40",
            "--repetitions",
            "1",
            "--backend",
            "vector",
            "--threads",
            "1");
    command.fine();
    assertTrue(command.out().contains("2 documents, equal choices"), command.out());
    assertTrue(command.out().contains("passes  by rows"), command.out());
    Command.run("bench", "speculate", "--model", MTP, "--edit", "1").refused(2, "--edit is 1");
  }

  @Test
  void whatCannotBeGuessedOnIsRefused() throws Exception {
    Command.run("bench", "speculate", "--model", MTP, "--kind", "off").refused(2, "--kind is off");
    Command.run("bench", "speculate", "--model", MTP, "--prompts", "0")
        .refused(2, "--prompts is 0");
    Command.run("bench", "speculate", "--model", MTP, "--backend", "x")
        .refused(2, "--backend is x");
    Path text = Files.writeString(folder.resolve("a.txt"), "In the beginning");
    Command.run("bench", "speculate", "--model", MTP, "--text", text.toString())
        .refused(1, "too few for 10 pieces of 128");
  }

  @Test
  void aForkIsTimed() {
    Command command = Command.run("bench", "cache", "--threads", "1").fine();
    assertTrue(command.out().startsWith("fork of 100001 tokens"), command.out());
    Command.run("bench", "cache", "--threads", "-1").refused(2, "--threads is -1");
    Command.run("bench", "cache", "--folder", folder + "/no")
        .refused(2, "--folder", "is no folder");
  }

  @Test
  void pagingNeedsAModelAndMemory() {
    Command.run("bench", "paging", "--model", MTP, "--memory", "0").refused(2, "--memory is 0");
    Command.run("bench", "paging", "--model", folder + "/no", "--memory", "1")
        .refused(2, "neither a folder nor a file");
    Command.run("bench", "paging", "--model", MTP, "--memory", "1", "--tokens", "1")
        .refused(2, "--tokens is 1");
  }

  @Test
  void layersOfAModelToMakeAreBounded() {
    Command.run(
            "bench",
            "make-model",
            "--preset",
            "v2-lite-3l",
            "--layers",
            "0",
            "--out",
            folder + "/m")
        .refused(2, "--layers is 0");
  }
}
