package io.mla4j.engine.json;

import io.mla4j.engine.Constraint;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What a whole text may be: JSON, and JSON between other texts. Immutable; thread-safe. States and
 * masks that one text has found serve all others of the grammar.
 */
public final class Grammar {
  private final Rule rule;

  /** One for each vocabulary. */
  private final Map<Vocabulary, Automaton> automata = new ConcurrentHashMap<>();

  Grammar(Rule rule) {
    this.rule = rule;
  }

  Rule rule() {
    return rule;
  }

  /** A fixed text. */
  public static Grammar text(String text) {
    return settled(new Rule.TextRule(text));
  }

  /** A token that is no text. */
  public static Grammar token(int id) {
    return settled(new Rule.TokenRule(id));
  }

  /**
   * Any text up to {@code end}, which is part of it.
   *
   * @param end not empty
   */
  public static Grammar upTo(String end) {
    return settled(new Rule.RawRule(end, -1));
  }

  /** Any text up to {@code end} and a token that is no text, which are part of it. */
  public static Grammar upTo(String end, int token) {
    return settled(new Rule.RawRule(end, token));
  }

  /** Up to so many characters of white space. */
  public static Grammar space(int most) {
    return settled(new Rule.GapRule(most));
  }

  /** One after the other. */
  public static Grammar sequence(List<Grammar> parts) {
    return settled(new Rule.SequenceRule(parts.stream().map(Grammar::rule).toList()));
  }

  /** One of several. */
  public static Grammar choice(List<Grammar> choices) {
    return settled(new Rule.ChoiceRule(choices.stream().map(Grammar::rule).toList()));
  }

  /** An object of which nothing is known: {@code response_format} json_object. */
  public static Grammar anyObject() {
    return new Grammar(SchemaReader.anyObject());
  }

  /**
   * What a JSON schema allows. Every text of the grammar is valid JSON that the schema allows;
   * which keywords there may be and what is narrower than the schema is said in docs/serving.md.
   *
   * @param schema in plain values
   * @throws io.mla4j.InvalidArgumentException naming the place in the schema and the keyword that
   *     is not supported or makes no sense
   */
  public static Grammar schema(Map<String, Object> schema) {
    return new Grammar(new SchemaReader(schema).read());
  }

  /**
   * What a part of a JSON schema allows, without white space before it.
   *
   * @param schema the whole, to which a {@code $ref} refers
   * @param part the part, in plain values
   * @throws io.mla4j.InvalidArgumentException as {@link #schema}
   */
  public static Grammar part(Map<String, Object> schema, Object part) {
    return new Grammar(new SchemaReader(schema).read(part));
  }

  private static Grammar settled(Rule rule) {
    Rule.settle(List.of(rule));
    return new Grammar(rule);
  }

  /** The beginning of a text, in these tokens. */
  public Constraint constraint(Vocabulary vocabulary) {
    return new GrammarConstraint(
        vocabulary, automata.computeIfAbsent(vocabulary, _ -> new Automaton(rule)));
  }
}
