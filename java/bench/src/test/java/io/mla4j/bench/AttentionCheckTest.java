package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.testkit.Attention;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The check against the oracle: long sequences, and that it finds what is wrong. */
class AttentionCheckTest {
  private static final int WIDTH = Kind.LATENT + Kind.ROPE;

  private final Arena arena = Arena.ofAuto();
  private final SplittableRandom random = new SplittableRandom(9);

  /** Float32 rows of MLA in one page. */
  private static AttentionSpec spec(int tokens, int queries) {
    return new AttentionSpec(
        AttentionGrid.Phase.DECODE,
        Kind.MLA,
        null,
        null,
        new AttentionSpec.Size(1, tokens, 1, queries, tokens),
        new AttentionSpec.Types(ComputeType.F32, CacheType.F32),
        io.mla4j.AttentionForm.ABSORBED,
        AttentionGrid.Residency.COLD);
  }

  private MemorySegment pages(AttentionSpec spec, int tokens) {
    return arena.allocate(tokens * spec.layout().rowStrideBytes(), 64);
  }

  private double[] fill(AttentionSpec spec, MemorySegment pages, int tokens) {
    long stride = spec.layout().rowStrideBytes() / 4;
    double[] rows = new double[tokens * WIDTH];
    for (int i = 0; i < rows.length; i++) {
      int at = i % WIDTH;
      long offset = at < Kind.LATENT ? at : spec.layout().ropeOffset() + at - Kind.LATENT;
      float value = (float) random.nextGaussian();
      pages.setAtIndex(ValueLayout.JAVA_FLOAT, i / WIDTH * stride + offset, value);
      rows[i] = value;
    }
    return rows;
  }

  private Tensor tensor(double[] values) {
    MemorySegment segment = arena.allocate(4L * values.length, 64);
    for (int i = 0; i < values.length; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) values[i]);
    }
    return Tensor.of(segment, StorageFormat.F32, 1, 1, values.length);
  }

  private AttentionCheck check(AttentionSpec spec, MemorySegment pages) {
    return new AttentionCheck("a row", spec, pages, arena.allocate(4, 4), 0, 0.1);
  }

  @Test
  void blocksTogetherAreOneSoftmax() {
    int tokens = 2 * AttentionCheck.BLOCK + 7;
    AttentionSpec spec = spec(tokens, 1);
    MemorySegment pages = pages(spec, tokens);
    double[] rows = fill(spec, pages, tokens);
    double[] query = random.doubles(WIDTH, -1, 1).map(d -> (float) d).toArray();
    double[] out = new double[Kind.LATENT];
    new Attention(WIDTH, Kind.LATENT, 0.1, false)
        .row(
            query,
            0,
            new Attention.Rows(rows, WIDTH, rows, WIDTH, null, null),
            0,
            tokens,
            new Attention.Bias(0, tokens - 1),
            out,
            0);
    check(spec, pages).absorbed(tensor(query), tensor(out), null, 0, 0);
    out[3] += 0.01;
    assertThrows(
        BenchException.class,
        () -> check(spec, pages).absorbed(tensor(query), tensor(out), null, 0, 0));
  }

  @Test
  void aSequenceMayHaveMoreNumbersThanAnArray() {
    int tokens = 4_000_000;
    // The first of as many new tokens sees itself alone: its output is its latent.
    AttentionSpec spec = spec(tokens, tokens);
    MemorySegment pages = pages(spec, 1);
    double[] row = fill(spec, pages, 1);
    Tensor latent = tensor(java.util.Arrays.copyOf(row, Kind.LATENT));
    check(spec, pages).absorbed(tensor(row), latent, null, 0, 0);
  }
}
