package io.mla4j;

import io.mla4j.guard.Turn;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head Latent Attention over a {@link LatentCache}, with plain arrays: the shortest way to
 * use the kernels.
 *
 * <p>For query t of head h, at position i of its sequence, over the cached rows {@code [c_j | k_j]}
 * of the positions j up to i:
 *
 * <pre>
 *   score_j = scale * (q[t, h] . [c_j | k_j])        lse[t, h] = log sum_j exp(score_j)
 *   out[t, h] = sum_j exp(score_j - lse[t, h]) c_j
 * </pre>
 *
 * That is {@link AbsorbedAttention} (DeepSeek-V2, section 2.1.2): q holds {@code W_UK^T q_nope} and
 * the rotated {@code q_rope}, and the caller multiplies the result with W_UV. {@link
 * WeightedAttention} has the weights of kv_b_proj and does both itself: {@code score_j = scale *
 * (q_nope . W_UK c_j + q_rope . k_j)}, {@code out = W_UV sum_j p_j c_j}, and rebuilds keys and
 * values instead where that is less work. There is no default scale: it is {@code 1 / sqrt(nope +
 * rope)}, times the square of YaRN's mscale.
 *
 * <p>Shapes are row-major, as in FlashMLA:
 *
 * <ul>
 *   <li>rows {@code (batch, n, latent + rope)}: the normed latent, then the rotated key that all
 *       heads share;
 *   <li>q {@code (batch, n, heads, latent + rope)} and out {@code (batch, n, heads, latent)}; with
 *       weights {@code (batch, n, heads, nope + rope)} and {@code (batch, n, heads, value)};
 *   <li>lse {@code (batch, n, heads)}, natural logarithm.
 * </ul>
 *
 * The n queries stand at the last n tokens of their sequence and see what is before them: the mask
 * is causal and aligned bottom-right.
 *
 * <p>Belongs to one thread at a time, as its sequences do: it keeps the memory that arrays are
 * copied to from call to call, and a call while another thread is in one throws {@link
 * ConcurrentUseException}. Needs no closing.
 */
public abstract sealed class Attention permits AbsorbedAttention, WeightedAttention {
  final LatentCache cache;
  final MlaShape shape;
  final AttentionScore score;
  final ComputeType compute;
  private final Staging rowsIn = new Staging();
  private final Staging queriesIn = new Staging();
  private final Staging out = new Staging();
  private final Staging lseOut = new Staging();
  private final Staging cosines = new Staging();
  private final Staging sines = new Staging();
  private final @Nullable Bound[] attends;
  private final Turn turn = new Turn("attention");

  Attention(LatentCache cache, MlaShape shape, AttentionScore score, ComputeType compute) {
    requireNonNull("score", score);
    requireNonNull("compute", compute);
    this.cache = cache;
    this.shape = shape;
    this.score = score;
    this.compute = compute;
    this.attends = new @Nullable Bound[cache.layers()];
  }

  /**
   * Attention of queries that are absorbed already.
   *
   * @param heads query heads, 1 or more
   * @throws InvalidArgumentException where an argument is null or out of its range
   */
  public static AbsorbedAttention absorbed(
      LatentCache cache, int heads, AttentionScore score, ComputeType compute) {
    requireNonNull("cache", cache);
    LatentLayout layout = cache.layout();
    MlaShape shape =
        new MlaShape(heads, layout.latent(), layout.rope(), layout.latent(), layout.latent());
    return new AbsorbedAttention(cache, shape, score, compute);
  }

  /**
   * Attention of rotated queries, from {@code nope + rope} to {@code value} numbers a head.
   *
   * @param latentUp (heads * (nope + value), latent), F32, BF16 or F16, as kv_b_proj is stored: for
   *     each head the nope rows of W_UK, then the value rows of W_UV; it must stay open while this
   *     object is in use
   * @throws InvalidArgumentException where an argument is null, or the shapes do not fit together
   */
  public static WeightedAttention withWeights(
      LatentCache cache,
      MlaShape shape,
      Weight latentUp,
      AttentionScore score,
      ComputeType compute) {
    requireNonNull("cache", cache);
    requireNonNull("shape", shape);
    requireNonNull("latentUp", latentUp);
    Tensor tensor = latentUp.tensor();
    long rows = (long) shape.heads() * (shape.nope() + shape.value());
    if (tensor.rank() != 2 || tensor.dim(0) != rows || tensor.dim(1) != shape.latent()) {
      throw new InvalidArgumentException(
          "latentUp is " + tensor + ", but must have shape [" + rows + ", " + shape.latent() + "]");
    }
    requireNonNull("compute", compute);
    Weight placed = cache.device().place(List.of(latentUp), compute, Arena.ofAuto()).getFirst();
    return new WeightedAttention(cache, shape, LatentUp.fused(placed), score, compute);
  }

