package io.mla4j.testkit;

import io.mla4j.StateLayout;
import io.mla4j.ops.AttendDelta.Decay;

/**
 * Kimi Delta Attention of one head in double precision, and to first order what the roundings of
 * float32 may move it by.
 *
 * <p>Each value x comes with the bound dx: those of its operands times the derivatives, and the
 * units in the last place that its own arithmetic loses, all with one sign. That matters where the
 * sum of a convolution cancels: of a head of one channel the key is then nearly 1 or nearly
 * nothing, and its error is that of the sum's terms, not of the sum.
 *
 * <p>From one token to the next, bounds of one sign would grow by {@code 1 + beta} each time: that
 * {@code I - beta k k^T} contracts is a matter of its signs. Errors that the state already has are
 * taken as independent there, and their squares are added.
 */
final class DeltaOracle {
  /** Half a unit in the last place of 1. */
  private static final double UNIT = 0x1p-24;

  /** Relative error of a float32 exponential. */
  private static final double EXP = 4 * UNIT;

  /** What is second order, and errors of a state that are not independent. */
  private static final double MARGIN = 2;

  /** Results that float32 may flush to zero. */
  private static final double TINY = 1e-30;

  private static final int PAST = StateLayout.TAPS - 1;

  private final DeltaCase c;
  private final int h;
  private final int width;

  /** (width, width), row i of channel i of the keys. */
  private final double[] s;

  private final double[] ds;

  /** The last inputs of the three convolutions, (3, PAST, width). */
  private final double[] past;

  /** Channels of a head, and their errors. */
  private record Channels(double[] x, double[] dx) {
    static Channels of(int width) {
      return new Channels(new double[width], new double[width]);
    }
  }

  DeltaOracle(DeltaCase c, int h) {
    this.c = c;
    this.h = h;
    width = c.width;
    s = new double[width * width];
    ds = new double[s.length];
    past = new double[3 * PAST * width];
    int base = h * c.layout.headStride();
    for (int i = 0; c.before != null && i < s.length; i++) {
      s[i] = c.before[base + i];
    }
    for (int i = 0; c.before != null && i < past.length; i++) {
      past[i] = c.before[base + s.length + i];
    }
  }

  /** All tokens; results (tokens, heads * width) and states (heads, headStride) of this head. */
  void run(double[] out, double[] allowed, double[] state, double[] allowedState) {
    for (int t = 0; t < c.tokens; t++) {
      Channels o = token(t);
      write(t, o, out, allowed);
    }
    int base = h * c.layout.headStride();
    for (int i = 0; i < s.length; i++) {
      state[base + i] = s[i];
      allowedState[base + i] = MARGIN * ds[i] + TINY;
    }
    System.arraycopy(past, 0, state, base + s.length, past.length);
  }

  private Channels token(int t) {
    Channels q = normed(convolved(0, t), 1 / Math.sqrt(width));
    Channels k = normed(convolved(1, t), 1);
    Channels v = convolved(2, t);
    decay(t);
    double beta = sigmoid(c.inputs[5][t * c.heads + h]);
    double dBeta = beta * (EXP + 2 * UNIT);
    Channels o = Channels.of(width);
    for (int j = 0; j < width; j++) {
      double seen = 0;
      double dSeen = 0;
      double inherited = 0;
      double terms = 0;
      for (int i = 0; i < width; i++) {
        int at = i * width + j;
        seen += k.x[i] * s[at];
        terms += Math.abs(k.x[i] * s[at]);
        dSeen += k.dx[i] * Math.abs(s[at]);
        inherited += square(k.x[i] * ds[at]);
      }
      dSeen += sumOf(width) * terms;
      double u = beta * (v.x[j] - seen);
      double du =
          beta * (v.dx[j] + dSeen)
              + dBeta * Math.abs(v.x[j] - seen)
              + UNIT * beta * (Math.abs(v.x[j]) + Math.abs(seen) + Math.abs(v.x[j] - seen));
      for (int i = 0; i < width; i++) {
        int at = i * width + j;
        double added = k.x[i] * u;
        double own = square((1 - beta * square(k.x[i])) * ds[at]);
        double others = square(beta * k.x[i]) * (inherited - square(k.x[i] * ds[at]));
        double size = Math.abs(s[at]) + Math.abs(added);
        ds[at] =
            Math.sqrt(own + Math.max(0, others))
                + Math.abs(k.x[i]) * du
                + k.dx[i] * Math.abs(u)
                + UNIT * (size + Math.abs(added));
        s[at] += added;
        o.x[j] += q.x[i] * s[at];
        o.dx[j] += Math.abs(q.x[i]) * (ds[at] + sumOf(width) * size) + q.dx[i] * Math.abs(s[at]);
      }
    }
    return o;
  }

