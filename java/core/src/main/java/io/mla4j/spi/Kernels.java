package io.mla4j.spi;

import io.mla4j.AttentionCosts;
import io.mla4j.ops.Operation;

/**
 * The kernels of one instruction set, implemented by the scalar, vector and native ones. What they
 * compute are the operations on rows ({@link io.mla4j.ops.RowOperation}), {@link
 * io.mla4j.ops.Absorb} and {@link io.mla4j.ops.Expand} (heads of tokens; of Absorb the latent part,
 * the rotated part is copied by their caller), and what a CPU cuts the others into: {@link Pack},
 * {@link Multiply}, {@link AppendTile}, {@link AttentionTile}, {@link DeltaTile}, {@link ScoreTile}
 * and {@link ChoiceTile}.
 *
 * <p>Callers have checked shapes; kernels check what would otherwise touch memory that is not
 * theirs, sizes of segments, page ids and token ids above all. Thread-safe.
 */
public interface Kernels {
  /** Heads of a tile of attention at most: they share the rows of the cache that it reads. */
  int HEAD_BLOCK = 64;

  /** (query, head) pairs of a tile in the absorbed form at most: bounds the workspace. */
  int TILE_ROWS = 256;

  /**
   * An operation as these kernels compute it.
   *
   * @throws io.mla4j.BackendException where they lack it, with its name
   */
  TileKernel bind(Operation operation);

  /** The instruction set by name: {@code scalar}, {@code vector-512}, {@code avx512bf16}. */
  String isa();

  /**
   * Whether bf16 operands are multiplied faster than float32 ones; decides the default compute
   * type.
   */
  default boolean prefersBf16() {
    return false;
  }

  /**
   * Whether 8-bit integers are multiplied faster than bf16 and float32 operands; decides the
   * default compute type of quantised weights.
   */
  default boolean prefersInt8() {
    return false;
  }

  /**
   * Rows of attention that the kernels take together: a multiple of 16, where cuts change no bits.
   */
  default int rowMultiple() {
    return 16;
  }

  /**
   * Heads of a tile: as few blocks as {@link #HEAD_BLOCK} allows, of the same size but for the last
   * one, in whole {@link #rowMultiple}s. 96 heads are two tiles of 48 then: with 64 and 32, one of
   * two threads would be idle for half of its time.
   */
  default int headBlock(int heads) {
    int equal = Math.ceilDiv(heads, Math.ceilDiv(heads, HEAD_BLOCK));
    return Math.min(heads, Math.ceilDiv(equal, rowMultiple()) * rowMultiple());
  }

  /** What the forms of attention cost here. */
  default AttentionCosts attentionCosts() {
    return AttentionCosts.EVEN;
  }
}
