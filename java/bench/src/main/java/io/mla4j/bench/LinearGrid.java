package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;
import java.util.List;

/**
 * Which linear layers to measure: all combinations.
 *
 * @param benchmarks gemm, gemv, grouped
 * @param sizes of the weights of gemm and gemv
 * @param rows of gemm
 * @param isas native instruction sets; empty for the one that is chosen
 * @param computes empty for the faster one of each device
 * @param mixture of grouped
 */
public record LinearGrid(
    List<Benchmark> benchmarks,
    List<Size> sizes,
    List<Integer> rows,
    List<String> backends,
    List<String> isas,
    List<Integer> threads,
    List<ComputeType> computes,
    List<StorageFormat> weightTypes,
    List<AttentionGrid.Residency> residencies,
    MixtureSize mixture) {
  /** What is named twice is measured once. */
  public LinearGrid {
    benchmarks = Grids.distinct(benchmarks);
    sizes = Grids.distinct(sizes);
    rows = Grids.distinct(rows);
    backends = Grids.distinct(backends);
    isas = Grids.distinct(isas);
    threads = Grids.distinct(threads);
    computes = Grids.distinct(computes);
    weightTypes = Grids.distinct(weightTypes);
    residencies = Grids.distinct(residencies);
  }

  /** What is measured. */
  public enum Benchmark {
    /** Many rows by one matrix. */
    GEMM,
    /** One row by one matrix. */
    GEMV,
    /** Every row by the matrices of the experts that it chose. */
    GROUPED
  }

  /** A weight of {@code n} rows of {@code k} numbers. */
  public record Size(int k, int n) {
    /** Reads {@code KxN}. */
    public static Size parse(String text) {
      String[] parts = text.split("x", -1);
      if (parts.length == 2 && parts[0].matches("\\d{1,8}") && parts[1].matches("\\d{1,8}")) {
        Size size = new Size(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
        if (size.k > 0 && size.n > 0) {
          return size;
        }
      }
      throw new BenchException("size is " + text + ", but must be KxN, such as 2048x10944");
    }

    @Override
    public String toString() {
      return k + "x" + n;
    }
  }

  /**
   * A mixture: {@code topK} of {@code experts} networks, {@code hidden} to {@code inner} and back.
   */
  public record MixtureSize(int tokens, int experts, int topK, int hidden, int inner) {
    /** DeepSeek-V2-Lite's. */
    public static final MixtureSize V2_LITE = new MixtureSize(512, 64, 6, 2048, 1408);
  }
}
