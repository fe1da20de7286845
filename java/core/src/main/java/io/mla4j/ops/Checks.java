package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The checks of operations: one way to say what an argument is and what it must be. */
final class Checks {
  private Checks() {}

  /** {@code tensor} has this type and one dimension. */
  static void require(String name, Tensor tensor, StorageFormat format, long d0) {
    require(name, tensor, format, 1, d0, 0, 0);
  }

  /** {@code tensor} has this type and shape. */
  static void require(String name, Tensor tensor, StorageFormat format, long d0, long d1) {
    require(name, tensor, format, 2, d0, d1, 0);
  }

  /** {@code tensor} has this type and shape. */
  static void require(String name, Tensor tensor, StorageFormat format, long d0, long d1, long d2) {
    require(name, tensor, format, 3, d0, d1, d2);
  }

  /** The first {@code rank} of the dimensions count: an array of them would be garbage. */
  private static void require(
      String name, Tensor tensor, StorageFormat format, int rank, long d0, long d1, long d2) {
    if (tensor == null) {
      throw new InvalidArgumentException(name + " is null");
    }
    if (tensor.format() != format
        || tensor.rank() != rank
        || tensor.dim(0) != d0
        || rank > 1 && tensor.dim(1) != d1
        || rank > 2 && tensor.dim(2) != d2) {
      String shape = Arrays.toString(Arrays.copyOf(new long[] {d0, d1, d2}, rank));
      throw new InvalidArgumentException(
          name + " is " + tensor + ", but must be " + format + shape);
    }
    requireNative(name, tensor);
  }

  /**
   * {@code tensor} is of this type and shape, and may be written: a mapped file may not, and a
   * kernel would not be told.
   */
  static void requireOutput(String name, Tensor tensor, StorageFormat format, long d0, long d1) {
    require(name, tensor, format, d0, d1);
    requireWritable(name, tensor);
  }

  /** The same with one dimension. */
  static void requireOutput(String name, Tensor tensor, StorageFormat format, long d0) {
    require(name, tensor, format, d0);
    requireWritable(name, tensor);
  }

  /** The same with three dimensions. */
  static void requireOutput(
      String name, Tensor tensor, StorageFormat format, long d0, long d1, long d2) {
    require(name, tensor, format, d0, d1, d2);
    requireWritable(name, tensor);
  }

  private static void requireWritable(String name, Tensor tensor) {
    if (tensor.segment().isReadOnly()) {
      throw new InvalidArgumentException(name + " is " + tensor + " in read-only memory");
    }
  }

  /** {@code tensor} is in memory that kernels can be given. */
  static void requireNative(String name, Tensor tensor) {
    if (!tensor.segment().isNative()) {
      throw new InvalidArgumentException(
          name + " is " + tensor + " on the Java heap, but must be in memory of an arena");
    }
  }

  /** {@code tensor} is F32 with {@code rank} dimensions. */
  static void requireFloats(String name, Tensor tensor, int rank) {
    requireNonNull(name, tensor);
    if (tensor.format() != StorageFormat.F32 || tensor.rank() != rank) {
      throw new InvalidArgumentException(
          name + " is " + tensor + ", but must be F32 with " + rank + " dimensions");
    }
  }

  /** {@code weight} is a matrix of this shape, in a format of weights. */
  static void require(String name, Weight weight, long out, long in) {
    requireNonNull(name, weight);
    Tensor tensor = weight.tensor();
    if (!tensor.format().isWeight()) {
      throw new InvalidArgumentException(
          name + " is " + tensor + ", but must be " + StorageFormat.weightNames());
    }
    if (tensor.rank() != 2 || tensor.dim(0) != out || tensor.dim(1) != in) {
      throw new InvalidArgumentException(
          name + " is " + tensor + ", but must have shape [" + out + ", " + in + "]");
    }
    requireNative(name, tensor);
  }

