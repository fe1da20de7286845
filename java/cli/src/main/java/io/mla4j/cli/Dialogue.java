package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.model.Cancellation;
import java.io.IOException;
import java.util.function.Supplier;

/** Where the messages of a conversation come from, and where what is said about it goes. */
interface Dialogue extends AutoCloseable {
  /** The next message, or null at the end. */
  String read() throws IOException;

  /** Runs an answer, which an interrupt from the keyboard cancels. */
  <T> T whileAnswering(Cancellation cancellation, Supplier<T> answer);

  /** What a command of the conversation answers. */
  void say(String text);

  /** What is good to know at the start. */
  void greet(String text);

  /** What is good to know about an answer. */
  void note(String text);

  /** An answer has failed: says so, or ends the conversation. */
  void fail(Mla4jException e);

  @Override
  void close() throws IOException;
}
