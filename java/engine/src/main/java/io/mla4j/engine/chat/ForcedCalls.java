package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.json.Grammar;
import io.mla4j.engine.json.PlainJson;
import io.mla4j.text.ControlTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Makes grammars of texts that are one tool call, in the form that a model writes. */
final class ForcedCalls {
  /** White space before it, as models write it behind their reasoning. */
  private static final int MOST_LEADING = 2;

  private final ControlTokens controls;
  private final Set<Integer> eos;

  private ForcedCalls(ControlTokens controls, Set<Integer> eos) {
    this.controls = controls;
    this.eos = eos;
  }

  /**
   * A call of one of the tools.
   *
   * @param inCode whether arguments are written as a block of code
   * @param before calls that the conversation has already
   * @return empty where arguments are not JSON in this form
   * @throws InvalidArgumentException naming what of a tool's schema is not supported
   */
  static Optional<Grammar> of(
      CallFormat format, List<Tool> tools, EngineModel model, boolean inCode, int before) {
    ForcedCalls forced = new ForcedCalls(model.tokenizer().controls(), model.eos());
    List<Grammar> choices = new ArrayList<>();
    for (Tool tool : tools) {
      Optional<List<Grammar>> call =
          switch (format.body()) {
            case CallBody.Json _ ->
                Optional.of(
                    List.of(
                        Grammar.text("\n{\"name\": " + PlainJson.write(tool.name())),
                        Grammar.text(", \"arguments\": "),
                        arguments(tool),
                        Grammar.text("}\n")));
            case CallBody.Separated(String separator) ->
                Optional.of(forced.separated(tool, separator, inCode));
            case CallBody.Numbered(String separator) ->
                Optional.of(
                    List.of(
                        Grammar.text("functions." + tool.name() + ":" + before),
                        forced.marker(separator),
                        arguments(tool)));
            case CallBody.Pairs _, CallBody.Invocation _, CallBody.Tags _, CallBody.Python _ ->
                Optional.empty();
          };
      if (call.isEmpty()) {
        return Optional.empty();
      }
      choices.add(Grammar.sequence(call.get()));
    }
    List<Grammar> all = new ArrayList<>();
    all.add(Grammar.space(MOST_LEADING));
    if (format.sectionOpen() != null) {
      all.add(forced.marker(format.sectionOpen()));
    }
    all.add(forced.marker(format.callOpen()));
    all.add(Grammar.choice(choices));
    for (String close : Arrays.asList(format.callClose(), format.sectionClose())) {
      if (close != null && !forced.ends(close)) {
        all.add(forced.marker(close));
      }
    }
    return Optional.of(Grammar.sequence(all));
  }

  private List<Grammar> separated(Tool tool, String separator, boolean inCode) {
    return inCode
        ? List.of(
            Grammar.text("function"),
            marker(separator),
            Grammar.text(tool.name() + "\n```json\n"),
            arguments(tool),
            Grammar.text("\n```"))
        : List.of(Grammar.text(tool.name()), marker(separator), arguments(tool));
  }

  private static Grammar arguments(Tool tool) {
    if (tool.parameters().isEmpty()) {
      return Grammar.text("{}");
    }
    try {
      return Grammar.schema(tool.parameters());
    } catch (InvalidArgumentException e) {
      throw new InvalidArgumentException("the tool " + tool.name() + ": " + e.getMessage());
    }
  }

  /** Whether a marker is what ends the text anyway. */
  private boolean ends(String marker) {
    return controls.id(marker).isPresent() && eos.contains(controls.id(marker).getAsInt());
  }

  /** A token where the vocabulary has one, else its text. */
  private Grammar marker(String text) {
    return controls.id(text).isPresent()
        ? Grammar.token(controls.id(text).getAsInt())
        : Grammar.text(text);
  }
}
