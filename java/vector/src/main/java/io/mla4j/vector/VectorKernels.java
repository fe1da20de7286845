package io.mla4j.vector;

import io.mla4j.AttentionCosts;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.SwiGlu;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;

/**
 * The kernels on {@code jdk.incubator.vector}: float32 arithmetic on stored F32, BF16 and F16
 * numbers that are widened once per block. What is rarely hot is inherited from {@link
 * ScalarKernels}. Thread-safe: scratch belongs to the calling thread.
 *
 * <p>This class cannot be loaded without the incubator module; {@link VectorBackend} can.
 */
final class VectorKernels extends ScalarKernels {
  /**
   * Query rows (query tokens times heads) that one pass over the keys serves; bounds the scratch.
   */
  private static final int MAX_ROWS = 256;

  /** Measured with vectors of 512 bits on one thread of a Zen 4, docs/architecture.md. */
  private static final AttentionCosts ATTENTION_COSTS = new AttentionCosts(19, 32, 16.5, 24.5, 1);

  @Override
  public String isa() {
    return "vector-" + Lanes.F.vectorBitSize();
  }

  @Override
  public boolean prefersInt8() {
    return true;
  }

  @Override
  public int rowMultiple() {
    return Math.max(16, 2 * Lanes.L);
  }

  @Override
  public AttentionCosts attentionCosts() {
    return ATTENTION_COSTS;
  }

  @Override
  public TileKernel bind(Operation operation) {
    return switch (operation) {
      case RmsNorm o -> tile -> VectorRows.rmsNorm(o, tile.rowBegin(), tile.rowEnd());
      case LayerNorm o -> tile -> VectorRows.layerNorm(o, tile.rowBegin(), tile.rowEnd());
      case SwiGlu o -> tile -> VectorRows.swiglu(o, tile.rowBegin(), tile.rowEnd());
      case Gate o -> tile -> VectorRows.gate(o, tile.rowBegin(), tile.rowEnd());
      case Pack o -> pack(o);
      case Multiply o -> new Packed(o.product(), VectorKernels::multiply);
      case Absorb o -> ofHeads(HeadProduct.of(o));
      case Expand o -> ofHeads(HeadProduct.of(o));
      case DeltaTile o -> new VectorDelta(o);
      case AttentionTile o when o.isDecompressed() -> tile -> attendDecompressed(o, tile);
      case AttentionTile o -> attendAbsorbed(o);
      case ScoreTile o -> tile -> VectorIndexer.score(o, tile);
      default -> super.bind(operation);
    };
  }

  private TileKernel pack(Pack operation) {
    TileKernel floats = super.bind(operation);
    return new Packed(
        operation.product(),
        (product, tile) -> {
          if (product.multipliesCodes()) {
            VectorCodes.ofThread().pack(product, tile);
          } else {
            floats.run(tile);
          }
        });
  }

  private static void multiply(MatrixProduct product, Tile tile) {
    if (product.multipliesCodes()) {
      VectorCodes.ofThread().multiply(product, tile);
    } else {
      VectorLinear.multiply(product, tile);
    }
  }

  private static TileKernel ofHeads(HeadProduct product) {
    return product.multipliesCodes()
        ? tile -> VectorCodes.ofThread().ofHeads(product, tile)
        : tile -> VectorLinear.ofHeads(product, tile);
  }

  /**
   * Heads that a decode step scores in lanes: all but a remainder that {@link DimensionScores} does
   * faster. Given by the number of heads alone, so that a head's bits do not depend on the range of
   * a call.
   */
  private static int laneHeads(int heads) {
    int remainder = heads % (Lanes.WIDE ? 2 * Lanes.L : Lanes.L);
    return remainder <= DimensionScores.MAX_ROWS ? heads - remainder : heads;
  }

  /** Integers are multiplied as in the plain kernel, whose loops the JVM makes vectors of. */
  private TileKernel attendAbsorbed(AttentionTile a) {
    TileKernel integers = super.bind(a);
    return tile -> {
      if (a.multipliesCodes()) {
        integers.run(tile);
      } else {
        attendAbsorbed(a, tile);
      }
    };
  }

  private static void attendAbsorbed(AttentionTile a, Tile tile) {
    int headBegin = tile.headBegin();
    int heads = tile.headEnd() - headBegin;
    int rows = heads * (tile.rowEnd() - tile.rowBegin());
    for (int first = 0; first < rows; first += MAX_ROWS) {
      int count = Math.min(MAX_ROWS, rows - first);
      int lanes = a.queryTokens() == 1 ? laneHeads(a.heads()) - headBegin - first : count;
      int laneRows = Math.clamp(lanes, 0, count);
      VectorAttention attention =
          VectorAttention.ofThread().absorbed(a, laneRows, count - laneRows);
      attention.start();
      for (int r = 0; r < count; r++) {
        int row = first + r;
        attention.setRow(r, tile.rowBegin() + row / heads, headBegin + row % heads);
      }
      attention.addCached(tile.keyBegin(), Math.min(tile.keyEnd(), attention.end()));
      for (int r = 0; r < count; r++) {
        int row = first + r;
        attention.finishRow(r, tile.part(), tile.rowBegin() + row / heads, headBegin + row % heads);
      }
    }
  }

  private static void attendDecompressed(AttentionTile a, Tile tile) {
    int queries = tile.rowEnd() - tile.rowBegin();
    VectorAttention attention = VectorAttention.ofThread().decompressed(a, queries);
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      attention.start();
      for (int r = 0; r < queries; r++) {
        attention.setRow(r, tile.rowBegin() + r, h);
      }
      attention.addRebuilt(attention.end(), h);
      for (int r = 0; r < queries; r++) {
        attention.finishRow(r, tile.part(), tile.rowBegin() + r, h);
      }
    }
  }
}
