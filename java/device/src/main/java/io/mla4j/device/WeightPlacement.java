package io.mla4j.device;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.device.KernelOperation.Convert;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Copies of weights on a device, one behind the other, in the format that it multiplies. */
final class WeightPlacement {
  /** Weights are converted in pieces, of so many elements: whole blocks of any format. */
  private static final long PIECE = 4 << 20;

  private final Accelerator device;
  private final KeptMemory.Buffer piece;

  WeightPlacement(Accelerator device) {
    this.device = device;
    this.piece = device.kept().buffer();
  }

  List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    long bytes = 0;
    for (Weight weight : weights) {
      bytes = Math.addExact(bytes, placedBytes(weight, compute));
    }
    MemorySegment all = device.allocateRaw(bytes, arena);
    List<Weight> placed = new ArrayList<>(weights.size());
    long at = 0;
    for (Weight weight : weights) {
      StorageFormat format = formatOf(weight, compute);
      Tensor to =
          Tensor.of(
              all.asSlice(at, storedBytes(weight, format)), format, weight.out(), weight.in());
      upload(weight, to);
      placed.add(Weight.of(to));
      at += placedBytes(weight, compute);
    }
    return placed;
  }

  long placedBytes(Weight weight, ComputeType compute) {
    return DeviceMemory.aligned(storedBytes(weight, formatOf(weight, compute)));
  }

  private static long storedBytes(Weight weight, StorageFormat format) {
    return format.bytes(Math.multiplyExact(weight.tensor().dim(0), weight.tensor().dim(1)));
  }

  private StorageFormat formatOf(Weight weight, ComputeType compute) {
    if (!weight.format().isWeight()) {
      throw new InvalidArgumentException(
          "weight is " + weight.tensor() + ", but must be " + StorageFormat.weightNames());
    }
    return device.kernels().kept(weight.format(), compute);
  }

  private void upload(Weight weight, Tensor to) {
    Tensor from = weight.tensor();
    long columns = from.dim(1);
    if (weight.isScaled() || columns % from.format().blockElements() != 0) {
      uploadRows(weight, to);
      return;
    }
    if (from.dim(0) > 1 && from.stride(0) != columns) {
      throw new InvalidArgumentException(
          "weight is " + from + " with gaps between its rows, but must be contiguous");
    }
    long count = from.dim(0) * columns;
    StorageFormat stored = from.format();
    StorageFormat kept = to.format();
    for (long done = 0; done < count; done += PIECE) {
      long elements = Math.min(PIECE, count - done);
      MemorySegment source = from.segment().asSlice(stored.bytes(done), stored.bytes(elements));
      MemorySegment target = to.segment().asSlice(kept.bytes(done), kept.bytes(elements));
      if (stored == kept) {
        device.copy(source, 0, target, 0, source.byteSize());
      } else if (device.kernels().converts(stored, kept)) {
        convert(source, stored, Tensor.of(target, kept, elements));
      } else {
        float[] wide = new float[(int) elements];
        stored.widen(source, 0, wide, 0, wide.length);
        uploadWide(wide, Tensor.of(target, kept, elements));
      }
    }
  }

  /** Rows that are more than their elements one after the other are widened by themselves. */
  private void uploadRows(Weight weight, Tensor to) {
    int columns = weight.in();
    StorageFormat kept = to.format();
    int piece = Math.clamp(PIECE / Math.max(1, columns), 1, Math.max(1, weight.out()));
    for (int row = 0; row < weight.out(); row += piece) {
      int rows = Math.min(piece, weight.out() - row);
      float[] wide = new float[Math.multiplyExact(rows, columns)];
      for (int i = 0; i < rows; i++) {
        weight.widen(row + i, 0, wide, i * columns, columns);
      }
      long first = kept.bytes((long) row * columns);
      MemorySegment target = to.segment().asSlice(first, kept.bytes(wide.length));
      uploadWide(wide, Tensor.of(target, kept, wide.length));
    }
  }

  private void uploadWide(float[] wide, Tensor to) {
    MemorySegment source = MemorySegment.ofArray(wide);
    if (to.format() == StorageFormat.F32) {
      device.copy(source, 0, to.segment(), 0, source.byteSize());
    } else {
      convert(source, StorageFormat.F32, to);
    }
  }

  /** The device rounds. */
  private void convert(MemorySegment source, StorageFormat format, Tensor to) {
    try (Accelerator.Turn _ = device.turn()) {
      Tensor raw = piece.tensor(format, to.dim(0));
      device.upload(source, device.resolve("piece", raw.segment()));
      device.kernels().bind(new Convert(raw, to)).launch();
    }
  }
}
