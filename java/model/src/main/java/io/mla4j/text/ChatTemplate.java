package io.mla4j.text;

import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.text.template.Template;
import io.mla4j.text.template.TemplateException;
import io.mla4j.text.vocabulary.ChatSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How a model writes a conversation: its own Jinja template, which gives the same text as
 * apply_chat_template of transformers. Thread-safe.
 */
public final class ChatTemplate {
  /** The messages' contents as they are, a line each: for models that know no roles. */
  private static final String PLAIN = "{% for m in messages %}{{ m.content }}\n\n{% endfor %}";

  /** Kinds of tokens in answers that are tried one by one. */
  private static final int MOST_LOOKED_AT = 8;

  private final String name;
  private final Template template;

  /** For conversations with tools. */
  private final Template withTools;

  private final Map<String, String> tokens;

  /** The texts of the templates and of their tokens. */
  private final List<String> sources = new ArrayList<>();

  private ChatTemplate(ChatSource source) {
    sources.add(source.template());
    source.withTools().ifPresent(sources::add);
    sources.addAll(source.tokens().values());
    name = source.name();
    template = Template.of(name, source.template());
    withTools =
        source.withTools().map(text -> Template.of(name + " (tool_use)", text)).orElse(template);
    tokens = source.tokens();
  }

  /**
   * The template of a model: {@code chat_template.jinja}, or {@code chat_template} of
   * tokenizer_config.json, or {@code tokenizer.chat_template} of a GGUF.
   *
   * @return empty where the model has none
   * @throws CheckpointException naming the file and key that is malformed
   * @throws TemplateException naming the line where the template is malformed
   */
  public static Optional<ChatTemplate> find(Path model) {
    return ChatSource.find(model).map(ChatTemplate::new);
  }

  /**
   * A template of one's own for a model, whose special tokens it may use.
   *
   * @param name what messages call it
   * @throws TemplateException naming the line that is malformed
   */
  public static ChatTemplate of(String name, String source, Path model) {
    return new ChatTemplate(
        new ChatSource(name, source, Optional.empty(), ChatSource.tokens(model)));
  }

  /** One without roles: the texts one after the other. */
  public static ChatTemplate plain() {
    return new ChatTemplate(new ChatSource("plain", PLAIN, Optional.empty(), Map.of()));
  }

  /** Where it comes from. */
  public String name() {
    return name;
  }

  /** The prompt of a conversation. */
  public String render(List<ChatMessage> messages) {
    return render(messages, ChatOptions.DEFAULT);
  }

  /**
   * The text of a conversation, its special tokens included: encode it without another BOS.
   *
   * @throws TemplateException where the template fails or refuses the messages
   */
  public String render(List<ChatMessage> messages, ChatOptions options) {
    return render(values(messages, options), options);
  }

  /**
   * The text of a conversation that knows which control tokens it must not have: those that a
   * message, a tool or a variable spells out. What a template itself looks for in an answer, such
   * as {@code </think>}, stays a control token there.
   *
   * @throws TemplateException where the template fails or refuses the messages
   */
  public MarkedText mark(List<ChatMessage> messages, ChatOptions options, ControlTokens controls) {
    Map<String, @Nullable Object> values = values(messages, options);
    Twins twins = new Twins(controls, sources);
    twins.useAll(values);
    Map<String, @Nullable Object> marked = marked(twins, values, Set.of());
    if (twins.isEmpty()) {
      return MarkedText.of(render(values, options));
    }
    MarkedText all = twins.unmark(render(marked, options));
    List<String> inAnswers = inAnswers(messages, controls);
    if (inAnswers.isEmpty()) {
      return all;
    }
    String usual = twins.unmark(render(marked(twins, values, controls.texts()), options)).text();
    if (all.text().equals(usual)) {
      return all;
    }
    Set<String> lookedFor = new HashSet<>();
    for (String token : inAnswers) {
      Set<String> others = new HashSet<>(controls.texts());
      others.remove(token);
      if (!twins.unmark(render(marked(twins, values, others), options)).text().equals(usual)) {
        lookedFor.add(token);
      }
    }
    return twins.unmark(render(marked(twins, values, lookedFor), options));
  }

  /** Whether its text has {@code part}. */
  public boolean mentions(String part) {
    return sources.stream().anyMatch(source -> source.contains(part));
  }

  /** Values whose texts are marked but for {@code not} in answers. */
  private static Map<String, @Nullable Object> marked(
      Twins twins, Map<String, @Nullable Object> values, Set<String> not) {
    Map<String, @Nullable Object> marked = new HashMap<>();
    values.forEach(
        (name, value) ->
            marked.put(
                name,
                name.equals("messages")
                    ? ((List<?>) value)
                        .stream()
                            .map(
                                message -> {
                                  boolean isAnswer =
                                      "assistant".equals(((Map<?, ?>) message).get("role"));
                                  return twins.mark(
                                      message, token -> !isAnswer || !not.contains(token));
                                })
                            .toList()
                    : twins.mark(value, _ -> true)));
    return marked;
  }

  /** Tokens that answers spell out; none where there are too many to look at each. */
  private static List<String> inAnswers(List<ChatMessage> messages, ControlTokens controls) {
    Set<String> found = new HashSet<>();
    for (ChatMessage message : messages) {
      if (message.isAnswer() && message.content() != null) {
        found.addAll(controls.in(message.content()));
      }
    }
    return found.size() > MOST_LOOKED_AT ? List.of() : List.copyOf(found);
  }

  private static Map<String, @Nullable Object> values(
      List<ChatMessage> messages, ChatOptions options) {
    Map<String, @Nullable Object> values = new HashMap<>();
    values.put("messages", messages.stream().map(ChatMessage::values).toList());
    values.put("tools", options.tools().isEmpty() ? null : options.tools());
    values.put("documents", null);
    values.put("add_generation_prompt", options.addGenerationPrompt());
    values.putAll(options.variables());
    return values;
  }

  private String render(Map<String, @Nullable Object> values, ChatOptions options) {
    Map<String, @Nullable Object> variables = new HashMap<>(tokens);
    variables.putAll(values);
    return (options.tools().isEmpty() ? template : withTools).render(variables);
  }
}
