package io.mla4j.text;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template is told beside the messages.
 *
 * @param addGenerationPrompt whether the text ends with what comes before an answer
 * @param tools descriptions of tools in the form of OpenAI's functions; none where it is empty
 * @param variables what else the template asks for: {@code enable_thinking}, {@code thinking}
 */
public record ChatOptions(
    boolean addGenerationPrompt,
    List<Map<String, Object>> tools,
    Map<String, @Nullable Object> variables) {
  /** The text of a prompt, without tools. */
  public static final ChatOptions DEFAULT = new ChatOptions(true, List.of(), Map.of());

  /** Copies the lists. */
  // Spelled out: of a compact one, javac does not keep what the annotations say.
  public ChatOptions(
      boolean addGenerationPrompt,
      List<Map<String, Object>> tools,
      Map<String, @Nullable Object> variables) {
    this.addGenerationPrompt = addGenerationPrompt;
    this.tools = List.copyOf(tools);
    this.variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
  }

  /** The same with one more variable. */
  public ChatOptions with(String name, @Nullable Object value) {
    Map<String, @Nullable Object> all = new LinkedHashMap<>(variables);
    all.put(name, value);
    return new ChatOptions(addGenerationPrompt, tools, all);
  }

  /** The same with these tools. */
  public ChatOptions withTools(List<Map<String, Object>> descriptions) {
    return new ChatOptions(addGenerationPrompt, descriptions, variables);
  }
}
