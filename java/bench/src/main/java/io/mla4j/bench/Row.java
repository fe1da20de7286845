package io.mla4j.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.List;
import java.util.stream.Stream;

/**
 * One measured thing.
 *
 * @param medianNs of one operation
 * @param madNs median absolute deviation of the samples, null for one sample
 * @param samplesNs one for each repetition: the median of the operations of that repetition
 * @param noisy whether small differences mean nothing
 * @param marks why they do not; empty where they do
 * @param gflops {@code flop / medianNs}
 * @param gbps {@code bytes / medianNs}
 * @param peakGflops the row's own peak, measured just before and after every sample: the better of
 *     float32 and bf16 for native bf16, float32 for native f32, float32 of the Vector API for Java;
 *     on a GPU the largest bf16 linear of this library, which the GPU itself can beat
 * @param peakGbps memory that no cache holds, read at the same number of threads in the same
 *     moments; on a GPU copied there, bytes read and written
 * @param shareOfPeak {@code gflops / peakGflops}
 * @param shareOfBandwidth {@code gbps / peakGbps}, null where memory does not bound the row
 * @param tokensPerSecond of model rows, else null
 * @param joules of one operation, null where the machine does not tell
 * @param verified whether the result was compared with the oracle (a wrong one ends the run)
 */
public record Row(
    @JsonUnwrapped Axes axes,
    @JsonUnwrapped Work work,
    double medianNs,
    Double madNs,
    double[] samplesNs,
    boolean noisy,
    List<Mark> marks,
    double gflops,
    double gbps,
    Double peakGflops,
    Double peakGbps,
    Double shareOfPeak,
    Double shareOfBandwidth,
    Double tokensPerSecond,
    Double joules,
    boolean verified) {

  /** Figures from samples; NaN peaks become null. */
  static Row of(
      Axes axes,
      Work work,
      double[] samplesNs,
      double peakGflops,
      double peakGbps,
      boolean boundByMemory,
      double tokens,
      double joules,
      boolean verified) {
    double median = Statistics.median(samplesNs);
    double gflops = work.flop() / median;
    double gbps = work.bytes() / median;
    boolean noisy = Statistics.isNoisy(samplesNs);
    return new Row(
        axes,
        work,
        median,
        samplesNs.length > 1 ? Statistics.mad(samplesNs) : null,
        samplesNs,
        noisy,
        noisy ? List.of(Mark.NOISY) : List.of(),
        gflops,
        gbps,
        orNull(peakGflops),
        orNull(peakGbps),
        orNull(gflops / peakGflops),
        boundByMemory ? orNull(gbps / peakGbps) : null,
        tokens > 0 ? tokens / median * 1e9 : null,
        orNull(joules),
        verified);
  }

  /** The same figures with more marks. */
  Row and(List<Mark> more) {
    List<Mark> all = Stream.concat(marks.stream(), more.stream()).toList();
    return new Row(
        axes,
        work,
        medianNs,
        madNs,
        samplesNs,
        !all.isEmpty(),
        all,
        gflops,
        gbps,
        peakGflops,
        peakGbps,
        shareOfPeak,
        shareOfBandwidth,
        tokensPerSecond,
        joules,
        verified);
  }

  private static Double orNull(double value) {
    return Double.isFinite(value) ? value : null;
  }
}
