package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * {@code out[t, j] = x[t, j] * f(gates[t, j / (width / count)])}: every row is cut into as many
 * equal parts as it has gates, one for all of it, for each head, or for each element. {@code x *
 * relu(x)} is a squared ReLU.
 *
 * @param x (n, width) F32
 * @param gates (n, count) F32, count divides width
 * @param function f
 * @param out (n, width) F32; may be x, also where gates are x
 */
public record Gate(Tensor x, Tensor gates, Function function, Tensor out) implements RowOperation {
  /** What becomes of a gate. */
  public enum Function {
    /** g. */
    IDENTITY {
      @Override
      float of(float g) {
        return g;
      }
    },
    /** {@code 1 / (1 + exp(-g))}. */
    SIGMOID {
      @Override
      float of(float g) {
        return 1 / (1 + Floats.exp(-g));
      }
    },
    /** {@code max(g, 0)}. */
    RELU {
      @Override
      float of(float g) {
        return Math.max(g, 0);
      }
    };

    abstract float of(float g);
  }

  /** Checks types and shapes. */
  public Gate {
    Checks.requireFloats("x", x, 2);
    Checks.requireFloats("gates", gates, 2);
    Checks.requireNonNull("function", function);
    Checks.require("gates", gates, StorageFormat.F32, x.dim(0), gates.dim(1));
    if (gates.dim(1) < 1 || x.dim(1) % gates.dim(1) != 0) {
      throw new InvalidArgumentException(
          "gates has "
              + gates.dim(1)
              + " numbers a row, but they must divide the "
              + x.dim(1)
              + " of x");
    }
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
  }

  @Override
  public int rows() {
    return (int) x.dim(0);
  }

  @Override
  public long rowElements() {
    return x.dim(1);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) x.dim(1);
    int count = (int) gates.dim(1);
    int part = width / count;
    Scratch scratch = Scratch.ofThread();
    float[] row = scratch.floats(0, width);
    float[] factors = scratch.floats(1, count);
    for (int t = begin; t < end; t++) {
      Floats.read(x.segment(), t * x.stride(0), row, 0, width);
      Floats.read(gates.segment(), t * gates.stride(0), factors, 0, count);
      for (int g = 0; g < count; g++) {
        float factor = function.of(factors[g]);
        for (int j = g * part; j < (g + 1) * part; j++) {
          row[j] *= factor;
        }
      }
      Floats.write(row, 0, out.segment(), t * out.stride(0), width);
    }
  }
}
