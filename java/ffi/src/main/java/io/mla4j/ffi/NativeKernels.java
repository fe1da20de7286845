package io.mla4j.ffi;

import io.mla4j.AttentionCosts;
import io.mla4j.BackendException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.mla_kernels;
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
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;

/**
 * The kernels of one table of the library, one downcall for a tile.
 *
 * <p>Every segment is checked against the elements that any tile touches when an operation is
 * prepared, and is an argument of its own in each call: the runtime keeps its arena open until the
 * call returns, so closing it meanwhile throws {@link IllegalStateException}. A function that the
 * library lacks throws {@link BackendException} with its name when it is bound. An operation on
 * rows for which its interface has none is run in Java.
 */
public final class NativeKernels implements Kernels {
  private static final int PROBE_MULTIPLE = 64;

  private final NativeTable table;
  private final boolean prefersBf16;
  private final boolean prefersInt8;
  private final int rowMultiple;
  private final AttentionCosts attentionCosts;

  /** {@code segment}: a {@code mla_kernels} that outlives this object. */
  NativeKernels(String isa, MemorySegment segment) {
    table = new NativeTable(isa, segment);
    prefersBf16 = mla_kernels.prefers_bf16(segment) != 0;
    prefersInt8 = mla_kernels.prefers_int8(segment) != 0;
    rowMultiple = mla_kernels.row_multiple(segment);
    attentionCosts = costs(segment);
  }

  private static AttentionCosts costs(MemorySegment segment) {
    return mla_kernels.cost_absorbed(segment) == 0
        ? AttentionCosts.EVEN
        : new AttentionCosts(
            mla_kernels.cost_absorbed(segment),
            mla_kernels.cost_project(segment),
            mla_kernels.cost_decompressed(segment),
            mla_kernels.cost_rebuild(segment),
            mla_kernels.cost_start(segment));
  }

  /**
   * Links the functions that every step of a model calls, in the order of their first calls. Else
   * each is linked when it is first called, which takes milliseconds.
   */
  static void link() {
    try (Arena arena = Arena.ofConfined()) {
      NativeMemory.SYSTEM.allocate(1, arena);
    }
    mla_kernels.embed.descriptor();
    mla_kernels.rms_norm.descriptor();
    mla_kernels.packed_bytes.descriptor();
    mla_kernels.pack.descriptor();
    mla_kernels.linear.descriptor();
    mla_kernels.rope.descriptor();
    mla_kernels.append.descriptor();
    mla_kernels.head_linear.descriptor();
    mla_kernels.attention_workspace.descriptor();
    mla_kernels.attend_absorbed.descriptor();
    mla_kernels.add.descriptor();
    mla_kernels.swiglu.descriptor();
    mla_kernels.route.descriptor();
    mla_kernels.combine.descriptor();
  }

  @Override
  public TileKernel bind(Operation operation) {
    return switch (operation) {
      case RowOperation rows -> {
        TileKernel native_ = NativeRows.bind(rows, table);
        yield native_ != null ? native_ : tile -> rows.compute(tile.rowBegin(), tile.rowEnd());
      }
      case Pack o -> new NativeProducts.PackTile(table, o.product());
      case Multiply o -> new NativeProducts.MultiplyTile(table, o.product());
      case Absorb o -> new NativeProducts.HeadTile(table, HeadProduct.of(o));
      case Expand o -> new NativeProducts.HeadTile(table, HeadProduct.of(o));
      case AppendTile o -> new NativeAttention.Append(table, o);
      case DeltaTile o -> new NativeDelta(table, o);
      case AttentionTile o when o.isDecompressed() -> new NativeAttention.Decompressed(table, o);
      case AttentionTile o -> new NativeAttention.Absorbed(table, o);
      case ScoreTile o -> new NativeIndexer.Score(table, o);
      case ChoiceTile o -> new NativeIndexer.Choice(table, o);
      default -> throw new BackendException("native kernels have no operation " + operation.name());
    };
  }

  /**
   * What the processor can do at best: repeats {@code what} {@code count} times.
   *
   * @param memory read by {@link NativeProbe#READ} alone, a multiple of 64 bytes
   * @return the operations done, of which a multiply-add has two, or the bytes read; empty where
   *     the instruction set lacks the instruction
   * @throws BackendException where the library has no probes
   */
  public OptionalLong probe(NativeProbe what, long count, MemorySegment memory) {
    if (count < 0 || memory.byteSize() % PROBE_MULTIPLE != 0) {
      throw new InvalidArgumentException(
          "count is "
              + count
              + " and memory has "
              + memory.byteSize()
              + " bytes, but must be at least 0 and a multiple of "
              + PROBE_MULTIPLE);
    }
    long done =
        mla_kernels.probe.invoke(
            table.function("probe", mla_kernels.probe(table.segment())),
            what.code(),
            count,
            memory,
            memory.byteSize());
    return done < 0 ? OptionalLong.empty() : OptionalLong.of(done);
  }

  /** Whether the library merges partial results itself; one that never needs it need not. */
  public boolean hasMerge() {
    return mla_kernels.merge(table.segment()).address() != 0;
  }

  @Override
  public String isa() {
    return table.isa();
  }

  @Override
  public boolean prefersBf16() {
    return prefersBf16;
  }

  @Override
  public boolean prefersInt8() {
    return prefersInt8;
  }

  @Override
  public int rowMultiple() {
    return rowMultiple;
  }

  @Override
  public AttentionCosts attentionCosts() {
    return attentionCosts;
  }
}