  /** As above with the weights as an array, which is copied. */
  public static WeightedAttention withWeights(
      LatentCache cache,
      MlaShape shape,
      float[] latentUp,
      AttentionScore score,
      ComputeType compute) {
    requireNonNull("cache", cache);
    requireNonNull("shape", shape);
    requireNonNull("latentUp", latentUp);
    long rows = (long) shape.heads() * (shape.nope() + shape.value());
    if (latentUp.length != rows * shape.latent()) {
      throw new InvalidArgumentException(
          "latentUp has "
              + latentUp.length
              + " numbers, but must have "
              + rows
              + " x "
              + shape.latent());
    }
    MemorySegment copy = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, latentUp);
    Tensor tensor = Tensor.of(copy, StorageFormat.F32, rows, shape.latent());
    return withWeights(cache, shape, Weight.of(tensor), score, compute);
  }

  /** Elements of one head's query. */
  public abstract int queryWidth();

  /** Elements of one head's result. */
  public abstract int outWidth();

  /** The form that plans are made for. */
  abstract AttentionForm form();

  /** {@code lse} is null where none is wanted. */
  abstract Operation operation(int layer, Tensor q, Tensor out, @Nullable Tensor lse);

  /**
   * How the new tokens of a step attend here: for {@link #append(DecodePlan, int, Tensor)} and
   * {@link #attend}, which take memory that the caller has.
   *
   * @throws InvalidArgumentException where the step is of a cache of other rows
   * @throws InvalidStateException after the step's commit or close
   */
  public DecodePlan plan(Step step) {
    requireNonNull("step", step);
    return step.plan(shape, form());
  }

  /** As {@link #append(Batch, float[]...)} for one sequence: rows (n, latent + rope) each. */
  public void append(Sequence sequence, float[]... layers) {
    append(batchOf(sequence), layers);
  }

  /**
   * Appends the same number n of tokens to every sequence.
   *
   * @param layers rows (batch, n, latent + rope) of each layer of the cache
   * @throws CacheFullException where the pool has too few free pages; nothing was changed
   * @throws InvalidArgumentException where there are more or fewer arrays than layers, or the
   *     number of rows is not the same positive multiple of the number of sequences in all of them
   * @throws ClosedException where the cache or a sequence is closed
   * @throws ConcurrentUseException where another thread is in a call of this object; as all below
   */
  public void append(Batch batch, float[]... layers) {
    if (layers == null || layers.length != cache.layers()) {
      throw new InvalidArgumentException(
          "layers has "
              + (layers == null ? 0 : layers.length)
              + " arrays, but the cache has "
              + cache.layers()
              + " layers");
    }
    int n = tokensEach("rows", layers[0], batch, shape.cached());
    for (float[] rows : layers) {
      requireLength("rows", rows, layers[0].length);
    }
    int[] tokens = new int[batch.sequences().size()];
    Arrays.fill(tokens, n);
    turn.enter();
    try (Step step = batch.reserve(tokens)) {
      DecodePlan plan = step.plan(shape, AttentionForm.ABSORBED);
      for (int layer = 0; layer < layers.length; layer++) {
        rowsIn.write(cache.device(), layers[layer]);
        write(plan, layer, rowsIn.tensor(plan.tokens(), shape.cached()));
      }
      step.commit();
    } finally {
      turn.leave();
    }
  }

  /**
   * Writes the new tokens of a step into one layer, without a norm or rotation: rows (tokens of the
   * plan, latent + rope) F32.
   *
   * @throws InvalidArgumentException where rows has another shape or the cache has no such layer
   * @throws ClosedException where the cache is closed
   */
  public void append(DecodePlan plan, int layer, Tensor rows) {
    turn.enter();
    try {
      write(plan, layer, rows);
    } finally {
      turn.leave();
    }
  }

  private void write(DecodePlan plan, int layer, Tensor rows) {
    int pairs = shape.rope() / 2;
    cosines.fill(cache.device(), (long) plan.tokens() * pairs, 1);
    sines.fill(cache.device(), (long) plan.tokens() * pairs, 0);
    Rotation none =
        new Rotation(
            cosines.tensor(plan.tokens(), pairs),
            sines.tensor(plan.tokens(), pairs),
            RopeLayout.PAIRS);
    cache.device().run(new AppendLatent(layer, rows, null, 0, none), plan);
  }

  /** As {@link #decode(Batch, float[])} for one sequence. */
  public float[] decode(Sequence sequence, float[] q) {
    return decode(batchOf(sequence), q);
  }

  /** As {@link #decode(int, Batch, float[])} in a cache of one layer. */
  public float[] decode(Batch batch, float[] q) {
    requireOneLayer();
    return decode(0, batch, q);
  }

  /** As {@link #decode(int, Batch, float[], float[])}, the result in a new array. */
  public float[] decode(int layer, Batch batch, float[] q) {
    int n = tokensEach("q", q, batch, shape.heads() * queryWidth());
    long length = (long) batch.sequences().size() * n * shape.heads() * outWidth();
    if (length > Integer.MAX_VALUE - 8) {
      throw new InvalidArgumentException(
          "q asks for " + length + " results, more than an array has");
    }
    float[] result = new float[(int) length];
    decodeInto(layer, batch, q, result, null);
    return result;
  }

  /**
   * Attention of the last n tokens of every sequence in one layer: q (batch, n, heads, {@link
   * #queryWidth}), out (batch, n, heads, {@link #outWidth}).
   *
   * @throws InvalidArgumentException where an array has another length than these shapes give, a
   *     sequence has fewer than n tokens, or the cache has no such layer
   * @throws InvalidStateException where a sequence is part of an open step
   * @throws ClosedException where the cache or a sequence is closed
   */
  public void decode(int layer, Batch batch, float[] q, float[] out) {
    decodeInto(layer, batch, q, out, null);
  }

  final void decodeInto(int layer, Batch batch, float[] q, float[] out, float @Nullable [] lse) {
    int n = tokensEach("q", q, batch, shape.heads() * queryWidth());
    int rows = batch.sequences().size() * n;
    requireLength("out", out, (long) rows * shape.heads() * outWidth());
    if (lse != null) {
      requireLength("lse", lse, (long) rows * shape.heads());
    }
    turn.enter();
    try {
      DecodePlan plan = batch.planOverLast(n, shape, form());
      queriesIn.write(cache.device(), q);
      this.out.reserve(cache.device(), out.length);
      lseOut.reserve(cache.device(), (long) rows * shape.heads());
      run(
          plan,
          layer,
          queriesIn.tensor(rows, shape.heads(), queryWidth()),
          this.out.tensor(rows, shape.heads(), outWidth()),
          lse == null ? null : lseOut.tensor(rows, shape.heads()));
      this.out.read(out);
      if (lse != null) {
        lseOut.read(lse);
      }
    } finally {
      turn.leave();
    }
  }

  /**
   * Attention of a step's tokens in one layer, after their rows were appended: q (tokens of the
   * plan, heads, {@link #queryWidth}), out (tokens, heads, {@link #outWidth}), both F32.
   *
   * @throws InvalidArgumentException where a tensor has another shape or the cache has no such
   *     layer
   * @throws ClosedException where the cache is closed
   */
  public void attend(DecodePlan plan, int layer, Tensor q, Tensor out) {
    attendInto(plan, layer, q, out, null);
  }

  final void attendInto(DecodePlan plan, int layer, Tensor q, Tensor out, @Nullable Tensor lse) {
    turn.enter();
    try {
      run(plan, layer, q, out, lse);
    } finally {
      turn.leave();
    }
  }

  private void run(DecodePlan plan, int layer, Tensor q, Tensor out, @Nullable Tensor lse) {
    if (layer < 0 || layer >= attends.length) {
      throw new InvalidArgumentException(
          "layer is " + layer + ", but the cache has layers 0.." + (attends.length - 1));
    }
    Bound last = attends[layer];
    if (last == null || last.q != q || last.out != out || last.lse != lse) {
      last = new Bound(q, out, lse, cache.device().bind(operation(layer, q, out, lse)));
      attends[layer] = last;
    }
    last.operation.run(plan);
  }

  /** An attention in a layer: as a rule the next one there has the same tensors. */
  private record Bound(Tensor q, Tensor out, @Nullable Tensor lse, BoundOperation operation) {}

  private Batch batchOf(Sequence sequence) {
    requireNonNull("sequence", sequence);
    return sequence.alone();
  }

  private void requireOneLayer() {
    if (cache.layers() != 1) {
      throw new InvalidArgumentException(
          "the cache has " + cache.layers() + " layers, but this needs 1: name the layer");
    }
  }

  /** Tokens of each sequence in an array of {@code width} numbers a token. */
  private int tokensEach(String name, float[] array, Batch batch, int width) {
    requireNonNull(name, array);
    requireNonNull("batch", batch);
    if (batch.sequences().getFirst().cache() != cache) {
      throw new InvalidArgumentException("batch belongs to another cache");
    }
    long each = (long) batch.sequences().size() * width;
    if (array.length == 0 || array.length % each != 0) {
      throw new InvalidArgumentException(
          name
              + " has "
              + array.length
              + " numbers, but must have a positive multiple of "
              + batch.sequences().size()
              + " x "
              + width);
    }
    return (int) (array.length / each);
  }

  private static void requireLength(String name, float[] array, long length) {
    requireNonNull(name, array);
    if (array.length != length) {
      throw new InvalidArgumentException(
          name + " has " + array.length + " numbers, but must have " + length);
    }
  }

  static void requireNonNull(String name, @Nullable Object argument) {
    if (argument == null) {
      throw new InvalidArgumentException(name + " is null");
    }
  }

  /** Float32 numbers that Java and the device share; grows, is freed with its owner. */
  private static final class Staging {
    private @Nullable Mirror mirror;
    private @Nullable Tensor last;
    private long filled;

    /** Both sides of room for so many. */
    Mirror reserve(Device device, long count) {
      Mirror room = mirror;
      if (room == null || room.host().dim(0) < count) {
        room = Mirror.allocate(device, Arena.ofAuto(), StorageFormat.F32, count);
        mirror = room;
        filled = 0;
        last = null;
      }
      return room;
    }

    private Mirror reserved() {
      return Objects.requireNonNull(mirror, "nothing was reserved");
    }

    void write(Device device, float[] numbers) {
      Mirror mirror = reserve(device, numbers.length);
      MemorySegment host = mirror.host().segment();
      MemorySegment.copy(numbers, 0, host, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, numbers.length);
      mirror.first(numbers.length).toDevice();
    }

    /** The same number everywhere, kept from call to call. */
    void fill(Device device, long count, float number) {
      Mirror mirror = reserve(device, count);
      if (filled < count) {
        MemorySegment host = mirror.host().segment();
        for (; filled < count; filled++) {
          host.set(ValueLayout.JAVA_FLOAT_UNALIGNED, filled * Float.BYTES, number);
        }
        mirror.toDevice();
      }
    }

    void read(float[] to) {
      Mirror mirror = reserved();
      mirror.first(to.length).toHost();
      MemorySegment host = mirror.host().segment();
      MemorySegment.copy(host, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, to, 0, to.length);
    }

    /** The same object from call to call where the shape stays. */
    Tensor tensor(long... shape) {
      Tensor tensor = last;
      if (tensor == null || !hasShape(tensor, shape)) {
        tensor = Tensor.of(reserved().onDevice().segment(), StorageFormat.F32, shape);
        last = tensor;
      }
      return tensor;
    }

    private static boolean hasShape(Tensor tensor, long[] shape) {
      boolean same = tensor.rank() == shape.length;
      for (int i = 0; same && i < shape.length; i++) {
        same = tensor.dim(i) == shape[i];
      }
      return same;
    }
  }
}
