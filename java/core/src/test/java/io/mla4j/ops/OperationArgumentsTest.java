package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.StateLayout;
import io.mla4j.Step;
import io.mla4j.TestTensors;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.ScalarKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Given arguments that do not fit, when an operation is made of them, then it names one. */
class OperationArgumentsTest {
  private static final int N = 3;
  private static final AttentionScore SCORE = AttentionScore.of(1);

  private static Tensor x(long... shape) {
    return TestTensors.poisoned(shape);
  }

  private static Tensor ints(long... shape) {
    long bytes = StorageFormat.I32.bytes(shape.length > 1 ? shape[0] * shape[1] : shape[0]);
    return Tensor.of(Arena.ofAuto().allocate(bytes, 64), StorageFormat.I32, shape);
  }

  private static Weight w(long out, long in) {
    return Weight.of(x(out, in));
  }

  /** Rows of {@code width} with something between them. */
  private static Tensor gaps(Tensor wider, long width) {
    return wider.along(1, 0, width);
  }

  private static void refuses(String start, Executable action) {
    String message = assertThrows(InvalidArgumentException.class, action).getMessage();
    assertEquals(start, message.substring(0, Math.min(start.length(), message.length())), message);
  }

  @Test
  void ofRows() {
    refuses(
        "gates has 0 numbers a row", () -> new Gate(x(N, 4), x(N, 0), Gate.Function.RELU, x(N, 4)));
    refuses(
        "gates has 3 numbers a row, but they must divide the 4",
        () -> new Gate(x(N, 4), x(N, 3), Gate.Function.RELU, x(N, 4)));
    refuses("gates is F32[2, 2]", () -> new Gate(x(N, 4), x(2, 2), Gate.Function.RELU, x(N, 4)));
    refuses("function is null", () -> new Gate(x(N, 4), x(N, 4), null, x(N, 4)));
    refuses("out is F32[3, 5]", () -> new Gate(x(N, 4), x(N, 4), Gate.Function.RELU, x(N, 5)));
    refuses("dimension 1 of x is 0", () -> new LayerNorm(x(N, 0), x(0), x(0), 0, x(N, 0)));
    refuses("weight is F32[3]", () -> new LayerNorm(x(N, 4), x(3), x(4), 0, x(N, 4)));
    refuses("bias is F32[3]", () -> new LayerNorm(x(N, 4), x(4), x(3), 0, x(N, 4)));
    refuses("out is F32[2, 4]", () -> new LayerNorm(x(N, 4), x(4), x(4), 0, x(2, 4)));
    refuses("up is F32[3, 5]", () -> new SwiGlu(x(N, 4), x(N, 5), x(N, 4)));
    for (float limit : new float[] {0, -1, Float.NaN}) {
      refuses("limit is " + limit, () -> new SwiGlu(x(N, 4), x(N, 4), limit, x(N, 4)));
    }
    Tensor readOnly =
        Tensor.of(MemorySegment.ofArray(new float[4]).asReadOnly(), StorageFormat.F32, 1, 4);
    refuses("out is F32[1, 4] on the Java heap", () -> new Add(x(1, 4), x(1, 4), 1, readOnly));
    Tensor mapped = Tensor.of(Arena.ofAuto().allocate(16).asReadOnly(), StorageFormat.F32, 1, 4);
    refuses("out is F32[1, 4] in read-only", () -> new Add(x(1, 4), x(1, 4), 1, mapped));
  }

  @Test
  void ofNetworks() {
    ComputeType f32 = ComputeType.F32;
    Tensor x = x(N, 4);
    Tensor out = x(N, 4);
    refuses(
        "weights.up is F32[6, 5], but must have shape [6, 4]",
        () -> new FeedForward(x, new FeedForward.Weights(null, w(6, 5), w(4, 6)), f32, out));
    refuses(
        "weights.up is null",
        () -> new FeedForward(x, new FeedForward.Weights(null, null, w(4, 6)), f32, out));
    refuses(
        "weights.down is F32[4, 5]",
        () -> new FeedForward(x, new FeedForward.Weights(null, w(6, 4), w(4, 5)), f32, out));
    refuses(
        "weights.limit is 2.0, but there is no gate",
        () -> new FeedForward(x, new FeedForward.Weights(null, w(6, 4), w(4, 6), 2), f32, out));
    refuses(
        "weights.gate is F32[6, 5]",
        () -> new FeedForward(x, new FeedForward.Weights(w(6, 5), w(6, 4), w(4, 6)), f32, out));
    refuses(
        "weights.limit is 0.0",
        () -> new FeedForward(x, new FeedForward.Weights(w(6, 4), w(6, 4), w(4, 6), 0), f32, out));
  }

