package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A conversation to continue. Immutable.
 *
 * <pre>{@code
 * ChatRequest request = ChatRequest.builder().user("What is the capital of Peru?").build();
 * }</pre>
 */
public final class ChatRequest {
  private final List<Message> messages;
  private final List<Tool> tools;
  private final ToolChoice toolChoice;
  private final ResponseFormat format;
  private final boolean parallelCalls;
  private final Map<String, @Nullable Object> variables;

  private ChatRequest(Builder values) {
    messages = List.copyOf(values.messages);
    tools = List.copyOf(values.tools);
    toolChoice = values.toolChoice;
    format = values.format;
    parallelCalls = values.parallelCalls;
    variables = Collections.unmodifiableMap(new LinkedHashMap<>(values.variables));
  }

  /** An empty conversation, to be filled. */
  public static Builder builder() {
    return new Builder();
  }

  /** What was said. */
  public List<Message> messages() {
    return messages;
  }

  /** The tools that the model may wish to have called. */
  public List<Tool> tools() {
    return tools;
  }

  /** Whether it calls them. */
  public ToolChoice toolChoice() {
    return toolChoice;
  }

  /** What the answer's content is. */
  public ResponseFormat format() {
    return format;
  }

  /** Whether an answer may call several tools; else those behind the first call are left out. */
  public boolean parallelCalls() {
    return parallelCalls;
  }

  /** What else the template asks for: {@code enable_thinking} and the like. */
  public Map<String, @Nullable Object> variables() {
    return variables;
  }

  /** Makes requests. Belongs to one thread. */
  public static final class Builder {
    private final List<Message> messages = new ArrayList<>();
    private List<Tool> tools = List.of();
    private ToolChoice toolChoice = ToolChoice.AUTO;
    private ResponseFormat format = ResponseFormat.TEXT;
    private boolean parallelCalls = true;
    private final Map<String, @Nullable Object> variables = new LinkedHashMap<>();

    private Builder() {}

    /** Adds what the model is told to be. */
    public Builder system(String content) {
      return message(Message.system(content));
    }

    /** Adds what a person says. */
    public Builder user(String content) {
      return message(Message.user(content));
    }

    /** Adds a message. */
    public Builder message(Message message) {
      messages.add(message);
      return this;
    }

    /** Adds messages. */
    public Builder messages(List<Message> more) {
      messages.addAll(more);
      return this;
    }

    /** See {@link ChatRequest#tools()}. */
    public Builder tools(List<Tool> all) {
      tools = List.copyOf(all);
      return this;
    }

    /** See {@link ChatRequest#toolChoice()}. */
    public Builder toolChoice(ToolChoice choice) {
      toolChoice = choice;
      return this;
    }

    /** See {@link ChatRequest#format()}. */
    public Builder format(ResponseFormat wanted) {
      format = wanted;
      return this;
    }

    /** See {@link ChatRequest#parallelCalls()}; true by default. */
    public Builder parallelCalls(boolean whether) {
      parallelCalls = whether;
      return this;
    }

    /** Whether a model that can reason does so before it answers. */
    public Builder enableThinking(boolean whether) {
      return variable("enable_thinking", whether).variable("thinking", whether);
    }

    /** Sets one of {@link ChatRequest#variables()}, in plain values. */
    public Builder variable(String name, @Nullable Object value) {
      variables.put(name, value);
      return this;
    }

    /**
     * The request.
     *
     * @throws InvalidArgumentException naming what is missing, or what contradicts the rest
     */
    public ChatRequest build() {
      if (messages.isEmpty()) {
        throw new InvalidArgumentException("messages are empty, but there must be at least one");
      }
      boolean isForced =
          toolChoice instanceof ToolChoice.Required || toolChoice instanceof ToolChoice.Named;
      if (isForced && tools.isEmpty()) {
        throw new InvalidArgumentException("tool_choice asks for a tool, but there are no tools");
      }
      if (toolChoice instanceof ToolChoice.Named(String name)
          && tools.stream().noneMatch(tool -> tool.name().equals(name))) {
        throw new InvalidArgumentException(
            "tool_choice names " + name + ", which is not one of the tools");
      }
      if (isForced && !(format instanceof ResponseFormat.Text)) {
        throw new InvalidArgumentException(
            "tool_choice asks for a tool, but response_format for content");
      }
      for (String name : List.of("messages", "tools", "add_generation_prompt")) {
        if (variables.containsKey(name)) {
          throw new InvalidArgumentException(
              "the template's variable " + name + " is set by the conversation");
        }
      }
      return new ChatRequest(this);
    }
  }
}
