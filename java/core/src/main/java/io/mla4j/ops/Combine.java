package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Weighted sums of experts' results: {@code out[t] = sum over j of weights[t, j] *
 * expertOut[slots[t, j]]}, in the order of j, then {@code + shared[t]}.
 *
 * @param expertOut (slots, width) F32
 * @param slots (n, topK) I32, without gaps, each in 0 .. slots - 1: looked at when it runs
 * @param weights (n, topK) F32, without gaps
 * @param shared (n, width) F32, or null
 * @param out (n, width) F32
 */
public record Combine(
    Tensor expertOut, Tensor slots, Tensor weights, @Nullable Tensor shared, Tensor out)
    implements RowOperation {
  /** Checks types and shapes. */
  public Combine {
    Checks.requireFloats("expertOut", expertOut, 2);
    Checks.requireFloats("weights", weights, 2);
    Checks.require("slots", slots, StorageFormat.I32, weights.dim(0), weights.dim(1));
    Checks.requireDense("slots", slots);
    Checks.requireDense("weights", weights);
    if (shared != null) {
      Checks.require("shared", shared, StorageFormat.F32, weights.dim(0), expertOut.dim(1));
    }
    Checks.requireOutput("out", out, StorageFormat.F32, weights.dim(0), expertOut.dim(1));
  }

  /** Slots of a token. */
  public int topK() {
    return (int) weights.dim(1);
  }

  @Override
  public int rows() {
    return (int) out.dim(0);
  }

  @Override
  public long rowElements() {
    return out.dim(1) * (topK() + 1);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) out.dim(1);
    int topK = topK();
    Scratch scratch = Scratch.ofThread();
    float[] sum = scratch.floats(0, width);
    float[] one = scratch.floats(1, width);
    for (int t = begin; t < end; t++) {
      Arrays.fill(sum, 0, width, 0);
      for (int j = 0; j < topK; j++) {
        int slot = Floats.getInt(slots.segment(), (long) t * topK + j);
        if (slot < 0 || slot >= expertOut.dim(0)) {
          throw new InvalidArgumentException(
              "slots["
                  + t
                  + ", "
                  + j
                  + "] is "
                  + slot
                  + ", but must be in 0.."
                  + (expertOut.dim(0) - 1));
        }
        Floats.read(expertOut.segment(), slot * expertOut.stride(0), one, 0, width);
        Floats.axpy(Floats.get(weights.segment(), (long) t * topK + j), one, 0, sum, 0, width);
      }
      if (shared != null) {
        Floats.read(shared.segment(), t * shared.stride(0), one, 0, width);
        Floats.axpy(1, one, 0, sum, 0, width);
      }
      Floats.write(sum, 0, out.segment(), t * out.stride(0), width);
    }
  }
}