  @Test
  void ofChoices() {
    refuses("slots is I32[3, 2]", () -> new Combine(x(5, 4), ints(N, 2), x(N, 3), null, x(N, 4)));
    refuses(
        "shared is F32[2, 4]", () -> new Combine(x(5, 4), ints(N, 2), x(N, 2), x(2, 4), x(N, 4)));
    refuses("out is F32[3, 5]", () -> new Combine(x(5, 4), ints(N, 2), x(N, 2), null, x(N, 5)));
    refuses(
        "slots has gaps", () -> new Combine(x(5, 4), gaps(ints(N, 3), 2), x(N, 2), null, x(N, 4)));
    refuses(
        "weights has gaps",
        () -> new Combine(x(5, 4), ints(N, 2), gaps(x(N, 3), 2), null, x(N, 4)));
    Tensor logits = x(N, 10);
    Tensor uniform = x(N);
    refuses("uniform is F32[2]", () -> new Sample(logits, 1, 0, 1, x(2), ints(N)));
    refuses("ids is I32[2]", () -> new Sample(logits, 1, 0, 1, uniform, ints(2)));
    for (float bad : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      refuses("temperature is " + bad, () -> new Sample(logits, bad, 0, 1, uniform, ints(N)));
      refuses("topP is " + bad, () -> new Sample(logits, 1, 0, bad, uniform, ints(N)));
    }
    refuses("topP is 1.0", () -> new Sample(logits, 1, 0, Math.nextUp(1f), uniform, ints(N)));
    refuses("topK is -1", () -> new Sample(logits, 1, -1, 1, uniform, ints(N)));
    refuses("ids is F32[3]", () -> new Argmax(logits, uniform));
  }

  @Test
  void ofSparseAndGroupedAttention() {
    ComputeType f32 = ComputeType.F32;
    Tensor q = x(N, 2, 8);
    refuses("group is 0", () -> new ChooseKeys(0, 0, q, x(N, 2), ints(N, 4)));
    refuses("layer is -1", () -> new ChooseKeys(1, -1, q, x(N, 2), ints(N, 4)));
    refuses("heads is 0", () -> new ChooseKeys(1, 0, x(N, 0, 8), x(N, 0), ints(N, 4)));
    refuses("weights is F32[3, 3]", () -> new ChooseKeys(1, 0, q, x(N, 3), ints(N, 4)));
    refuses("dimension 1 of chosen is 0", () -> new ChooseKeys(1, 0, q, x(N, 2), ints(N, 0)));
    refuses("chosen has gaps", () -> new ChooseKeys(1, 0, q, x(N, 2), gaps(ints(N, 5), 4)));
    refuses("group is 0", () -> new AppendRows(0, 0, x(N, 8)));
    refuses("dimension 1 of rows is 0", () -> new AppendRows(1, 0, x(N, 0)));
    refuses(
        "groups is 0, but must divide the 2 heads",
        () -> new AttendGrouped(0, 0, q, SCORE, f32, x(N, 2, 6)));
    refuses("groups is 3", () -> new AttendGrouped(0, 3, q, SCORE, f32, x(N, 2, 6)));
    refuses(
        "score has slopes",
        () -> new AttendGrouped(0, 1, q, new AttentionScore(1, x(2)), f32, x(N, 2, 6)));
    refuses("out is F32[3, 1, 6]", () -> new AttendGrouped(0, 1, q, SCORE, f32, x(N, 1, 6)));
    refuses("dimension 1 of rows is 0", () -> new AppendGrouped(0, x(N, 0, 8), Rotation.none(N)));
    refuses("rows is F32[3, 2, 0]", () -> new AppendGrouped(0, x(N, 2, 0), Rotation.none(N)));
  }

