package io.mla4j.cpu;

import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys that an indexer chooses: scores of as many queries as fit into some memory, in tiles of
 * queries and keys, then the choices of each of these queries.
 */
final class RunChooseKeys extends CpuStepOperation {
  /** Scores that are kept at once, unless one query has more: 16 MiB. */
  private static final long MAX_SCORES = 1L << 22;

  /** Queries of a tile of scores: they share the keys that it widens. */
  private static final int QUERIES = 8;

  /** Keys of a tile of scores. */
  private static final int KEYS = 1024;

  private final ChooseKeys operation;
  private final List<Piece> pieces = new ArrayList<>();
  private final ScoreTiles scoreTiles = new ScoreTiles();
  private int count;
  private long scores;

  RunChooseKeys(Cpu cpu, ChooseKeys o) {
    super(cpu, o);
    operation = o;
  }

  @Override
  void executeStep(PagedView plan) {
    count = 0;
    scores = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      int n = plan.queryTokens(i);
      int kv = plan.kvTokens(i);
      for (int t = 0; t < n; ) {
        // Scores are needed from the first query on that sees more tokens than are chosen.
        int all = Math.clamp((long) operation.topK() - (kv - n), t, n);
        int next = all > t ? all : (int) Math.min(n, t + Math.max(1, (MAX_SCORES - scores) / kv));
        if (scores > 0 && all <= t && scores + (long) (next - t) * kv > MAX_SCORES) {
          runPieces();
          continue;
        }
        add(plan, i, t, next, all > t);
        t = next;
      }
    }
    runPieces();
  }

  /** Queries {@code [from, to)} of sequence i are next. */
  private void add(PagedView plan, int i, int from, int to, boolean all) {
    if (count == pieces.size()) {
      pieces.add(new Piece());
    }
    pieces.get(count++).set(plan, i, from, to, all ? -1 : scores);
    scores += all ? 0 : (long) (to - from) * plan.kvTokens(i);
  }

  private void runPieces() {
    if (count == 0) {
      return;
    }
    cpu.memory.reserve(Math.max(1, scores) * Float.BYTES);
    int tiles = 0;
    long workspace = 0;
    for (int i = 0; i < count; i++) {
      Piece piece = pieces.get(i);
      piece.place();
      piece.firstTile = tiles;
      tiles += piece.tiles();
      workspace = Math.max(workspace, Buffer.roundUp(piece.workspaceBytes()));
    }
    scoreTiles.run(tiles, workspace);
    for (int i = 0; i < count; i++) {
      pieces.get(i).choose();
    }
    count = 0;
    scores = 0;
  }

  /** Queries of one sequence. */
  private final class Piece implements Workers.Task {
    private final ScoreTile score = new ScoreTile((int) operation.q().dim(1));
    private final ChoiceTile choice = new ChoiceTile(operation.topK());
    private final TileKernel scoreKernel = cpu.kernels.bind(score);
    private final TileKernel choiceKernel = cpu.kernels.bind(choice);
    private int firstTile;
    private int keyTiles;
    private long scoresAt;
    private int row;

    /** {@code scoresAt}: the first score's place, or -1 where all tokens are chosen. */
    void set(PagedView plan, int i, int from, int to, long scoresAt) {
      int n = to - from;
      int kv = plan.kvTokens(i) - (plan.queryTokens(i) - to);
      this.scoresAt = scoresAt;
      row = plan.firstToken(i) + from;
      score.pages(
          plan.cacheParams(operation.group()),
          plan.layerBase(operation.group(), operation.layer()),
          plan.pageTable(i));
      score.tokens(n, kv);
      keyTiles = Math.ceilDiv(kv, KEYS);
      choice.rows(n, kv - n + 1);
    }

    /** The scores have a place. */
    void place() {
      Tensor q = operation.q();
      Tensor w = operation.weights();
      choice.chosen(operation.chosen().segmentFrom(row));
      if (scoresAt < 0) {
        choice.scores(MemorySegment.NULL, 0);
      } else {
        int kv = score.kvTokens();
        long bytes = (long) score.queryTokens() * kv * Float.BYTES;
        MemorySegment scores = cpu.memory.view(scoresAt * Float.BYTES, bytes);
        score.queries(q.segmentFrom(row), q.stride(0), q.stride(1));
        score.weights(w.segmentFrom(row), w.stride(0));
        score.scores(scores, kv);
        choice.scores(scores, kv);
        scoreKernel.prepare();
      }
      choiceKernel.prepare();
    }

    int tiles() {
      return scoresAt < 0 ? 0 : keyTiles * Math.ceilDiv(score.queryTokens(), QUERIES);
    }

    long workspaceBytes() {
      return scoresAt < 0 ? 0 : scoreKernel.workspaceBytes();
    }

    void score(int tile, Tile t) {
      int query = tile / keyTiles * QUERIES;
      int key = tile % keyTiles * KEYS;
      t.rows(query, Math.min(score.queryTokens(), query + QUERIES))
          .keys(key, Math.min(score.kvTokens(), key + KEYS), 0);
      scoreKernel.run(t);
    }

    void choose() {
      cpu.workers.runInTurn(choice.rows(), Workers.MIN_SHARED_WORK, this);
    }

    @Override
    public void run(int tile, int worker) {
      choiceKernel.run(cpu.tile(worker).rows(tile, tile + 1));
    }
  }

  /** The scores of all pieces. */
  private final class ScoreTiles implements Workers.Task {
    private long perWorker;

    void run(int tiles, long workspaceBytes) {
      perWorker = workspaceBytes;
      cpu.workspace.reserve(perWorker * cpu.workers.threads());
      cpu.workers.runInTurn(tiles, Workers.MIN_SHARED_WORK, this);
    }

    @Override
    public void run(int tile, int worker) {
      int i = count - 1;
      while (tile < pieces.get(i).firstTile || pieces.get(i).tiles() == 0) {
        i--;
      }
      Tile t = cpu.tile(worker).workspace(cpu.workspace.view(worker * perWorker, perWorker));
      pieces.get(i).score(tile - pieces.get(i).firstTile, t);
    }
  }
}
