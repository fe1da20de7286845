package io.mla4j.engine.json;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Quote;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes rules of a JSON schema (draft 2020-12, as far as OpenAI's strict mode and LangChain4j use
 * it). What it does not know it refuses by name; what only describes it skips.
 */
final class SchemaReader {
  private static final int MOST_SCHEMAS = 10_000;

  /**
   * Schemas within each other and behind references, and references to references. Each takes up to
   * 5 KB of a stack once the thorough compiler has put its calls into one frame.
   */
  private static final int MOST_NESTED = 100;

  /** Schemas of an anyOf, and properties of an object. */
  private static final int MOST_CHOICES = 256;

  private static final int MOST_PROPERTIES = 1_000;

  /** White space before the value. */
  private static final int MOST_LEADING = 2;

  /** Keywords that do not change which values are valid. */
  private static final Set<String> DESCRIBING =
      Set.of(
          "title",
          "description",
          "default",
          "example",
          "examples",
          "format",
          "$schema",
          "$id",
          "$comment",
          "$defs",
          "definitions",
          "deprecated",
          "readOnly",
          "writeOnly",
          "contentEncoding",
          "contentMediaType");

  private final Map<String, Object> root;

  /** By the place in the document. */
  private final Map<String, Rule.ChoiceRule> referred = new HashMap<>();

  private final List<Rule> rules = new ArrayList<>();
  private final Rule any;
  private int schemas;

  SchemaReader(Map<String, Object> root) {
    this.root = root;
    Rule.ChoiceRule everything = keep(new Rule.ChoiceRule());
    everything.set(
        List.of(
            keep(new ObjectRule(List.of(), everything)),
            keep(new Rule.ListRule(everything, 0, Rule.ListRule.ANY_LENGTH)),
            keep(new Rule.StringRule(0, Rule.StringRule.ANY_LENGTH)),
            keep(new Rule.NumberRule()),
            keep(new Rule.OneOfRule(List.of("true", "false", "null")))));
    any = everything;
  }

  /** An object with anything in it. */
  static Rule anyObject() {
    SchemaReader reader = new SchemaReader(Map.of());
    return withSpace(reader.finished(reader.keep(new ObjectRule(List.of(), reader.any))));
  }

  Rule read() {
    return withSpace(read(root));
  }

  /** The rule of a part of the schema, which may refer to the whole. */
  Rule read(Object part) {
    try {
      return finished(read(part, "#", 0));
    } catch (StackOverflowError e) {
      throw new InvalidArgumentException(
          "the schema is nested deeper than the stack of this thread has room for");
    }
  }

  private static Rule withSpace(Rule value) {
    Rule space = new Rule.GapRule(MOST_LEADING);
    Rule whole = new Rule.SequenceRule(List.of(space, value));
    Rule.settle(List.of(space, whole));
    return whole;
  }

  private Rule finished(Rule value) {
    Rule.settle(rules);
    Map<Rule, Integer> chains = new HashMap<>();
    for (Rule rule : rules) {
      chain(rule, new HashSet<>(), chains);
    }
    if (value.height() >= Rule.ENDLESS) {
      throw new InvalidArgumentException(
          "the schema is endless: each of its values needs another one within it");
    }
    if (!value.fits(0)) {
      throw new InvalidArgumentException(
          "the schema's values are nested "
              + value.height()
              + " levels, but at most "
              + Rule.DEEPEST
              + " are made");
    }
    return value;
  }

  /** How many rules begin with each other; those that begin with themselves are refused. */
  private static int chain(Rule rule, Set<Rule> above, Map<Rule, Integer> known) {
    Integer found = known.get(rule);
    if (found != null) {
      return found;
    }
    if (!above.add(rule)) {
      throw new InvalidArgumentException("the schema is endless: a $ref leads back to itself");
    }
    int longest = 0;
    for (Rule first : rule.beginsWith()) {
      longest = Math.max(longest, chain(first, above, known));
    }
    if (longest >= 2 * MOST_NESTED) {
      throw new InvalidArgumentException(
          "the schema has more than " + 2 * MOST_NESTED + " references behind each other");
    }
    above.remove(rule);
    known.put(rule, longest + 1);
    return longest + 1;
  }

  private <T extends Rule> T keep(T rule) {
    rules.add(rule);
    return rule;
  }

  private static InvalidArgumentException error(String path, String problem) {
    return new InvalidArgumentException("the schema at " + Quote.line(path) + ": " + problem);
  }

