package io.mla4j.testkit;

import io.mla4j.ops.Merge;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/** {@code merge}: partial results over disjoint keys, some of them empty. */
final class MergeCase implements OperationCase {
  private final int parts;
  private final int tokens;
  private final int heads;
  private final int width;
  private final float[] partialOut;
  private final float[] partialLse;
  private final boolean withLse;

  MergeCase(CaseRandom r) {
    parts = r.size(1, 33);
    tokens = r.oneIn(2) ? 1 : r.between(1, 8);
    heads = r.size(1, 64);
    width = r.size(1, Math.clamp(200_000 / (parts * tokens * heads), 1, 512));
    partialOut = r.normals(parts * tokens * heads * width, r.oneIn(4) ? 0.1 : 1);
    partialLse = r.normals(parts * tokens * heads, r.of(0.5, 3.0, 30.0));
    double shift = r.of(0.0, 7.0, -300.0, 2000.0);
    int emptyOneIn = r.of(2, 5, 1000);
    for (int i = 0; i < partialLse.length; i++) {
      partialLse[i] += (float) shift;
      if (r.oneIn(emptyOneIn)) {
        partialLse[i] = Float.NEGATIVE_INFINITY;
        Arrays.fill(partialOut, i * width, (i + 1) * width, 0);
      }
    }
    withLse = !r.oneIn(4);
  }

  private MergeCase(MergeCase all, int token) {
    parts = all.parts;
    tokens = 1;
    heads = all.heads;
    width = all.width;
    withLse = all.withLse;
    partialOut = new float[parts * heads * width];
    partialLse = new float[parts * heads];
    for (int i = 0; i < parts; i++) {
      int from = (i * all.tokens + token) * heads;
      System.arraycopy(all.partialOut, from * width, partialOut, i * heads * width, heads * width);
      System.arraycopy(all.partialLse, from, partialLse, i * heads, heads);
    }
  }

  @Override
  public String shape() {
    return "parts "
        + parts
        + ", tokens "
        + tokens
        + ", heads "
        + heads
        + ", width "
        + width
        + (withLse ? ", lse" : "");
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new MergeCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] out = new double[tokens * heads * width];
    double[] lse = new double[tokens * heads];
    Oracle.merge(partialOut, partialLse, parts, tokens * heads, width, out, lse);
    return withLse
        ? List.of(Expectation.float32("out", out, parts, 0), Expectation.lse("lse", lse))
        : List.of(Expectation.float32("out", out, parts, 0));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    int gap = cuts.random().of(0, 0, 3, 16);
    try (GuardedMemory memory = new GuardedMemory()) {
      // Parts are neighbours in the grid's first dimension, (token, head) rows in its second.
      Grid partial =
          Grid.gapped(memory, StorageFormat.F32, parts, tokens * heads, width, gap)
              .fill(partialOut);
      Grid partialLses =
          Grid.gapped(memory, StorageFormat.F32, parts, tokens, heads, gap).fill(partialLse);
      Grid out = Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, heads, width);
      Grid lse = Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, 1, heads);
      Tensor parts4 =
          Tensor.strided(
              partial.segment,
              StorageFormat.F32,
              new long[] {parts, tokens, heads, width},
              new long[] {partial.aStride, heads * partial.bStride, partial.bStride, 1});
      Merge operation =
          new Merge(parts4, partialLses.cube(), out.cube(), withLse ? lse.matrix() : null);
      OperationCase.runRows(
          kernels,
          cuts,
          operation,
          (begin, end) -> {
            for (int row = begin; row < end; row++) {
              int t = row / heads;
              int h = row % heads;
              out.ask(t, t + 1, h, h + 1);
              lse.ask(t, t + 1, 0, 1, h, h + 1);
            }
          });
      partial.requireUnchanged("partial_out");
      partialLses.requireUnchanged("partial_lse");
      memory.verify();
      return withLse ? List.of(out.read("out"), lse.read("lse")) : List.of(out.read("out"));
    }
  }
}
