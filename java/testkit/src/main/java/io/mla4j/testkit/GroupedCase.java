package io.mla4j.testkit;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.AppendGrouped;
import io.mla4j.ops.AttendGrouped;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Probabilities;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * {@code AppendGrouped}, then {@code AttendGrouped}: steps of several sequences, whose heads share
 * the keys and values of groups, over a whole cache on a device with these kernels.
 *
 * <p>Keys are turned by quarters, which is exact, so that attention has rows that are known to the
 * last bit.
 */
final class GroupedCase implements OperationCase {
  private final ComputeType compute;
  private final LatentLayout layout;
  private final int groups;

  /** Heads of a group. */
  private final int sharing;

  /** The first layer of the cache that is used; one behind the last is not. */
  private final int layer;

  private final int pageSize;
  private final RopeLayout ropeLayout;

  /** New and all tokens of each sequence. */
  private final int[] queries;

  private final int[] tokens;

  /** Of each sequence and group. */
  private final AttentionCase[][] parts;

  /** Quarters by which pair i of token s of any sequence is turned. */
  private final int[] quarters;

  private List<Expectation> expected;

  GroupedCase(CaseRandom r) {
    compute = r.of(ComputeType.values());
    CacheType type = r.of(CacheType.all().toArray(CacheType[]::new));
    int width = r.oneIn(3) ? r.of(16, 32, 64, 128) : r.size(16, 80);
    int key = r.oneIn(2) ? width / 2 * 2 : 2 * r.size(1, 40);
    layout = new LatentLayout(width, key, type);
    groups = r.oneIn(4) ? 1 : r.size(1, 8);
    sharing = r.oneIn(3) ? 1 : r.size(1, 12);
    layer = r.between(0, 1);
    pageSize = Pages.randomPageSize(r);
    ropeLayout = r.of(RopeLayout.values());
    int sequences = r.oneIn(2) ? 1 : r.between(2, 3);
    queries = new int[sequences];
    tokens = new int[sequences];
    parts = new AttentionCase[sequences][groups];
    for (int i = 0; i < sequences; i++) {
      queries[i] = r.oneIn(2) ? 1 : r.size(1, 12);
      // Some are longer than what one tile covers.
      int most = r.oneIn(12) ? 1200 : 90;
      tokens[i] = queries[i] + (r.oneIn(4) ? 0 : r.between(1, most / groups));
      for (int g = 0; g < groups; g++) {
        parts[i][g] = new AttentionCase(r, compute, layout, sharing, queries[i], tokens[i]);
      }
    }
    int longest = Arrays.stream(tokens).max().orElseThrow();
    quarters = IntStream.range(0, longest * key / 2).map(_ -> r.between(0, 3)).toArray();
  }

  @Override
  public String shape() {
    return compute
        + " groups "
        + groups
        + " of "
        + sharing
        + " heads from layer "
        + layer
        + ", queries "
        + Arrays.toString(queries)
        + ", kv "
        + Arrays.toString(tokens)
        + ", value "
        + layout.latent()
        + ", key "
        + layout.rope()
        + " "
        + ropeLayout
        + ", cache "
        + layout.type()
        + ", page "
        + pageSize;
  }

  /** Devices with memory of their own refuse the operations. */
  @Override
  public boolean ofDevices() {
    return false;
  }

