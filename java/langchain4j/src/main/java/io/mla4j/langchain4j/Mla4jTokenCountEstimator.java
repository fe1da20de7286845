package io.mla4j.langchain4j;

import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.model.TokenCountEstimator;
import io.mla4j.Mla4jException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.chat.ChatCodec;
import io.mla4j.engine.chat.ChatRequest;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.ToolCall;
import java.util.List;

/**
 * Counts tokens with the model's own tokenizer and template: exactly those that a conversation's
 * prompt has, what begins the answer included. A single message, and a conversation that the
 * template refuses since it is cut out of another, count as their texts and what a template writes
 * around a message.
 *
 * <p>Thread-safe.
 */
public final class Mla4jTokenCountEstimator implements TokenCountEstimator {
  private static final String WORD = "a";
  private final Engine engine;
  private final ChatCodec codec;
  private final int around;

  /**
   * An estimator for the model of an engine.
   *
   * @throws io.mla4j.InvalidArgumentException where the model has no tokenizer or no template
   */
  public Mla4jTokenCountEstimator(Engine engine) {
    this.engine = engine;
    this.codec = ChatCodec.of(engine.model());
    this.around = count(List.of(Message.user(WORD))) - estimateTokenCountInText(WORD);
  }

  @Override
  public int estimateTokenCountInText(String text) {
    return engine.model().tokenizer().encode(text, false).length;
  }

  @Override
  public int estimateTokenCountInMessage(ChatMessage message) {
    return estimate(Messages.one(message));
  }

  @Override
  public int estimateTokenCountInMessages(Iterable<ChatMessage> messages) {
    List<Message> all = Messages.all(messages);
    if (all.isEmpty()) {
      return 0;
    }
    try {
      return count(all);
    } catch (Mla4jException refused) {
      return all.stream().mapToInt(this::estimate).sum();
    }
  }

  private int count(List<Message> messages) {
    return codec.render(ChatRequest.builder().messages(messages).build()).ids().length;
  }

  private int estimate(Message message) {
    int count = around + tokens(message.content());
    for (ToolCall call : message.toolCalls()) {
      count += around + tokens(call.name()) + tokens(call.arguments());
    }
    return count;
  }

  private int tokens(String text) {
    return text == null ? 0 : estimateTokenCountInText(text);
  }
}
