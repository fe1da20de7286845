package io.mla4j.testkit;

import io.mla4j.StateLayout;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttendDelta.Decay;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * {@code attendDelta}: tokens of a sequence through its state, in chunks or at once, from nothing
 * or from a state. Compares the results and the state that is left.
 */
final class DeltaCase implements OperationCase {
  private static final int PAST = StateLayout.TAPS - 1;

  private final StateLayout layout;
  private final int heads;
  private final int width;
  private final int tokens;
  private final Decay decay;
  private final float eps;

  /** Queries, keys, values, decays, gates: (tokens, heads * width); betas (tokens, heads). */
  private final float[][] inputs;

  private final float[] taps;
  private final float[] rates;
  private final float[] bias;
  private final float[] norm;

  /** (heads, headStride), or null where nothing comes before the tokens. */
  private final float[] before;

  DeltaCase(CaseRandom r) {
    heads = r.size(1, 5);
    width = r.oneIn(3) ? r.of(16, 32, 64, 128) : r.size(1, r.oneIn(12) ? 256 : 70);
    tokens = r.oneIn(3) ? 1 : r.size(1, 30);
    layout = new StateLayout(heads, width);
    decay = r.oneIn(2) ? new Decay.Softplus() : new Decay.Bounded(r.of(-5f, -1f, 0f));
    eps = r.of(1e-6f, 1e-5f, 1e-2f);
    int all = heads * width;
    double size = r.of(1.0, 0.2, 6.0);
    inputs =
        new float[][] {
          r.normals(tokens * all, size),
          r.normals(tokens * all, size),
          r.normals(tokens * all, size),
          r.normals(tokens * all, r.of(1.0, 30.0)),
          r.normals(tokens * all, r.of(1.0, 30.0)),
          r.normals(tokens * heads, r.of(1.0, 30.0))
        };
    taps = r.normals(3 * StateLayout.TAPS * all, 0.5);
    rates = new float[heads];
    for (int h = 0; h < heads; h++) {
      rates[h] = (float) Math.exp(r.uniform(-3, 2.8));
    }
    bias = r.normals(all, 2);
    norm = r.normals(width, 1);
    before = r.oneIn(3) ? null : r.normals((int) layout.elements(), 1);
  }

  @Override
  public String shape() {
    return "tokens "
        + tokens
        + ", heads "
        + heads
        + ", width "
        + width
        + ", "
        + decay
        + ", eps "
        + eps
        + (before == null ? "" : ", after others");
  }

  @Override
  public boolean ofDecoder() {
    return false;
  }

  @Override
  public List<Expectation> expected() {
    double[] out = new double[tokens * heads * width];
    double[] allowed = new double[out.length];
    double[] state = new double[(int) layout.elements()];
    double[] allowedState = new double[state.length];
    for (int h = 0; h < heads; h++) {
      head(h, out, allowed, state, allowedState);
    }
    return List.of(
        Expectation.within("out", out, allowed), Expectation.within("state", state, allowedState));
  }

  private void head(int h, double[] out, double[] allowed, double[] state, double[] allowedState) {
    int base = h * layout.headStride();
    double[] s = new double[width * width];
    // What s is the sum of, without the signs: v - S^T k may cancel, and its rounding stays in s.
    double[] summed = new double[s.length];
    double[][] past = new double[3][PAST * width];
    for (int i = 0; before != null && i < s.length; i++) {
      s[i] = before[base + i];
      summed[i] = Math.abs(s[i]);
    }
    for (int i = 0; before != null && i < 3 * PAST * width; i++) {
      past[i / (PAST * width)][i % (PAST * width)] = before[base + s.length + i];
    }
    for (int t = 0; t < tokens; t++) {
      double[] q = convolved(0, t, h, past[0]);
      double[] k = convolved(1, t, h, past[1]);
      double[] v = convolved(2, t, h, past[2]);
      scale(q, 1 / Math.sqrt((squares(q) + 1e-6) * width));
      scale(k, 1 / Math.sqrt(squares(k) + 1e-6));
      double beta = sigmoid(inputs[5][t * heads + h]);
      for (int c = 0; c < width; c++) {
        double factor = decay(t, h, c);
        for (int j = 0; j < width; j++) {
          s[c * width + j] *= factor;
          summed[c * width + j] *= factor;
        }
      }
      double[] o = new double[width];
      double largestSum = 0;
      for (int j = 0; j < width; j++) {
        double seen = 0;
        double terms = Math.abs(v[j]);
        for (int c = 0; c < width; c++) {
          seen += k[c] * s[c * width + j];
          terms += Math.abs(k[c] * s[c * width + j]);
        }
        double size = 0;
        for (int c = 0; c < width; c++) {
          s[c * width + j] += k[c] * beta * (v[j] - seen);
          summed[c * width + j] += Math.abs(k[c]) * beta * terms;
          o[j] += q[c] * s[c * width + j];
          size += Math.abs(q[c]) * summed[c * width + j];
        }
        largestSum = Math.max(largestSum, size);
      }
      double root = Math.sqrt(squares(o) / width + eps);
      for (int j = 0; j < width; j++) {
        int at = (t * heads + h) * width + j;
        double gate = norm[j] * sigmoid(inputs[4][at]);
        out[at] = o[j] / root * gate;
        // o may cancel too, and the root moves with it.
        double moved = 3e-6 * largestSum / root * (1 + Math.abs(o[j]) / root);
        allowed[at] = moved * Math.abs(gate) + 4e-6 * Math.abs(out[at]) + 1e-30;
      }
    }
    double largest = 0;
    for (int i = 0; i < s.length; i++) {
      state[base + i] = s[i];
      largest = Math.max(largest, summed[i]);
    }
    Arrays.fill(allowedState, base, base + s.length, 4e-6 * largest + 1e-30);
    for (int i = 0; i < 3 * PAST * width; i++) {
      state[base + s.length + i] = past[i / (PAST * width)][i % (PAST * width)];
    }
  }

