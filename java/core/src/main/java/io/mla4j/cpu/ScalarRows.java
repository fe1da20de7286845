package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.RopeParams;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * What works on one row at a time: norms, rotation, the write into the cache, SwiGLU, sums,
 * look-ups.
 */
final class ScalarRows {
  private ScalarRows() {}

  static void append(
      AppendParams p,
      CacheParams c,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache) {
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    StorageFormat format = c.layout().type().format();
    int width = c.layout().rowElements();
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, latent + rope);
    float[] row = scratch.floats(1, width);
    float[] weight = scratch.floats(2, latent);
    float[] angles = scratch.floats(3, rope);
    if (!ScalarKernels.isNull(normWeight)) {
      Stored.readFloats(normWeight, 0, weight, 0, latent);
    }
    for (int t = tokenBegin; t < tokenEnd; t++) {
      Stored.readFloats(a, t * p.aStride(), in, 0, latent + rope);
      Arrays.fill(row, 0, width, 0);
      if (ScalarKernels.isNull(normWeight)) {
        System.arraycopy(in, 0, row, 0, latent);
      } else {
        normalize(in, weight, p.eps(), latent, row);
      }
      readAngles(cosines, sines, t, rope / 2, angles);
      rotate(in, latent, row, c.layout().ropeOffset(), rope, p.ropeLayout(), angles);
      long offset = Stored.rowOffset(c, pageTable, p.position() + t);
      format.narrow(row, 0, width, cache, offset);
    }
  }

  static void rope(
      RopeParams p,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, p.width());
    float[] out = scratch.floats(1, p.width());
    float[] angles = scratch.floats(2, p.rope());
    int plain = p.width() - p.rope();
    for (int t = tokenBegin; t < tokenEnd; t++) {
      readAngles(cosines, sines, t, p.rope() / 2, angles);
      for (int h = 0; h < p.heads(); h++) {
        Stored.readFloats(x, t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.width());
        System.arraycopy(in, 0, out, 0, plain);
        rotate(in, plain, out, plain, p.rope(), p.ropeLayout(), angles);
        Stored.writeFloats(out, 0, y, t * p.yTokenStride() + h * p.yHeadStride(), p.width());
      }
    }
  }

  static void rmsNorm(
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, width);
    float[] w = scratch.floats(1, width);
    Stored.readFloats(weight, 0, w, 0, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, in, 0, width);
      normalize(in, w, eps, width, in);
      Stored.writeFloats(in, 0, y, i * yStride, width);
    }
  }

  static void swiglu(
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] g = scratch.floats(0, width);
    float[] u = scratch.floats(1, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(gate, i * gateStride, g, 0, width);
      Stored.readFloats(up, i * upStride, u, 0, width);
      for (int j = 0; j < width; j++) {
        g[j] = g[j] / (1 + ScalarLoops.exp(-g[j])) * u[j];
      }
      Stored.writeFloats(g, 0, y, i * yStride, width);
    }
  }

  static void add(
      MemorySegment x,
      long xStride,
      MemorySegment r,
      long rStride,
      float scale,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] a = scratch.floats(0, width);
    float[] b = scratch.floats(1, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, a, 0, width);
      Stored.readFloats(r, i * rStride, b, 0, width);
      ScalarLoops.axpy(scale, b, 0, a, 0, width);
      Stored.writeFloats(a, 0, y, i * yStride, width);
    }
  }

  static void embed(
      StorageFormat tableType,
      MemorySegment table,
      long tableStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride) {
    float[] row = Scratch.ofThread().floats(0, width);
    for (int i = 0; i < count; i++) {
      int id = Stored.readInt(ids, i);
      if (id < 0 || id >= vocabulary) {
        throw new InvalidArgumentException(
            "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
      }
      tableType.widen(table, tableType.bytes(id * tableStride), row, 0, width);
      for (int j = 0; j < width; j++) {
        row[j] *= scale;
      }
      Stored.writeFloats(row, 0, y, i * yStride, width);
    }
  }

  static void combine(
      MemorySegment expertOut,
      long expertOutStride,
      int slotCount,
      MemorySegment slots,
      MemorySegment weights,
      MemorySegment shared,
      long sharedStride,
      int tokens,
      int topK,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] sum = scratch.floats(0, width);
    float[] one = scratch.floats(1, width);
    for (int t = 0; t < tokens; t++) {
      Arrays.fill(sum, 0, width, 0);
      for (int j = 0; j < topK; j++) {
        int slot = Stored.readInt(slots, (long) t * topK + j);
        if (slot < 0 || slot >= slotCount) {
          throw new InvalidArgumentException(
              "slots[" + t + ", " + j + "] is " + slot + ", but must be in 0.." + (slotCount - 1));
        }
        Stored.readFloats(expertOut, slot * expertOutStride, one, 0, width);
        ScalarLoops.axpy(Stored.readFloat(weights, (long) t * topK + j), one, 0, sum, 0, width);
      }
      if (!ScalarKernels.isNull(shared)) {
        Stored.readFloats(shared, t * sharedStride, one, 0, width);
        ScalarLoops.axpy(1, one, 0, sum, 0, width);
      }
      Stored.writeFloats(sum, 0, y, t * yStride, width);
    }
  }

  private static void normalize(float[] in, float[] weight, float eps, int n, float[] out) {
    float factor = (float) (1 / Math.sqrt(ScalarLoops.dot(in, 0, in, 0, n) / n + eps));
    for (int i = 0; i < n; i++) {
      out[i] = weight[i] * (in[i] * factor);
    }
  }

  private static void readAngles(
      MemorySegment cosines, MemorySegment sines, int t, int pairs, float[] angles) {
    Stored.readFloats(cosines, (long) t * pairs, angles, 0, pairs);
    Stored.readFloats(sines, (long) t * pairs, angles, pairs, pairs);
  }

  /** angles: rope/2 cosines, then rope/2 sines. */
  private static void rotate(
      float[] in, int from, float[] out, int to, int rope, RopeLayout layout, float[] angles) {
    int pairs = rope / 2;
    int step = layout == RopeLayout.PAIRS ? 2 : 1;
    int partner = layout == RopeLayout.PAIRS ? 1 : pairs;
    for (int i = 0; i < pairs; i++) {
      float a = in[from + i * step];
      float b = in[from + i * step + partner];
      out[to + i * step] = a * angles[i] - b * angles[pairs + i];
      out[to + i * step + partner] = b * angles[i] + a * angles[pairs + i];
    }
  }
}
