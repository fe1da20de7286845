package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A message of a conversation.
 *
 * @param role who says it
 * @param content what is said; null where an answer has only tool calls
 * @param reasoning what the model thought before it answered; null where it is not known
 * @param toolCalls of an answer
 * @param toolCallId of a tool's message: the call that it answers; may be null
 * @param name of a tool's message: the tool; of others, who it is; may be null
 */
public record Message(
    Role role,
    @Nullable String content,
    @Nullable String reasoning,
    List<ToolCall> toolCalls,
    @Nullable String toolCallId,
    @Nullable String name) {
  /**
   * Checks that the parts suit the role.
   *
   * @throws InvalidArgumentException naming the part that does not
   */
  public Message {
    toolCalls = List.copyOf(toolCalls);
    if (role == null) {
      throw new InvalidArgumentException("a message needs a role");
    }
    if (role != Role.ASSISTANT && (!toolCalls.isEmpty() || reasoning != null)) {
      throw new InvalidArgumentException(
          "a message of the role " + role.text() + " has tool calls or reasoning");
    }
    if (content == null && toolCalls.isEmpty() && role != Role.ASSISTANT) {
      throw new InvalidArgumentException("a message of the role " + role.text() + " needs content");
    }
  }

  /** What the model is told to be. */
  public static Message system(String content) {
    return new Message(Role.SYSTEM, content, null, List.of(), null, null);
  }

  /** What a person says. */
  public static Message user(String content) {
    return new Message(Role.USER, content, null, List.of(), null, null);
  }

  /** What the model answered. */
  public static Message assistant(String content) {
    return new Message(Role.ASSISTANT, content, null, List.of(), null, null);
  }

  /** What the model answered, with tools that it wants to have called; content may be null. */
  public static Message assistant(@Nullable String content, List<ToolCall> toolCalls) {
    return new Message(Role.ASSISTANT, content, null, toolCalls, null, null);
  }

  /** What a tool gave back for a call; its name may be null. */
  public static Message tool(String toolCallId, @Nullable String name, String content) {
    return new Message(Role.TOOL, content, null, List.of(), toolCallId, name);
  }

  /** The same with what the model thought before it. */
  public Message withReasoning(String text) {
    return new Message(role, content, text, toolCalls, toolCallId, name);
  }
}
