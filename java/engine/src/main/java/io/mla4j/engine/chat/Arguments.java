package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.json.PlainJson;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Arguments that are written without quotes: whether they are texts is said by the tool's schema.
 */
final class Arguments {
  private Arguments() {}

  /** The value of an argument of a tool. */
  static @Nullable Object value(List<Tool> tools, String tool, String name, String text) {
    return isText(tools, tool, name) ? text : json(text);
  }

  /** The value that a text is in JSON; the text itself where it is none. */
  static @Nullable Object json(String text) {
    try {
      return PlainJson.parse(text);
    } catch (InvalidArgumentException e) {
      return text;
    }
  }

  /** Whether an argument of a tool is a text. */
  static boolean isText(List<Tool> tools, String tool, String name) {
    for (Tool each : tools) {
      if (each.name().equals(tool)
          && each.parameters().get("properties") instanceof Map<?, ?> properties
          && properties.get(name) instanceof Map<?, ?> property) {
        return "string".equals(property.get("type"))
            || property.get("type") instanceof List<?> types && types.contains("string")
            || property.get("enum") instanceof List<?> values
                && values.stream().allMatch(String.class::isInstance);
      }
    }
    return false;
  }
}
