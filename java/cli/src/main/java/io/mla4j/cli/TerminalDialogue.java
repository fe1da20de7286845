package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.model.Cancellation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jline.keymap.KeyMap;
import org.jline.reader.EOFError;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.ParsedLine;
import org.jline.reader.Parser;
import org.jline.reader.UserInterruptException;
import org.jline.reader.Widget;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * A conversation with a person at a terminal: lines can be edited, are remembered, and may go on
 * over several. Only this class needs JLine, so no other command loads it.
 */
final class TerminalDialogue implements Dialogue {
  private static final String QUOTES = "\"\"\"";
  private static final String FAINT = "\033[2m";
  private static final String USUAL = "\033[0m";

  private final Streams streams;
  private final Terminal terminal;
  private final LineReader reader;

  TerminalDialogue(Streams streams, Terminal terminal, Path history) {
    this.streams = streams;
    this.terminal = terminal;
    LineReaderBuilder builder =
        LineReaderBuilder.builder()
            .terminal(terminal)
            .parser(new Messages())
            .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
            .variable(LineReader.SECONDARY_PROMPT_PATTERN, ". ");
    reader =
        history == null
            ? builder.build()
            : builder.variable(LineReader.HISTORY_FILE, history).build();
    Widget newLine =
        () -> {
          reader.getBuffer().write('\n');
          return true;
        };
    reader.getKeyMaps().get(LineReader.MAIN).bind(newLine, KeyMap.alt('\r'), KeyMap.alt('\n'));
  }

  static TerminalDialogue open(Streams streams, boolean noHistory) throws IOException {
    Terminal terminal = TerminalBuilder.builder().name("mla4j").system(true).build();
    return new TerminalDialogue(streams, terminal, noHistory ? null : history());
  }

  /**
   * {@code ~/.local/state/mla4j/chat-history}, for its owner alone; none where there is no home.
   */
  private static Path history() {
    String state = System.getenv("XDG_STATE_HOME");
    Path folder =
        state != null && !state.isBlank()
            ? Path.of(state)
            : Path.of(System.getProperty("user.home"), ".local", "state");
    Path file = folder.resolve("mla4j").resolve("chat-history");
    try {
      Files.createDirectories(file.getParent());
      if (!Files.exists(file)) {
        Files.createFile(file);
        file.toFile().setReadable(false, false);
        file.toFile().setReadable(true, true);
      }
      return file;
    } catch (IOException e) {
      return null; // lines are remembered until the end
    }
  }

  /** Whole messages: those that end in a backslash, or begin with quotes that are open, go on. */
  private static final class Messages implements Parser {
    private final DefaultParser words =
        new DefaultParser().escapeChars(null).quoteChars(new char[0]);

    @Override
    public ParsedLine parse(String line, int cursor, ParseContext context) {
      if (context == ParseContext.ACCEPT_LINE && goesOn(line)) {
        throw new EOFError(-1, -1, "the message goes on");
      }
      return words.parse(line, cursor, context);
    }

    private static boolean goesOn(String line) {
      return line.startsWith(QUOTES)
          ? line.length() < 2 * QUOTES.length() || !line.stripTrailing().endsWith(QUOTES)
          : line.endsWith("\\");
    }

    /** Without the marks by which it went on. */
    static String text(String line) {
      if (line.startsWith(QUOTES)) {
        String stripped = line.stripTrailing();
        return stripped.substring(QUOTES.length(), stripped.length() - QUOTES.length()).strip();
      }
      return line.replace("\\\n", "\n");
    }
  }

  @Override
  public String read() {
    while (true) {
      try {
        return Messages.text(reader.readLine("> "));
      } catch (UserInterruptException e) {
        if (e.getPartialLine().isEmpty()) {
          say("Ctrl-D or /quit ends the conversation.");
        }
      } catch (EndOfFileException e) {
        return null;
      }
    }
  }

  @Override
  public <T> T whileAnswering(Cancellation cancellation, Supplier<T> answer) {
    Terminal.SignalHandler before =
        terminal.handle(Terminal.Signal.INT, _ -> cancellation.cancel());
    try {
      return answer.get();
    } finally {
      terminal.handle(Terminal.Signal.INT, before);
    }
  }

  @Override
  public void say(String text) {
    streams.err().println(text);
  }

  @Override
  public void greet(String text) {
    faint(text);
  }

  @Override
  public void note(String text) {
    faint(text);
  }

  private void faint(String text) {
    boolean plain = terminal.getType().startsWith(Terminal.TYPE_DUMB);
    streams.err().println(plain ? text : FAINT + text + USUAL);
  }

  @Override
  public void fail(Mla4jException e) {
    streams.err().println("mla4j: " + e.getMessage());
  }

  @Override
  public void close() {
    try {
      reader.getHistory().save();
      terminal.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
