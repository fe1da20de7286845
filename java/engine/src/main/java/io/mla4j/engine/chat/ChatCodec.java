package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Constraint;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.json.Grammar;
import io.mla4j.engine.json.PlainJson;
import io.mla4j.engine.json.Vocabulary;
import io.mla4j.text.ChatMessage;
import io.mla4j.text.ChatOptions;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.ControlTokens;
import io.mla4j.text.MarkedText;
import io.mla4j.text.template.TemplateException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a model writes conversations, by its template: requests to prompts, and texts to answers.
 * Which markers it puts around reasoning and tool calls is told by what its template writes.
 * Thread-safe.
 */
public final class ChatCodec {
  private static final SecureRandom RANDOM = new SecureRandom();

  private final EngineModel model;
  private final ChatTemplate template;
  private final ControlTokens controls;
  private final TemplateProbe probe;
  private final Optional<ReasoningFormat> reasoning;
  private final Optional<CallFormat> calls;
  private final List<String> special;
  private final Grammars grammars = new Grammars();

  /** Null until a constraint is asked for. */
  private @Nullable Vocabulary vocabulary;

  private ChatCodec(EngineModel model) {
    this.model = model;
    template = model.template().orElseGet(ChatTemplate::plain);
    controls = model.tokenizer().controls();
    reasoning = ReasoningFormat.find(template, controls);
    probe = TemplateProbe.of(template);
    calls = CallFormat.find(probe::writes);
    special = controls.texts().stream().filter(controls::isSpecial).toList();
  }

  /**
   * That of a model.
   *
   * @throws InvalidArgumentException where the model has no tokenizer
   */
  public static ChatCodec of(EngineModel model) {
    return new ChatCodec(model);
  }

  /** The name of the form of its tool calls; empty where none is known. */
  public Optional<String> callFormat() {
    return calls.map(CallFormat::name);
  }

  /**
   * The prompt of a conversation. Control tokens that a message or a tool spells out are text.
   *
   * @throws TemplateException where the template refuses the messages
   * @throws InvalidArgumentException where the arguments of a tool call are no JSON object
   */
  public Prompt render(ChatRequest request) {
    List<ChatMessage> messages = new ArrayList<>();
    for (int i = 0; i < request.messages().size(); i++) {
      messages.add(message(request.messages().get(i), i));
    }
    boolean tools = !(request.toolChoice() instanceof ToolChoice.None);
    List<Map<String, Object>> descriptions =
        tools ? request.tools().stream().map(ChatCodec::description).toList() : List.of();
    ChatOptions options = new ChatOptions(true, descriptions, request.variables());
    MarkedText text = template.mark(messages, options, controls);
    String callIds = "call_" + Long.toHexString(RANDOM.nextLong() | 1L << 63) + "_";
    return new Prompt(model.tokenizer().encode(text), text.text(), request, callIds);
  }

  private ChatMessage message(Message message, int index) {
    Map<String, Object> more = new LinkedHashMap<>();
    if (message.reasoning() != null) {
      more.put("reasoning_content", message.reasoning());
    }
    if (!message.toolCalls().isEmpty()) {
      List<Object> written = new ArrayList<>();
      for (int i = 0; i < message.toolCalls().size(); i++) {
        String where = "messages[" + index + "].tool_calls[" + i + "]";
        written.add(written(message.toolCalls().get(i), where));
      }
      more.put("tool_calls", written);
    }
    if (message.toolCallId() != null) {
      more.put("tool_call_id", message.toolCallId());
    }
    if (message.name() != null) {
      more.put("name", message.name());
    }
    String content =
        message.content() == null && message.toolCalls().isEmpty() ? "" : message.content();
    return new ChatMessage(message.role().text(), content, more);
  }

  private Map<String, Object> written(ToolCall call, String where) {
    Object arguments = call.arguments();
    if (!probe.wantsText()) {
      try {
        arguments = PlainJson.parse(call.arguments().isBlank() ? "{}" : call.arguments());
      } catch (InvalidArgumentException e) {
        throw new InvalidArgumentException(where + ": the arguments: " + e.getMessage());
      }
      if (!(arguments instanceof Map<?, ?>)) {
        throw new InvalidArgumentException(where + ": the arguments are no JSON object");
      }
    }
    return ordered(
        "id",
        call.id(),
        "type",
        "function",
        "function",
        ordered("name", call.name(), "arguments", arguments));
  }