  @Test
  void ofRecurrences() {
    int heads = 2;
    int all = 2 * 3;
    AttendDelta.Inputs in =
        new AttendDelta.Inputs(x(N, all), x(N, all), x(N, all), x(N, all), x(N, heads), x(N, all));
    AttendDelta.Decay softplus = new AttendDelta.Decay.Softplus();
    refuses("norm is F32[3, 1]", () -> delta(in, weights(x(3, 1), 0), softplus, x(N, all)));
    refuses("width is 0", () -> delta(in, weights(x(0), 0), softplus, x(N, all)));
    refuses("queries is F32[3, 6]", () -> delta(in, weights(x(3), 0), softplus, x(2, 6)));
    refuses("width is 257", () -> delta(in, weights(x(257), 0), softplus, x(N, all)));
    refuses("decay is null", () -> delta(in, weights(x(3), 0), null, x(N, all)));
    for (float eps : new float[] {-1e-6f, Float.NaN, Float.POSITIVE_INFINITY}) {
      refuses("eps is " + eps, () -> delta(in, weights(x(3), eps), softplus, x(N, all)));
    }
    for (float bound : new float[] {1e-6f, Float.NaN, Float.NEGATIVE_INFINITY}) {
      refuses("bound is " + bound, () -> new AttendDelta.Decay.Bounded(bound));
    }
    assertEquals(new StateLayout(2, 3), delta(in, weights(x(3), 0), softplus, x(N, all)).state());
  }

  private static AttendDelta.Weights weights(Tensor norm, float eps) {
    return new AttendDelta.Weights(x(3L * StateLayout.TAPS, 6), x(2), x(6), norm, eps);
  }

  private static AttendDelta delta(
      AttendDelta.Inputs in, AttendDelta.Weights weights, AttendDelta.Decay decay, Tensor out) {
    return new AttendDelta(0, in, weights, decay, out);
  }

  @Test
  void ofAnotherCache() {
    MlaShape shape = new MlaShape(2, 6, 8, 4, 5);
    try (Device device = new CpuDevice("test", new ScalarKernels(), CpuDevice.ARENA_ALLOCATOR, 1);
        LatentCache cache =
            LatentCache.builder(device)
                .layout(LatentLayout.of(shape, CacheType.F32))
                .layers(2)
                .group(new LatentLayout(7, 0, CacheType.F32), 3)
                .states(new StateLayout(2, 3), 1)
                .sequences(1)
                .pageSize(4)
                .pages(8)
                .build();
        Sequence sequence = cache.newSequence();
        Step step = Batch.of(sequence).reserve(N)) {
      DecodePlan plan = step.plan(shape, AttentionForm.ABSORBED);
      ComputeType f32 = ComputeType.F32;
      AttendGrouped last = new AttendGrouped(1, 1, x(N, 2, 8), SCORE, f32, x(N, 2, 6));
      last.requireFits(plan);
      refuses(
          "layer is 2, but the cache has layers 0..1",
          () -> new AttendGrouped(1, 2, last.q(), SCORE, f32, last.out()).requireFits(plan));
      refuses(
          "layer is 2147483648",
          () ->
              new AttendGrouped(Integer.MAX_VALUE, 2, last.q(), SCORE, f32, last.out())
                  .requireFits(plan));
      refuses(
          "out is F32[3, 2, 5], but the cache has values of 6",
          () -> new AttendGrouped(0, 1, last.q(), SCORE, f32, x(N, 2, 5)).requireFits(plan));
      new AppendRows(1, 2, x(N, 7)).requireFits(plan);
      refuses(
          "group is 2, but the cache has groups 0..1",
          () -> new AppendRows(2, 0, x(N, 7)).requireFits(plan));
      refuses(
          "layer is 3, but group 1 of the cache has layers 0..2",
          () -> new AppendRows(1, 3, x(N, 7)).requireFits(plan));
      refuses("rows is F32[3, 6]", () -> new AppendRows(1, 0, x(N, 6)).requireFits(plan));
      refuses("rows is F32[2, 7]", () -> new AppendRows(1, 0, x(2, 7)).requireFits(plan));
      refuses(
          "q is F32[3, 2, 6]",
          () -> new ChooseKeys(1, 0, x(N, 2, 6), x(N, 2), ints(N, 4)).requireFits(plan));
      refuses(
          "chosen is I32[2, 4]",
          () ->
              new AttendChosen(
                  new Attend(
                      0,
                      shape,
                      x(N, 2, shape.query()),
                      LatentUp.fused(w(2 * 9, 6)),
                      SCORE,
                      f32,
                      x(N, 2, 5)),
                  ints(2, 4)));
    }
  }
}
