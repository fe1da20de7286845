package io.mla4j.text.template;

import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A template, ready to be rendered. It has Jinja's statements, filters and tests but for those that
 * read files, and what transformers adds for chat templates: {@code raise_exception}, {@code
 * strftime_now}, {@code generation}, {@code break} and {@code continue}, and a {@code tojson} that
 * leaves characters as they are. Values cannot be changed ({@code list.append} is an error). Texts
 * are never escaped, those that {@code safe} went over neither: its marks are not kept.
 *
 * <p>Thread-safe.
 */
public final class Template {
  private static final int LONGEST = 1_000_000;

  private final String name;
  private final List<Statement> statements;

  private Template(String name, List<Statement> statements) {
    this.name = name;
    this.statements = statements;
  }

  /**
   * Reads a template.
   *
   * @param name what messages call it
   * @throws TemplateException naming the line that is malformed
   */
  public static Template of(String name, String source) {
    if (source.length() > LONGEST) {
      throw new TemplateException(
          name + ": has " + source.length() + " characters, but at most " + LONGEST + " are read");
    }
    return new Template(name, Parser.parse(name, source));
  }

  /** As below, at the present time. */
  public String render(Map<String, ?> variables) {
    return render(variables, LocalDateTime.now());
  }

  /**
   * The text for these variables: null, Boolean, whole and float numbers, String, List and Map of
   * them. The template sees copies.
   *
   * @param now what {@code strftime_now} gives
   * @throws TemplateException naming the line where it fails, asks for more than may be spent, or
   *     raises an exception itself
   */
  public String render(Map<String, ?> variables, LocalDateTime now) {
    Map<String, @Nullable Object> values = new HashMap<>();
    variables.forEach((key, value) -> values.put(key, Values.copy(value)));
    values.put("strftime_now", Functions.clock(now));
    Frame frame = new Frame(name, values);
    try {
      frame.run(statements);
    } catch (StackOverflowError e) {
      throw frame.error("it is nested too deep");
    }
    return frame.output();
  }
}
