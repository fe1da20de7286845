package io.mla4j.engine.json;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Constraint;
import io.mla4j.testkit.QuickRun;
import io.mla4j.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Given schemas, when texts are made of the tokens that masks allow, then another library finds
 * them valid; and every usual way to write a valid value is allowed, token by token.
 */
class GrammarTest {
  private static final int EOS = 1;
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private static Tokenizer tokenizer;
  private static Vocabulary vocabulary;

  @BeforeAll
  static void open() {
    Path model = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");
    tokenizer = Tokenizer.open(model);
    vocabulary = Vocabulary.of(tokenizer, 4100, Set.of(EOS));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private static long[] mask(Constraint constraint) {
    long[] mask = new long[Math.ceilDiv(vocabulary.size(), 64)];
    Arrays.fill(mask, -1);
    constraint.mask(mask);
    return mask;
  }

  private static boolean has(long[] mask, int id) {
    return (mask[id >> 6] >>> id & 1) != 0;
  }

  /** Each token tried by itself. */
  private static long[] bruteForce(GrammarConstraint constraint) {
    long[] mask = new long[Math.ceilDiv(vocabulary.size(), 64)];
    for (int id = 0; id < vocabulary.size(); id++) {
      if (((GrammarConstraint) constraint.fork()).tryAccept(id)) {
        Vocabulary.set(mask, id);
      }
    }
    return mask;
  }

  private static final Set<String> CLOSING = Set.of("\"", "}", "]", ":", "e", "0", "\"}");

  /** A random text of the grammar; null where it found no end. */
  private static String walk(Grammar grammar, Random random) {
    GrammarConstraint constraint = (GrammarConstraint) grammar.constraint(vocabulary);
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    for (int step = 0; step < 500; step++) {
      if (constraint.isComplete()) {
        return text.toString(StandardCharsets.UTF_8);
      }
      long[] mask = mask(constraint);
      if (random.nextInt(40) == 0) {
        assertArrayEquals(bruteForce(constraint), mask, text.toString(StandardCharsets.UTF_8));
      }
      List<Integer> allowed = new ArrayList<>();
      for (int id = 0; id < vocabulary.size(); id++) {
        if (has(mask, id)) {
          allowed.add(id);
        }
      }
      assertFalse(allowed.isEmpty(), () -> "a dead end: " + text.toString(StandardCharsets.UTF_8));
      int id = allowed.get(random.nextInt(allowed.size()));
      if (step > 20 || random.nextInt(4) == 0) {
        id =
            has(mask, EOS)
                ? EOS
                : allowed.stream()
                    .filter(each -> CLOSING.contains(vocabulary.text(each)))
                    .skip(random.nextInt(2))
                    .findFirst()
                    .orElse(id);
      }
      constraint.accept(id);
      if (id == EOS) {
        assertTrue(constraint.isComplete());
        return text.toString(StandardCharsets.UTF_8);
      }
      text.writeBytes(vocabulary.bytes(id));
    }
    return null;
  }

  @Test
  void whatIsAllowedIsValid() throws Exception {
    JsonSchemaFactory factory = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012);
    int ended = 0;
    int all = 0;
    for (int seed = 0; seed < QuickRun.part(40); seed++) {
      Map<String, Object> schema = new RandomSchema(seed).schema();
      Grammar grammar = Grammar.schema(schema);
      JsonSchema validator = factory.getSchema(PlainJson.write(schema));
      Random random = new Random(seed);
      for (int i = 0; i < 5; i++) {
        all++;
        String text = walk(grammar, random);
        if (text != null) {
          ended++;
          var problems = validator.validate(MAPPER.readTree(text));
          assertTrue(problems.isEmpty(), () -> PlainJson.write(schema) + "\n" + text + problems);
          PlainJson.parse(text);
        }
      }
    }
    assertTrue(ended > 0.6 * all, ended + " of " + all);
  }

