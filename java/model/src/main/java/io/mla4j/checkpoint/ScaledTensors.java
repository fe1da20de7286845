package io.mla4j.checkpoint;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The tensors of a checkpoint with the scales that lie beside them in tensors of their own:
 *
 * <ul>
 *   <li>{@code X.weight} in F8_E4M3 or I8 with {@code X.weight_scale_inv}, {@code X.weight_scale},
 *       {@code X.scale} or {@code X.qscale_weight}: for blocks, for each row, or one for all. All
 *       of them are factors, whatever their names say (DeepSeek-V3, README_WEIGHTS.md).
 *   <li>Experts {@code X} in one tensor (experts, rows, columns) in F8_E4M3, with {@code
 *       X_scale_inv} or {@code X_scale}: (experts, ..) scales for blocks or rows of each expert, or
 *       one for each.
 *   <li>{@code X.weight_packed} with {@code X.weight_scale} in place of {@code X.weight}: eight
 *       four-bit integers in an I32, or two four-bit floats in a U8 (compressed-tensors). {@code
 *       X.weight_shape} says what the configuration says too, and is not read.
 * </ul>
 *
 * Scales of activations ({@code X.activation_scale}, {@code X.input_scale}) say how another program
 * rounds them, and are not read. Scales may be F32, BF16, F16, or powers of two in F8_E8M0 or U8.
 */
final class ScaledTensors {
  private static final String WEIGHT = ".weight";
  private static final List<String> SCALES =
      List.of(".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight");
  private static final List<String> STACKED_SCALES = List.of("_scale_inv", "_scale");
  private static final String PACKED = ".weight_packed";
  private static final List<String> ACTIVATION_SCALES =
      List.of(".activation_scale", ".input_scale", "_activation_scale");
  private static final List<String> NOT_SUPPORTED = List.of(".weight_zero_point", ".weight_g_idx");

  private final Checkpoint checkpoint;
  private final Quantization quantization;
  private final Set<String> used = new HashSet<>();

  ScaledTensors(Checkpoint checkpoint, Quantization quantization) {
    this.checkpoint = checkpoint;
    this.quantization = quantization;
  }

  /** Whether there is a tensor {@code name}, packed or not. */
  boolean exists(String name) {
    return checkpoint.find(name).isPresent() || checkpoint.find(packed(name)).isPresent();
  }

  /** The names in the checkpoint of everything that was found. */
  Set<String> used() {
    return used;
  }

  private static String base(String name) {
    return name.endsWith(WEIGHT) ? name.substring(0, name.length() - WEIGHT.length()) : name;
  }

  private static String packed(String name) {
    return base(name) + PACKED;
  }

  /**
   * The tensor {@code name} with its scales.
   *
   * @param shape what it should have, by which packed columns are counted
   * @throws CheckpointException where it or its scales are missing or do not fit
   */
  StoredTensor get(String name, List<Long> shape) {
    Optional<StoredTensor> plain = checkpoint.find(name);
    Optional<StoredTensor> packed = checkpoint.find(packed(name));
    if (plain.isEmpty() && packed.isPresent()) {
      return scaled(unpacked(packed.get(), shape), base(name));
    }
    StoredTensor stored = plain.orElseGet(() -> checkpoint.get(name));
    used.add(stored.name());
    return stored.type().needsScales() ? scaled(stored, base(name)) : stored;
  }

  private StoredTensor unpacked(StoredTensor stored, List<Long> shape) {
    used.add(stored.name());
    used.add(base(stored.name()).replace(PACKED, ".weight_shape"));
    StoredType type =
        switch (stored.type()) {
          case I32 -> StoredType.I4;
          case U8 -> StoredType.F4;
          default ->
              throw stored.error(
                  "has dtype " + stored.type() + ", but packed weights must have I32 or U8");
        };
    if (stored.shape().size() != 2) {
      throw stored.error("has shape " + stored.shape() + ", but must be a matrix");
    }
    long rows = stored.shape().get(0);
    long width = stored.shape().get(1) * stored.type().blockBytes() / type.blockBytes();
    long columns = shape.getLast();
    if (Math.ceilDiv(columns, type.blockElements()) != width) {
      columns = width * type.blockElements();
    }
    return new StoredTensor(
        stored.name(), stored.file(), type, List.of(rows, columns), stored.segment());
  }

