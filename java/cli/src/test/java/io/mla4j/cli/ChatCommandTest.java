package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.model.Cancellation;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.ExternalTerminal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code mla4j chat} through a pipe, its lines at a terminal, and {@code generate --chat}. */
@Timeout(120)
class ChatCommandTest {
  private static final JsonNode CHAT = TinyMla.expected().get("chat");
  private static final String MESSAGE = CHAT.get("messages").get(0).get("content").textValue();
  private static final String ANSWER =
      CHAT.get("text").textValue().replace("<｜end▁of▁sentence｜>", "");

  @TempDir Path folder;

  private static Command chat(String in, String... arguments) {
    List<String> all = new ArrayList<>(List.of("chat", "--model", TinyMla.FOLDER.toString()));
    all.addAll(List.of("--temperature", "0", "--compute", "f32", "--max-tokens", "40"));
    all.addAll(List.of(arguments));
    return Command.runWithInput(in, all.toArray(String[]::new));
  }

  @Test
  void aLineIsAMessage() {
    assertEquals(ANSWER + "\n", chat(MESSAGE + "\n").fine().out());
    assertEquals(ANSWER + "\n", chat(MESSAGE).fine().out(), "without a line end");
    assertEquals("", chat("\n  \n").fine().out());
  }

  @Test
  void aConversationIsKeptAndTakenUp() throws Exception {
    String file = folder.resolve("cache").toString();
    chat("\n", "--save-cache", file).fine();
    assertFalse(Files.exists(Path.of(file)), "nothing was said");
    chat(MESSAGE + "\n", "--save-cache", file).fine();
    assertEquals(ANSWER + "\n", chat(MESSAGE + "\n", "--load-cache", file).fine().out());
  }

  @Test
  void turnsFollowOneAnotherUntilReset() {
    String twice = chat(MESSAGE + "\n" + MESSAGE + "\n").fine().out();
    assertTrue(twice.startsWith(ANSWER + "\n"), twice);
    String anew = chat(MESSAGE + "\n/reset\n" + MESSAGE + "\n").fine().out();
    assertEquals(ANSWER + "\n" + ANSWER + "\n", anew);
    assertEquals(ANSWER + "\n", chat(MESSAGE + "\n/quit\nmore\n").fine().out());
  }

  @Test
  void commandsOfTheConversation() throws Exception {
    Path file = folder.resolve("saved.json");
    Command command =
        chat(
            "/system Be brief.\n"
                + MESSAGE
                + "\n/save "
                + file
                + "\n/save "
                + file
                + "\n/help\n/nonsense\n/system\n");
    command.fine();
    assertTrue(command.err().contains("/reset"), command.err());
    assertTrue(command.err().contains("/nonsense is no command"), command.err());
    assertTrue(command.err().contains("there is such a file"), command.err());
    JsonNode saved = TinyMla.json(file);
    assertEquals(3, saved.size());
    assertEquals("Be brief.", saved.get(0).get("content").textValue());
    assertEquals(MESSAGE, saved.get(1).get("content").textValue());
    assertEquals("assistant", saved.get(2).get("role").textValue());
  }

  @Test
  void aTemplateOfOnesOwn() throws Exception {
    Path same = folder.resolve("same.jinja");
    Files.writeString(
        same,
        "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}"
            + "{% if ask %}<｜Assistant｜>{% endif %}");
    assertEquals(
        ANSWER + "\n",
        chat(MESSAGE, "--template", same.toString(), "--set", "ask=true").fine().out());
    assertFalse(chat(MESSAGE, "--template", "plain").fine().out().isBlank());
    Path wrong = folder.resolve("wrong.jinja");
    Files.writeString(wrong, "a\n{% if %}");
    chat(MESSAGE, "--template", wrong.toString()).refused(1, wrong + ": line 2");
    Files.writeString(wrong, "{{ raise_exception('no such role') }}");
    chat(MESSAGE, "--template", wrong.toString()).refused(1, wrong + ": line 1: no such role");
  }