  @Override
  public List<Expectation> expected() {
    if (expected == null) {
      expected = new ArrayList<>();
      for (AttentionCase[] sequence : parts) {
        for (AttentionCase part : sequence) {
          expected.add(part.expected().getFirst());
          expected.add(Expectation.exact("cache", Oracle.widen(part.cachedRows(), false)));
        }
      }
    }
    return expected;
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    CaseRandom random = cuts.random();
    try (GuardedMemory memory = new GuardedMemory();
        Device device =
            new CpuDevice(
                "table", kernels, (bytes, _) -> memory.allocate(bytes, 64), random.between(1, 3));
        LatentCache cache =
            LatentCache.builder(device)
                .layout(layout)
                .layers(layer + groups + 1)
                .pageSize(pageSize)
                .tokens(Arrays.stream(tokens).map(n -> n + pageSize).sum())
                .build()) {
      Sequence[] sequences = new Sequence[queries.length];
      Arrays.setAll(sequences, _ -> cache.newSequence());
      Batch batch = Batch.of(sequences);
      int[] old = IntStream.range(0, queries.length).map(i -> tokens[i] - queries[i]).toArray();
      if (Arrays.stream(old).sum() > 0) {
        try (Step step = batch.reserve(old)) {
          append(device, memory, random, plan(step));
          step.commit();
        }
      }
      try (Step step = batch.reserve(queries)) {
        DecodePlan plan = plan(step);
        append(device, memory, random, plan);
        List<Output> out = attend(device, memory, random, PagedView.of(plan));
        memory.verify();
        return out;
      }
    }
  }

  private DecodePlan plan(Step step) {
    int value = layout.latent();
    MlaShape shape = new MlaShape(sharing, value, layout.rope(), value, value);
    return step.plan(shape, AttentionForm.ABSORBED);
  }

  /** The step's new tokens into the cache. */
  private void append(Device device, GuardedMemory memory, CaseRandom random, DecodePlan plan) {
    int value = layout.latent();
    int width = value + layout.rope();
    int pairs = layout.rope() / 2;
    int n = plan.tokens();
    float[] rows = new float[n * groups * width];
    float[] cosines = new float[n * pairs];
    float[] sines = new float[n * pairs];
    double[] turned = new double[layout.rope()];
    for (int i = 0; i < plan.sequences(); i++) {
      int first = plan.kvTokens(i) - plan.queryTokens(i);
      for (int t = 0; t < plan.queryTokens(i); t++) {
        int row = plan.firstToken(i) + t;
        float[] back = new float[pairs];
        for (int j = 0; j < pairs; j++) {
          int quarter = quarters[(first + t) * pairs + j];
          cosines[row * pairs + j] = (1 - quarter) % 2;
          sines[row * pairs + j] = (2 - quarter) % 2;
          back[j] = -sines[row * pairs + j];
        }
        Oracle.Angles angles =
            new Oracle.Angles(Arrays.copyOfRange(cosines, row * pairs, (row + 1) * pairs), back, 0);
        for (int g = 0; g < groups; g++) {
          float[] stored = parts[i][g].cachedRows();
          int from = (first + t) * width;
          int to = (row * groups + g) * width;
          System.arraycopy(stored, from, rows, to, value);
          Oracle.rotate(stored, from + value, layout.rope(), ropeLayout, angles, turned, 0);
          for (int j = 0; j < turned.length; j++) {
            rows[to + value + j] = (float) turned[j];
          }
        }
      }
    }
    Grid in = Grid.any(memory, random, StorageFormat.F32, n, groups, width).fill(rows);
    Grid cos = Grid.dense(memory, StorageFormat.F32, n, 1, pairs).fill(cosines);
    Grid sin = Grid.dense(memory, StorageFormat.F32, n, 1, pairs).fill(sines);
    Rotation rotation = new Rotation(cos.matrix(), sin.matrix(), ropeLayout);
    device.bind(new AppendGrouped(layer, in.cube(), rotation)).run(plan);
    in.requireUnchanged("rows");
  }

