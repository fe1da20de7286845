package io.mla4j.cpu;

import io.mla4j.BackendException;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RowOperation;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;

/**
 * The kernels as plain loops: the specification that the others are read against. Operations on
 * rows bring their own.
 *
 * <p>Sums run in float32 in a fixed order. Thread-safe: scratch belongs to the calling thread.
 */
public class ScalarKernels implements Kernels {
  /** Kernels without state. */
  public ScalarKernels() {}

  @Override
  public String isa() {
    return "scalar";
  }

  @Override
  public TileKernel bind(Operation operation) {
    return switch (operation) {
      case RowOperation rows -> tile -> rows.compute(tile.rowBegin(), tile.rowEnd());
      case Pack pack -> new Packed(pack.product(), ScalarLinear::pack);
      case Multiply multiply -> new Packed(multiply.product(), ScalarLinear::multiply);
      case Absorb absorb -> ofHeads(HeadProduct.of(absorb));
      case Expand expand -> ofHeads(HeadProduct.of(expand));
      case DeltaTile delta -> tile -> ScalarDelta.run(delta, tile);
      case AppendTile append -> tile -> ScalarAttention.append(append, tile);
      case AttentionTile attention when attention.isDecompressed() ->
          tile -> ScalarAttention.decompressed(attention, tile);
      case AttentionTile attention -> tile -> absorbed(attention, tile);
      case ScoreTile score -> tile -> ScalarIndexer.score(score, tile);
      case ChoiceTile choice -> tile -> ScalarIndexer.choose(choice, tile);
      default ->
          throw new BackendException(isa() + " kernels have no operation " + operation.name());
    };
  }

  /** Which of the two follows from the cache, and that is the step's. */
  private static void absorbed(AttentionTile a, Tile tile) {
    if (a.multipliesCodes()) {
      ScalarIntegerAttention.absorbed(a, tile);
    } else {
      ScalarAttention.absorbed(a, tile);
    }
  }

  private static TileKernel ofHeads(HeadProduct product) {
    return tile -> ScalarLinear.ofHeads(product, tile);
  }

  /** What reads or writes packed rows. */
  public record Packed(MatrixProduct product, Step step) implements TileKernel {
    /** Packing or multiplying. */
    @FunctionalInterface
    public interface Step {
      /** Computes a piece. */
      void run(MatrixProduct product, Tile tile);
    }

    @Override
    public long workspaceBytes() {
      return ScalarLinear.packedBytes(product);
    }

    @Override
    public void run(Tile tile) {
      step.run(product, tile);
    }
  }

  /** Whether a pointer that may be absent is. */
  static boolean isNull(MemorySegment segment) {
    return segment.address() == 0 && segment.byteSize() == 0;
  }
}
