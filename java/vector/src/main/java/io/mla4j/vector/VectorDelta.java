package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.StateLayout;
import io.mla4j.cpu.ScalarDelta;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttendDelta.Decay;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The delta rule, heads whose channels are whole vectors. The matrix S of a head stays where it
 * lies, everything else of a token is on the slab.
 *
 * <p>With r = decay the state becomes S' = r S + k u^T, u = beta (v - S^T (r k)), and the result
 * S'^T q = S^T (r q) + (k . q) u: one pass over S for both products, and one that writes S'.
 */
final class VectorDelta implements TileKernel {
  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
  private static final int PAST = StateLayout.TAPS - 1;

  /** Vectors of columns that are taken together: as many sums of each kind fit the registers. */
  private static final int COLUMNS = 4;

  private final AttendDelta o;
  private final DeltaTile sequence;
  private final int width;
  private final int stride;
  private final boolean bounded;
  private final float bound;

  /** Regions of the slab: (width) each, but for the inputs, (3, TAPS, width). */
  private final int q;

  private final int k;
  private final int v;
  private final int decay;
  private final int decayedQ;
  private final int decayedK;
  private final int result;
  private final int norm;
  private final int bias;
  private final int row;
  private final int taps;
  private final int inputs;
  private final int end;

  VectorDelta(DeltaTile sequence) {
    this.sequence = sequence;
    o = sequence.operation();
    width = sequence.state().width();
    stride = sequence.state().headStride();
    bounded = o.decay() instanceof Decay.Bounded;
    bound = o.decay() instanceof Decay.Bounded(float b) ? b : 0;
    q = Slab.START;
    k = Slab.after(q, width);
    v = Slab.after(k, width);
    decay = Slab.after(v, width);
    decayedQ = Slab.after(decay, width);
    decayedK = Slab.after(decayedQ, width);
    result = Slab.after(decayedK, width);
    norm = Slab.after(result, width);
    bias = Slab.after(norm, width);
    row = Slab.after(bias, width);
    taps = Slab.after(row, width);
    inputs = Slab.after(taps, 3 * StateLayout.TAPS * width);
    end = Slab.after(inputs, 3 * StateLayout.TAPS * width);
  }

