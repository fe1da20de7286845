package io.mla4j.cpu;

import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Matrix products that are one operation: activations are packed once, then the rows of all weights
 * are cut into tiles. {@link #begin}, {@link #add} for each, {@link #prepare}, then {@link #run} as
 * often as the operands stay the same. What a product needs is kept for the next one in its place.
 */
final class Products {
  /** Rows that one pack call takes; a multiple of 16, as {@link Pack} asks. */
  private static final int PACK_ROWS = 32;

  /** Rows below which handing packing to other threads costs more than it saves. */
  private static final int INLINE_PACK_ROWS = 64;

  /** Tiles per thread, so that a slow thread can be helped out. */
  private static final int TILES_PER_THREAD = 6;

  /** The largest number of weight rows in a tile. */
  private static final int MAX_TILE_ROWS = 512;

  /** Tiles are cut at multiples of what the native kernels write at once. */
  private static final int TILE_ROW_MULTIPLE = 48;

  /** The same where codes are multiplied. */
  private static final int CODE_TILE_ROW_MULTIPLE = 64;

  private final Cpu cpu;
  private final List<Entry> entries = new ArrayList<>();
  private final Workers.Task packTile = this::packTile;
  private final Workers.Task multiplyTile = this::multiplyTile;
  private int count;
  private final Shares shares;
  private int packTiles;
  private int tiles;
  private long work;

  Products(Cpu cpu) {
    this.cpu = cpu;
    shares = new Shares(cpu.workers.parallelism());
  }

  /** Forgets the products. */
  void begin() {
    count = 0;
  }

  /**
   * One more product, to be filled. Neighbours that share x, its rows, the input width, the compute
   * type and how the weight is stored are packed once.
   */
  MatrixProduct add() {
    if (count == entries.size()) {
      entries.add(new Entry(cpu));
    }
    return entries.get(count++).product;
  }

  /** Looks at the products and makes room for their packed activations. */
  void prepare() {
    long bytes = 0;
    int packRows = 0;
    packTiles = 0;
    for (int i = 0; i < count; i++) {
      Entry e = entries.get(i);
      e.pack.prepare();
      e.multiply.prepare();
      e.shared = i > 0 && e.sharesWith(entries.get(i - 1));
      e.firstPackTile = packTiles;
      if (!e.shared) {
        e.packedAt = bytes;
        bytes += Buffer.roundUp(e.pack.workspaceBytes());
        packRows += e.product.rows();
        packTiles += Math.ceilDiv(e.product.rows(), PACK_ROWS);
      }
    }
    packTiles = packRows > INLINE_PACK_ROWS ? packTiles : 0;
    cpu.workspace.reserve(bytes);
    for (int i = 0; i < count; i++) {
      Entry e = entries.get(i);
      e.packedAt = e.shared ? entries.get(i - 1).packedAt : e.packedAt;
      e.packed = cpu.workspace.view(e.packedAt, e.pack.workspaceBytes());
    }
    cut();
  }

  private void cut() {
    work = 0;
    for (int i = 0; i < count; i++) {
      work += entries.get(i).product.n() * entries.get(i).rowWork();
    }
    boolean shared = cpu.workers.shares(work);
    long perTile = Math.max(1, work / ((long) cpu.workers.threads() * TILES_PER_THREAD));
    tiles = 0;
    for (int i = 0; i < count; i++) {
      Entry e = entries.get(i);
      int n = e.product.n();
      int multiple = e.product.multipliesCodes() ? CODE_TILE_ROW_MULTIPLE : TILE_ROW_MULTIPLE;
      int rows = Math.clamp(perTile / e.rowWork(), multiple, MAX_TILE_ROWS);
      // Alone, the caller makes no more calls than it must.
      e.tileRows = shared ? rows / multiple * multiple : Math.max(1, n);
      int last = shared && i == count - 1 ? Math.min(n, cpu.workers.threads() * e.tileRows) : 0;
      e.largeTiles = Math.ceilDiv(n - last, e.tileRows);
      e.lastTileRows = multiple / 2;
      e.firstTile = tiles;
      int rest = Math.max(0, n - e.largeTiles * e.tileRows);
      tiles += e.product.rows() == 0 ? 0 : e.largeTiles + Math.ceilDiv(rest, e.lastTileRows);
    }
    Entry last = count == 0 ? null : entries.get(count - 1);
    shares.cut(tiles, last == null ? 0 : Math.min(tiles, last.firstTile + last.largeTiles));
  }

  /** Packs and multiplies. */
  void run() {
    if (packTiles > 0) {
      cpu.workers.runInTurn(packTiles, Workers.MIN_SHARED_WORK, packTile);
    } else {
      for (int i = 0; i < count; i++) {
        Entry e = entries.get(i);
        if (!e.shared) {
          e.pack(0, 0, e.product.rows());
        }
      }
    }
    shares.begin();
    cpu.workers.runInTurn(tiles, work, multiplyTile);
  }

  private void packTile(int tile, int worker) {
    int i = count - 1;
    while (tile < entries.get(i).firstPackTile || entries.get(i).shared) {
      i--;
    }
    Entry e = entries.get(i);
    int begin = (tile - e.firstPackTile) * PACK_ROWS;
    e.pack(worker, begin, Math.min(e.product.rows(), begin + PACK_ROWS));
  }

  private void multiplyTile(int number, int worker) {
    int tile = shares.next(worker);
    int i = count - 1;
    while (tile < entries.get(i).firstTile) {
      i--;
    }
    Entry e = entries.get(i);
    int index = tile - e.firstTile;
    boolean large = index < e.largeTiles;
    int begin =
        large
            ? index * e.tileRows
            : e.largeTiles * e.tileRows + (index - e.largeTiles) * e.lastTileRows;
    int end = Math.min(e.product.n(), begin + (large ? e.tileRows : e.lastTileRows));
    e.multiply.run(cpu.tile(worker).rows(begin, end).workspace(e.packed));
  }

  /** One product with its kernels. */
  private static final class Entry {
    final Cpu cpu;
    final MatrixProduct product = new MatrixProduct();
    final TileKernel pack;
    final TileKernel multiply;
    MemorySegment packed = MemorySegment.NULL;
    long packedAt;

    /** Whether the entry before it packs the same activations. */
    boolean shared;

    int firstPackTile;

    /** Rows of the weight that a large tile computes. */
    int tileRows;

    /** How many large tiles come before those of {@link #lastTileRows}. */
    int largeTiles;

    /** Of the last tiles of an operation: few, so that all threads end together. */
    int lastTileRows;

    int firstTile;

    Entry(Cpu cpu) {
      this.cpu = cpu;
      pack = cpu.kernels.bind(new Pack(product));
      multiply = cpu.kernels.bind(new Multiply(product));
    }

    boolean sharesWith(Entry before) {
      MatrixProduct a = before.product;
      MatrixProduct b = product;
      return a.weightType() == b.weightType()
          && a.matrix().isScaled() == b.matrix().isScaled()
          && a.compute() == b.compute()
          && a.multipliesCodes() == b.multipliesCodes()
          && a.rows() == b.rows()
          && a.k() == b.k()
          && a.x().address() == b.x().address()
          && a.indices().address() == b.indices().address();
    }

    /** Multiplications of a row of the weight, about. */
    long rowWork() {
      return (long) product.k() * Math.max(1, product.rows() / 4);
    }

    void pack(int worker, int begin, int end) {
      if (begin < end) {
        pack.run(cpu.tile(worker).rows(begin, end).workspace(packed));
      }
    }
  }
}
