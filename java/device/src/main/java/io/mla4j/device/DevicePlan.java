package io.mla4j.device;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.device.DeviceKernels.RunShape;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;

/**
 * What kernels read of a step's plan, copied to the device once and used by every layer: the pages
 * of the sequences, the rows of the pool that new tokens go to, and how attention splits the keys.
 * Used in the device's turn.
 */
public final class DevicePlan {
  /**
   * With so few queries sequences of different lengths share a launch: its workspace is as large as
   * the longest needs for all.
   */
  private static final int SHARED_QUERIES = 8;

  private final Accelerator device;
  private final KeptMemory.Buffer buffer;
  private WeakReference<DecodePlan> plan = new WeakReference<>(null);
  private MlaShape shape;
  private int heads;
  private boolean absorbed;
  private CacheParams cacheParams;
  private MemorySegment slots;
  private List<Run> runs;

  /** A plan of nothing. */
  DevicePlan(Accelerator device, KeptMemory.Buffer buffer) {
    this.device = device;
    this.buffer = buffer;
  }

  /**
   * Neighbouring sequences that attention takes in one launch.
   *
   * @param firstToken of the step's tensors
   * @param kvTokens the most of one sequence
   * @param plan what {@link DeviceKernels#writePlan} wrote
   * @param pageTable (sequences, page table stride) I32
   */
  public record Run(
      RunShape shape,
      AttentionForm form,
      int firstToken,
      int kvTokens,
      MemorySegment plan,
      MemorySegment pageTable) {}

  /** The pages, the same for every layer. */
  public CacheParams cacheParams() {
    return cacheParams;
  }

  /** (tokens) I32: the row of the pool of each new token. */
  public MemorySegment slots() {
    return slots;
  }

  List<Run> runs() {
    return runs;
  }

  /**
   * Whether this was made for {@code plan}; for absorbed attention of all sequences, or for the
   * forms of the plan.
   */
  boolean isFor(DecodePlan other, int heads, boolean absorbed) {
    return plan.get() == other && this.heads == heads && this.absorbed == absorbed;
  }

  /** Whether this was made for the same layers, of another step. */
  boolean isLike(PagedView other, int heads, boolean absorbed) {
    return other.shape().equals(shape) && this.heads == heads && this.absorbed == absorbed;
  }

  /** Makes the plan and copies it to the device. */
  void fill(PagedView view, int heads, boolean absorbed) {
    plan = new WeakReference<>(null);
    cacheParams = view.cacheParams();
    requirePlain(cacheParams.layout());
    shape = view.shape();
    this.heads = heads;
    this.absorbed = absorbed;
    try (Arena arena = Arena.ofConfined()) {
      int pages = 1;
      for (int i = 0; i < view.sequences(); i++) {
        pages = Math.max(pages, Math.ceilDiv(view.kvTokens(i), cacheParams.pageSize()));
      }
      List<Draft> drafts = cut(view, pages);
      long slotsAt = DeviceMemory.aligned(4L * pages * view.sequences());
      long end = DeviceMemory.aligned(slotsAt + 4L * view.tokens());
      for (Draft draft : drafts) {
        end = draft.place(end);
      }
      MemorySegment host = arena.allocate(end, DeviceMemory.ALIGNMENT);
      writePages(view, host, pages, slotsAt);
      drafts.forEach(draft -> draft.write(host, arena));
      MemorySegment memory = device.resolve("plan", buffer.bytes(end));
      device.upload(host, memory);
      slots = memory.asSlice(slotsAt);
      runs = drafts.stream().map(draft -> draft.run(memory)).toList();
    }
    plan = new WeakReference<>(view);
  }

  private void requirePlain(LatentLayout layout) {
    if (layout.type().hasScales()) {
      throw new InvalidArgumentException(
          "cache type is "
              + layout.type()
              + ", but the "
              + device.backend()
              + " backend computes with "
              + CacheType.F32
              + " or "
              + CacheType.BF16);
    }
  }

