package io.mla4j.engine.json;

import io.mla4j.InvalidArgumentException;
import io.mla4j.testkit.FuzzTarget;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given a JSON schema that is changed ({@link ReaderFuzz}), when it is read, then that succeeds or
 * ends in a typed error of one line.
 */
class SchemaFuzzTest {
  private static final String SCHEMA =
      """
      {"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":20},
      "age":{"type":"integer","minimum":0,"maximum":150},"size":{"type":"number","exclusiveMinimum":-1.5},
      "tags":{"type":"array","items":{"enum":["a","b",3,null]},"minItems":1,"maxItems":4},
      "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]},"kind":{"const":{"a":[1,2.5e3]}}},
      "required":["name","age"],"additionalProperties":false,
      "$defs":{"node":{"type":"object","properties":{"value":{"type":"boolean"},
      "next":{"$ref":"#/$defs/node"}}}}}
      """;

  private static final FuzzTarget TARGET = new FuzzTarget("schema", _ -> open());

  /** What is fuzzed here. */
  public static final class Targets implements FuzzTarget.Provider {
    @Override
    public List<FuzzTarget> targets() {
      return List.of(TARGET);
    }
  }

  @Test
  void schema(@TempDir Path folder) throws IOException {
    ReaderFuzz.runRefusingSome(TARGET, folder, 3_000);
  }

  @SuppressWarnings("unchecked")
  private static FuzzTarget.Opened open() {
    return FuzzTarget.Opened.of(
        SCHEMA.getBytes(StandardCharsets.UTF_8),
        bytes -> {
          Object read = PlainJson.parse(new String(bytes, StandardCharsets.UTF_8));
          if (!(read instanceof Map)) {
            throw new InvalidArgumentException("no object");
          }
          Grammar.schema((Map<String, Object>) read);
        });
  }
}
