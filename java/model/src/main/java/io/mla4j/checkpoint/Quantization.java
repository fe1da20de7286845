package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.ops.StorageFormat;
import java.util.List;
import java.util.Optional;

/**
 * What {@code quantization_config} of a config.json says about scales of weights: how many elements
 * share one. 0 where it says nothing.
 *
 * <p>Which weights are quantised, the tensors say: a model that was converted back may have left
 * the key behind.
 *
 * @param blockRows rows of a block of fp8 weights
 * @param blockColumns columns of a block
 * @param groupColumns columns of a group of integers or of four-bit floats
 */
public record Quantization(int blockRows, int blockColumns, int groupColumns) {
  /** Nothing is said. */
  static final Quantization NONE = new Quantization(0, 0, 0);

  private static final String KEY = "quantization_config";
  private static final int MAX = 1 << 20;

  /**
   * Reads the key.
   *
   * @throws CheckpointException where it asks for something that is not supported, naming it
   */
  static Quantization read(ConfigKeys config) {
    Optional<ConfigKeys> found = config.object(KEY);
    if (found.isEmpty()) {
      return NONE;
    }
    ConfigKeys keys = found.get();
    String method = keys.text("quant_method").orElse("quantised");
    return switch (method) {
      case "fp8" -> fp8(keys);
      case "compressed-tensors" -> compressed(keys);
      default ->
          throw config.error(
              KEY,
              "asks for "
                  + Quote.name(method)
                  + " weights, which are not supported; supported are fp8, compressed-tensors and "
                  + StorageFormat.weightNames()
                  + "; where a conversion has made the weights such and left the key behind,"
                  + " remove it");
    };
  }

  private static Quantization fp8(ConfigKeys keys) {
    String format = keys.text("fmt").orElse("e4m3");
    if (!format.equals("e4m3") && !format.equals("float8_e4m3fn")) {
      throw keys.error("fmt", "is " + Quote.name(format) + ", but must be e4m3");
    }
    return keys.has("weight_block_size") ? blocks(keys, "weight_block_size") : NONE;
  }

  private static Quantization blocks(ConfigKeys keys, String key) {
    List<Double> sizes =
        keys.numbers(
            key, 2, x -> x >= 1 && x <= MAX && x == Math.rint(x), "a whole number of 1 or more");
    return new Quantization(sizes.get(0).intValue(), sizes.get(1).intValue(), 0);
  }

  private static Quantization compressed(ConfigKeys keys) {
    for (String key : List.of("sparsity_config", "transform_config")) {
      keys.object(key)
          .filter(object -> !object.isEmpty() && !object.text("format").orElse("").equals("dense"))
          .ifPresent(
              _ -> {
                throw keys.error(key, "is not supported");
              });
    }
    Quantization all = NONE;
    JsonNode groups = keys.node("config_groups");
    for (String name : groups.properties().stream().map(group -> group.getKey()).toList()) {
      ConfigKeys group = keys.object("config_groups").orElseThrow().object(name).orElseThrow();
      Quantization one = group(keys, group);
      if (!all.equals(NONE) && !all.equals(one)) {
        throw keys.error("config_groups", "has groups of weights whose blocks differ");
      }
      all = one;
    }
    return all;
  }

  private static Quantization group(ConfigKeys keys, ConfigKeys group) {
    Optional<String> own = group.text("format");
    String format = own.or(() -> keys.text("format")).orElse("");
    ConfigKeys weights =
        group.object("weights").orElseThrow(() -> group.error("weights", "is missing"));
    int bits = weights.wholeNumber("num_bits", 1, 64);
    String type = weights.text("type").orElse("int");
    String weight = bits + " bits of type " + type;
    boolean supported =
        switch (format) {
          case "pack-quantized" -> weight.equals("4 bits of type int");
          case "int-quantized" -> weight.equals("8 bits of type int");
          case "float-quantized", "naive-quantized" -> weight.equals("8 bits of type float");
          case "mxfp4-pack-quantized" -> weight.equals("4 bits of type float");
          default -> false;
        };
    if (!supported) {
      throw (own.isPresent() ? group : keys)
          .error(
              "format",
              "is "
                  + Quote.name(format)
                  + " with "
                  + weight
                  + ", but must be pack-quantized with 4 bits of type int, int-quantized with 8,"
                  + " float-quantized with 8 bits of type float or mxfp4-pack-quantized");
    }
    if (!weights.flag("symmetric", true)) {
      throw weights.error("symmetric", "is false, but zero points are not supported");
    }
    if (weights.has("actorder")) {
      throw weights.error("actorder", "is not supported");
    }
    return shape(weights, weights.text("strategy").orElse("tensor"));
  }

  private static Quantization shape(ConfigKeys weights, String strategy) {
    return switch (strategy) {
      case "tensor", "channel" -> NONE;
      case "group", "tensor_group" ->
          new Quantization(0, 0, weights.wholeNumber("group_size", 1, MAX));
      case "block" -> blocks(weights, "block_structure");
      default ->
          throw weights.error(
              "strategy",
              "is " + Quote.name(strategy) + ", but must be tensor, channel, group or block");
    };
  }
}