  private void writePages(PagedView view, MemorySegment host, int stride, long slotsAt) {
    int pageSize = cacheParams.pageSize();
    if ((long) pageSize * cacheParams.pageCount() > Integer.MAX_VALUE) {
      throw new InvalidArgumentException(
          "the cache has "
              + (long) pageSize * cacheParams.pageCount()
              + " rows in a layer, but the "
              + device.backend()
              + " backend counts them up to "
              + Integer.MAX_VALUE);
    }
    for (int i = 0; i < view.sequences(); i++) {
      long row = 4L * i * stride;
      long bytes = 4L * Math.ceilDiv(view.kvTokens(i), pageSize);
      MemorySegment.copy(view.pageTable(i), 0, host, row, bytes);
      int position = view.kvTokens(i) - view.queryTokens(i);
      for (int t = 0; t < view.queryTokens(i); t++, position++) {
        int page = host.get(ValueLayout.JAVA_INT, row + 4L * (position / pageSize));
        long at = slotsAt + 4L * (view.firstToken(i) + t);
        host.set(ValueLayout.JAVA_INT, at, page * pageSize + position % pageSize);
      }
    }
  }

  private List<Draft> cut(PagedView view, int pages) {
    List<Draft> drafts = new ArrayList<>();
    Draft last = null;
    for (int i = 0; i < view.sequences(); i++) {
      AttentionForm form = absorbed ? AttentionForm.ABSORBED : view.form(i);
      if (last == null || !last.takes(form, view.queryTokens(i))) {
        last = new Draft(view, form, i, pages);
        drafts.add(last);
      }
      last.add(i);
    }
    return drafts;
  }

  /** A run while it is counted. */
  private final class Draft {
    private final PagedView view;
    private final AttentionForm form;
    private final int firstSequence;
    private final int pages;
    private int sequences;
    private int tokens;
    private int queries;
    private int kvTokens;
    private RunShape shape;
    private long planAt;
    private long planBytes;

    Draft(PagedView view, AttentionForm form, int firstSequence, int pages) {
      this.view = view;
      this.form = form;
      this.firstSequence = firstSequence;
      this.pages = pages;
    }

    boolean takes(AttentionForm other, int count) {
      return form == other && (count == queries || Math.max(count, queries) <= SHARED_QUERIES);
    }

    void add(int sequence) {
      sequences++;
      tokens += view.queryTokens(sequence);
      queries = Math.max(queries, view.queryTokens(sequence));
      kvTokens = Math.max(kvTokens, view.kvTokens(sequence));
    }

    private RunShape shape(int splits) {
      return new RunShape(heads, sequences, tokens, queries, splits, pages);
    }

    /** Counts the splits, and places the plan at {@code at}: where the next one may lie. */
    long place(long at) {
      int splits = 0;
      for (int i = firstSequence; i < firstSequence + sequences; i++) {
        splits += device.kernels().splits(shape(0), view.queryTokens(i), view.kvTokens(i));
      }
      shape = shape(splits);
      planAt = at;
      planBytes = device.kernels().planBytes(shape);
      return DeviceMemory.aligned(at + planBytes);
    }

    void write(MemorySegment host, Arena arena) {
      MemorySegment begin = arena.allocate(ValueLayout.JAVA_INT, sequences + 1);
      MemorySegment kv = arena.allocate(ValueLayout.JAVA_INT, sequences);
      int first = view.firstToken(firstSequence);
      for (int i = 0; i < sequences; i++) {
        begin.setAtIndex(ValueLayout.JAVA_INT, i, view.firstToken(firstSequence + i) - first);
        kv.setAtIndex(ValueLayout.JAVA_INT, i, view.kvTokens(firstSequence + i));
      }
      begin.setAtIndex(ValueLayout.JAVA_INT, sequences, tokens);
      device.kernels().writePlan(shape, begin, kv, host.asSlice(planAt, planBytes));
    }

    Run run(MemorySegment memory) {
      return new Run(
          shape,
          form,
          view.firstToken(firstSequence),
          kvTokens,
          memory.asSlice(planAt, planBytes),
          memory.asSlice(4L * firstSequence * pages));
    }
  }
}