  static Map<String, Object> description(Tool tool) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", tool.name());
    function.put("description", tool.description() == null ? "" : tool.description());
    function.put(
        "parameters",
        tool.parameters().isEmpty()
            ? ordered("type", "object", "properties", Map.of())
            : tool.parameters());
    return ordered("type", "function", "function", function);
  }

  static Map<String, Object> ordered(Object... pairs) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      map.put((String) pairs[i], pairs[i + 1]);
    }
    return map;
  }

  /** A parser of a text that follows a prompt. */
  public ChatParser parser(Prompt prompt) {
    return parser(prompt, 0);
  }

  /** As above, for one of several texts. */
  ChatParser parser(Prompt prompt, int choice) {
    ChatRequest request = prompt.request();
    boolean callable =
        !request.tools().isEmpty() && !(request.toolChoice() instanceof ToolChoice.None);
    return new ChatParser(
        new ChatParser.Formats(
            reasoning.orElse(null),
            callable ? calls.orElse(null) : null,
            request.tools(),
            request.parallelCalls() ? Integer.MAX_VALUE : 1,
            special),
        prompt.text(),
        prompt.callIds() + choice + "_");
  }

  /**
   * What the text that follows a prompt must be, after the model's reasoning, where its request
   * asks for JSON or for a tool. With JSON and tools to choose from it is either, but JSON alone
   * where the form of tool calls is one that cannot be forced.
   *
   * @throws InvalidArgumentException naming what of a schema is not supported, or the form of tool
   *     calls that cannot be forced
   * @throws io.mla4j.checkpoint.CheckpointException where it is not known which bytes the model's
   *     tokens are
   */
  public Optional<Constraint> constraint(Prompt prompt) {
    ChatRequest request = prompt.request();
    Optional<Grammar> grammar =
        switch (request.toolChoice()) {
          case ToolChoice.Required _ -> Optional.of(forced(request, request.tools()));
          case ToolChoice.Named(String name) ->
              Optional.of(
                  forced(
                      request,
                      request.tools().stream().filter(tool -> tool.name().equals(name)).toList()));
          case ToolChoice.Auto _ -> format(request).map(format -> orCall(request, format));
          case ToolChoice.None _ -> format(request);
        };
    return grammar.map(found -> behindReasoning(prompt, found.constraint(vocabulary())));
  }

  private Optional<Grammar> format(ChatRequest request) {
    return switch (request.format()) {
      case ResponseFormat.Text _ -> Optional.empty();
      case ResponseFormat.JsonObject _ -> Optional.of(grammars.anyObject());
      case ResponseFormat.JsonSchema(Map<String, Object> schema) ->
          Optional.of(grammars.schema(schema));
    };
  }

  /** Content of a format, or a call before it: where the form of calls can be a grammar. */
  private Grammar orCall(ChatRequest request, Grammar format) {
    return request.tools().isEmpty()
        ? format
        : call(request, request.tools())
            .map(call -> Grammar.choice(List.of(format, call)))
            .orElse(format);
  }

  private Optional<Grammar> call(ChatRequest request, List<Tool> tools) {
    return calls.flatMap(form -> ForcedCalls.of(form, tools, model, probe, callsBefore(request)));
  }

  private Grammar forced(ChatRequest request, List<Tool> tools) {
    return call(request, tools)
        .orElseThrow(
            () ->
                new InvalidArgumentException(
                    "tool_choice asks for a tool, but "
                        + calls
                            .map(format -> "calls in the form of " + format.name())
                            .orElse(
                                "the template has no form of tool calls that is known, so that"
                                    + " they")
                        + " cannot be forced"));
  }

  private static int callsBefore(ChatRequest request) {
    return request.messages().stream().mapToInt(message -> message.toolCalls().size()).sum();
  }

  private Constraint behindReasoning(Prompt prompt, Constraint answer) {
    return reasoning.isEmpty() || reasoning.get().isClosedBehind(prompt.text())
        ? answer
        : new BehindReasoning(
            vocabulary(), reasoning.get(), reasoning.get().isOpenBehind(prompt.text()), answer);
  }

  private synchronized Vocabulary vocabulary() {
    Vocabulary known = vocabulary;
    if (known == null) {
      known = Vocabulary.of(model.tokenizer(), model.vocabulary(), model.eos());
      vocabulary = known;
    }
    return known;
  }
}
