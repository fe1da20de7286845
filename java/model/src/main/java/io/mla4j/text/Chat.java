package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.text.Generation.FinishReason;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * A conversation with a model. What is cached of earlier turns stays: of each turn only the tokens
 * behind the common start are computed.
 *
 * <pre>{@code
 * try (Chat chat = model.chat()) {
 *   chat.system("Answer in one word.");
 *   chat.say("What is the capital of Peru?", System.out::print);
 * }
 * }</pre>
 *
 * <p>Belongs to one thread at a time.
 */
public final class Chat implements AutoCloseable {
  private final Model model;
  private final ChatTemplate template;
  private final int room;
  private final List<ChatMessage> messages = new ArrayList<>();
  private Session session;
  private ChatOptions options = ChatOptions.DEFAULT;

  Chat(Model model, ChatTemplate template, int tokens) {
    this.model = model;
    this.template = template;
    room = Math.min(tokens, model.description().context());
    session = model.session(room);
  }

  /** What was said. */
  public List<ChatMessage> messages() {
    return List.copyOf(messages);
  }

  /** Tokens that the conversation may have. */
  public int room() {
    return room;
  }

  /** What the template is told from the next turn on. */
  public void options(ChatOptions next) {
    options = next;
  }

  /** Tells the model what to be; in place of what it was told before. */
  public void system(String text) {
    messages.removeIf(message -> message.role().equals("system"));
    messages.addFirst(ChatMessage.system(text));
  }

  /** Forgets what was said, but for what the model was told to be. */
  public void reset() {
    messages.removeIf(message -> !message.role().equals("system"));
  }

  /** As below, up to 512 tokens, always the likeliest one. */
  public Generation say(String text, Consumer<String> listener) {
    return say(ChatMessage.user(text), GenerationOptions.DEFAULT, listener);
  }

  /**
   * Adds a message, and the answer to it. A call that throws leaves the conversation as it was; an
   * answer that was given up stays as far as it came.
   *
   * @param listener takes the answer as it becomes certain
   * @throws io.mla4j.text.template.TemplateException where the template refuses the messages
   * @throws InvalidArgumentException where the conversation leaves no room for an answer
   */
  public Generation say(ChatMessage message, GenerationOptions how, Consumer<String> listener) {
    messages.add(message);
    try {
      Tokenizer tokenizer = model.tokenizer();
      int[] prompt = tokenizer.encode(template.mark(messages, options, tokenizer.controls()));
      if (prompt.length >= room) {
        throw new InvalidArgumentException(
            "the conversation has "
                + prompt.length
                + " tokens, but there is room for "
                + room
                + ", the answer included");
      }
      int most = Math.min(how.maxTokens(), room - prompt.length);
      keep(commonStart(session.ids(), prompt));
      Generation answer = new Generator(model, how.upTo(most), listener).run(session, prompt);
      messages.add(ChatMessage.assistant(answer.text()));
      return most < how.maxTokens() && answer.finishReason() == FinishReason.LENGTH
          ? answer.endedBy(FinishReason.CONTEXT)
          : answer;
    } catch (RuntimeException | Error e) {
      messages.removeLast();
      throw e;
    }
  }

  private static int commonStart(int[] cached, int[] prompt) {
    int different = Arrays.mismatch(cached, prompt);
    return different < 0 ? cached.length : different;
  }

  /**
   * Writes what is cached of the conversation, its tokens but not its messages, to a file; see
   * {@link Session#save}.
   *
   * @throws InvalidArgumentException where nothing was said yet
   */
  public void save(Path file) {
    session.save(file);
  }

  /**
   * Takes what {@link #save} or {@link Session#save} wrote in place of what is cached: the next
   * turn computes only what is behind the common start.
   *
   * @throws io.mla4j.checkpoint.CheckpointException naming the file and what is wrong with it
   */
  public void load(Path file) {
    Session loaded = model.load(file, room);
    session.close();
    session = loaded;
  }

  /** Forgets what is cached beyond {@code length}; all of it where the model cannot go back. */
  private void keep(int length) {
    if (length == session.length()) {
      return;
    }
    try {
      session.truncate(length);
    } catch (Mla4jException e) {
      session.truncate(0);
    }
  }

  /** Frees the cache. Closing twice is harmless. */
  @Override
  public void close() {
    session.close();
  }
}
