package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.json.Grammar;
import io.mla4j.engine.json.PlainJson;
import io.mla4j.text.ControlTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Makes grammars of texts that are one tool call, in the form that a model writes. */
final class ForcedCalls {
  /** White space before it, as models write it behind their reasoning. */
  private static final int MOST_LEADING = 2;

  private final ControlTokens controls;
  private final Set<Integer> eos;
  private final TemplateProbe probe;

  private ForcedCalls(EngineModel model, TemplateProbe probe) {
    controls = model.tokenizer().controls();
    eos = model.eos();
    this.probe = probe;
  }

  /**
   * A call of one of the tools.
   *
   * @param probe what the template writes
   * @param before calls that the conversation has already
   * @return empty where the form has no grammar, or a name of a tool does not suit it
   * @throws InvalidArgumentException naming what of a tool's schema is not supported
   */
  static Optional<Grammar> of(
      CallFormat format, List<Tool> tools, EngineModel model, TemplateProbe probe, int before) {
    if (format.body() instanceof CallBody.Python
        || tools.stream().anyMatch(tool -> !CallBody.NAME.matcher(tool.name()).matches())) {
      return Optional.empty();
    }
    ForcedCalls forced = new ForcedCalls(model, probe);
    List<Grammar> choices = new ArrayList<>();
    for (Tool tool : tools) {
      try {
        choices.add(Grammar.sequence(forced.call(format.body(), tool, before)));
      } catch (InvalidArgumentException e) {
        throw new InvalidArgumentException("the tool " + tool.name() + ": " + e.getMessage());
      }
    }
    boolean hasLines = format.body() instanceof CallBody.Invocation;
    List<Grammar> all = new ArrayList<>();
    all.add(Grammar.space(MOST_LEADING));
    if (format.sectionOpen() != null) {
      all.add(forced.marked(format.sectionOpen() + (hasLines ? "\n" : "")));
    }
    all.add(forced.marked(format.callOpen()));
    all.add(Grammar.choice(choices));
    for (String close : Arrays.asList(format.callClose(), format.sectionClose())) {
      if (close != null && !forced.ends(close)) {
        all.add(forced.marked((hasLines && close == format.sectionClose() ? "\n" : "") + close));
      }
    }
    return Optional.of(Grammar.sequence(all));
  }

  private List<Grammar> call(CallBody body, Tool tool, int before) {
    String name = tool.name();
    return switch (body) {
      case CallBody.Json _ ->
          List.of(
              Grammar.text("\n{\"name\": " + PlainJson.write(name) + ", \"arguments\": "),
              object(tool),
              Grammar.text("}\n"));
      case CallBody.Separated(String separator) ->
          probe.writes("```json")
              ? List.of(
                  marked("function" + separator + name + "\n```json\n"),
                  object(tool),
                  Grammar.text("\n```"))
              : List.of(marked(name + separator), object(tool));
      case CallBody.Numbered(String separator) ->
          List.of(marked("functions." + name + ":" + before + separator), object(tool));
      case CallBody.Pairs _ -> {
        String line = probe.writes("</arg_key>\n") ? "\n" : "";
        yield parts(
            name + line,
            tool,
            new Markup("<arg_key>", "</arg_key>" + line + "<arg_value>", "", "</arg_value>" + line),
            "");
      }
      case CallBody.Invocation _ ->
          parts(
              "name=\"" + name + "\">\n",
              tool,
              new Markup(
                  "<｜DSML｜parameter name=\"",
                  "\" string=\"true\">",
                  "\" string=\"false\">",
                  "</｜DSML｜parameter>\n"),
              "");
      case CallBody.Tags _ ->
          parts(
              "\n<function=" + name + ">\n",
              tool,
              new Markup("<parameter=", ">\n", "", "\n</parameter>\n"),
              "</function>\n");
      case CallBody.Python _ -> throw new IllegalStateException("calls of Python have no grammar");
    };
  }

  /**
   * What stands around a key and its value.
   *
   * @param beforeText between a key and a text
   * @param beforeOther between a key and another value; empty where it is the same
   */
  private record Markup(String beforeKey, String beforeText, String beforeOther, String behind) {
    String before(boolean isText) {
      return isText || beforeOther.isEmpty() ? beforeText : beforeOther;
    }
  }

  /**
   * Arguments that stand one by one, in the order of the schema; those that need not be may not.
   */
  private List<Grammar> parts(String begin, Tool tool, Markup markup, String end) {
    Map<String, Object> schema = tool.parameters();
    Map<?, ?> properties = schema.get("properties") instanceof Map<?, ?> map ? map : Map.of();
    List<?> required = schema.get("required") instanceof List<?> list ? list : List.of();
    List<Grammar> all = new ArrayList<>();
    all.add(marked(begin));
    for (Map.Entry<?, ?> property : properties.entrySet()) {
      String key = String.valueOf(property.getKey());
      boolean isText = Arguments.isText(List.of(tool), tool.name(), key);
      List<Grammar> part = new ArrayList<>();
      part.add(marked(markup.beforeKey() + key + markup.before(isText)));
      if (isText) {
        part.add(text(property.getValue(), markup.behind()));
      } else {
        part.add(Grammar.part(schema, property.getValue()));
        part.add(marked(markup.behind()));
      }
      Grammar whole = Grammar.sequence(part);
      all.add(required.contains(key) ? whole : Grammar.choice(List.of(whole, Grammar.text(""))));
    }
    all.add(marked(end));
    return all;
  }

  /** A text without quotes and what ends it. */
  private Grammar text(Object schema, String end) {
    if (schema instanceof Map<?, ?> map && map.get("enum") instanceof List<?> values) {
      List<Grammar> choices = new ArrayList<>();
      for (Object value : values) {
        choices.add(Grammar.text(String.valueOf(value)));
      }
      return Grammar.sequence(List.of(Grammar.choice(choices), marked(end)));
    }
    for (int i = 0; i < end.length(); i++) {
      int length = controls.lengthAt(end, i);
      if (length > 0) {
        int token = controls.id(end.substring(i, i + length)).orElseThrow();
        return Grammar.sequence(
            List.of(Grammar.upTo(end.substring(0, i), token), marked(end.substring(i + length))));
      }
    }
    return Grammar.upTo(end);
  }

  private static Grammar object(Tool tool) {
    return tool.parameters().isEmpty() ? Grammar.text("{}") : Grammar.schema(tool.parameters());
  }

  /** Whether a marker is what ends the text anyway. */
  private boolean ends(String marker) {
    return controls.id(marker).isPresent() && eos.contains(controls.id(marker).getAsInt());
  }

  /** A fixed text, with tokens where the vocabulary has them. */
  private Grammar marked(String text) {
    List<Grammar> parts = new ArrayList<>();
    int done = 0;
    for (int i = 0; i < text.length(); ) {
      int length = controls.lengthAt(text, i);
      if (length > 0) {
        parts.add(Grammar.text(text.substring(done, i)));
        parts.add(Grammar.token(controls.id(text.substring(i, i + length)).orElseThrow()));
        done = i + length;
      }
      i += Math.max(1, length);
    }
    parts.add(Grammar.text(text.substring(done)));
    return Grammar.sequence(parts);
  }
}
