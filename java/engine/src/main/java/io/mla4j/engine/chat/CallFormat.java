package io.mla4j.engine.chat;

import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * How a model writes tool calls.
 *
 * @param name for messages
 * @param sign what its templates write, and those of formats behind it in the list do not
 * @param sectionOpen before all calls; null where there is nothing
 * @param sectionClose behind all calls; null where there is nothing
 * @param callOpen before a call
 * @param callClose behind a call; null where the next one or the end of the text is
 * @param body between both
 */
record CallFormat(
    String name,
    String sign,
    @Nullable String sectionOpen,
    @Nullable String sectionClose,
    String callOpen,
    @Nullable String callClose,
    CallBody body) {
  /** The first whose sign is there is taken. */
  private static final List<CallFormat> KNOWN =
      List.of(
          new CallFormat(
              "DeepSeek V3",
              "<｜tool▁calls▁begin｜>",
              "<｜tool▁calls▁begin｜>",
              "<｜tool▁calls▁end｜>",
              "<｜tool▁call▁begin｜>",
              "<｜tool▁call▁end｜>",
              new CallBody.Separated("<｜tool▁sep｜>")),
          markup("DeepSeek V3.2", "function_calls"),
          markup("DeepSeek V4", "tool_calls"),
          new CallFormat(
              "Kimi K2",
              "<|tool_calls_section_begin|>",
              "<|tool_calls_section_begin|>",
              "<|tool_calls_section_end|>",
              "<|tool_call_begin|>",
              "<|tool_call_end|>",
              new CallBody.Numbered("<|tool_call_argument_begin|>")),
          new CallFormat(
              "GLM-4.5",
              "<arg_key>",
              null,
              null,
              "<tool_call>",
              "</tool_call>",
              new CallBody.Pairs()),
          new CallFormat(
              "MiniCPM3",
              "<|tool_call_start|>",
              null,
              null,
              "<|tool_call_start|>",
              "<|tool_call_end|>",
              new CallBody.Python()),
          new CallFormat(
              "GigaChat3.1",
              "<|function_call|>",
              null,
              null,
              "<|function_call|>",
              "<|message_sep|>",
              new CallBody.Json()),
          new CallFormat(
              "GigaChat3",
              "function call<|role_sep|>",
              null,
              null,
              "function call<|role_sep|>\n",
              "<|message_sep|>",
              new CallBody.Json()),
          new CallFormat(
              "Qwen3-Coder",
              "<parameter=",
              null,
              null,
              "<tool_call>",
              "</tool_call>",
              new CallBody.Tags()),
          new CallFormat(
              "Mistral",
              "[ARGS]",
              null,
              null,
              "[TOOL_CALLS]",
              null,
              new CallBody.Separated("[ARGS]")),
          new CallFormat(
              "Hermes",
              "<tool_call>",
              null,
              null,
              "<tool_call>",
              "</tool_call>",
              new CallBody.Json()));

  private static CallFormat markup(String name, String section) {
    return new CallFormat(
        name,
        "<｜DSML｜" + section + ">",
        "<｜DSML｜" + section + ">",
        "</｜DSML｜" + section + ">",
        "<｜DSML｜invoke ",
        "</｜DSML｜invoke>",
        new CallBody.Invocation());
  }

  /**
   * The one that a template has.
   *
   * @param writes whether the template writes a text
   */
  static Optional<CallFormat> find(Predicate<String> writes) {
    return KNOWN.stream().filter(format -> writes.test(format.sign())).findFirst();
  }

  /** What begins calls within content. */
  String open() {
    return sectionOpen == null ? callOpen : sectionOpen;
  }
}
