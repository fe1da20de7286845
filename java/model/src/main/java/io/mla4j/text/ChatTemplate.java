package io.mla4j.text;

import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.text.template.Template;
import io.mla4j.text.template.TemplateException;
import io.mla4j.text.vocabulary.ChatSource;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a model writes a conversation: its own Jinja template, which gives the same text as
 * apply_chat_template of transformers. Thread-safe.
 */
public final class ChatTemplate {
  /** The messages' contents as they are, a line each: for models that know no roles. */
  private static final String PLAIN = "{% for m in messages %}{{ m.content }}\n\n{% endfor %}";

  private final String name;
  private final Template template;

  /** For conversations with tools. */
  private final Template withTools;

  private final Map<String, String> tokens;

  private ChatTemplate(ChatSource source) {
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
    boolean tools = !options.tools().isEmpty();
    Map<String, Object> variables = new HashMap<>(tokens);
    variables.put("messages", messages.stream().map(ChatMessage::values).toList());
    variables.put("tools", tools ? options.tools() : null);
    variables.put("documents", null);
    variables.put("add_generation_prompt", options.addGenerationPrompt());
    variables.putAll(options.variables());
    return (tools ? withTools : template).render(variables);
  }
}
