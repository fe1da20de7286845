package io.mla4j.bench;

import io.mla4j.ops.StorageFormat;
import java.util.List;

/** Which linear layers to measure. */
public final class LinearGrid extends Grid {
  /** Gemm, gemv, grouped. */
  public List<Benchmark> benchmarks = List.of(Benchmark.values());

  /** Of the weights of gemm and gemv. */
  public List<Size> sizes =
      List.of(new Size(2048, 2048), new Size(2048, 10944), new Size(10944, 2048));

  /** Of gemm. */
  public List<Integer> rows = List.of(512);

  /** How weights are stored. */
  public List<StorageFormat> weightTypes = List.of(StorageFormat.BF16);

  /** Where the weights are. */
  public List<AttentionGrid.Residency> residencies = List.of(AttentionGrid.Residency.COLD);

  /** Of grouped. */
  public MixtureSize mixture = MixtureSize.V2_LITE;

  /**
   * Whether random bytes of {@link DataPool} are numbers of this type, with scales beside them
   * where {@link PoolWeights} has them.
   */
  public static boolean canStore(StorageFormat type) {
    boolean plain =
        type == StorageFormat.BF16 || type == StorageFormat.F16 || type == StorageFormat.F32;
    return plain
        || type == StorageFormat.F8_E4M3
        || type.blockElements() >= 32 && type != StorageFormat.MXFP4;
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