  @Override
  public void run(Tile tile) {
    if (width % L != 0) {
      ScalarDelta.run(sequence, tile);
      return;
    }
    float[] m = Slab.ofThread(end);
    Floats.read(o.weights().norm().segment(), 0, m, norm, width);
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      head(m, h);
    }
  }

  private void head(float[] m, int h) {
    MemorySegment after = sequence.after();
    long base = (long) h * stride;
    MemorySegment from = sequence.before();
    if (sequence.isFresh()) {
      after.asSlice(base * Float.BYTES, (long) stride * Float.BYTES).fill((byte) 0);
      from = after;
    }
    Floats.read(o.weights().decayBias().segment(), (long) h * width, m, bias, width);
    Tensor factors = o.weights().taps();
    for (int i = 0; i < 3 * StateLayout.TAPS; i++) {
      long at = i * factors.stride(0) + (long) h * width;
      Floats.read(factors.segment(), at, m, taps + i * width, width);
    }
    for (int i = 0; i < 3; i++) {
      long past = base + (long) width * width + (long) i * PAST * width;
      Floats.read(from, past, m, inputs + i * StateLayout.TAPS * width, PAST * width);
    }
    float rate = Floats.get(o.weights().rates().segment(), h);
    for (int t = 0; t < sequence.tokens(); t++) {
      int token = sequence.firstToken() + t;
      convolve(m, 0, o.inputs().queries(), token, h, q);
      convolve(m, 1, o.inputs().keys(), token, h, k);
      convolve(m, 2, o.inputs().values(), token, h, v);
      scale(m, q, (float) (1 / Math.sqrt((double) squares(m, q) * width)));
      scale(m, k, (float) (1 / Math.sqrt(squares(m, k))));
      read(m, o.inputs().decays(), token, h, row);
      decay(m, rate);
      update(m, from, after, base * Float.BYTES, beta(token, h), dot(m, q, k));
      from = after;
      write(m, token, h);
    }
    for (int i = 0; i < 3; i++) {
      long past = base + (long) width * width + (long) i * PAST * width;
      Floats.write(m, inputs + i * StateLayout.TAPS * width, after, past, PAST * width);
    }
  }

  private void read(float[] m, Tensor tensor, int token, int h, int to) {
    long from = token * tensor.stride(0) + (long) h * width;
    Floats.read(tensor.segment(), from, m, to, width);
  }

  private float beta(int token, int h) {
    Tensor betas = o.inputs().betas();
    return 1 / (1 + Floats.exp(-Floats.get(betas.segment(), token * betas.stride(0) + h)));
  }

  /** Channels of a head after the convolution; the inputs move on by a token. */
  private void convolve(float[] m, int which, Tensor tensor, int token, int h, int to) {
    int first = inputs + which * StateLayout.TAPS * width;
    int factors = taps + which * StateLayout.TAPS * width;
    read(m, tensor, token, h, first + PAST * width);
    for (int i = 0; i < width; i += L) {
      FloatVector sum = FloatVector.zero(F);
      for (int j = 0; j < StateLayout.TAPS; j++) {
        FloatVector input = FloatVector.fromArray(F, m, first + j * width + i);
        sum = FloatVector.fromArray(F, m, factors + j * width + i).fma(input, sum);
      }
      sum.div(Lanes.exp(sum.neg()).add(1f)).intoArray(m, to + i);
    }
    System.arraycopy(m, first + width, m, first, PAST * width);
  }

  private float dot(float[] m, int a, int b) {
    FloatVector sum = FloatVector.zero(F);
    for (int i = 0; i < width; i += L) {
      sum = FloatVector.fromArray(F, m, a + i).fma(FloatVector.fromArray(F, m, b + i), sum);
    }
    return Lanes.sumLanes(sum);
  }

  private float squares(float[] m, int at) {
    return dot(m, at, at) + ScalarDelta.NORM_EPS;
  }

  private void scale(float[] m, int at, float factor) {
    for (int i = 0; i < width; i += L) {
      FloatVector.fromArray(F, m, at + i).mul(factor).intoArray(m, at + i);
    }
  }

  /** The decays of the channels, and query and key times them. */
  private void decay(float[] m, float rate) {
    for (int i = 0; i < width; i += L) {
      FloatVector z =
          FloatVector.fromArray(F, m, row + i).add(FloatVector.fromArray(F, m, bias + i));
      FloatVector exponent = bounded ? sigmoid(z.mul(rate)).mul(bound) : softplus(z).mul(-rate);
      FloatVector r = Lanes.exp(exponent);
      r.intoArray(m, decay + i);
      FloatVector.fromArray(F, m, q + i).mul(r).intoArray(m, decayedQ + i);
      FloatVector.fromArray(F, m, k + i).mul(r).intoArray(m, decayedK + i);
    }
  }

  private static FloatVector sigmoid(FloatVector x) {
    return FloatVector.broadcast(F, 1f).div(Lanes.exp(x.neg()).add(1f));
  }

  /**
   * ln(1 + e^x) = max(x, 0) + ln(1 + t), t = e^-|x|: ln(1 + t) = 2 artanh(s), s = t / (2 + t) at
   * most 1/3, whose series has only positive terms.
   */
  private static FloatVector softplus(FloatVector x) {
    VectorMask<Float> negative = x.lt(0f);
    FloatVector t = Lanes.exp(x.lanewise(VectorOperators.ABS).neg());
    FloatVector s = t.div(t.add(2f));
    FloatVector s2 = s.mul(s);
    FloatVector p = FloatVector.broadcast(F, 2f / 15);
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 13));
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 11));
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 9));
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 7));
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 5));
    p = p.fma(s2, FloatVector.broadcast(F, 2f / 3));
    p = p.fma(s2, FloatVector.broadcast(F, 2f));
    return p.fma(s, x.blend(0f, negative));
  }

  /** S' and the results, some columns at a time. {@code base}: bytes before the head's matrix. */
  private void update(
      float[] m, MemorySegment from, MemorySegment after, long base, float beta, float product) {
    int i = 0;
    for (; i + COLUMNS * L <= width; i += COLUMNS * L) {
      fourVectors(m, from, after, base, i, beta, product);
    }
    for (; i < width; i += L) {
      oneVector(m, from, after, base, i, beta, product);
    }
  }

  private void fourVectors(
      float[] m,
      MemorySegment from,
      MemorySegment after,
      long base,
      int i,
      float beta,
      float product) {
    FloatVector seen0 = FloatVector.zero(F);
    FloatVector seen1 = seen0;
    FloatVector seen2 = seen0;
    FloatVector seen3 = seen0;
    FloatVector result0 = seen0;
    FloatVector result1 = seen0;
    FloatVector result2 = seen0;
    FloatVector result3 = seen0;
    int bytes = L * Float.BYTES;
    long step = (long) width * Float.BYTES;
    long at = base + (long) i * Float.BYTES;
    for (int c = 0; c < width; c++, at += step) {
      FloatVector rk = FloatVector.broadcast(F, m[decayedK + c]);
      FloatVector rq = FloatVector.broadcast(F, m[decayedQ + c]);
      FloatVector s0 = FloatVector.fromMemorySegment(F, from, at, ORDER);
      FloatVector s1 = FloatVector.fromMemorySegment(F, from, at + bytes, ORDER);
      FloatVector s2 = FloatVector.fromMemorySegment(F, from, at + 2 * bytes, ORDER);
      FloatVector s3 = FloatVector.fromMemorySegment(F, from, at + 3 * bytes, ORDER);
      seen0 = rk.fma(s0, seen0);
      seen1 = rk.fma(s1, seen1);
      seen2 = rk.fma(s2, seen2);
      seen3 = rk.fma(s3, seen3);
      result0 = rq.fma(s0, result0);
      result1 = rq.fma(s1, result1);
      result2 = rq.fma(s2, result2);
      result3 = rq.fma(s3, result3);
    }
    FloatVector u0 = FloatVector.fromArray(F, m, v + i).sub(seen0).mul(beta);
    FloatVector u1 = FloatVector.fromArray(F, m, v + i + L).sub(seen1).mul(beta);
    FloatVector u2 = FloatVector.fromArray(F, m, v + i + 2 * L).sub(seen2).mul(beta);
    FloatVector u3 = FloatVector.fromArray(F, m, v + i + 3 * L).sub(seen3).mul(beta);
    FloatVector qk = FloatVector.broadcast(F, product);
    qk.fma(u0, result0).intoArray(m, result + i);
    qk.fma(u1, result1).intoArray(m, result + i + L);
    qk.fma(u2, result2).intoArray(m, result + i + 2 * L);
    qk.fma(u3, result3).intoArray(m, result + i + 3 * L);
    at = base + (long) i * Float.BYTES;
    for (int c = 0; c < width; c++, at += step) {
      FloatVector r = FloatVector.broadcast(F, m[decay + c]);
      FloatVector key = FloatVector.broadcast(F, m[k + c]);
      FloatVector s0 = FloatVector.fromMemorySegment(F, from, at, ORDER);
      FloatVector s1 = FloatVector.fromMemorySegment(F, from, at + bytes, ORDER);
      FloatVector s2 = FloatVector.fromMemorySegment(F, from, at + 2 * bytes, ORDER);
      FloatVector s3 = FloatVector.fromMemorySegment(F, from, at + 3 * bytes, ORDER);
      r.fma(s0, key.mul(u0)).intoMemorySegment(after, at, ORDER);
      r.fma(s1, key.mul(u1)).intoMemorySegment(after, at + bytes, ORDER);
      r.fma(s2, key.mul(u2)).intoMemorySegment(after, at + 2 * bytes, ORDER);
      r.fma(s3, key.mul(u3)).intoMemorySegment(after, at + 3 * bytes, ORDER);
    }
  }

  private void oneVector(
      float[] m,
      MemorySegment from,
      MemorySegment after,
      long base,
      int i,
      float beta,
      float product) {
    FloatVector seen = FloatVector.zero(F);
    FloatVector sum = FloatVector.zero(F);
    long step = (long) width * Float.BYTES;
    long at = base + (long) i * Float.BYTES;
    for (int c = 0; c < width; c++, at += step) {
      FloatVector s = FloatVector.fromMemorySegment(F, from, at, ORDER);
      seen = FloatVector.broadcast(F, m[decayedK + c]).fma(s, seen);
      sum = FloatVector.broadcast(F, m[decayedQ + c]).fma(s, sum);
    }
    FloatVector u = FloatVector.fromArray(F, m, v + i).sub(seen).mul(beta);
    u.fma(FloatVector.broadcast(F, product), sum).intoArray(m, result + i);
    at = base + (long) i * Float.BYTES;
    for (int c = 0; c < width; c++, at += step) {
      FloatVector s = FloatVector.fromMemorySegment(F, from, at, ORDER);
      FloatVector.broadcast(F, m[decay + c])
          .fma(s, u.mul(m[k + c]))
          .intoMemorySegment(after, at, ORDER);
    }
  }

  /** The results, normed and gated. */
  private void write(float[] m, int token, int h) {
    float factor = (float) (1 / Math.sqrt(dot(m, result, result) / width + o.weights().eps()));
    read(m, o.inputs().gates(), token, h, row);
    for (int i = 0; i < width; i += L) {
      FloatVector normed =
          FloatVector.fromArray(F, m, result + i)
              .mul(factor)
              .mul(FloatVector.fromArray(F, m, norm + i));
      normed.mul(sigmoid(FloatVector.fromArray(F, m, row + i))).intoArray(m, row + i);
    }
    Tensor out = o.out();
    Floats.write(m, row, out.segment(), token * out.stride(0) + (long) h * width, width);
  }
}
