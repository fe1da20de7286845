package io.mla4j.testkit;

import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/** {@code rope}: the last elements of every head rotated, the others copied; in place or not. */
final class RopeCase implements OperationCase {
  private final int tokens;
  private final int heads;
  private final int width;
  private final int rope;
  private final RopeLayout layout;
  private final boolean inPlace;
  private final float[] x;
  private final float[] cosines;
  private final float[] sines;

  RopeCase(CaseRandom r) {
    tokens = r.oneIn(3) ? 1 : r.size(1, 16);
    heads = r.size(1, 128);
    rope = 2 * r.size(0, 32);
    width = Math.max(1, rope + (r.oneIn(3) ? 0 : r.size(0, 128)));
    layout = r.of(RopeLayout.values());
    inPlace = r.oneIn(2);
    x = r.normals(tokens * heads * width, r.of(1.0, 0.1, 10.0));
    cosines = new float[tokens * rope / 2];
    sines = new float[cosines.length];
    double factor = r.of(1.0, 1.0, 1.37);
    for (int i = 0; i < cosines.length; i++) {
      double angle = r.uniform(-Math.PI, Math.PI);
      cosines[i] = (float) (factor * Math.cos(angle));
      sines[i] = (float) (factor * Math.sin(angle));
    }
  }

  private RopeCase(RopeCase all, int token) {
    tokens = 1;
    heads = all.heads;
    width = all.width;
    rope = all.rope;
    layout = all.layout;
    inPlace = all.inPlace;
    x = Arrays.copyOfRange(all.x, token * heads * width, (token + 1) * heads * width);
    cosines = Arrays.copyOfRange(all.cosines, token * rope / 2, (token + 1) * rope / 2);
    sines = Arrays.copyOfRange(all.sines, token * rope / 2, (token + 1) * rope / 2);
  }

  @Override
  public String shape() {
    return "tokens "
        + tokens
        + ", heads "
        + heads
        + ", width "
        + width
        + ", rope "
        + rope
        + " "
        + layout
        + (inPlace ? ", in place" : "");
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new RopeCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = Oracle.widen(x, false);
    double[] allowed = new double[y.length];
    for (int row = 0; row < tokens * heads; row++) {
      int at = row * width + width - rope;
      int angle = row / heads * (rope / 2);
      Oracle.rotate(x, at, rope, layout, new Oracle.Angles(cosines, sines, angle), y, at);
      double largest = 0;
      for (int i = at; i < at + rope; i++) {
        largest = Math.max(largest, Math.abs(x[i]));
      }
      Arrays.fill(allowed, at, at + rope, 4e-7 * largest);
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, heads, width).fill(x);
      Grid out =
          inPlace ? in : Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, heads, width);
      Grid cos = Grid.dense(memory, StorageFormat.F32, tokens, 1, rope / 2).fill(cosines);
      Grid sin = Grid.dense(memory, StorageFormat.F32, tokens, 1, rope / 2).fill(sines);
      Rotation rotation = new Rotation(cos.matrix(), sin.matrix(), layout);
      Rotate operation = new Rotate(in.cube(), rotation, out.cube());
      OperationCase.runRows(
          kernels, cuts, operation, (begin, end) -> out.ask(begin, end, 0, heads));
      if (!inPlace) {
        in.requireUnchanged("x");
      }
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
