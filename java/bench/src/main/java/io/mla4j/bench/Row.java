package io.mla4j.bench;

import java.util.List;
import java.util.stream.Stream;

/**
 * One measured thing. Figures that nothing tells are null.
 *
 * @param samplesNs one for each repetition: the median of the operations of that repetition
 * @param bounds what it can reach at best
 * @param tokens that an operation of a model reads or writes, else 0
 * @param joules of one operation, null where the machine does not tell
 * @param verified whether the result was compared with the oracle (a wrong one ends the run)
 * @param marks why small differences mean nothing; empty where they do
 */
public record Row(
    Axes axes,
    Work work,
    double[] samplesNs,
    Bounds bounds,
    double tokens,
    Double joules,
    boolean verified,
    List<Mark> marks) {
  /**
   * Measured just before and after every sample; NaN where nothing tells.
   *
   * @param gflops the row's own peak: the better of float32 and bf16 for native bf16, float32 for
   *     native f32, float32 of the Vector API for Java; on a GPU the largest bf16 linear of this
   *     library, which the GPU itself can beat
   * @param gbps memory that no cache holds, read at the same number of threads; on a GPU copied
   *     there, bytes read and written
   * @param byMemory whether memory can bound the row
   */
  record Bounds(double gflops, double gbps, boolean byMemory) {
    /** Of what nothing bounds. */
    static final Bounds NONE = new Bounds(Double.NaN, Double.NaN, false);
  }

  /** A row of no model, without joules, that was not compared with the oracle. */
  static Row of(Axes axes, Work work, double[] samplesNs, Bounds bounds) {
    return new Row(axes, work, samplesNs, bounds, 0, null, false, List.of()).and(List.of());
  }

  /** The same figures with more marks, and with what its samples say. */
  Row and(List<Mark> more) {
    Stream<Mark> spread = Stream.of(Mark.NOISY).filter(_ -> Statistics.isNoisy(samplesNs));
    List<Mark> all =
        Stream.of(spread, marks.stream(), more.stream()).flatMap(s -> s).distinct().toList();
    return new Row(axes, work, samplesNs, bounds, tokens, joules, verified, all);
  }

  String text(Axis axis) {
    return axes.text(axis);
  }

  int count(Axis axis) {
    return axes.count(axis);
  }

  /** Of one operation. */
  double medianNs() {
    return Statistics.median(samplesNs);
  }

  /** Median absolute deviation of the samples, null for one sample. */
  Double madNs() {
    return samplesNs.length > 1 ? Statistics.mad(samplesNs) : null;
  }

  boolean noisy() {
    return !marks.isEmpty();
  }

  double gflops() {
    return work.flop() / medianNs();
  }

  double gbps() {
    return work.bytes() / medianNs();
  }

  Double peakGflops() {
    return orNull(bounds.gflops);
  }

  Double peakGbps() {
    return orNull(bounds.gbps);
  }

  Double shareOfPeak() {
    return orNull(gflops() / bounds.gflops);
  }

  /** Null where memory does not bound the row. */
  Double shareOfBandwidth() {
    return bounds.byMemory ? orNull(gbps() / bounds.gbps) : null;
  }

  /** Of model rows, else null. */
  Double tokensPerSecond() {
    return tokens > 0 ? tokens / medianNs() * 1e9 : null;
  }

  /** Weights and cached rows that a token needs, of model rows, else null. */
  Double bytesPerToken() {
    return tokens > 0 && work.bytes() > 0 ? work.bytes() / tokens : null;
  }

  /** Of model rows where the machine tells, else null. */
  Double joulesPerToken() {
    return tokens > 0 && joules != null ? joules / tokens : null;
  }

  static Double orNull(double value) {
    return Double.isFinite(value) ? value : null;
  }
}
