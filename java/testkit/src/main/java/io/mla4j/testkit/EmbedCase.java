package io.mla4j.testkit;

import io.mla4j.ops.Embed;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import java.util.List;

/** {@code embed}: rows of a table, scaled: one float32 rounding, so exactly one result. */
final class EmbedCase implements OperationCase {
  private final StoredWeight.Kind kind;
  private final int vocabulary;
  private final int width;
  private final int count;
  private final float scale;
  private final int[] ids;
  private final StoredWeight table;

  EmbedCase(CaseRandom r) {
    kind = StoredWeight.Kind.any(r);
    vocabulary = r.size(1, 200);
    width = r.size(1, 600);
    count = r.oneIn(3) ? 1 : r.size(1, 40);
    scale = r.of(1f, 12f, (float) r.uniform(-3, 3));
    ids = new int[count];
    for (int i = 0; i < count; i++) {
      ids[i] = r.oneIn(4) ? r.of(0, vocabulary - 1) : r.between(0, vocabulary - 1);
    }
    table = StoredWeight.random(r, kind, vocabulary, width, r.of(1.0, 0.02));
  }

  private EmbedCase(EmbedCase all, int row) {
    kind = all.kind;
    vocabulary = all.vocabulary;
    width = all.width;
    count = 1;
    scale = all.scale;
    ids = new int[] {all.ids[row]};
    table = all.table;
  }

  @Override
  public String shape() {
    return "table "
        + kind
        + " "
        + vocabulary
        + " x "
        + width
        + ", ids "
        + count
        + ", scale "
        + scale;
  }

  @Override
  public boolean ofDevices() {
    return kind.ofDevices();
  }

  @Override
  public int rows() {
    return count;
  }

  @Override
  public OperationCase row(int i) {
    return new EmbedCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[count * width];
    for (int i = 0; i < y.length; i++) {
      // The product of two float32 is exact in double.
      y[i] = (float) ((double) scale * table.values[ids[i / width] * width + i % width]);
    }
    return List.of(Expectation.exact("y", y));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      StoredWeight.Placed from = table.place(memory, cuts.random());
      Grid id = Grid.dense(memory, StorageFormat.I32, 1, 1, count).fill(ids);
      Grid out = Grid.any(memory, cuts.random(), StorageFormat.F32, count, 1, width);
      Embed operation = new Embed(from.weight, id.vector(), scale, out.matrix());
      OperationCase.runRows(kernels, cuts, operation, (begin, end) -> out.ask(begin, end, 0, 1));
      from.requireUnchanged("table");
      id.requireUnchanged("ids");
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
