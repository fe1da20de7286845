package io.mla4j.device;

import io.mla4j.ComputeType;
import io.mla4j.ops.Operation;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;

/** The kernels of a device, each a whole operation on its stream. Used in the device's turn. */
public interface DeviceKernels {
  /**
   * Makes a kernel ready for an operation of one launch: {@link io.mla4j.ops.Embed}, {@link
   * io.mla4j.ops.RmsNorm}, {@link io.mla4j.ops.Add}, {@link io.mla4j.ops.Rotate}, {@link
   * io.mla4j.ops.Merge}, {@link io.mla4j.ops.Argmax}, {@link io.mla4j.ops.Sample} or a {@link
   * KernelOperation}.
   *
   * @throws io.mla4j.BackendException where the device lacks it, with its name
   */
  Launch bind(Operation operation);

  /**
   * Makes a kernel ready for {@link io.mla4j.ops.AppendLatent}, {@link io.mla4j.ops.AttendAbsorbed}
   * or {@link KernelOperation.AttendDecompressed}.
   */
  StepLaunch bind(StepOperation operation);

  /** Whether {@link io.mla4j.ops.Argmax} and {@link io.mla4j.ops.Sample} are among them. */
  boolean chooseTokens();

  /** The format that weights of format {@code stored} are kept in: they are rounded or widened. */
  StorageFormat kept(StorageFormat stored, ComputeType compute);

  /** Whether {@link KernelOperation.Convert} has this pair. */
  boolean converts(StorageFormat from, StorageFormat to);

  /** Bytes of {@link KernelOperation.Groups#tiles} for so many rows. */
  long groupBytes(int rows, int experts, StorageFormat weightFormat, ComputeType compute);

  /** The splits of a sequence's keys in a launch; {@link RunShape#splits} is not looked at. */
  int splits(RunShape shape, int queries, int kvTokens);

  /** Bytes of what {@link #writePlan} writes. */
  long planBytes(RunShape shape);

  /**
   * Writes what attention of a launch reads of its sequences, all in memory of the host.
   *
   * @param queryBegin (sequences + 1) I32: the first token of each sequence in the launch, then all
   * @param kvTokens (sequences) I32: cached tokens, the new ones included
   */
  void writePlan(
      RunShape shape, MemorySegment queryBegin, MemorySegment kvTokens, MemorySegment plan);

  /**
   * The size of a launch of attention.
   *
   * @param queries the most of one sequence
   * @param splits of all sequences
   * @param pageTableStride pages between the page tables of two sequences
   */
  record RunShape(
      int heads, int sequences, int tokens, int queries, int splits, int pageTableStride) {}
}