  private Rule read(@Nullable Object schema, String path, int depth) {
    if (++schemas > MOST_SCHEMAS) {
      throw new InvalidArgumentException("the schema has more than " + MOST_SCHEMAS + " parts");
    }
    if (depth > MOST_NESTED) {
      throw error(path, "it is nested more than " + MOST_NESTED + ", references included");
    }
    if (schema instanceof Boolean all) {
      if (all) {
        return any;
      }
      throw error(path, "is false, which no value fits");
    }
    if (!(schema instanceof Map<?, ?> map)) {
      throw error(path, "must be an object, true or false");
    }
    return new SchemaWords(map, path).read(this, depth);
  }

  /** What a map of keywords says: words that were asked for are known, the others are refused. */
  static final class SchemaWords {
    private final Map<?, ?> map;
    final String path;
    private final Set<Object> left;

    SchemaWords(Map<?, ?> map, String path) {
      this.map = map;
      this.path = path;
      left = new LinkedHashSet<>(map.keySet());
      left.removeAll(DESCRIBING);
    }

    boolean has(String word) {
      return map.containsKey(word);
    }

    @Nullable Object take(String word) {
      left.remove(word);
      return map.get(word);
    }

    /** Refuses what nobody has taken. */
    void requireKnown() {
      if (!left.isEmpty()) {
        String word = String.valueOf(left.iterator().next());
        throw error(path, Quote.name(word) + " is not supported" + beside());
      }
    }

    private String beside() {
      for (String word : List.of("$ref", "anyOf", "allOf", "enum", "const", "type")) {
        if (map.containsKey(word) && !left.contains(word)) {
          return " beside "
              + word
              + (word.equals("type") ? " " + Quote.line(String.valueOf(map.get(word))) : "");
        }
      }
      return "";
    }

    /** A whole number of at least 0. */
    int count(String word, int otherwise) {
      Object value = take(word);
      if (value == null) {
        return otherwise;
      }
      if (value instanceof Number number
          && number.doubleValue() == Math.rint(number.doubleValue())
          && number.doubleValue() >= 0
          && number.doubleValue() <= 1_000_000) {
        return number.intValue();
      }
      throw error(path, word + " must be a whole number in 0..1000000");
    }

    /** False where it is absent. */
    private boolean flag(String word) {
      Object value = take(word);
      if (value instanceof Boolean flag) {
        return flag;
      }
      if (has(word)) {
        throw error(path, word + " must be true or false");
      }
      return false;
    }

    List<?> list(String word) {
      if (take(word) instanceof List<?> list) {
        return list;
      }
      throw error(path, word + " must be a list");
    }

    private Rule read(SchemaReader reader, int depth) {
      boolean nullable = flag("nullable");
      Rule rule = reader.value(this, depth);
      requireKnown();
      return nullable
          ? reader.choice(List.of(rule, reader.keep(new Rule.OneOfRule(List.of("null")))))
          : rule;
    }
  }

  private Rule value(SchemaWords words, int depth) {
    if (words.has("$ref")) {
      return reference(words, depth);
    }
    if (words.has("anyOf")) {
      List<?> list = words.list("anyOf");
      if (list.isEmpty()) {
        throw error(words.path, "anyOf is empty");
      }
      if (list.size() > MOST_CHOICES) {
        throw error(words.path, "anyOf has more than " + MOST_CHOICES + " schemas");
      }
      List<Rule> choices = new ArrayList<>();
      for (int i = 0; i < list.size(); i++) {
        choices.add(read(list.get(i), words.path + "/anyOf/" + i, depth + 1));
      }
      return choice(choices);
    }
    if (words.has("allOf")) {
      List<?> list = words.list("allOf");
      if (list.size() != 1) {
        throw error(words.path, "allOf is only supported with one schema");
      }
      return read(list.getFirst(), words.path + "/allOf/0", depth + 1);
    }
    SchemaTypes types = new SchemaTypes(words);
    if (words.has("enum") || words.has("const")) {
      return keep(new Rule.OneOfRule(types.values()));
    }
    List<String> names = types.names();
    if (names.isEmpty()) {
      return any;
    }
    List<Rule> choices = new ArrayList<>();
    for (String name : names) {
      choices.add(ofType(name, types, words, depth));
    }
    return choices.size() == 1 ? choices.getFirst() : choice(choices);
  }

  private Rule choice(List<Rule> choices) {
    return keep(new Rule.ChoiceRule(choices));
  }

