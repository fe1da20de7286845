package io.mla4j.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Bf16;
import io.mla4j.ops.Expand;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import io.mla4j.testkit.Oracle;
import io.mla4j.testkit.QuickRun;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kernels in Java against sums in double precision, over random shapes with poisoned memory
 * around them.
 */
class JavaKernelsTest {
  private static final StorageFormat[] WEIGHT_TYPES = {
    StorageFormat.F32, StorageFormat.BF16, StorageFormat.F16
  };

  /** The scalar ones know nothing of the length of vectors: where one is asked for, they ran. */
  static Stream<Kernels> kernels() {
    return System.getProperty(Lanes.BITS_PROPERTY) == null
        ? Stream.of(new ScalarKernels(), new VectorKernels())
        : Stream.of(new VectorKernels());
  }

  /** Of cached numbers: the absolute part of the bf16 bound is meant for inputs of this size. */
  private static final float ROW_SCALE = 0.1f;

  /** float32 kernels: |error| at most this times sqrt(k) times the largest |result|. */
  private static final double F32_ERROR = 2e-6;

  @ParameterizedTest
  @MethodSource("kernels")
  void linearIsTheSameForARowAloneAndAmongOthers(Kernels kernels) {
    Random random = new Random(7);
    for (int run = 0; run < QuickRun.part(60); run++) {
      int rows = 1 + random.nextInt(run % 4 == 0 ? 140 : 9);
      int k = (run % 5 == 1 ? 2600 : 1) + random.nextInt(run % 5 == 0 ? 2300 : 300);
      int n = 1 + random.nextInt(120);
      StorageFormat type = WEIGHT_TYPES[run % 3];
      ComputeType compute = ComputeType.values()[run % 2];
      int xStride = k + random.nextInt(3);
      int wStride = k + random.nextInt(3);
      int yStride = n + random.nextInt(3);
      float[] x = numbers(random, rows * xStride);
      Stored weight = Stored.random(random, type, n * wStride, 1);
      float[] bias = numbers(random, n);
      float[] y = poison(rows * yStride);
      Weight matrix =
          Weight.of(
              Tensor.strided(weight.segment, type, new long[] {n, k}, new long[] {wStride, 1}));
      MatrixProduct params =
          new MatrixProduct()
              .with(compute, matrix, MemorySegment.ofArray(bias))
              .from(MemorySegment.ofArray(x), xStride, MemorySegment.NULL, rows)
              .to(MemorySegment.ofArray(y), yStride);
      int middle = random.nextInt(n + 1);
      linear(kernels, params, 0, middle);
      linear(kernels, params, middle, n);
      double[] expected = new double[rows * n];
      double[] actual = new double[rows * n];
      double[] entering = new double[rows * k];
      double[] weights = widen(weight.values, 0, weight.values.length);
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < k; i++) {
          entering[r * k + i] = entering(compute, x[r * xStride + i]);
        }
        for (int j = 0; j < n; j++) {
          expected[r * n + j] = bias[j] + Oracle.dot(entering, r * k, weights, j * wStride, k);
          actual[r * n + j] = y[r * yStride + j];
        }
        for (int j = n; j < yStride; j++) {
          assertTrue(Float.isNaN(y[r * yStride + j]), "written between rows");
        }
      }
      assertClose(expected, actual, F32_ERROR * Math.sqrt(k), "linear " + params);
      int row = random.nextInt(rows);
      float[] alone = poison(yStride);
      float[] xRow = Arrays.copyOfRange(x, row * xStride, (row + 1) * xStride);
      MatrixProduct one =
          new MatrixProduct()
              .with(compute, matrix, MemorySegment.ofArray(bias))
              .from(MemorySegment.ofArray(xRow), xStride, MemorySegment.NULL, 1)
              .to(MemorySegment.ofArray(alone), yStride);
      linear(kernels, one, 0, n);
      assertArrayEquals(
          Arrays.copyOfRange(y, row * yStride, row * yStride + n),
          Arrays.copyOfRange(alone, 0, n),
          "row alone " + params);
    }
  }

  private static void linear(Kernels kernels, MatrixProduct params, int nBegin, int nEnd) {
    TileKernel pack = kernels.bind(new Pack(params));
    TileKernel multiply = kernels.bind(new Multiply(params));
    pack.prepare();
    multiply.prepare();
    MemorySegment packed = MemorySegment.ofArray(new float[(int) (pack.workspaceBytes() / 4)]);
    Tile tile = new Tile().workspace(packed);
    for (int row = 0; row < params.rows(); row += 16) {
      pack.run(tile.rows(row, Math.min(row + 16, params.rows())));
    }
    multiply.run(tile.rows(nBegin, nEnd));
  }

  private static Tensor tensor(float[] values, long... shape) {
    MemorySegment segment =
        Arena.ofAuto()
            .allocateFrom(ValueLayout.JAVA_FLOAT, values.length == 0 ? new float[1] : values);
    return Tensor.of(segment, StorageFormat.F32, shape);
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void headLinearIsAMatrixForEachHead(Kernels kernels) {
    Random random = new Random(8);
    for (int run = 0; run < QuickRun.part(60); run++) {
      int tokens = 1 + random.nextInt(run % 3 == 0 ? 80 : 6);
      int heads = 1 + random.nextInt(5);
      int in = 1 + random.nextInt(150);
      int out = 1 + random.nextInt(150);
      boolean transposed = run % 2 == 0;
      StorageFormat type = WEIGHT_TYPES[run % 3];
      ComputeType compute = ComputeType.values()[run / 2 % 2];
      int columns = transposed ? out : in;
      int matrix = in * out + 3 * columns;
      float[] x = numbers(random, tokens * heads * in);
      Stored weight = Stored.random(random, type, heads * matrix, 1);
      float[] y = poison(tokens * heads * out);
      // Three rows of a head belong to the other matrix, after W_UK and before W_UV.
      long matrixRows = matrix / columns;
      LatentUp latentUp =
          LatentUp.fused(Weight.of(Tensor.of(weight.segment, type, heads * matrixRows, columns)));
      Tensor in3 = tensor(x, tokens, heads, in);
      Tensor out3 = tensor(y, tokens, heads, out);
      Operation operation =
          transposed
              ? new Absorb(in3, latentUp, compute, out3)
              : new Expand(in3, latentUp, compute, out3);
      int first = transposed ? 0 : 3 * columns;
      TileKernel kernel = kernels.bind(operation);
      kernel.prepare();
      int middle = random.nextInt(tokens + 1);
      for (int h = 0; h < heads; h++) {
        kernel.run(new Tile().heads(h, h + 1).rows(0, middle));
        kernel.run(new Tile().heads(h, h + 1).rows(middle, tokens));
      }
      y = out3.toArray();
      double[] expected = new double[y.length];
      double[] actual = new double[y.length];
      for (int t = 0; t < tokens; t++) {
        for (int h = 0; h < heads; h++) {
          for (int o = 0; o < out; o++) {
            double sum = 0;
            for (int i = 0; i < in; i++) {
              int at = h * matrix + first + (transposed ? i * columns + o : o * columns + i);
              sum += (double) entering(compute, x[(t * heads + h) * in + i]) * weight.values[at];
            }
            expected[(t * heads + h) * out + o] = sum;
            actual[(t * heads + h) * out + o] = y[(t * heads + h) * out + o];
          }
        }
      }
      assertClose(expected, actual, F32_ERROR * Math.sqrt(in), operation.toString());
    }
  }

  /** What is expected takes longer than the kernels: once for all of them. */
  @Test
  void attentionIsSoftmaxOfScoresTimesValues() {
    Random random = new Random(9);
    for (int run = 0; run < QuickRun.part(120); run++) {
      AttentionCase c = new AttentionCase(random, run);
      double[] expected = c.expected();
      for (Kernels kernels : kernels().toList()) {
        Arrays.fill(c.out, Float.NaN);
        Arrays.fill(c.lse, Float.NaN);
        c.run(kernels, random);
        assertAttention(expected, c, kernels.isa() + " " + c);
      }
    }
  }

  private static void assertAttention(double[] expected, AttentionCase c, String what) {
    double[] actual = new double[expected.length];
    for (int i = 0; i < actual.length; i++) {
      actual[i] = c.out[i];
    }
    if (c.rounds) {
      assertBf16Close(expected, actual, what);
    } else {
      double k = c.kvTokens + c.latent;
      assertClose(expected, actual, F32_ERROR * Math.sqrt(k), what);
    }
    for (int i = 0; i < c.lse.length; i++) {
      double error = Math.abs(c.lse[i] - c.expectedLse[i]);
      double bound = (c.rounds ? 1e-2 : 3e-6) * Math.max(1, Math.abs(c.expectedLse[i]));
      assertTrue(
          c.lse[i] == c.expectedLse[i] || error <= bound, () -> "lse " + what + " off by " + error);
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void attentionHasTheSameBitsInAnyTiles(Kernels kernels) {
    Random random = new Random(12);
    for (int run = 0; run < QuickRun.part(40); run++) {
      AttentionCase c = new AttentionCase(random, run);
      c.run(kernels, random);
      float[] first = c.out.clone();
      float[] firstLse = c.lse.clone();
      c.run(kernels, random);
      assertArrayEquals(first, c.out, c.toString());
      assertArrayEquals(firstLse, c.lse, c.toString());
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void pageIdsOutsideOfThePoolAreRefused(Kernels kernels) {
    Random random = new Random(10);
    AttentionCase c = new AttentionCase(random, 1);
    c.pageTable[0] = c.cacheParams.pageCount();
    assertThrows(InvalidArgumentException.class, () -> c.run(kernels, random));
    c.pageTable[0] = -1;
    assertThrows(InvalidArgumentException.class, () -> c.run(kernels, random));
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void swigluAndNormFollowTheirFormulas(Kernels kernels) {
    Random random = new Random(11);
    for (int width : new int[] {1, 7, 16, 33, 256, 1000}) {
      float[] gate = numbers(random, width);
      float[] up = numbers(random, width);
      for (int i = 0; i < width; i++) {
        gate[i] *= 30;
      }
      gate[0] = -200;
      float[] y = poison(width);
      Tensor gates = tensor(gate, 1, width);
      Tensor out = tensor(y, 1, width);
      kernels.bind(new SwiGlu(gates, tensor(up, 1, width), out)).run(new Tile().rows(0, 1));
      y = out.toArray();
      kernels.bind(new RmsNorm(gates, tensor(up, width), 1e-6f, out)).run(new Tile().rows(0, 1));
      float[] norm = out.toArray();
      double squares = 0;
      for (float g : gate) {
        squares += (double) g * g;
      }
      for (int i = 0; i < width; i++) {
        double silu = gate[i] / (1 + Math.exp(-(double) gate[i])) * up[i];
        assertEquals(silu, y[i], 1e-6 * Math.max(Math.abs(silu), 1e-10), "swiglu");
        double normed = up[i] * gate[i] / Math.sqrt(squares / width + 1e-6);
        assertEquals(normed, norm[i], 1e-5 * Math.max(Math.abs(normed), 1e-10), "norm");
      }
    }
  }

  private static float entering(ComputeType compute, float x) {
    return compute == ComputeType.BF16 ? Bf16.round(x) : x;
  }

  private static float[] numbers(Random random, int n) {
    float[] a = new float[n];
    for (int i = 0; i < n; i++) {
      a[i] = (float) random.nextGaussian();
    }
    return a;
  }

  private static float[] poison(int n) {
    float[] a = new float[n];
    Arrays.fill(a, Float.NaN);
    return a;
  }

  private static double[] widen(float[] a, int begin, int end) {
    double[] d = new double[end - begin];
    for (int i = 0; i < d.length; i++) {
      d[i] = a[begin + i];
    }
    return d;
  }

  private static void assertClose(
      double[] expected, double[] actual, double relative, String what) {
    double largest = 0;
    for (double e : expected) {
      largest = Math.max(largest, Math.abs(e));
    }
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      int at = i;
      assertTrue(
          error <= relative * largest,
          () -> what + ": [" + at + "] is " + actual[at] + ", not " + expected[at]);
    }
  }

  private static void assertBf16Close(double[] expected, double[] actual, String what) {
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      int at = i;
      assertTrue(
          error <= 8e-4 || error <= 2.01 / 128 * Math.abs(expected[i]),
          () -> what + ": [" + at + "] is " + actual[at] + ", not " + expected[at]);
    }
  }

  /** Stored numbers and what they are worth. */
  private record Stored(MemorySegment segment, float[] values) {
    static Stored random(Random random, StorageFormat type, int n, float scale) {
      float[] values = numbers(random, n);
      MemorySegment segment = Arena.ofAuto().allocate(Math.max(1, type.bytes(n)), 64);
      for (int i = 0; i < n; i++) {
        values[i] *= i % 11 == 0 ? 1e-6f : scale;
        switch (type.name()) {
          case "BF16" -> {
            short bits = Bf16.fromFloat(values[i]);
            segment.set(ValueLayout.JAVA_SHORT, 2L * i, bits);
            values[i] = Bf16.toFloat(bits);
          }
          case "F16" -> {
            short bits = Float.floatToFloat16(values[i]);
            segment.set(ValueLayout.JAVA_SHORT, 2L * i, bits);
            values[i] = Float.float16ToFloat(bits);
          }
          default -> segment.set(ValueLayout.JAVA_FLOAT, 4L * i, values[i]);
        }
      }
      return new Stored(segment, values);
    }
  }

  /** One random attention over shuffled pages, everything that is not a token poisoned. */
  private static final class AttentionCase {
    final int heads;
    final int latent;
    final int rope;
    final int nope;
    final int value;
    final int queryTokens;
    final int kvTokens;
    final boolean causal;
    final boolean decompressed;
    final boolean rounds;
    final CacheParams cacheParams;
    final AttentionTile attention;
    final int[] pageTable;
    final float[][] rows;
    final float[] q;
    final float[] slopes;
    final MemorySegment cache;
    final Stored latentUp;
    final float[] out;
    final float[] lse;
    final double[] expectedLse;

    AttentionCase(Random random, int run) {
      heads = 1 + random.nextInt(run % 8 == 3 ? 40 : run % 4 < 2 ? 70 : 9);
      boolean wholeVectors = run % 8 == 3 || run % 8 == 5; // rows that need no widening to memory
      latent =
          wholeVectors
              ? 32 * (1 + random.nextInt(16))
              : 1 + random.nextInt(run % 4 == 1 ? 530 : 90);
      rope = wholeVectors ? 32 * random.nextInt(3) : 2 * random.nextInt(33);
      nope = 1 + random.nextInt(70);
      value = 1 + random.nextInt(70);
      queryTokens = run % 5 == 1 || run % 16 == 3 ? 1 : 1 + random.nextInt(run % 7 == 0 ? 80 : 6);
      kvTokens =
          run % 10 == 3
              ? random.nextInt(queryTokens + 1)
              : queryTokens + random.nextInt(run % 6 == 0 ? 1200 : run % 16 == 3 ? 600 : 150);
      causal = run % 3 != 0;
      decompressed = run % 2 == 0;
      CacheType cacheType = CacheType.all().get(run / 2 % 2);
      ComputeType compute = ComputeType.values()[run / 4 % 2];
      rounds = cacheType == CacheType.BF16 && compute == ComputeType.BF16;
      StorageFormat type = WEIGHT_TYPES[run % 3];
      LatentLayout layout = new LatentLayout(latent, rope, cacheType);
      int pageSize = 1 + random.nextInt(70);
      int pages = (kvTokens + pageSize - 1) / pageSize;
      int pageCount = pages + 3;
      long pageStride = pageSize * layout.rowStrideBytes() + 64;
      cacheParams = new CacheParams(layout, pageSize, pageCount, pageStride);
      cache = Arena.ofAuto().allocate(pageCount * pageStride, 64);
      cache.fill((byte) 0xff);
      pageTable = new int[pages + 1];
      int[] order = random.ints(0, pageCount).distinct().limit(pageCount).toArray();
      System.arraycopy(order, 0, pageTable, 0, pages);
      pageTable[pages] = Integer.MAX_VALUE;
      rows = new float[kvTokens][];
      for (int s = 0; s < kvTokens; s++) {
        rows[s] = numbers(random, latent + rope);
        long at = pageTable[s / pageSize] * pageStride + s % pageSize * layout.rowStrideBytes();
        for (int i = 0; i < latent + rope; i++) {
          rows[s][i] *= ROW_SCALE;
          long element = i < latent ? i : layout.ropeOffset() + i - latent;
          if (cacheType == CacheType.BF16) {
            rows[s][i] = Bf16.round(rows[s][i]);
            cache.set(ValueLayout.JAVA_SHORT, at + 2 * element, Bf16.fromFloat(rows[s][i]));
          } else {
            cache.set(ValueLayout.JAVA_FLOAT, at + 4 * element, rows[s][i]);
          }
        }
      }
      int queryWidth = (decompressed ? nope : latent) + rope;
      int width = decompressed ? value : latent;
      q = numbers(random, queryTokens * heads * queryWidth);
      slopes = run % 5 == 0 ? numbers(random, heads) : null;
      latentUp =
          Stored.random(
              random, type, heads * (nope + value) * latent, (float) (1 / Math.sqrt(latent)));
      for (int i = 0; i < q.length; i++) {
        q[i] *= 3;
      }
      out = poison(queryTokens * heads * width);
      lse = poison(queryTokens * heads);
      expectedLse = new double[lse.length];
      AttentionScore score =
          new AttentionScore(0.2f, slopes == null ? null : tensor(slopes, heads));
      Weight weight =
          Weight.of(Tensor.of(latentUp.segment, type, (long) heads * (nope + value), latent));
      attention =
          decompressed
              ? AttentionTile.decompressed(
                  compute,
                  new MlaShape(heads, latent, rope, nope, value),
                  score,
                  LatentUp.fused(weight))
              : AttentionTile.absorbed(compute, heads, score);
      attention.variant(causal, false);
      attention.queries(MemorySegment.ofArray(q), (long) heads * queryWidth, queryWidth);
      attention.tokens(queryTokens, kvTokens);
      attention.strides((long) heads * width, width, heads, 1);
      attention.addPart(MemorySegment.ofArray(out), MemorySegment.ofArray(lse));
    }

    void run(Kernels kernels, Random random) {
      attention.pages(cacheParams, cache, MemorySegment.ofArray(pageTable));
      TileKernel kernel = kernels.bind(attention);
      kernel.prepare();
      Tile tile = new Tile().keys(0, kvTokens, 0);
      int headMiddle = random.nextInt(heads + 1);
      int queryMiddle = random.nextInt(queryTokens + 1);
      for (int part = 0; part < 4; part++) {
        tile.heads(part % 2 == 0 ? 0 : headMiddle, part % 2 == 0 ? headMiddle : heads);
        tile.rows(part < 2 ? 0 : queryMiddle, part < 2 ? queryMiddle : queryTokens);
        kernel.run(tile);
      }
    }

    double[] expected() {
      int queryWidth = (decompressed ? nope : latent) + rope;
      int width = decompressed ? value : latent;
      double[][] cached = new double[kvTokens][];
      for (int s = 0; s < kvTokens; s++) {
        cached[s] = widen(rows[s], 0, latent + rope);
      }
      double[] result = new double[out.length];
      for (int h = 0; h < heads; h++) {
        int up = (nope + value) * latent;
        double[] weights = widen(latentUp.values, h * up, (h + 1) * up);
        double[][] keys = cached;
        double[][] values = cached;
        if (decompressed) {
          keys = new double[kvTokens][queryWidth];
          values = new double[kvTokens][width];
          for (int s = 0; s < kvTokens; s++) {
            for (int i = 0; i < nope; i++) {
              keys[s][i] = rebuilt(weights, i, cached[s]);
            }
            System.arraycopy(cached[s], latent, keys[s], nope, rope);
            for (int i = 0; i < width; i++) {
              values[s][i] = rebuilt(weights, nope + i, cached[s]);
            }
          }
        }
        for (int t = 0; t < queryTokens; t++) {
          int row = t * heads + h;
          double[] query = widen(q, row * queryWidth, (row + 1) * queryWidth);
          for (int i = 0; rounds && i < queryWidth; i++) {
            query[i] = Bf16.round((float) query[i]);
          }
          attend(t, h, query, keys, values, width, result);
        }
      }
      return result;
    }

    private double rebuilt(double[] weights, int row, double[] latents) {
      double sum = Oracle.dot(weights, row * latent, latents, 0, latent);
      return rounds ? Bf16.round((float) sum) : sum;
    }

    private void attend(
        int t,
        int h,
        double[] query,
        double[][] keys,
        double[][] values,
        int width,
        double[] result) {
      int position = kvTokens - queryTokens + t;
      int visible = Math.max(0, causal ? position + 1 : kvTokens);
      double[] scores = new double[visible];
      double max = Double.NEGATIVE_INFINITY;
      double slope = slopes == null ? 0 : slopes[h];
      for (int s = 0; s < visible; s++) {
        double sum = Oracle.dot(query, 0, keys[s], 0, query.length);
        scores[s] = sum * attention.scale() - slope * (position - s);
        max = Math.max(max, scores[s]);
      }
      double total = 0;
      for (int s = 0; s < visible; s++) {
        scores[s] = Math.exp(scores[s] - max);
        total += scores[s];
      }
      double[] sums = new double[width];
      for (int s = 0; s < visible; s++) {
        double p = scores[s] / total;
        double[] v = values[s];
        for (int i = 0; i < width; i++) {
          sums[i] += p * v[i];
        }
      }
      System.arraycopy(sums, 0, result, (t * heads + h) * width, width);
      expectedLse[t * heads + h] = visible == 0 ? Double.NEGATIVE_INFINITY : max + Math.log(total);
    }

    @Override
    public String toString() {
      return (decompressed ? "decompressed " : "absorbed ")
          + attention.name()
          + " "
          + cacheParams
          + (slopes == null ? "" : " with ALiBi");
    }
  }
}
