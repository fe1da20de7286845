package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.Utf8;
import io.mla4j.model.Cancellation;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Console;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.Supplier;

/** A conversation whose messages are the lines of stdin, in UTF-8; a failure ends it. */
final class PipeDialogue implements Dialogue {
  private static final int LONGEST = 1 << 24;

  private final Streams streams;
  private final InputStream in;

  PipeDialogue(Streams streams) {
    this.streams = streams;
    in = new BufferedInputStream(streams.in());
  }

  /** Whether a person types what {@code streams} reads, and sees what they write. */
  static boolean isTerminal(Streams streams) {
    Console console = streams.in() == System.in ? System.console() : null;
    return console != null && console.isTerminal();
  }

  @Override
  public String read() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int next = in.read();
    if (next < 0) {
      return null;
    }
    for (; next >= 0 && next != '\n'; next = in.read()) {
      line.write(next);
      if (line.size() > LONGEST) {
        throw new IOException("stdin has a line of more than " + LONGEST + " bytes");
      }
    }
    String text = Utf8.decode("stdin", line.toByteArray());
    return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
  }

  @Override
  public <T> T whileAnswering(Cancellation cancellation, Supplier<T> answer) {
    return answer.get();
  }

  @Override
  public void say(String text) {
    streams.err().println(text);
  }

  @Override
  public void greet(String text) {}

  @Override
  public void note(String text) {}

  @Override
  public void fail(Mla4jException e) {
    throw e;
  }

  @Override
  public void close() {}
}