  /** {@code weight} is there and has two dimensions, whichever. */
  static void requireMatrix(String name, @Nullable Weight weight) {
    if (weight == null || weight.tensor().rank() != 2) {
      throw new InvalidArgumentException(
          name + " is " + (weight == null ? null : weight.tensor()) + ", but must be a matrix");
    }
  }

  /** Cosines and sines of {@code tokens} tokens, without gaps: how many elements they turn. */
  static int requireRotation(Rotation rotation, long tokens) {
    requireNonNull("rotation", rotation);
    requireFloats("rotation.cosines", rotation.cosines(), 2);
    long pairs = rotation.cosines().dim(1);
    require("rotation.cosines", rotation.cosines(), StorageFormat.F32, tokens, pairs);
    require("rotation.sines", rotation.sines(), StorageFormat.F32, tokens, pairs);
    require(
        tokens < 2 || rotation.cosines().stride(0) == pairs && rotation.sines().stride(0) == pairs,
        "rotation has gaps between its rows, but must be contiguous");
    return toInt("rotation", 2 * pairs);
  }

  /** A scale, and slopes for every head where there are any. */
  static void requireScore(AttentionScore score, long heads) {
    requireNonNull("score", score);
    if (score.alibiSlopes() != null) {
      require("score.alibiSlopes", score.alibiSlopes(), StorageFormat.F32, heads);
    }
  }

  /** A layer of whatever cache. */
  static void requireLayer(int layer) {
    require(layer >= 0, "layer is " + layer + ", but must not be negative");
  }

  /** A layer of the plan's cache. */
  static void requireLayer(long layer, DecodePlan plan) {
    requireNonNull("plan", plan);
    if (layer >= plan.layers()) {
      throw new InvalidArgumentException(
          "layer is " + layer + ", but the cache has layers 0.." + (plan.layers() - 1));
    }
  }

  /** A layer of a group of rows of the plan's cache. */
  static void requireLayer(int group, int layer, DecodePlan plan) {
    requireNonNull("plan", plan);
    if (group >= plan.groups()) {
      throw new InvalidArgumentException(
          "group is " + group + ", but the cache has groups 0.." + (plan.groups() - 1));
    }
    if (layer >= plan.layers(group)) {
      throw new InvalidArgumentException(
          "layer is "
              + layer
              + ", but group "
              + group
              + " of the cache has layers 0.."
              + (plan.layers(group) - 1));
    }
  }

  /** {@code tensor} has entries along dimension {@code i}. */
  static void requireNonEmpty(String name, Tensor tensor, int i) {
    positiveInt("dimension " + i + " of " + name, tensor.dim(i));
  }

  /** {@code tensor} has a row for each token of the plan. */
  static void requireTokens(String name, Tensor tensor, DecodePlan plan) {
    if (tensor.dim(0) != plan.tokens()) {
      throw new InvalidArgumentException(
          name + " is " + tensor + ", but the plan has " + plan.tokens() + " tokens");
    }
  }

  /** An argument that must be there. */
  static void requireNonNull(String name, @Nullable Object argument) {
    if (argument == null) {
      throw new InvalidArgumentException(name + " is null");
    }
  }

  /** Rows lie one behind the other. */
  static void requireDense(String name, Tensor tensor) {
    require(
        tensor.dim(0) < 2 || tensor.stride(0) == tensor.dim(1),
        name + " has gaps between its rows, but must be contiguous");
  }

  /** A condition on an argument that is no shape. */
  static void require(boolean condition, String message) {
    if (!condition) {
      throw new InvalidArgumentException(message);
    }
  }

  /** A size that must be at least 1 and fit an int. */
  static int positiveInt(String name, long value) {
    if (value < 1) {
      throw new InvalidArgumentException(name + " is " + value + ", but must be at least 1");
    }
    return toInt(name, value);
  }

  /** A size that must fit an int. */
  static int toInt(String name, long value) {
    if (value != (int) value) {
      throw new InvalidArgumentException(name + " is " + value + ", more than 2^31 - 1");
    }
    return (int) value;
  }
}
