package io.mla4j;

import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@link Attention} of queries that are absorbed already, over the latents themselves: results are
 * latents, and their lse is known.
 */
public final class AbsorbedAttention extends Attention {
  AbsorbedAttention(LatentCache cache, MlaShape shape, AttentionScore score, ComputeType compute) {
    super(cache, shape, score, compute);
  }

  @Override
  public int queryWidth() {
    return shape.cached();
  }

  @Override
  public int outWidth() {
    return shape.latent();
  }

  @Override
  AttentionForm form() {
    return AttentionForm.ABSORBED;
  }

  @Override
  Operation operation(int layer, Tensor q, Tensor out, @Nullable Tensor lse) {
    return new AttendAbsorbed(layer, q, score, compute, out, lse);
  }

  /**
   * As {@link #decode(int, Batch, float[], float[])} with the natural logarithm of each row's sum.
   *
   * @param lse (batch, n, heads)
   */
  public void decode(int layer, Batch batch, float[] q, float[] out, float[] lse) {
    requireNonNull("lse", lse);
    decodeInto(layer, batch, q, out, lse);
  }

  /**
   * As {@link #attend(DecodePlan, int, Tensor, Tensor)} with the natural logarithm of each row's
   * sum.
   *
   * @param lse (tokens, heads) F32
   */
  public void attend(DecodePlan plan, int layer, Tensor q, Tensor out, Tensor lse) {
    requireNonNull("lse", lse);
    attendInto(plan, layer, q, out, lse);
  }
}