  private Rule reference(SchemaWords words, int depth) {
    if (!(words.take("$ref") instanceof String ref) || !ref.startsWith("#")) {
      throw error(words.path, "$ref must be a place in the same document, such as #/$defs/name");
    }
    Rule.ChoiceRule known = referred.get(ref);
    if (known == null) {
      known = keep(new Rule.ChoiceRule());
      referred.put(ref, known);
      known.set(List.of(read(find(ref, words.path), ref, depth + 1)));
    }
    return known;
  }

  /** What is behind the {@code #} of a reference, percent-decoded (RFC 6901, section 6). */
  private static String fragment(String ref, String path) {
    if (ref.indexOf('%') < 0) {
      return ref.substring(1);
    }
    try {
      return new URI(ref).getFragment();
    } catch (URISyntaxException e) {
      throw error(path, "$ref " + Quote.name(ref) + " is no URI: " + e.getReason());
    }
  }

  private @Nullable Object find(String ref, String path) {
    Object at = root;
    for (String part : fragment(ref, path).split("/", -1)) {
      if (part.isEmpty() && at == root) {
        continue;
      }
      String key = part.replace("~1", "/").replace("~0", "~");
      at =
          switch (at) {
            case Map<?, ?> map when map.containsKey(key) -> map.get(key);
            case List<?> list when key.matches("\\d{1,6}") && Integer.parseInt(key) < list.size() ->
                list.get(Integer.parseInt(key));
            case null, default ->
                throw error(path, "$ref " + Quote.name(ref) + " leads to nothing");
          };
    }
    return at;
  }

  private Rule ofType(String type, SchemaTypes types, SchemaWords words, int depth) {
    return switch (type) {
      case "object" -> object(words, depth);
      case "array" -> list(words, depth);
      case "string" -> {
        int least = words.count("minLength", 0);
        int most = words.count("maxLength", Rule.StringRule.ANY_LENGTH);
        requireOrder(words, "minLength", least, "maxLength", most);
        yield keep(new Rule.StringRule(least, most));
      }
      case "number" -> keep(types.number());
      case "integer" -> keep(types.integer());
      case "boolean" -> keep(new Rule.OneOfRule(List.of("true", "false")));
      case "null" -> keep(new Rule.OneOfRule(List.of("null")));
      default -> throw error(words.path, "type " + Quote.name(type) + " is not known");
    };
  }

  private static void requireOrder(
      SchemaWords words, String leastName, int least, String mostName, int most) {
    if (least > most) {
      throw error(words.path, leastName + " is greater than " + mostName);
    }
  }

  private Rule list(SchemaWords words, int depth) {
    Object items = words.take("items");
    if (Boolean.FALSE.equals(words.map.get("uniqueItems"))) {
      words.take("uniqueItems");
    }
    int least = words.count("minItems", 0);
    int most = words.count("maxItems", Rule.ListRule.ANY_LENGTH);
    requireOrder(words, "minItems", least, "maxItems", most);
    Rule rule = items == null ? any : read(items, words.path + "/items", depth + 1);
    return keep(new Rule.ListRule(rule, least, most));
  }

  private Rule object(SchemaWords words, int depth) {
    Object stated = words.take("properties");
    if (stated != null && !(stated instanceof Map<?, ?>)) {
      throw error(words.path, "properties must be an object");
    }
    Map<?, ?> properties = stated == null ? Map.of() : (Map<?, ?>) stated;
    if (properties.size() > MOST_PROPERTIES) {
      throw error(words.path, "properties has more than " + MOST_PROPERTIES);
    }
    Set<String> required = new LinkedHashSet<>();
    if (words.has("required")) {
      for (Object name : words.list("required")) {
        if (!(name instanceof String text)) {
          throw error(words.path, "required must be a list of names");
        }
        required.add(text);
      }
    }
    boolean isOpen = words.has("additionalProperties") || properties.isEmpty();
    Object more = words.take("additionalProperties");
    Rule others =
        !isOpen || Boolean.FALSE.equals(more)
            ? null
            : more == null ? any : read(more, words.path + "/additionalProperties", depth + 1);
    List<ObjectRule.Property> all = new ArrayList<>();
    for (Map.Entry<?, ?> entry : properties.entrySet()) {
      String name = String.valueOf(entry.getKey());
      Rule value = read(entry.getValue(), words.path + "/properties/" + name, depth + 1);
      SchemaTypes.requirePlain(name, words.path);
      all.add(new ObjectRule.Property(name, value, required.remove(name)));
    }
    for (String name : required) {
      if (others == null) {
        throw error(
            words.path, "required names " + Quote.name(name) + ", which is not one of properties");
      }
      all.add(new ObjectRule.Property(name, others, true));
    }
    return keep(new ObjectRule(all, others));
  }
}
