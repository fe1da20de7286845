package io.mla4j.cuda;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;
import io.mla4j.cuda.CudaScratch.StepParams;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;

/**
 * What kernels read of a step's plan, copied to the device once and used by every layer: the pages
 * of the sequences, the rows of the pool that new tokens go to, and how attention splits the keys.
 * Used in turn.
 */
final class CudaPlan implements AutoCloseable {
  /**
   * With so few queries sequences of different lengths share a launch: its workspace is as large as
   * the longest needs for all.
   */
  private static final int SHARED_QUERIES = 8;

  private static final long ALIGNMENT = 64;

  private final CudaDevice device;
  private final CudaBuffer buffer;
  private WeakReference<DecodePlan> plan = new WeakReference<>(null);
  private MlaShape shape;
  private int heads;
  private boolean absorbed;
  private MemorySegment memory;
  private int pageTableStride;
  private long slotsAt;
  private List<Run> runs;

  /** A plan of nothing. */
  CudaPlan(CudaDevice device) {
    this.device = device;
    this.buffer = new CudaBuffer(device);
  }

  /**
   * Neighbouring sequences that attention takes in one launch.
   *
   * @param firstToken of the step's tensors
   * @param queries the most of one sequence
   * @param splits of all of them
   * @param plan what the kernels read
   * @param pageTable its rows of these sequences
   * @param kvTokens the most of one sequence
   */
  record Run(
      AttentionForm form,
      int sequences,
      int firstToken,
      int tokens,
      int queries,
      int splits,
      MemorySegment plan,
      MemorySegment pageTable,
      int kvTokens) {}

  /**
   * Whether this was made for {@code plan}; for absorbed attention of all sequences, or for the
   * forms of the plan.
   */
  boolean isFor(DecodePlan other, int heads, boolean absorbed) {
    return plan.get() == other && this.heads == heads && this.absorbed == absorbed;
  }

  /** Whether this was made for the same layers, of another step. */
  boolean isLike(DecodePlan other, int heads, boolean absorbed) {
    return other.shape().equals(shape) && this.heads == heads && this.absorbed == absorbed;
  }

  int heads() {
    return heads;
  }

  /** Pages between the rows of two sequences. */
  int pageTableStride() {
    return pageTableStride;
  }

  /** (tokens) I32: the row of the pool of each new token. */
  MemorySegment slots() {
    return memory.asSlice(slotsAt);
  }

  List<Run> runs() {
    return runs;
  }

  /** Makes the plan and copies it to the device. */
  void fill(DecodePlan other, int heads, boolean absorbed) {
    plan = new WeakReference<>(null);
    try (Arena arena = Arena.ofConfined()) {
      List<Draft> drafts = cut(other, absorbed);
      int pageSize = other.cacheParams().pageSize();
      int stride = 1;
      for (int i = 0; i < other.sequences(); i++) {
        stride = Math.max(stride, Math.ceilDiv(other.kvTokens(i), pageSize));
      }
      pageTableStride = stride;
      slotsAt = aligned(4L * stride * other.sequences());
      long end = aligned(slotsAt + 4L * other.tokens());
      for (Draft draft : drafts) {
        draft.count(other, heads);
        draft.planAt = end;
        draft.planBytes = device.kernels().planBytes(draft.params(heads));
        end = aligned(end + draft.planBytes);
      }
      MemorySegment host = arena.allocate(end, ALIGNMENT);
      writePages(other, host);
      for (Draft draft : drafts) {
        draft.write(other, heads, host, arena);
      }
      memory = buffer.bytes(end);
      device.upload(host, memory);
      runs = new ArrayList<>();
      for (Draft draft : drafts) {
        runs.add(draft.run(other));
      }
    }
    this.shape = other.shape();
    this.heads = heads;
    this.absorbed = absorbed;
    plan = new WeakReference<>(other);
  }

  private static long aligned(long bytes) {
    return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
  }

