package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.regex.Pattern;

/**
 * An engine that knows what LangChain4j's tests ask for: its tokens, pages, templates, tool calls
 * and constraints are real, what it says is written down. Conversations are in lines, tool calls in
 * the form of Hermes.
 */
final class ScriptedEngine {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");
  private static final int VOCABULARY = 4096;
  private static final int EOS = 1;
  private static final String USER = "\n[user] ";
  private static final String RESULT = "\n[tool] ";
  private static final String ANSWER = "\n[assistant] ";

  private static final String TEMPLATE =
      """
      {%- if tools %}{% for tool in tools %}
      [function] {{ tool | tojson }}{% endfor %}{% endif %}
      {%- for m in messages %}
      {{ '\\n[' + m.role + '] ' }}
      {%- if m.content %}{{ m.content }}{% endif %}
      {%- for call in m.tool_calls or [] %}<tool_call>
      {{ call.function | tojson }}
      </tool_call>{% endfor %}
      {%- endfor %}
      {%- if add_generation_prompt %}{{ '\\n[assistant] ' }}{% endif %}\
      """;

  static final Engine ENGINE = open(Script::answers);

  private ScriptedEngine() {}

  /** What is said. */
  @FunctionalInterface
  interface Conversation {
    /**
     * What may be said to {@code user}, once so many tools have answered; the first is liked best.
     */
    List<String> answers(String user, int results);
  }

  /**
   * An engine that says the first answer, or the first that a constraint has not made impossible.
   */
  static Engine open(Conversation conversation) {
    BinaryOperator<String> more =
        (prompt, said) -> {
          int user = prompt.lastIndexOf(USER);
          String rest = prompt.substring(user + USER.length(), prompt.lastIndexOf(ANSWER));
          int results = rest.split(Pattern.quote(RESULT), -1).length - 1;
          int end = rest.indexOf("\n[");
          return conversation.answers(end < 0 ? rest : rest.substring(0, end), results).stream()
              .filter(answer -> answer.startsWith(said))
              .map(answer -> answer.substring(said.length()))
              .findFirst()
              .orElse("");
        };
    return Engine.over(
        ScriptedModel.continuing(
            Tokenizer.open(MODEL),
            ChatTemplate.of("scripted", TEMPLATE, MODEL),
            VOCABULARY,
            EOS,
            more),
        EngineOptions.builder().contextTokens(4096).build());
  }

  static Mla4jChatModel chat() {
    return Mla4jChatModel.builder().engine(ENGINE).build();
  }

  static Mla4jStreamingChatModel streaming() {
    return Mla4jStreamingChatModel.builder().engine(ENGINE).build();
  }

  static Mla4jStreamingChatModel streaming(ChatModelListener listener) {
    return Mla4jStreamingChatModel.builder().engine(ENGINE).listeners(List.of(listener)).build();
  }
}
