package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.testkit.Attention;
import io.mla4j.testkit.Rounding;
import io.mla4j.testkit.StoredRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * Compares rows of a result with the oracle of the tests, over one sequence of a cache. Some rows,
 * not all: the oracle multiplies one number at a time. The cache may be larger than what Java holds
 * in an array, so it is read in blocks, whose results are combined as the parts of a softmax.
 */
final class AttentionCheck {
  /** FlashMLA's tests allow 5e-6 of cosine distance, which is this much of the length. */
  private static final double BF16_DISTANCE = 3.2e-3;

  /** Where W_UK and W_UV are multiplied too, in bf16, and rounded between. */
  private static final double BF16_WEIGHTS_DISTANCE = 1e-2;

  private static final double F32_DISTANCE = 2e-5;
  private static final double F32_TOLERANCE = 2e-6;

  /** Tokens that are read at once. */
  static final int BLOCK = 1024;

  private final String label;
  private final AttentionSpec spec;
  private final MemorySegment pages;
  private final MemorySegment pageTable;
  private final int firstToken;
  private final double scale;
  private final int width;
  private final boolean rounds;
  private final double[] block;
  private final StoredRows stored;

  /**
   * @param label names the row to a person
   * @param pages of one layer, and of one head where heads have caches of their own
   * @param firstToken row of the result at which the sequence starts
   */
  AttentionCheck(
      String label,
      AttentionSpec spec,
      MemorySegment pages,
      MemorySegment pageTable,
      int firstToken,
      double scale) {
    this.label = label;
    this.spec = spec;
    this.pages = pages;
    this.pageTable = pageTable;
    this.firstToken = firstToken;
    this.scale = scale;
    width = spec.layout().latent() + spec.layout().rope();
    rounds = spec.cacheType().rounds(spec.compute());
    stored = new StoredRows(spec.layout());
    block = new double[Math.min(BLOCK, spec.tokens()) * width];
  }

  /** Reads the cached tokens {@code tokens[begin, end)}. */
  private void readBlock(int[] tokens, int begin, int end) {
    LatentLayout layout = spec.layout();
    for (int s = begin; s < end; s++) {
      long page = pageTable.getAtIndex(ValueLayout.JAVA_INT, tokens[s] / spec.page());
      long from = page * layout.pageBytes(spec.page());
      int slot = tokens[s] % spec.page();
      long row = from + slot * layout.rowStrideBytes();
      long scales = from + spec.page() * layout.rowStrideBytes() + slot * layout.scaleBytes();
      for (int i = 0; i < width; i++) {
        int at = i < layout.latent() ? i : layout.ropeOffset() + i - layout.latent();
        float number = stored.read(pages, row, scales, at);
        block[(s - begin) * width + i] = rounds ? Rounding.bf16(number) : number;
      }
    }
  }

  /** The first, the last and one between. */
  static int[] some(int n) {
    return IntStream.of(0, n / 2, n - 1).distinct().toArray();
  }

  /** Row (t, h) of queries that are absorbed: q, out and lse (tokens, heads, ..). */
  void absorbed(Tensor q, Tensor out, Tensor lse, int t, int h) {
    int latent = spec.layout().latent();
    double[] query = read(q, t, h);
    for (int i = 0; i < query.length && rounds; i++) {
      query[i] = Rounding.bf16(query[i]);
    }
    double expectedLse = compare(query, latent, read(out, t, h), t, h);
    if (lse != null) {
      double actual =
          lse.segment()
              .getAtIndex(
                  ValueLayout.JAVA_FLOAT, (firstToken + t) * lse.stride(0) + h * lse.stride(1));
      double allowed = F32_TOLERANCE * Math.max(1, Math.abs(expectedLse)) * (rounds ? 4 : 1);
      if (!(Math.abs(actual - expectedLse) <= allowed)) {
        throw wrong("lse", t, h, actual + " instead of " + expectedLse);
      }
    }
  }

  /** Row (t, h) where keys stand behind the values: q and out (tokens, heads, 128). */
  void keyValue(Tensor q, Tensor out, int t, int h) {
    double[] query = read(q, t, h);
    double[] behindZeros = new double[width];
    for (int i = 0; i < query.length; i++) {
      behindZeros[Kind.HEAD + i] = rounds ? Rounding.bf16(query[i]) : query[i];
    }
    compare(behindZeros, Kind.HEAD, read(out, t, h), t, h);
  }

