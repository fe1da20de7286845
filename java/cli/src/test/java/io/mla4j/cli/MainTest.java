package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What all commands share: help, version, usage errors. */
class MainTest {
  @Test
  void versionAndHelp() {
    assertEquals("mla4j 0.1.0\n", Command.run("--version").fine().out());
    Command help = Command.run("--help").fine();
    for (String command :
        new String[] {
          "generate", "chat", "serve", "perplexity", "logits", "model", "info", "memory", "quantize"
        }) {
      assertTrue(help.out().contains(command), command);
      assertTrue(Command.run(command, "--help").fine().out().contains("Usage: mla4j " + command));
    }
  }

  @Test
  void badUsage() {
    Command.run().refused(2, "a command is missing");
    Command.run("sing").refused(2, "sing");
    Command.run("--loud").refused(2, "--loud");
    Command.run("info", "too", "much").refused(2, "too");
  }
}
