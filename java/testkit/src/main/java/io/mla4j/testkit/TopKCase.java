package io.mla4j.testkit;

import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** {@code topK}: positions of the largest scores, with ties, zeros of both signs and NaN. */
final class TopKCase implements OperationCase {
  private final int rows;
  private final int firstCount;
  private final int topK;
  private final int width;
  private final float[] scores;

  TopKCase(CaseRandom r) {
    rows = r.oneIn(3) ? 1 : r.size(1, 12);
    firstCount = r.oneIn(8) ? r.between(2000, 6000) : r.size(1, 300);
    topK = r.oneIn(8) ? r.between(1, 2048) : r.size(1, 200);
    width = firstCount + rows - 1;
    scores = r.normals(rows * width, r.of(1.0, 1e-3, 1e6));
    int kind = r.between(0, 3);
    float[] special = {0, -0f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1e-42f};
    for (int i = 0; i < scores.length; i++) {
      switch (kind) {
        case 1 -> scores[i] = Math.round(scores[i] * 2) / 2f;
        case 2 -> scores[i] = r.oneIn(3) ? scores[i] : Math.max(0, scores[i]);
        case 3 -> scores[i] = r.oneIn(2) ? scores[i] : r.of(0, 1, 2, 3, 4, 5) * 0f;
        default -> {}
      }
      if (kind == 3 && r.oneIn(3)) {
        scores[i] = special[r.between(0, special.length - 1)];
      }
    }
  }

  private TopKCase(TopKCase all, int row) {
    rows = 1;
    firstCount = all.firstCount + row;
    topK = all.topK;
    width = firstCount;
    scores = Arrays.copyOfRange(all.scores, row * all.width, row * all.width + width);
  }

  @Override
  public String shape() {
    return "rows " + rows + " of " + firstCount + " scores and more, k " + topK;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public OperationCase row(int i) {
    return new TopKCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] chosen = new double[rows * topK];
    Arrays.fill(chosen, -1);
    for (int row = 0; row < rows; row++) {
      int from = row * width;
      Comparator<Integer> falling =
          Comparator.comparingDouble(s -> Float.isNaN(scores[from + s]) ? 1 : 0);
      falling = falling.thenComparingDouble(s -> 0.0 - scores[from + s]);
      int[] best =
          IntStream.range(0, firstCount + row)
              .boxed()
              .sorted(falling.thenComparingInt(s -> s))
              .limit(topK)
              .mapToInt(s -> s)
              .sorted()
              .toArray();
      for (int j = 0; j < best.length; j++) {
        chosen[row * topK + j] = best[j];
      }
    }
    return List.of(Expectation.exact("chosen", chosen));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(scores);
      Grid chosen = Grid.dense(memory, StorageFormat.I32, rows, 1, topK);
      ChoiceTile tile = new ChoiceTile(topK);
      tile.rows(rows, firstCount);
      tile.scores(in.segment, in.aStride);
      tile.chosen(chosen.segment);
      TileKernel kernel = kernels.bind(tile);
      kernel.prepare();
      for (Cuts.Range r : cuts.ranges(rows, 1)) {
        if (!cuts.skips()) {
          chosen.ask(r.begin(), r.end(), 0, 1);
          kernel.run(new Tile().rows(r.begin(), r.end()));
        }
      }
      in.requireUnchanged("scores");
      memory.verify();
      return List.of(chosen.read("chosen"));
    }
  }
}