  /** Row (t, h) of unabsorbed queries, computed in the absorbed form: W_UV sum p_s c_s. */
  void withWeights(Tensor q, Tensor latentUp, Tensor out, int t, int h) {
    withWeights(q, latentUp, out, t, h, visible(t));
  }

  /** The same over these cached tokens alone. */
  void withWeights(Tensor q, Tensor latentUp, Tensor out, int t, int h, int[] tokens) {
    double[] query = read(q, t, h);
    double[] absorbed = new double[width];
    for (int i = 0; i < Kind.HEAD; i++) {
      for (int j = 0; j < Kind.LATENT; j++) {
        absorbed[j] += query[i] * weight(latentUp, 2 * h * Kind.HEAD + i, j);
      }
    }
    System.arraycopy(query, Kind.HEAD, absorbed, Kind.LATENT, Kind.ROPE);
    double[] latent = new double[Kind.LATENT];
    attend(absorbed, latent, tokens);
    double[] expected = new double[Kind.HEAD];
    for (int i = 0; i < Kind.HEAD; i++) {
      for (int j = 0; j < Kind.LATENT; j++) {
        expected[i] += latent[j] * weight(latentUp, (2 * h + 1) * Kind.HEAD + i, j);
      }
    }
    double allowed = spec.compute() == ComputeType.BF16 ? BF16_WEIGHTS_DISTANCE : F32_DISTANCE;
    requireNear(expected, read(out, t, h), allowed, t, h);
  }

  private double compare(double[] query, int valueWidth, double[] actual, int t, int h) {
    double[] expected = new double[valueWidth];
    double lse = attend(query, expected, visible(t));
    requireNear(expected, actual, rounds ? BF16_DISTANCE : F32_DISTANCE, t, h);
    return lse;
  }

  /** The cached tokens that query t sees. */
  private int[] visible(int t) {
    return IntStream.range(0, spec.tokens() - spec.queries() + t + 1).toArray();
  }

  /** A query as wide as a cached row over these tokens; the first numbers are the value. */
  private double attend(double[] query, double[] out, int[] tokens) {
    Attention.Rows rows = new Attention.Rows(block, width, block, width, null, null);
    Attention oracle = new Attention(width, out.length, scale, false);
    double lse = Double.NEGATIVE_INFINITY;
    for (int begin = 0; begin < tokens.length; begin += BLOCK) {
      int end = Math.min(tokens.length, begin + BLOCK);
      readBlock(tokens, begin, end);
      double[] part = new double[out.length];
      double partLse =
          oracle.row(
              query, 0, rows, 0, end - begin, new Attention.Bias(0, end - begin - 1), part, 0);
      double max = Math.max(lse, partLse);
      double sum = max + Math.log(Math.exp(lse - max) + Math.exp(partLse - max));
      for (int i = 0; i < out.length; i++) {
        out[i] = Math.exp(lse - sum) * out[i] + Math.exp(partLse - sum) * part[i];
      }
      lse = sum;
    }
    return lse;
  }

  private void requireNear(double[] expected, double[] actual, double allowed, int t, int h) {
    double error = 0;
    double length = 0;
    for (int i = 0; i < expected.length; i++) {
      error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
      length += expected[i] * expected[i];
    }
    double distance = Math.sqrt(error / length);
    if (!(distance <= allowed)) {
      throw wrong("out", t, h, "off by " + distance + " of its length, " + allowed + " is allowed");
    }
  }

  private BenchException wrong(String name, int t, int h, String what) {
    return new BenchException(
        "the result of " + label + " is wrong: " + name + "[" + t + ", " + h + "] is " + what);
  }

  private double[] read(Tensor tensor, int t, int h) {
    double[] values = new double[(int) tensor.dim(2)];
    long at = (firstToken + t) * tensor.stride(0) + h * tensor.stride(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.segment().getAtIndex(ValueLayout.JAVA_FLOAT, at + i);
    }
    return values;
  }

  private static double weight(Tensor latentUp, int row, int column) {
    return Rounding.read(StorageFormat.BF16, latentUp.segment(), row * latentUp.stride(0) + column);
  }
}