  private StoredTensor scaled(StoredTensor stored, String base) {
    for (String ending : NOT_SUPPORTED) {
      if (checkpoint.find(base + ending).isPresent()) {
        throw checkpoint.get(base + ending).error("is there, but is not supported");
      }
    }
    List<String> endings = stored.name().equals(base) ? STACKED_SCALES : SCALES;
    StoredTensor scales =
        endings.stream()
            .flatMap(ending -> checkpoint.find(base + ending).stream())
            .findFirst()
            .orElseThrow(
                () ->
                    stored.error(
                        "has dtype "
                            + stored.type()
                            + ", but no scales: "
                            + Quote.name(base + endings.getFirst())
                            + " is missing"));
    used.add(scales.name());
    ACTIVATION_SCALES.forEach(ending -> used.add(base + ending));
    StoredTensor values =
        scales.type() == StoredType.U8 ? scales.as(StoredType.F8_E8M0, scales.shape()) : scales;
    if (!values.type().isScale()) {
      throw scales.error(
          "has dtype " + scales.type() + ", but scales must have F32, BF16, F16, F8_E8M0 or U8");
    }
    return stored.scaled(layout(stored, values));
  }

  /** Which elements share a scale, told by the scales' shape. */
  private StoredScales layout(StoredTensor stored, StoredTensor scales) {
    List<Long> shape = stored.shape();
    if (shape.size() < 2) {
      throw stored.error("has dtype " + stored.type() + ", but only matrices may have scales");
    }
    if (stored.type().bytes(shape) > stored.segment().byteSize()) {
      throw stored.error("has rows that do not end with a whole byte, which is not supported");
    }
    // Matrices that lie one behind the other have as many planes of scales.
    List<Long> stack = shape.subList(0, shape.size() - 2);
    long rows = shape.get(stack.size());
    long columns = shape.getLast();
    if (fits(scales, stack) || fits(scales, append(stack, 1L, 1L))) {
      return plane(scales, rows, columns, append(stack, 1L, 1L));
    }
    if (fits(scales, append(stack, rows, 1L)) || fits(scales, append(stack, rows))) {
      return plane(scales, 1, columns, append(stack, rows, 1L));
    }
    long blockRows = quantization.groupColumns() > 0 ? 1 : quantization.blockRows();
    long blockColumns =
        quantization.groupColumns() > 0 ? quantization.groupColumns() : quantization.blockColumns();
    if (blockRows == 0) {
      throw scales.error(
          "has shape "
              + scales.shape()
              + ", but the configuration does not say which elements of "
              + shape
              + " share a scale");
    }
    List<Long> expected =
        append(stack, Math.ceilDiv(rows, blockRows), Math.ceilDiv(columns, blockColumns));
    if (!fits(scales, expected)) {
      throw scales.error(
          "has shape "
              + scales.shape()
              + ", but "
              + shape
              + " in blocks of "
              + blockRows
              + " x "
              + blockColumns
              + " has "
              + expected
              + " scales");
    }
    return plane(scales, blockRows, blockColumns, expected);
  }

  private static boolean fits(StoredTensor scales, List<Long> shape) {
    return scales.shape().equals(shape)
        || scales.elements() == 1 && shape.stream().allMatch(dimension -> dimension == 1);
  }

  private static List<Long> append(List<Long> stack, Long... dimensions) {
    return Stream.concat(stack.stream(), Stream.of(dimensions)).toList();
  }

  private static StoredScales plane(
      StoredTensor scales, long blockRows, long blockColumns, List<Long> shape) {
    if (blockRows > Integer.MAX_VALUE || blockColumns > Integer.MAX_VALUE) {
      throw scales.error("belongs to a matrix with 2^31 rows or columns or more");
    }
    return new StoredScales(scales.as(scales.type(), shape), (int) blockRows, (int) blockColumns);
  }
}
