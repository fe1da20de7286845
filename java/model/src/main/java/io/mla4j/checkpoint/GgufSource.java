package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import org.jspecify.annotations.Nullable;

/**
 * Where the value of a key of config.json stands in a GGUF file. In the data of an architecture it
 * is the name of a key that must be there, or an object:
 *
 * <dl>
 *   <dt>{@code from}
 *   <dd>a key, or a list of keys of which the first that is there counts; {@code else}: what holds
 *       where none is there; {@code optional}: whether that is null; {@code minus}: a key whose
 *       number is taken off; {@code times}: a factor; {@code none}: a number that stands for null
 *   <dt>{@code all}
 *   <dd>a list of what stands at those of these keys that are there
 *   <dt>{@code zeros_of}
 *   <dd>a list of numbers or flags, which becomes one of texts: {@code zero} for 0 and false, else
 *       {@code other}; {@code from} and {@code minus} say how many of them count; {@code
 *       or_layers_with}: the role of a tensor, where the key may be absent: {@code zero} for layers
 *       without it
 *   <dt>{@code rows_of}
 *   <dd>the role of a tensor; null where there is none
 *   <dt>{@code present}
 *   <dd>whether there is a tensor of this role
 *   <dt>{@code absent}
 *   <dd>whether there is no tensor of this role
 *   <dt>{@code elements_of}
 *   <dd>the name of a tensor; null where there is none
 * </dl>
 */
record GgufSource(GgufConfig config, JsonNode source) {
  /**
   * A value and the key that it comes from.
   *
   * @param key null where it comes from elsewhere
   */
  record Found(JsonNode value, @Nullable String key) {}

  /**
   * Looks the value up.
   *
   * @throws CheckpointException where it is missing or no number that one can calculate with
   */
  Found find() {
    if (source.isTextual()) {
      return required(source.textValue());
    }
    if (source.has("zeros_of")) {
      return zeros(source.path("zeros_of").asText());
    }
    if (source.has("from")) {
      return from();
    }
    if (source.has("all")) {
      return new Found(all(), source.path("all").path(0).asText());
    }
    if (source.has("rows_of")) {
      StoredTensor tensor = config.tensor(source.path("rows_of").asText());
      return new Found(
          tensor == null ? NullNode.instance : LongNode.valueOf(tensor.shape().getFirst()), null);
    }
    if (source.has("present")) {
      return new Found(
          BooleanNode.valueOf(config.tensor(source.path("present").asText()) != null), null);
    }
    if (source.has("absent")) {
      return new Found(
          BooleanNode.valueOf(config.tensor(source.path("absent").asText()) == null), null);
    }
    if (source.has("elements_of")) {
      return new Found(elements(config.named(source.path("elements_of").asText())), null);
    }
    throw config.malformed(source);
  }

  private Found required(String key) {
    JsonNode value = config.value(key);
    if (value.isNull()) {
      throw config.error(key, "is missing");
    }
    return new Found(value, key);
  }

  private Found from() {
    JsonNode keys = source.path("from");
    JsonNode value = null;
    String from = "";
    for (JsonNode key : keys.isArray() ? keys : GgufConfig.list().add(keys)) {
      JsonNode found = config.value(key.asText());
      if (value == null && !found.isNull()) {
        value = found;
        from = key.asText();
      }
    }
    if (value == null && source.path("optional").asBoolean()) {
      return new Found(NullNode.instance, null);
    }
    if (value == null) {
      return source.has("else")
          ? new Found(source.path("else"), null)
          : required(keys.isArray() ? keys.path(0).asText() : keys.asText());
    }
    if (source.has("none") && ConfigKeys.same(source.path("none"), value)) {
      return new Found(NullNode.instance, from);
    }
    if (source.has("minus")) {
      JsonNode minus = config.value(source.path("minus").asText());
      int taken = minus.isNull() ? 0 : whole(minus, source.path("minus").asText());
      value = IntNode.valueOf(whole(value, from) - taken);
    }
    if (source.has("times")) {
      if (!value.isNumber()) {
        throw config.error(from, "is no number");
      }
      value = DoubleNode.valueOf(value.doubleValue() * source.path("times").doubleValue());
    }
    return new Found(value, from);
  }

  private Found zeros(String key) {
    int count = from().value.intValue();
    if (source.has("or_layers_with") && config.value(key).isNull()) {
      return new Found(layersWith(source.path("or_layers_with").asText(), count), null);
    }
    JsonNode numbers = required(key).value;
    if (!numbers.isArray() || numbers.size() < count) {
      throw config.error(key, "must be an array of " + count + " numbers");
    }
    ArrayNode list = GgufConfig.list();
    for (int i = 0; i < count; i++) {
      JsonNode number = numbers.get(i);
      boolean zero = number.isBoolean() ? !number.booleanValue() : whole(number, key) == 0;
      list.add(source.path(zero ? "zero" : "other"));
    }
    return new Found(list, key);
  }

  private JsonNode layersWith(String role, int count) {
    ArrayNode list = GgufConfig.list();
    for (int i = 0; i < count && i < ConfigReader.MAX_LAYERS; i++) {
      list.add(source.path(config.tensor(role, i) == null ? "zero" : "other"));
    }
    return list;
  }

  private int whole(JsonNode value, String key) {
    if (!value.isInt() || value.intValue() < 0) {
      throw config.error(
          key, "is " + Quote.line(value.toString()) + ", but must be a whole number below 2^31");
    }
    return value.intValue();
  }

  private JsonNode all() {
    ArrayNode list = GgufConfig.list();
    for (JsonNode key : source.path("all")) {
      JsonNode value = config.value(key.asText());
      if (!value.isNull()) {
        list.add(value);
      }
    }
    return list;
  }

  private static JsonNode elements(@Nullable StoredTensor tensor) {
    if (tensor == null) {
      return NullNode.instance;
    }
    if (tensor.elements() > ConfigReader.MAX_WIDTH) {
      throw tensor.error("has " + tensor.elements() + " elements, which are too many");
    }
    ArrayNode list = GgufConfig.list();
    for (float value : tensor.toFloats()) {
      list.add(value);
    }
    return list;
  }
}
