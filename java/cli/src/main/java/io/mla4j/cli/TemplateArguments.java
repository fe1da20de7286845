package io.mla4j.cli;

import io.mla4j.text.ChatOptions;
import io.mla4j.text.ChatTemplate;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Which chat template a command takes, and what it is told. */
final class TemplateArguments {
  private static final String PLAIN = "plain";

  private final StreamCommand command;
  private String template;
  private List<String> variables = List.of();

  TemplateArguments(StreamCommand command) {
    this.command = command;
  }

  void declare(Args args) {
    declareTemplate(args);
    args.several(
        "--set NAME=VALUE",
        String.class,
        false,
        v -> variables = v,
        "A variable of the template, such as enable_thinking=true; may come several times.");
  }

  /** Only which template. */
  void declareTemplate(Args args) {
    args.one(
        "--template FILE",
        String.class,
        v -> template = v,
        "A Jinja template in place of the model's own, or plain for texts without roles.");
  }

  boolean given() {
    return template != null || !variables.isEmpty();
  }

  /** The template that was named; null where none was. */
  ChatTemplate named(Path model) throws IOException {
    if (template == null) {
      return null;
    }
    return PLAIN.equals(template)
        ? ChatTemplate.plain()
        : ChatTemplate.of(template, TextFiles.read(Path.of(template)), model);
  }

  /** The template of {@code model}, or the one that was named. */
  ChatTemplate find(Path model) throws IOException {
    ChatTemplate named = named(model);
    return Optional.ofNullable(named)
        .or(() -> ChatTemplate.find(model))
        .orElseThrow(
            () ->
                command.usage(
                    model
                        + " has no chat template: name one with --template FILE, or take"
                        + " --template plain, which writes texts without roles"));
  }

  ChatOptions options() {
    ChatOptions options = ChatOptions.DEFAULT;
    for (String variable : variables) {
      int equals = variable.indexOf('=');
      if (equals < 1) {
        throw command.usage("--set is " + variable + ", but must be NAME=VALUE");
      }
      String value = variable.substring(equals + 1);
      options = options.with(variable.substring(0, equals), value(value));
    }
    return options;
  }

  private static Object value(String text) {
    return switch (text) {
      case "true", "True" -> true;
      case "false", "False" -> false;
      case "none", "None" -> null;
      default -> text.matches("-?\\d{1,18}") ? (Object) Long.valueOf(text) : text;
    };
  }
}
