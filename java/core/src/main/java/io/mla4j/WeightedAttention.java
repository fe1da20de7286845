package io.mla4j;

import io.mla4j.ops.Attend;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;

/**
 * {@link Attention} from rotated queries to head outputs, with the weights of kv_b_proj: in the
 * form that is less work for each sequence.
 */
public final class WeightedAttention extends Attention {
  private final Weight kvB;

  WeightedAttention(
      LatentCache cache, MlaShape shape, Weight kvB, AttentionScore score, ComputeType compute) {
    super(cache, shape, score, compute);
    this.kvB = kvB;
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
  Operation operation(int layer, Tensor q, Tensor out, Tensor lse) {
    return new Attend(layer, shape, q, kvB, score, compute, out);
  }
}
