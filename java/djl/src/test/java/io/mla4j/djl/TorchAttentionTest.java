package io.mla4j.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.mla4j.Attention;
import io.mla4j.Backends;
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
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.testkit.ShownCode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given arrays that torch drew, when Attention computes over their memory, then the result in
 * torch's memory agrees with softmax attention in torch's own operations, in float32 over the same
 * rounded rows, within 2e-5 of the largest number.
 */
@Torch.Required
class TorchAttentionTest {
  private static final int HEADS = 4;
  private static final int LATENT = 64;
  private static final int ROPE = 16;
  private static final int NOPE = 24;
  private static final int VALUE = 40;
  private static final int TOKENS = 75;
  private static final MlaShape SHAPE = new MlaShape(HEADS, LATENT, ROPE, NOPE, VALUE);
  private static final float SCALE = (float) (1 / Math.sqrt(NOPE + ROPE));

  // begin
  /** Causal attention of a text's tokens: rows (n, latent + rope), q (n, heads, latent + rope). */
  static NDArray attend(LatentCache cache, NDArray rows, NDArray q, int latent, float scale) {
    long n = q.getShape().get(0);
    long heads = q.getShape().get(1);
    NDArray out = q.getManager().create(new Shape(n, heads, latent));
    try (Arena arena = Arena.ofShared(); // the three tensors are views of torch's memory
        Sequence sequence = cache.newSequence();
        Step step = Batch.of(sequence).reserve((int) n)) {
      Attention attention =
          Attention.absorbed(cache, (int) heads, AttentionScore.of(scale), ComputeType.F32);
      DecodePlan plan = attention.plan(step);
      attention.append(plan, 0, DjlArrays.tensor(rows, arena));
      attention.attend(plan, 0, DjlArrays.tensor(q, arena), DjlArrays.tensor(out, arena));
      step.commit();
    }
    return out;
  }

  // end

  private static LatentCache cache(Device device, CacheType type) {
    return LatentCache.builder(device)
        .layout(new LatentLayout(LATENT, ROPE, type))
        .tokens(256)
        .build();
  }

  static List<CacheType> cacheTypes() {
    return List.of(CacheType.F32, CacheType.BF16);
  }

  static List<StorageFormat> weightFormats() {
    return List.of(StorageFormat.F32, StorageFormat.F16, StorageFormat.BF16);
  }

  /** The numbers of an array as they are stored: torch of DJL has no bfloat16 itself. */
  private static Tensor stored(NDArray array, StorageFormat format) {
    long[] shape = array.getShape().getShape();
    MemorySegment memory = Arena.ofAuto().allocate(array.size() * 4, 64);
    return Tensor.of(memory, format, shape).copyFrom(array.toFloatArray());
  }

  private static NDArray rounded(NDArray array, StorageFormat format) {
    float[] numbers = stored(array, format).toArray();
    return array.getManager().create(numbers, array.getShape());
  }

  /** q (n, heads, d), k (heads or 1, n, d), v (heads or 1, n, e): (n, heads, e). */
  private static NDArray softmaxAttention(NDArray q, NDArray k, NDArray v) {
    NDManager manager = q.getManager();
    NDArray scores = q.transpose(1, 0, 2).matMul(k.transpose(0, 2, 1)).mul(SCALE);
    NDArray index = manager.arange(TOKENS);
    NDArray later = index.reshape(1, TOKENS).gt(index.reshape(TOKENS, 1));
    NDArray masked = scores.add(later.toType(DataType.FLOAT32, true).mul(-1e30f));
    return masked.softmax(-1).matMul(v).transpose(1, 0, 2);
  }

  private static void assertClose(NDArray expected, NDArray actual) {
    assertEquals(expected.getShape(), actual.getShape());
    float largest = expected.abs().max().getFloat();
    float error = expected.sub(actual).abs().max().getFloat() / largest;
    assertTrue(error < 2e-5, "error is " + error);
  }

  @ParameterizedTest
  @MethodSource("cacheTypes")
  void absorbedAttention(CacheType type) {
    try (NDManager manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch");
        Device device = Backends.open();
        LatentCache cache = cache(device, type)) {
      NDArray rows = manager.randomNormal(new Shape(TOKENS, LATENT + ROPE));
      NDArray q = manager.randomNormal(new Shape(TOKENS, HEADS, LATENT + ROPE));

      NDArray out = attend(cache, rows, q, LATENT, SCALE);

      NDArray keys =
          rounded(rows, type == CacheType.BF16 ? StorageFormat.BF16 : StorageFormat.F32)
              .expandDims(0);
      assertClose(softmaxAttention(q, keys, keys.get(":, :, :" + LATENT)), out);
    }
  }

  @ParameterizedTest
  @MethodSource("weightFormats")
  void attentionWithWeights(StorageFormat format) {
    try (NDManager manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch");
        Device device = Backends.open();
        LatentCache cache = cache(device, CacheType.F32);
        Arena arena = Arena.ofShared();
        Sequence sequence = cache.newSequence();
        Step step = Batch.of(sequence).reserve(TOKENS)) {
      NDArray rows = manager.randomNormal(new Shape(TOKENS, LATENT + ROPE));
      NDArray q = manager.randomNormal(new Shape(TOKENS, HEADS, NOPE + ROPE));
      NDArray latentUp =
          manager.randomNormal(
              0, 0.2f, new Shape(HEADS * (NOPE + VALUE), LATENT), DataType.FLOAT32);
      Tensor weights =
          format == StorageFormat.F16
              ? DjlArrays.tensor(latentUp.toType(DataType.FLOAT16, true), arena)
              : stored(latentUp, format);
      NDArray out = manager.create(new Shape(TOKENS, HEADS, VALUE));

      Attention attention =
          Attention.withWeights(
              cache, SHAPE, Weight.of(weights), AttentionScore.of(SCALE), ComputeType.F32);
      DecodePlan plan = attention.plan(step);
      attention.append(plan, 0, DjlArrays.tensor(rows, arena));
      attention.attend(plan, 0, DjlArrays.tensor(q, arena), DjlArrays.tensor(out, arena));
      step.commit();

      NDArray up = rounded(latentUp, format).reshape(HEADS, NOPE + VALUE, LATENT);
      NDArray latents = rows.get(":, :" + LATENT).expandDims(0);
      NDArray rope = rows.get(":, " + LATENT + ":").expandDims(0).repeat(0, HEADS);
      NDArray rebuilt = latents.matMul(up.transpose(0, 2, 1)); // (heads, n, nope + value)
      NDArray keys = rebuilt.get(":, :, :" + NOPE).concat(rope, -1);
      assertClose(softmaxAttention(q, keys, rebuilt.get(":, :, " + NOPE + ":")), out);
    }
  }

  @Test
  void isWhatTheDocumentShows() throws IOException {
    ShownCode.assertShown(
        "java/djl/src/test/java/io/mla4j/djl/TorchAttentionTest.java", "docs/integrations.md");
  }
}