  /** The convolution of input {@code which} at token t, whose past moves on. */
  private double[] convolved(int which, int t, int h, double[] past) {
    double[] y = new double[width];
    for (int c = 0; c < width; c++) {
      double x = inputs[which][(t * heads + h) * width + c];
      double sum = 0;
      for (int j = 0; j < StateLayout.TAPS; j++) {
        double input = j < PAST ? past[j * width + c] : x;
        sum += input * taps[((which * StateLayout.TAPS + j) * heads + h) * width + c];
      }
      y[c] = sum * sigmoid(sum);
    }
    System.arraycopy(past, width, past, 0, (PAST - 1) * width);
    for (int c = 0; c < width; c++) {
      past[(PAST - 1) * width + c] = inputs[which][(t * heads + h) * width + c];
    }
    return y;
  }

  private double decay(int t, int h, int c) {
    double z = (double) inputs[3][(t * heads + h) * width + c] + bias[h * width + c];
    return switch (decay) {
      case Decay.Softplus _ ->
          Math.exp(-rates[h] * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))));
      case Decay.Bounded(float bound) -> Math.exp(bound * sigmoid(rates[h] * z));
    };
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  private static double squares(double[] x) {
    double sum = 0;
    for (double v : x) {
      sum += v * v;
    }
    return sum;
  }

  private static void scale(double[] x, double factor) {
    for (int i = 0; i < x.length; i++) {
      x[i] *= factor;
    }
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    CaseRandom random = cuts.random();
    int all = heads * width;
    try (GuardedMemory memory = new GuardedMemory()) {
      List<Grid> grids = new ArrayList<>();
      for (int i = 0; i < inputs.length; i++) {
        int columns = i == 5 ? heads : all;
        grids.add(Grid.any(memory, random, StorageFormat.F32, tokens, 1, columns).fill(inputs[i]));
      }
      List<Tensor> in = grids.stream().map(Grid::matrix).toList();
      Grid out = Grid.any(memory, random, StorageFormat.F32, tokens, 1, all);
      AttendDelta operation =
          new AttendDelta(
              0,
              new AttendDelta.Inputs(
                  in.get(0), in.get(1), in.get(2), in.get(3), in.get(5), in.get(4)),
              new AttendDelta.Weights(
                  Grid.dense(memory, StorageFormat.F32, 3 * StateLayout.TAPS, 1, all)
                      .fill(taps)
                      .matrix(),
                  dense(memory, rates),
                  dense(memory, bias),
                  dense(memory, norm),
                  eps),
              decay,
              out.matrix());
      State state = new State(memory, kernels, operation);
      List<Cuts.Range> asked = new ArrayList<>();
      for (Cuts.Range h : cuts.ranges(heads, 1)) {
        if (!cuts.skips()) {
          asked.add(h);
          for (int t = 0; t < tokens; t++) {
            out.ask(t, t + 1, 0, 1, h.begin() * width, h.end() * width);
          }
        }
      }
      cuts.ranges(tokens, 1).stream()
          .sorted(Comparator.comparingInt(Cuts.Range::begin))
          .forEach(chunk -> state.run(chunk, asked));
      for (Grid grid : grids) {
        grid.requireUnchanged("inputs");
      }
      memory.verify();
      return List.of(out.read("out"), state.read(asked));
    }
  }

  private static Tensor dense(GuardedMemory memory, float[] values) {
    return Grid.dense(memory, StorageFormat.F32, 1, 1, values.length).fill(values).vector();
  }

  /** Two states that take turns: what one chunk leaves is what the next one finds. */
  private final class State {
    private final DeltaTile tile;
    private final TileKernel kernel;
    private final MemorySegment[] states;
    private int current;

    State(GuardedMemory memory, Kernels kernels, AttendDelta operation) {
      tile = new DeltaTile(operation);
      kernel = kernels.bind(tile);
      states =
          new MemorySegment[] {
            memory.allocate(layout.bytes(), 64), memory.allocate(layout.bytes(), 64)
          };
      if (before != null) {
        MemorySegment.copy(before, 0, states[0], ValueLayout.JAVA_FLOAT, 0, before.length);
      }
    }

    void run(Cuts.Range chunk, List<Cuts.Range> ranges) {
      boolean fresh = before == null && chunk.begin() == 0;
      byte[] read = states[current].toArray(ValueLayout.JAVA_BYTE);
      tile.states(fresh ? MemorySegment.NULL : states[current], states[1 - current]);
      tile.tokens(chunk.begin(), chunk.end() - chunk.begin());
      kernel.prepare();
      for (Cuts.Range h : ranges) {
        kernel.run(new Tile().heads(h.begin(), h.end()));
      }
      if (!Arrays.equals(read, states[current].toArray(ValueLayout.JAVA_BYTE))) {
        throw new AssertionError("the state before the tokens was changed");
      }
      current = 1 - current;
    }

    Output read(List<Cuts.Range> ranges) {
      float[] values = states[current].toArray(ValueLayout.JAVA_FLOAT);
      boolean[] asked = new boolean[values.length];
      int used = layout.matrixElements() + 3 * PAST * width;
      for (Cuts.Range range : ranges) {
        for (int h = range.begin(); h < range.end(); h++) {
          int at = h * layout.headStride();
          Arrays.fill(asked, at, at + used, true);
        }
      }
      for (int i = 0; i < values.length; i++) {
        values[i] = asked[i] ? values[i] : 0;
      }
      return new Output("state", values, asked);
    }
  }
}
