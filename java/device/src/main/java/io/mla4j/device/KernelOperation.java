package io.mla4j.device;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.ops.Attend;
import io.mla4j.ops.Operation;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;

/** What larger operations are made of: one launch each, its operands checked by who makes it. */
public sealed interface KernelOperation extends Operation {
  /**
   * {@code out = x W^T + bias}.
   *
   * @param x (n, in) F32
   * @param weight (out, in)
   * @param bias (out) F32, or null
   * @param out (n, out) F32
   */
  record MatMul(Tensor x, Tensor weight, Tensor bias, ComputeType compute, Tensor out)
      implements KernelOperation {}

  /**
   * {@code out[t, h] = W[h] x[t, h]}, or of its transpose.
   *
   * @param x (n, heads, in) F32
   * @param weight (heads, out, in), transposed (heads, in, out)
   * @param out (n, heads, out) F32
   */
  record HeadMatMul(Tensor x, Tensor weight, boolean transposed, ComputeType compute, Tensor out)
      implements KernelOperation {}

  /**
   * (token, choice) pairs sorted by expert, then by token: each has a row in {@link GroupedMatMul}.
   *
   * @param weightFormat of the products that read them, as compute
   * @param tokenOf (n * top k) I32: the token of a row
   * @param rowOf (n, top k) I32: the row of a choice
   * @param tiles the rows of each expert, of {@link DeviceKernels#groupBytes}
   */
  record Groups(
      int experts,
      StorageFormat weightFormat,
      ComputeType compute,
      Tensor tokenOf,
      Tensor rowOf,
      MemorySegment tiles) {}

  /**
   * Writes groups.
   *
   * @param chosen (n, top k) I32
   */
  record Group(Tensor chosen, Groups groups) implements KernelOperation {}

  /**
   * {@code out[r] = W[e] x[indices[r]]} for rows r of expert e.
   *
   * @param x (m, in) F32
   * @param indices (rows) I32, or null for x[r]
   * @param weight (experts, out, in)
   * @param out (rows, out) F32
   */
  record GroupedMatMul(Tensor x, Tensor indices, Tensor weight, Groups groups, Tensor out)
      implements KernelOperation {}

  /**
   * {@code to = from}, rounded to nearest even.
   *
   * @param from (n)
   * @param to (n)
   */
  record Convert(Tensor from, Tensor to) implements KernelOperation {}

  /**
   * Attention in the decompressed form alone.
   *
   * @param lse (n, heads) F32, natural logarithm, or null
   */
  record AttendDecompressed(Attend attend, Tensor lse) implements KernelOperation, StepOperation {
    @Override
    public int layer() {
      return attend.layer();
    }

    @Override
    public void requireFits(DecodePlan plan) {
      attend.requireFits(plan);
    }
  }
}