  /** The norm of the results and their gate. */
  private void write(int t, Channels o, double[] out, double[] allowed) {
    double mean = squares(o.x) / width + c.eps;
    double root = Math.sqrt(mean);
    double dMean = sumOf(width) * mean;
    for (int j = 0; j < width; j++) {
      dMean += 2 * Math.abs(o.x[j]) * o.dx[j] / width;
    }
    for (int j = 0; j < width; j++) {
      int at = (t * c.heads + h) * width + j;
      double gate = c.norm[j] * sigmoid(c.inputs[4][at]);
      out[at] = o.x[j] / root * gate;
      double relative = dMean / (2 * mean) + EXP + 6 * UNIT;
      allowed[at] =
          MARGIN * (Math.abs(gate) / root * o.dx[j] + Math.abs(out[at]) * relative) + TINY;
    }
  }

  /** Silu of the convolution of input {@code which} at token t, whose past moves on. */
  private Channels convolved(int which, int t) {
    Channels y = Channels.of(width);
    int first = which * PAST * width;
    for (int i = 0; i < width; i++) {
      double sum = 0;
      double terms = 0;
      for (int j = 0; j < StateLayout.TAPS; j++) {
        double input = j < PAST ? past[first + j * width + i] : input(which, t, i);
        int tap = which * StateLayout.TAPS + j;
        double term = input * c.taps[(tap * c.heads + h) * width + i];
        sum += term;
        terms += Math.abs(term);
      }
      double part = sigmoid(sum);
      y.x[i] = sum * part;
      y.dx[i] =
          Math.abs(part + y.x[i] * (1 - part)) * StateLayout.TAPS * UNIT * terms
              + Math.abs(y.x[i]) * (EXP + 3 * UNIT);
    }
    System.arraycopy(past, first + width, past, first, (PAST - 1) * width);
    for (int i = 0; i < width; i++) {
      past[first + (PAST - 1) * width + i] = input(which, t, i);
    }
    return y;
  }

  private double input(int which, int t, int i) {
    return c.inputs[which][(t * c.heads + h) * width + i];
  }

  /** {@code factor * y / sqrt(sum(y^2) + 1e-6)}. */
  private Channels normed(Channels y, double factor) {
    double sum = squares(y.x) + 1e-6;
    double dSum = sumOf(width) * sum;
    for (int i = 0; i < width; i++) {
      dSum += 2 * Math.abs(y.x[i]) * y.dx[i];
    }
    double scale = factor / Math.sqrt(sum);
    double relative = dSum / (2 * sum) + 4 * UNIT;
    Channels x = Channels.of(width);
    for (int i = 0; i < width; i++) {
      x.x[i] = scale * y.x[i];
      x.dx[i] = scale * y.dx[i] + Math.abs(x.x[i]) * relative;
    }
    return x;
  }

  /** S = diag(decay) S. An exponent's absolute error is the relative one of its exponential. */
  private void decay(int t) {
    for (int i = 0; i < width; i++) {
      double z = (double) c.inputs[3][(t * c.heads + h) * width + i] + c.bias[h * width + i];
      double dz = UNIT * Math.abs(z);
      double rate = c.rates[h];
      double exponent;
      double dExponent;
      switch (c.decay) {
        case Decay.Softplus _ -> {
          exponent = -rate * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
          dExponent = rate * sigmoid(z) * dz + Math.abs(exponent) * (EXP + 4 * UNIT);
        }
        case Decay.Bounded(float bound) -> {
          double part = sigmoid(rate * z);
          exponent = bound * part;
          double inner = rate * dz + UNIT * Math.abs(rate * z);
          dExponent = Math.abs(exponent) * ((1 - part) * inner + EXP + 3 * UNIT);
        }
      }
      double factor = Math.exp(exponent);
      for (int at = i * width; at < (i + 1) * width; at++) {
        ds[at] = factor * (ds[at] + Math.abs(s[at]) * (dExponent + EXP + UNIT));
        s[at] *= factor;
      }
    }
  }

  /** Relative to the sum of the terms' magnitudes; the roundings of a sum are independent. */
  private static double sumOf(int terms) {
    return (1 + Math.sqrt(terms)) * UNIT;
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  private static double square(double x) {
    return x * x;
  }

  private static double squares(double[] x) {
    double sum = 0;
    for (double v : x) {
      sum += v * v;
    }
    return sum;
  }
}
