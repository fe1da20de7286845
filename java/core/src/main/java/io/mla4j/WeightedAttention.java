package io.mla4j;

import io.mla4j.ops.Attend;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@link Attention} from rotated queries to head outputs, with the weights of kv_b_proj: in the
 * form that is less work for each sequence.
 */
public final class WeightedAttention extends Attention {
  private final LatentUp up;

  WeightedAttention(
      LatentCache cache, MlaShape shape, LatentUp up, AttentionScore score, ComputeType compute) {
    super(cache, shape, score, compute);
    this.up = up;
  }

  @Override
  public int queryWidth() {
    return shape.query();
  }

  @Override
  public int outWidth() {
    return shape.value();
  }

  @Override
  AttentionForm form() {
    return AttentionForm.AUTO;
  }

  @Override
  Operation operation(int layer, Tensor q, Tensor out, @Nullable Tensor lse) {
    return new Attend(layer, shape, q, up, score, compute, out);
  }
}