  private void writePages(DecodePlan other, MemorySegment host) {
    int pageSize = other.cacheParams().pageSize();
    if ((long) pageSize * other.cacheParams().pageCount() > Integer.MAX_VALUE) {
      throw new InvalidArgumentException(
          "the cache has "
              + (long) pageSize * other.cacheParams().pageCount()
              + " rows in a layer, but the cuda backend counts them up to "
              + Integer.MAX_VALUE);
    }
    for (int i = 0; i < other.sequences(); i++) {
      MemorySegment pages = other.pageTable(i);
      long row = 4L * i * pageTableStride;
      MemorySegment.copy(pages, 0, host, row, 4L * Math.ceilDiv(other.kvTokens(i), pageSize));
      int position = other.kvTokens(i) - other.queryTokens(i);
      for (int t = 0; t < other.queryTokens(i); t++, position++) {
        int page = host.get(ValueLayout.JAVA_INT, row + 4L * (position / pageSize));
        long at = slotsAt + 4L * (other.firstToken(i) + t);
        host.set(ValueLayout.JAVA_INT, at, page * pageSize + position % pageSize);
      }
    }
  }

  private List<Draft> cut(DecodePlan other, boolean absorbed) {
    List<Draft> drafts = new ArrayList<>();
    Draft last = null;
    for (int i = 0; i < other.sequences(); i++) {
      AttentionForm form = absorbed ? AttentionForm.ABSORBED : other.form(i);
      int queries = other.queryTokens(i);
      if (last == null
          || last.form != form
          || queries != last.queries && Math.max(queries, last.queries) > SHARED_QUERIES) {
        last = new Draft(form, i);
        drafts.add(last);
      }
      last.sequences++;
      last.tokens += queries;
      last.queries = Math.max(last.queries, queries);
      last.kvTokens = Math.max(last.kvTokens, other.kvTokens(i));
    }
    return drafts;
  }

  /** A run while it is counted. */
  private final class Draft {
    private final AttentionForm form;
    private final int firstSequence;
    private int sequences;
    private int tokens;
    private int queries;
    private int kvTokens;
    private int splits;
    private long planAt;
    private long planBytes;

    Draft(AttentionForm form, int firstSequence) {
      this.form = form;
      this.firstSequence = firstSequence;
    }

    /** The plan does not depend on the type, the scale and the strides. */
    StepParams params(int heads) {
      CudaKernels.Info info = device.info();
      return new StepParams(
          ComputeType.F32,
          heads,
          sequences,
          tokens,
          queries,
          splits,
          pageTableStride,
          info.multiprocessors(),
          info.sharedBytes(),
          1,
          heads,
          1,
          heads,
          1,
          heads,
          1);
    }

    void count(DecodePlan other, int heads) {
      StepParams params = params(heads);
      int count = 0;
      for (int i = firstSequence; i < firstSequence + sequences; i++) {
        count += device.kernels().splits(params, other.queryTokens(i), other.kvTokens(i));
      }
      splits = count;
    }

    void write(DecodePlan other, int heads, MemorySegment host, Arena arena) {
      MemorySegment begin = arena.allocate(ValueLayout.JAVA_INT, sequences + 1);
      MemorySegment kv = arena.allocate(ValueLayout.JAVA_INT, sequences);
      int first = other.firstToken(firstSequence);
      for (int i = 0; i < sequences; i++) {
        begin.setAtIndex(ValueLayout.JAVA_INT, i, other.firstToken(firstSequence + i) - first);
        kv.setAtIndex(ValueLayout.JAVA_INT, i, other.kvTokens(firstSequence + i));
      }
      begin.setAtIndex(ValueLayout.JAVA_INT, sequences, tokens);
      MemorySegment to = host.asSlice(planAt, planBytes);
      device.kernels().makePlan(params(heads), sequences, begin, kv, to);
    }

    Run run(DecodePlan other) {
      return new Run(
          form,
          sequences,
          other.firstToken(firstSequence),
          tokens,
          queries,
          splits,
          memory.asSlice(planAt),
          memory.asSlice(4L * firstSequence * pageTableStride),
          kvTokens);
    }
  }

  @Override
  public void close() {
    plan = new WeakReference<>(null);
    buffer.close();
  }
}
