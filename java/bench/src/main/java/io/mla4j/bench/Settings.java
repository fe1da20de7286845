package io.mla4j.bench;

/**
 * How a run measures.
 *
 * @param repetitions samples of each row
 * @param sampleNanos a sample repeats its operation for at least as long
 * @param warmUpNanos the first row of a sort runs for at least as long before its first sample
 * @param verify whether results are compared with the oracle
 * @param pin whether threads are pinned to processors
 * @param poolBytes memory that cold rows go through
 * @param maxBytes the most memory that a row may take; larger ones are left out and said so
 */
public record Settings(
    int repetitions,
    long sampleNanos,
    long warmUpNanos,
    boolean verify,
    boolean pin,
    long poolBytes,
    long maxBytes) {
  /** Beyond what a last-level cache keeps. */
  public static final long COLD_BYTES = 512L << 20;

  /** For figures that are written down. */
  public static Settings usual() {
    return new Settings(
        9, 40_000_000, 1_500_000_000, false, false, COLD_BYTES, Machine.physicalMemory() / 4);
  }

  /** For a look: fewer and shorter samples. */
  public static Settings quick() {
    return new Settings(
        3, 10_000_000, 500_000_000, false, false, COLD_BYTES, Machine.physicalMemory() / 8);
  }
}
