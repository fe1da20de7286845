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

  final StateLayout layout;
  final int heads;
  final int width;
  final int tokens;
  final Decay decay;
  final float eps;

  /** Queries, keys, values, decays, gates: (tokens, heads * width); betas (tokens, heads). */
  final float[][] inputs;

  final float[] taps;
  final float[] rates;
  final float[] bias;
  final float[] norm;

  /** (heads, headStride), or null where nothing comes before the tokens. */
  final float[] before;

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
      new DeltaOracle(this, h).run(out, allowed, state, allowedState);
    }
    return List.of(
        Expectation.within("out", out, allowed), Expectation.within("state", state, allowedState));
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