  /** How programs write JSON: without spaces, as Python does, and with lines. */
  private static String written(Object value, String style, String indent) {
    String inner = indent + "  ";
    boolean lines = style.equals("lines");
    String between = style.equals("compact") ? "," : lines ? ",\n" + inner : ", ";
    String begin = lines ? "\n" + inner : "";
    String end = lines ? "\n" + indent : "";
    List<String> parts = new ArrayList<>();
    if (value instanceof Map<?, ?> map && !map.isEmpty()) {
      map.forEach(
          (key, item) ->
              parts.add(
                  PlainJson.write(key)
                      + (style.equals("compact") ? ":" : ": ")
                      + written(item, style, inner)));
      return "{" + begin + String.join(between, parts) + end + "}";
    }
    if (value instanceof List<?> list && !list.isEmpty()) {
      list.forEach(item -> parts.add(written(item, style, inner)));
      return "[" + begin + String.join(between, parts) + end + "]";
    }
    return PlainJson.write(value);
  }

  private static void accepts(Grammar grammar, String text, Object schema) {
    Constraint constraint = grammar.constraint(vocabulary);
    StringBuilder done = new StringBuilder();
    for (int id : tokenizer.encode(text, false)) {
      long[] mask = mask(constraint);
      assertTrue(
          has(mask, id),
          () ->
              schema + "\nrefuses '" + vocabulary.text(id) + "' behind\n" + done + "\nof\n" + text);
      constraint.accept(id);
      done.append(vocabulary.text(id));
    }
    assertTrue(constraint.isComplete() || has(mask(constraint), EOS), text);
  }

  @Test
  void whatIsValidIsAllowed() {
    for (int seed = 0; seed < QuickRun.part(60); seed++) {
      RandomSchema random = new RandomSchema(seed);
      Map<String, Object> schema = random.schema();
      Grammar grammar = Grammar.schema(schema);
      for (int i = 0; i < 3; i++) {
        Object value = random.value(schema, schema, 0);
        for (String style : List.of("compact", "python", "lines")) {
          // A value that is given is only allowed as it is written without spaces.
          boolean hasGiven = PlainJson.write(value).matches(".*(\\[1\\]|\\{\"k\":1\\}).*");
          if (style.equals("compact") || !hasGiven) {
            accepts(grammar, written(value, style, ""), PlainJson.write(schema));
          }
        }
      }
    }
  }