  @Test
  void withoutATemplateItSaysWhatToDo() throws Exception {
    for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
      Files.copy(TinyMla.FOLDER.resolve(name), folder.resolve(name));
    }
    for (String command : List.of("chat", "generate")) {
      List<String> all = new ArrayList<>(List.of(command, "--model", folder.toString()));
      all.addAll(command.equals("chat") ? List.of() : List.of("--chat", "--prompt", "x"));
      Command.runWithInput("x\n", all.toArray(String[]::new))
          .refused(2, "has no chat template", "--template FILE", "--template plain");
    }
  }

  @Test
  void badUsage() {
    chat("x", "--context", "0").refused(2, "--context");
    chat("x", "--max-tokens", "0").refused(2, "--max-tokens");
    chat("x", "--set", "x").refused(2, "--set", "NAME=VALUE");
    chat(MESSAGE, "--context", "5").refused(1, "room for 5");
    TinyMla.run("generate", "--ids", "0", "--chat").refused(2, "--chat needs a text");
    TinyMla.run("generate", "--prompt", "x", "--template", "plain").refused(2, "need --chat");
  }

  @Test
  void generateWritesOneMessage() {
    Command command =
        TinyMla.run(
            "generate", "--chat", "--prompt", MESSAGE, "--temperature", "0", "--compute", "f32");
    assertEquals(ANSWER + "\n", command.fine().out());
  }

  /** A broken vocabulary is nothing to those who give ids. */
  @Test
  void idsNeedNoUsableTokenizer() throws Exception {
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(TinyMla.FOLDER.resolve(name), folder.resolve(name));
    }
    Files.writeString(folder.resolve("tokenizer.json"), "{\"half\": ");
    Command command =
        Command.run("generate", "--model", folder.toString(), "--ids", "0,3", "--max-tokens", "3");
    command.fine();
    assertTrue(command.out().matches("\\d+,\\d+,\\d+\\n"), command.out());
    assertTrue(command.err().contains("tokenizer.json: is not a usable tokenizer"), command.err());
    Command.run("generate", "--model", folder.toString(), "--ids", "0", "--stop", "x")
        .refused(2, "no usable tokenizer");
  }

  private static Streams streams(InputStream in, ByteArrayOutputStream err) {
    PrintStream out = new PrintStream(err, true, StandardCharsets.UTF_8);
    return new Streams(in, out, out, true);
  }

  private static List<String> typed(String keys) throws Exception {
    ByteArrayInputStream in = new ByteArrayInputStream(keys.getBytes(StandardCharsets.UTF_8));
    ByteArrayOutputStream screen = new ByteArrayOutputStream();
    List<String> messages = new ArrayList<>();
    Terminal terminal = new ExternalTerminal("test", "xterm", in, screen, StandardCharsets.UTF_8);
    try (TerminalDialogue dialogue =
        new TerminalDialogue(streams(in, new ByteArrayOutputStream()), terminal, null)) {
      for (String message = dialogue.read(); message != null; message = dialogue.read()) {
        messages.add(message);
      }
    }
    return messages;
  }

  @Test
  void linesAtATerminal() throws Exception {
    assertEquals(List.of("hello", "you"), typed("hello\ryou\r"));
    assertEquals(List.of("one\ntwo"), typed("one\\\rtwo\r"), "a backslash");
    assertEquals(List.of("one\ntwo"), typed("\"\"\"one\rtwo\"\"\"\r"), "quotes");
    assertEquals(List.of("one\ntwo"), typed("one\033\rtwo\r"), "Alt-Enter");
    assertEquals(List.of("äh!", "äh!"), typed("äh!\r\020\r"), "the line before");
    assertEquals(List.of("it's \"so\" !x"), typed("it's \"so\" !x\r"), "nothing is expanded");
  }

  @Test
  void anInterruptStopsTheAnswerAlone() throws Exception {
    try (PipedOutputStream keys = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(keys);
        Terminal terminal =
            new ExternalTerminal(
                "test", "xterm", in, new ByteArrayOutputStream(), StandardCharsets.UTF_8);
        TerminalDialogue dialogue =
            new TerminalDialogue(streams(in, new ByteArrayOutputStream()), terminal, null)) {
      Cancellation cancellation = new Cancellation();
      boolean cancelled =
          dialogue.whileAnswering(
              cancellation,
              () -> {
                terminal.raise(Terminal.Signal.INT);
                return cancellation.isCancelled();
              });
      assertTrue(cancelled);
      Cancellation other = new Cancellation();
      terminal.raise(Terminal.Signal.INT);
      assertFalse(other.isCancelled());
    }
  }
}