  private List<Output> attend(
      Device device, GuardedMemory memory, CaseRandom random, PagedView plan) {
    int heads = groups * sharing;
    int key = layout.rope();
    int value = layout.latent();
    int n = plan.tokens();
    float[] queries = new float[n * heads * key];
    for (int i = 0; i < plan.sequences(); i++) {
      for (int g = 0; g < groups; g++) {
        for (int t = 0; t < plan.queryTokens(i); t++) {
          int to = ((plan.firstToken(i) + t) * heads + g * sharing) * key;
          int from = t * sharing * key;
          System.arraycopy(parts[i][g].queries(), from, queries, to, sharing * key);
        }
      }
    }
    Grid q = Grid.any(memory, random, StorageFormat.F32, n, heads, key).fill(queries);
    Grid out = Grid.any(memory, random, StorageFormat.F32, n, heads, value);
    out.ask(0, n, 0, heads);
    AttentionScore score = new AttentionScore(parts[0][0].scale(), null, Probabilities.BITS_8);
    device.bind(new AttendGrouped(layer, groups, q.cube(), score, compute, out.cube())).run(plan);
    q.requireUnchanged("q");
    float[] all = out.read("out").values();
    List<Output> outputs = new ArrayList<>();
    boolean[][] written = new boolean[plan.layers()][pool(plan).pageCount() * pageSize];
    for (int i = 0; i < plan.sequences(); i++) {
      for (int g = 0; g < groups; g++) {
        float[] own = new float[plan.queryTokens(i) * sharing * value];
        for (int t = 0; t < plan.queryTokens(i); t++) {
          int from = ((plan.firstToken(i) + t) * heads + g * sharing) * value;
          System.arraycopy(all, from, own, t * sharing * value, sharing * value);
        }
        outputs.add(output("out", own));
        outputs.add(output("cache", cached(plan, i, layer + g, written[layer + g])));
      }
    }
    for (int l = 0; l < written.length; l++) {
      requirePoisonBut(plan, l, written[l]);
    }
    return outputs;
  }

  private static CacheParams pool(PagedView plan) {
    return plan.cacheParams(0);
  }

  private static Output output(String name, float[] values) {
    boolean[] asked = new boolean[values.length];
    Arrays.fill(asked, true);
    return new Output(name, values, asked);
  }

  /** The rows of sequence i in a layer; tells which rows of the pool they are. */
  private float[] cached(PagedView plan, int i, int ofLayer, boolean[] written) {
    StoredRows stored = new StoredRows(layout);
    MemorySegment pages = plan.layerBase(0, ofLayer);
    int width = layout.latent() + layout.rope();
    float[] rows = new float[plan.kvTokens(i) * width];
    for (int s = 0; s < plan.kvTokens(i); s++) {
      int page = plan.pageTable(i).getAtIndex(ValueLayout.JAVA_INT, s / pageSize);
      int at = page * pageSize + s % pageSize;
      written[at] = true;
      for (int j = 0; j < width; j++) {
        int element = j < layout.latent() ? j : layout.ropeOffset() + j - layout.latent();
        rows[s * width + j] =
            stored.read(pages, rowOffset(plan, at), scaleOffset(plan, at), element);
      }
    }
    return rows;
  }

  private long rowOffset(PagedView plan, int row) {
    return row / pageSize * pool(plan).pageStrideBytes() + row % pageSize * layout.rowStrideBytes();
  }

  private long scaleOffset(PagedView plan, int row) {
    return row / pageSize * pool(plan).pageStrideBytes()
        + pool(plan).scaleOffsetBytes()
        + row % pageSize * layout.scaleBytes();
  }

  private void requirePoisonBut(PagedView plan, int ofLayer, boolean[] written) {
    MemorySegment copy =
        MemorySegment.ofArray(plan.layerBase(0, ofLayer).toArray(ValueLayout.JAVA_BYTE));
    for (int row = 0; row < written.length; row++) {
      if (written[row]) {
        Pages.fillPoison(copy, rowOffset(plan, row), layout.rowStrideBytes());
        Pages.fillPoison(copy, scaleOffset(plan, row), layout.scaleBytes());
      }
    }
    for (long i = 0; i < copy.byteSize(); i += 4) {
      if (copy.get(ValueLayout.JAVA_INT_UNALIGNED, i) != GuardedMemory.POISON) {
        throw new AssertionError(
            "layer " + ofLayer + " was written at byte " + i + ", which is no new row's");
      }
    }
  }
}
