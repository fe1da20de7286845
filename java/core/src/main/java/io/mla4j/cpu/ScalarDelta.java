package io.mla4j.cpu;

import io.mla4j.StateLayout;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttendDelta.Decay;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Scratch;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.Tile;
import java.util.Arrays;

/** {@link AttendDelta} as plain loops, a head after the other. */
public final class ScalarDelta {
  /** Added to the sum of squares of a query or a key. */
  public static final float NORM_EPS = 1e-6f;

  private final AttendDelta o;
  private final DeltaTile sequence;
  private final int width;

  /** S (width, width), row i of channel i of the keys, and behind it the last inputs. */
  private final float[] state;

  private final float[] q;
  private final float[] k;
  private final float[] v;
  private final float[] result;
  private final float[] norm;
  private final float[] row;

  private ScalarDelta(DeltaTile sequence) {
    this.sequence = sequence;
    o = sequence.operation();
    width = sequence.state().width();
    Scratch scratch = Scratch.ofThread();
    state = scratch.floats(0, sequence.state().headStride());
    q = scratch.floats(1, width);
    k = scratch.floats(2, width);
    v = scratch.floats(3, width);
    result = scratch.floats(4, width);
    norm = scratch.floats(5, width);
    row = scratch.floats(6, width);
    Floats.read(o.weights().norm().segment(), 0, norm, 0, width);
  }

  /** The heads of a tile. */
  public static void run(DeltaTile sequence, Tile tile) {
    ScalarDelta delta = new ScalarDelta(sequence);
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      delta.head(h);
    }
  }

  private void head(int h) {
    int stride = sequence.state().headStride();
    if (sequence.isFresh()) {
      Arrays.fill(state, 0, stride, 0);
    } else {
      Floats.read(sequence.before(), (long) h * stride, state, 0, stride);
    }
    for (int t = 0; t < sequence.tokens(); t++) {
      int token = sequence.firstToken() + t;
      convolve(0, o.inputs().queries(), token, h, q);
      convolve(1, o.inputs().keys(), token, h, k);
      convolve(2, o.inputs().values(), token, h, v);
      scale(q, (float) (1 / Math.sqrt((double) squares(q) * width)));
      scale(k, (float) (1 / Math.sqrt(squares(k))));
      decay(token, h);
      update(sigmoid(Floats.get(o.inputs().betas().segment(), at(o.inputs().betas(), token, h))));
      Arrays.fill(result, 0, width, 0);
      for (int c = 0; c < width; c++) {
        Floats.axpy(q[c], state, c * width, result, 0, width);
      }
      write(token, h);
    }
    Floats.write(state, 0, sequence.after(), (long) h * stride, stride);
  }

  /** Channels of a head after the convolution; the inputs behind the state move on by a token. */
  private void convolve(int which, Tensor inputs, int token, int h, float[] to) {
    int past = width * width + which * (StateLayout.TAPS - 1) * width;
    Floats.read(inputs.segment(), at(inputs, token, h * width), row, 0, width);
    Tensor taps = o.weights().taps();
    for (int c = 0; c < width; c++) {
      float sum = 0;
      for (int j = 0; j < StateLayout.TAPS; j++) {
        float input = j < StateLayout.TAPS - 1 ? state[past + j * width + c] : row[c];
        int tap = which * StateLayout.TAPS + j;
        sum += Floats.get(taps.segment(), at(taps, tap, h * width + c)) * input;
      }
      to[c] = sum * sigmoid(sum);
    }
    int kept = (StateLayout.TAPS - 2) * width;
    System.arraycopy(state, past + width, state, past, kept);
    System.arraycopy(row, 0, state, past + kept, width);
  }

  private float squares(float[] x) {
    return Floats.dot(x, 0, x, 0, width) + NORM_EPS;
  }

  private void scale(float[] x, float factor) {
    for (int c = 0; c < width; c++) {
      x[c] *= factor;
    }
  }

  /** S = diag(decay) S. */
  private void decay(int token, int h) {
    Tensor decays = o.inputs().decays();
    float rate = Floats.get(o.weights().rates().segment(), h);
    for (int c = 0; c < width; c++) {
      float z =
          Floats.get(decays.segment(), at(decays, token, h * width + c))
              + Floats.get(o.weights().decayBias().segment(), (long) h * width + c);
      float decay =
          switch (o.decay()) {
            case Decay.Softplus _ -> Floats.exp(-rate * softplus(z));
            case Decay.Bounded(float bound) -> Floats.exp(bound * sigmoid(rate * z));
          };
      for (int j = c * width; j < (c + 1) * width; j++) {
        state[j] *= decay;
      }
    }
  }

  /** S += k (beta (v - S^T k))^T. */
  private void update(float beta) {
    Arrays.fill(result, 0, width, 0);
    for (int c = 0; c < width; c++) {
      Floats.axpy(k[c], state, c * width, result, 0, width);
    }
    for (int j = 0; j < width; j++) {
      result[j] = beta * (v[j] - result[j]);
    }
    for (int c = 0; c < width; c++) {
      Floats.axpy(k[c], result, 0, state, c * width, width);
    }
  }

  /** The result, normed and gated. */
  private void write(int token, int h) {
    Tensor gates = o.inputs().gates();
    Floats.normalize(result, norm, o.weights().eps(), width, result);
    Floats.read(gates.segment(), at(gates, token, h * width), row, 0, width);
    for (int j = 0; j < width; j++) {
      result[j] *= sigmoid(row[j]);
    }
    Floats.write(result, 0, o.out().segment(), at(o.out(), token, h * width), width);
  }

  private static long at(Tensor tensor, long row, long column) {
    return row * tensor.stride(0) + column;
  }

  private static float sigmoid(float x) {
    return 1 / (1 + Floats.exp(-x));
  }

  private static float softplus(float x) {
    return Math.max(x, 0) + (float) Math.log1p(Math.exp(-Math.abs(x)));
  }
}