  private static boolean allows(Grammar grammar, String text) {
    GrammarConstraint constraint = (GrammarConstraint) grammar.constraint(vocabulary);
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      int id = tokenizer.encode(new String(new byte[] {b}, StandardCharsets.ISO_8859_1), false)[0];
      if (!constraint.tryAccept(id)) {
        return false;
      }
    }
    return constraint.isComplete() || has(mask(constraint), EOS);
  }

  private static Grammar of(String schema) {
    return Grammar.schema(
        MAPPER.convertValue(PlainJson.parse(schema), new TypeReference<Map<String, Object>>() {}));
  }

  @Test
  void numbers() {
    Grammar number = of("{\"type\":\"number\"}");
    for (String text :
        List.of("0", "-0", "12", "-3.25", "1e5", "1E+05", "2.5e-307", "1e307", "0.1", "9e99")) {
      assertTrue(allows(number, text), text);
      assertTrue(Double.isFinite(Double.parseDouble(text)));
    }
    for (String text :
        List.of("01", "-", "1.", ".5", "1e", "+1", "1e308", "1e400", "NaN", "1.2.3")) {
      assertFalse(allows(number, text), text);
    }
    Grammar range = of("{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":105.5}");
    for (int i = -200; i < 2000; i++) {
      assertEquals(i >= -12 && i <= 105, allows(range, Integer.toString(i)), "" + i);
    }
    assertFalse(allows(range, "-0"));
    assertFalse(allows(range, "007"));
    Grammar unit = of("{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":1}");
    for (String text : List.of("0", "-0", "0.5", "0.999999999999", "0.0", "-0.0")) {
      assertTrue(allows(unit, text), text);
    }
    for (String text :
        List.of("1", "1.0", "-0.1", "-1", "2", "0.", "00", "0.1234567890123", "5e-1")) {
      assertFalse(allows(unit, text), text);
    }
    Grammar positive = of("{\"type\":\"number\",\"exclusiveMinimum\":-2.5,\"maximum\":1e3}");
    for (String text : List.of("-2.499999999999", "-2", "1000", "1000.000", "0.25", "999.99")) {
      assertTrue(allows(positive, text), text);
    }
    for (String text : List.of("-2.5", "-2.50", "1000.001", "1001", "-3", "10000")) {
      assertFalse(allows(positive, text), text);
    }
    Grammar large = of("{\"type\":\"number\",\"minimum\":123456.5}");
    assertTrue(allows(large, "999999999999999"));
    assertTrue(allows(large, "123456.5"));
    assertFalse(allows(large, "123456.4"));
    assertFalse(allows(large, "12345678901234.56"));
    Grammar whole = of("{\"type\":\"integer\"}");
    assertTrue(allows(whole, "9223372036854775807"));
    assertTrue(allows(whole, "-9223372036854775808"));
    assertFalse(allows(whole, "9223372036854775808"));
    assertFalse(allows(whole, "1.0"));
  }

  @Test
  void strings() {
    Grammar string = of("{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}");
    for (String text : List.of("\"ab\"", "\"a\\n\\\"\"", "\"\\ud834\\udd1e\\u00e9\"")) {
      assertTrue(allows(string, text), text);
    }
    for (String text :
        List.of(
            "\"a\"", "\"abcd\"", "\"\\ud834x\"", "\"\\udd1e\\udd1e\"", "\"a\nb\"", "\"\\x41b\"")) {
      assertFalse(allows(string, text), text);
    }
  }

  @Test
  void whiteSpaceIsBounded() {
    Grammar any = Grammar.anyObject();
    assertTrue(allows(any, " {\"a\": [1, {\"b\": 2}]}"));
    assertTrue(allows(any, "{\n  \"a\": [\n    1\n  ]\n}"));
    assertFalse(allows(any, "{  \"a\": 1}"));
    assertFalse(allows(any, "{\"a\":  1}"));
    assertFalse(allows(any, "{\"a\" : 1}"));
    assertFalse(allows(any, "{\n\n\"a\": 1}"));
    assertFalse(allows(any, "   {\"a\": 1}"));
    assertFalse(allows(any, "{\"a\": 1} "));
    assertFalse(allows(any, "[1]"));
  }

  @Test
  void nestingIsBounded() {
    Grammar any = Grammar.anyObject();
    assertTrue(allows(any, "{\"a\":".repeat(64) + "1" + "}".repeat(64)));
    assertFalse(allows(any, "{\"a\":".repeat(65) + "1" + "}".repeat(65)));
    Grammar tree =
        of(
            "{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},"
                + "\"additionalProperties\":false}");
    assertTrue(allows(tree, "{\"next\":".repeat(63) + "{}" + "}".repeat(63)));
    assertFalse(allows(tree, "{\"next\":".repeat(64) + "{}" + "}".repeat(64)));
    // There is no name whose value would not fit.
    assertFalse(allows(tree, "{\"next\":".repeat(63) + "{\"next\":"));
  }

  @Test
  void propertiesComeOnceInAnyOrder() {
    Grammar object =
        of(
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"ab\":{\"type\":"
                + "\"boolean\"}},\"required\":[\"ab\"],\"additionalProperties\":false}");
    assertTrue(allows(object, "{\"a\":null,\"ab\":true}"));
    assertTrue(allows(object, "{\"ab\":true,\"a\":null}"));
    assertTrue(allows(object, "{\"ab\":false}"));
    assertFalse(allows(object, "{\"a\":null}"));
    assertFalse(allows(object, "{\"ab\":true,\"ab\":true}"));
    assertFalse(allows(object, "{\"ab\":true,\"c\":1}"));
    assertFalse(allows(object, "{\"ab\":true,}"));
    Grammar open =
        of(
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},"
                + "\"additionalProperties\":{\"type\":\"boolean\"}}");
    assertTrue(allows(open, "{\"b\":true,\"a\":null,\"aa\":false}"));
    assertFalse(allows(open, "{\"a\":true}"));
    assertFalse(allows(open, "{\"\\u0061\":true}"));
    assertFalse(allows(open, "{\"b\":null}"));
  }

  /** Tokens that are no text, between texts. */
  @Test
  void tokensAreAwaited() {
    Grammar call =
        Grammar.sequence(
            List.of(
                Grammar.space(2),
                Grammar.token(3),
                Grammar.choice(List.of(Grammar.text("f"), Grammar.text("fg"))),
                Grammar.token(4),
                Grammar.anyObject()));
    Constraint constraint = call.constraint(vocabulary);
    assertTrue(has(mask(constraint), 3));
    assertFalse(has(mask(constraint), 4));
    constraint.accept(tokenizer.encode("\n", false)[0]);
    constraint.accept(3);
    assertFalse(has(mask(constraint), 4));
    constraint.accept(tokenizer.encode("f", false)[0]);
    assertTrue(has(mask(constraint), 4));
    assertTrue(has(mask(constraint), tokenizer.encode("g", false)[0]));
    Constraint other = constraint.fork();
    other.accept(tokenizer.encode("g", false)[0]);
    constraint.accept(4);
    assertFalse(has(mask(constraint), 4));
    assertTrue(has(mask(other), 4));
    assertFalse(constraint.isComplete());
  }

  @Test
  void anyTextUpToItsEnd() {
    Grammar text = Grammar.sequence(List.of(Grammar.upTo("aab"), Grammar.text("!")));
    assertTrue(allows(text, "aab!"));
    assertTrue(allows(text, "aaaab!"));
    assertTrue(allows(text, "x\"\\\n aaaab!"));
    assertFalse(allows(text, "aab"));
    assertFalse(allows(text, "aabaab!"));
    assertFalse(allows(text, "aa"));
    Constraint constraint =
        Grammar.sequence(List.of(Grammar.upTo("</", 3), Grammar.text(">"))).constraint(vocabulary);
    for (String part : List.of("a", "<", "/", "/", "<", "<", "/")) {
      assertFalse(has(mask(constraint), 3));
      constraint.accept(tokenizer.encode(part, false)[0]);
      if (part.equals("/") && has(mask(constraint), 3)) {
        Constraint other = constraint.fork();
        other.accept(3);
        assertFalse(other.isComplete());
        other.accept(tokenizer.encode(">", false)[0]);
        assertTrue(other.isComplete());
        constraint.accept(tokenizer.encode("x", false)[0]);
      }
    }
  }

  /** Several tokens of the same bytes, some that cut characters, and none that ends a text. */
  @Test
  void otherVocabularies() {
    byte[][] tokens = new byte[260][];
    for (int i = 0; i < 256; i++) {
      tokens[i] = new byte[] {(byte) i};
    }
    tokens[256] = new byte[] {'1'};
    tokens[257] = new byte[] {'"', (byte) 0xC3};
    tokens[258] = new byte[] {(byte) 0xA9, '"'};
    Vocabulary bytes = Vocabulary.of(tokens, Set.of(), null);
    Constraint constraint = of("{\"enum\":[\"\u00e9\",112]}").constraint(bytes);
    long[] mask = new long[5];
    constraint.mask(mask);
    assertTrue(has(mask, '1') && has(mask, 256) && has(mask, 257));
    assertFalse(has(mask, 258) || has(mask, 259) || has(mask, '2'));
    Constraint number = constraint.fork();
    constraint.accept(257);
    constraint.mask(mask);
    assertTrue(has(mask, 258) && has(mask, 0xA9));
    constraint.accept(258);
    assertTrue(constraint.isComplete());
    number.accept(256);
    number.accept('1');
    assertFalse(number.isComplete());
    number.accept('2');
    assertTrue(number.isComplete());
    assertThrows(InvalidArgumentException.class, () -> number.accept('2'));
  }

  /** Many states and masks: what was forgotten is found again. */
  @Test
  void whatIsRememberedIsBounded() {
    Grammar grammar = of("{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}");
    StringBuilder text = new StringBuilder("[");
    Random random = new Random(5);
    for (int i = 0; i < QuickRun.part(1500); i++) {
      text.append(i == 0 ? "" : ",").append(random.nextLong());
    }
    accepts(grammar, text.append("]").toString(), "");
  }
}
