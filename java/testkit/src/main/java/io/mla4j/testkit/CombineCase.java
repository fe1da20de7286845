package io.mla4j.testkit;

import io.mla4j.ops.Combine;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/** {@code combine}: the weighted sum of expert results, and the shared expert. */
final class CombineCase implements OperationCase {
  private final int tokens;
  private final int topK;
  private final int width;
  private final int slotCount;
  private final float[] expertOut;
  private final int[] slots;
  private final float[] weights;
  private final float[] shared;

  CombineCase(CaseRandom r) {
    tokens = r.oneIn(3) ? 1 : r.size(1, 24);
    topK = r.between(1, 12);
    width = r.size(1, 500);
    slotCount = r.between(1, tokens * topK + 3);
    expertOut = r.normals(slotCount * width, r.of(1.0, 0.1));
    slots = new int[tokens * topK];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = r.between(0, slotCount - 1);
    }
    weights = r.normals(tokens * topK, 1);
    shared = r.oneIn(2) ? r.normals(tokens * width, 1) : null;
  }

  private CombineCase(CombineCase all, int token) {
    tokens = 1;
    topK = all.topK;
    width = all.width;
    slotCount = all.slotCount;
    expertOut = all.expertOut;
    slots = Arrays.copyOfRange(all.slots, token * topK, (token + 1) * topK);
    weights = Arrays.copyOfRange(all.weights, token * topK, (token + 1) * topK);
    shared =
        all.shared == null
            ? null
            : Arrays.copyOfRange(all.shared, token * width, (token + 1) * width);
  }

  @Override
  public String shape() {
    return "tokens "
        + tokens
        + ", top "
        + topK
        + ", width "
        + width
        + ", slots "
        + slotCount
        + (shared == null ? "" : ", shared");
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new CombineCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[tokens * width];
    double[] allowed = new double[y.length];
    for (int t = 0; t < tokens; t++) {
      for (int j = 0; j < topK; j++) {
        double weight = weights[t * topK + j];
        int from = slots[t * topK + j] * width;
        for (int i = 0; i < width; i++) {
          y[t * width + i] += weight * expertOut[from + i];
          allowed[t * width + i] += 2e-6 * Math.abs(weight * expertOut[from + i]);
        }
      }
      for (int i = 0; shared != null && i < width; i++) {
        y[t * width + i] += shared[t * width + i];
        allowed[t * width + i] += 2e-6 * Math.abs(shared[t * width + i]);
      }
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      CaseRandom random = cuts.random();
      Grid from = Grid.any(memory, random, StorageFormat.F32, slotCount, 1, width).fill(expertOut);
      Grid slot = Grid.dense(memory, StorageFormat.I32, tokens, 1, topK).fill(slots);
      Grid weight = Grid.dense(memory, StorageFormat.F32, tokens, 1, topK).fill(weights);
      Grid last = Grid.any(memory, random, StorageFormat.F32, tokens, 1, width);
      if (shared != null) {
        last.fill(shared);
      }
      Grid out = Grid.any(memory, random, StorageFormat.F32, tokens, 1, width);
      Combine operation =
          new Combine(
              from.matrix(),
              slot.matrix(),
              weight.matrix(),
              shared == null ? null : last.matrix(),
              out.matrix());
      OperationCase.runRows(kernels, cuts, operation, (begin, end) -> out.ask(begin, end, 0, 1));
      from.requireUnchanged("expert_out");
      slot.requireUnchanged("slots");
      weight.requireUnchanged("weights");
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
