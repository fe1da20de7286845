package io.mla4j.ffi;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.StateLayout;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_attention_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_delta_params;
import io.mla4j.ffi.abi.mla_embed_params;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_index_params;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttendDelta.Decay;
import io.mla4j.ops.Embed;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.ops.Merge;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Route;
import io.mla4j.ops.Routing;
import io.mla4j.ops.Scales;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.ScoreTile;
import java.lang.foreign.MemorySegment;

/** The structs of {@code mla.h}, filled from what they stand for. */
public final class NativeParams {
  private NativeParams() {}

  /** {@code mla_linear_params}. */
  static void fill(MemorySegment s, MatrixProduct p) {
    mla_linear_params.struct_size(s, (int) mla_linear_params.sizeof());
    mla_linear_params.compute(s, code(p.compute()));
    mla_linear_params.weight_type(s, code(p.weightType()));
    mla_linear_params.rows(s, p.rows());
    mla_linear_params.k(s, p.k());
    mla_linear_params.n(s, p.n());
    mla_linear_params.x_stride(s, p.xStride());
    mla_linear_params.weight_stride(s, p.weightStride());
    mla_linear_params.y_stride(s, p.yStride());
    Scales scales = p.matrix().scales();
    mla_linear_params.scale_rows(s, scales == null ? 0 : scales.blockRows());
    if (scales != null) {
      mla_linear_params.scale_type(s, code(scales.format()));
      mla_linear_params.scale_columns(s, scales.blockColumns());
      mla_linear_params.scale_stride(s, scales.values().stride(0));
    }
  }

  /** {@code mla_embed_params}. */
  static void fill(MemorySegment s, Embed o) {
    mla_embed_params.struct_size(s, (int) mla_embed_params.sizeof());
    mla_embed_params.table_type(s, code(o.table().format()));
    mla_embed_params.vocabulary(s, o.vocabulary());
    mla_embed_params.width(s, o.table().in());
    mla_embed_params.scale(s, o.scale());
    mla_embed_params.table_stride(s, o.table().tensor().stride(0));
    mla_embed_params.y_stride(s, o.out().stride(0));
    Scales scales = o.table().scales();
    mla_embed_params.scale_rows(s, scales == null ? 0 : scales.blockRows());
    if (scales != null) {
      mla_embed_params.scale_type(s, code(scales.format()));
      mla_embed_params.scale_columns(s, scales.blockColumns());
      mla_embed_params.scale_stride(s, scales.values().stride(0));
    }
  }

  /** {@code mla_head_linear_params}. */
  static void fill(MemorySegment s, HeadProduct p) {
    mla_head_linear_params.struct_size(s, (int) mla_head_linear_params.sizeof());
    mla_head_linear_params.compute(s, code(p.compute()));
    mla_head_linear_params.tokens(s, p.tokens());
    mla_head_linear_params.heads(s, p.heads());
    mla_head_linear_params.in(s, p.in());
    mla_head_linear_params.out(s, p.out());
    mla_head_linear_params.transposed(s, p.transposed() ? 1 : 0);
    mla_head_linear_params.x_token_stride(s, p.xTokenStride());
    mla_head_linear_params.x_head_stride(s, p.xHeadStride());
    mla_head_linear_params.y_token_stride(s, p.yTokenStride());
    mla_head_linear_params.y_head_stride(s, p.yHeadStride());
    fillWeight(s, p.matrices());
  }

  /** The same for keys or values as products of latents, without what a call has of them. */
  static void fill(
      MemorySegment s, ComputeType compute, HeadMatrices matrices, int heads, int latent, int out) {
    mla_head_linear_params.struct_size(s, (int) mla_head_linear_params.sizeof());
    mla_head_linear_params.compute(s, code(compute));
    mla_head_linear_params.heads(s, heads);
    mla_head_linear_params.in(s, latent);
    mla_head_linear_params.out(s, out);
    mla_head_linear_params.transposed(s, matrices.transposed() ? 1 : 0);
    fillWeight(s, matrices);
  }

  private static void fillWeight(MemorySegment s, HeadMatrices matrices) {
    mla_head_linear_params.weight_type(s, code(matrices.weight().format()));
    mla_head_linear_params.weight_head_stride(s, matrices.headStride());
    mla_head_linear_params.weight_stride(s, matrices.stride());
    Scales scales = matrices.weight().scales();
    mla_head_linear_params.scale_rows(s, scales == null ? 0 : scales.blockRows());
    if (scales != null) {
      mla_head_linear_params.scale_type(s, code(scales.format()));
      mla_head_linear_params.scale_columns(s, scales.blockColumns());
      mla_head_linear_params.scale_head_rows(s, matrices.headRows());
      mla_head_linear_params.scale_first_row(s, matrices.firstRow());
      mla_head_linear_params.scale_stride(s, scales.values().stride(0));
    }
  }

  /** {@code mla_cache_params}. */
  public static void fill(MemorySegment s, CacheParams p) {
    mla_cache_params.struct_size(s, (int) mla_cache_params.sizeof());
    mla_cache_params.cache_type(s, code(p.layout().type().format()));
    mla_cache_params.latent(s, p.layout().latent());
    mla_cache_params.rope(s, p.layout().rope());
    mla_cache_params.rope_offset(s, p.layout().ropeOffset());
    mla_cache_params.page_size(s, p.pageSize());
    mla_cache_params.page_count(s, p.pageCount());
    mla_cache_params.table_of_rows(s, p.tableOfRows() ? 1 : 0);
    CacheType type = p.layout().type();
    mla_cache_params.scale_columns(s, type.scaleColumns());
    mla_cache_params.rope_type(s, code(type.ropeFormat()));
    mla_cache_params.scale_type(s, type.hasScales() ? code(type.scaleFormat()) : 0);
    mla_cache_params.row_stride_bytes(s, p.layout().rowStrideBytes());
    mla_cache_params.page_stride_bytes(s, p.pageStrideBytes());
  }

  /** What stays the same in {@code mla_attention_params}. */
  static void fillConstants(MemorySegment s, AttentionTile a) {
    mla_attention_params.struct_size(s, (int) mla_attention_params.sizeof());
    mla_attention_params.compute(s, code(a.compute()));
    mla_attention_params.heads(s, a.heads());
    mla_attention_params.causal(s, a.causal() ? 1 : 0);
    mla_attention_params.nope(s, a.nope());
    mla_attention_params.value(s, a.value());
    mla_attention_params.scale(s, a.scale());
    mla_attention_params.probability_bits(s, a.score().probabilities().bits());
  }

  /** What changes from step to step in {@code mla_attention_params}. */
  static void fillStep(MemorySegment s, AttentionTile a) {
    mla_attention_params.query_tokens(s, a.queryTokens());
    mla_attention_params.kv_tokens(s, a.kvTokens());
    mla_attention_params.key_offset(s, a.keyOffset());
    mla_attention_params.q_token_stride(s, a.qTokenStride());
    mla_attention_params.q_head_stride(s, a.qHeadStride());
    mla_attention_params.out_token_stride(s, a.outTokenStride());
    mla_attention_params.out_head_stride(s, a.outHeadStride());
    mla_attention_params.lse_token_stride(s, a.lseTokenStride());
    mla_attention_params.lse_head_stride(s, a.lseHeadStride());
  }

  /** {@code mla_index_params}. */
  static void fill(MemorySegment s, ScoreTile o) {
    mla_index_params.struct_size(s, (int) mla_index_params.sizeof());
    mla_index_params.heads(s, o.heads());
    mla_index_params.query_tokens(s, o.queryTokens());
    mla_index_params.kv_tokens(s, o.kvTokens());
    mla_index_params.q_token_stride(s, o.qTokenStride());
    mla_index_params.q_head_stride(s, o.qHeadStride());
    mla_index_params.weights_stride(s, o.weightStride());
    mla_index_params.scores_stride(s, o.scoreStride());
  }

  /** {@code mla_append_params}. */
  static void fill(MemorySegment s, AppendTile a) {
    mla_append_params.struct_size(s, (int) mla_append_params.sizeof());
    mla_append_params.tokens(s, a.tokens());
    mla_append_params.position(s, a.position());
    mla_append_params.rope_layout(s, code(a.operation().rotation().layout()));
    mla_append_params.eps(s, a.operation().eps());
    mla_append_params.latent_and_key_stride(s, a.operation().latentAndKey().stride(0));
  }

  /** {@code mla_delta_params}, but for the tokens of a sequence. */
  static void fill(MemorySegment s, AttendDelta o) {
    StateLayout state = o.state();
    mla_delta_params.struct_size(s, (int) mla_delta_params.sizeof());
    mla_delta_params.heads(s, state.heads());
    mla_delta_params.width(s, state.width());
    switch (o.decay()) {
      case Decay.Softplus _ -> mla_delta_params.decay(s, Mla.MLA_DECAY_SOFTPLUS());
      case Decay.Bounded(float bound) -> {
        mla_delta_params.decay(s, Mla.MLA_DECAY_BOUNDED());
        mla_delta_params.decay_bound(s, bound);
      }
    }
    mla_delta_params.eps(s, o.weights().eps());
    mla_delta_params.query_stride(s, o.inputs().queries().stride(0));
    mla_delta_params.key_stride(s, o.inputs().keys().stride(0));
    mla_delta_params.value_stride(s, o.inputs().values().stride(0));
    mla_delta_params.decay_stride(s, o.inputs().decays().stride(0));
    mla_delta_params.beta_stride(s, o.inputs().betas().stride(0));
    mla_delta_params.gate_stride(s, o.inputs().gates().stride(0));
    mla_delta_params.out_stride(s, o.out().stride(0));
    mla_delta_params.state_head_stride(s, state.headStride());
  }

  /** {@code mla_merge_params}. */
  public static void fill(MemorySegment s, Merge o) {
    mla_merge_params.struct_size(s, (int) mla_merge_params.sizeof());
    mla_merge_params.parts(s, o.parts());
    mla_merge_params.tokens(s, (int) o.out().dim(0));
    mla_merge_params.heads(s, o.heads());
    mla_merge_params.width(s, (int) o.out().dim(2));
    mla_merge_params.part_stride(s, o.partialOut().stride(0));
    mla_merge_params.part_token_stride(s, o.partialOut().stride(1));
    mla_merge_params.part_head_stride(s, o.partialOut().stride(2));
    mla_merge_params.part_lse_stride(s, o.partialLse().stride(0));
    mla_merge_params.part_lse_token_stride(s, o.partialLse().stride(1));
    mla_merge_params.part_lse_head_stride(s, o.partialLse().stride(2));
    mla_merge_params.out_token_stride(s, o.out().stride(0));
    mla_merge_params.out_head_stride(s, o.out().stride(1));
    mla_merge_params.lse_token_stride(s, o.lse() == null ? 0 : o.lse().stride(0));
    mla_merge_params.lse_head_stride(s, o.lse() == null ? 0 : o.lse().stride(1));
  }

  /** {@code mla_rope_params}. */
  public static void fill(MemorySegment s, Rotate o) {
    mla_rope_params.struct_size(s, (int) mla_rope_params.sizeof());
    mla_rope_params.tokens(s, o.rows());
    mla_rope_params.heads(s, (int) o.q().dim(1));
    mla_rope_params.width(s, (int) o.q().dim(2));
    mla_rope_params.rope(s, o.rotation().width());
    mla_rope_params.rope_layout(s, code(o.rotation().layout()));
    mla_rope_params.x_token_stride(s, o.q().stride(0));
    mla_rope_params.x_head_stride(s, o.q().stride(1));
    mla_rope_params.y_token_stride(s, o.out().stride(0));
    mla_rope_params.y_head_stride(s, o.out().stride(1));
  }

  /** {@code mla_route_params}. */
  public static void fill(MemorySegment s, Route o) {
    Routing r = o.routing();
    mla_route_params.struct_size(s, (int) mla_route_params.sizeof());
    mla_route_params.tokens(s, o.rows());
    mla_route_params.experts(s, r.experts());
    mla_route_params.top_k(s, r.topK());
    mla_route_params.score(
        s, r.score() == Routing.Score.SOFTMAX ? Mla.MLA_SCORE_SOFTMAX() : Mla.MLA_SCORE_SIGMOID());
    mla_route_params.groups(s, r.groups());
    mla_route_params.kept_groups(s, r.keptGroups());
    mla_route_params.group_score(
        s,
        r.groupScore() == Routing.GroupScore.MAX
            ? Mla.MLA_GROUP_SCORE_MAX()
            : Mla.MLA_GROUP_SCORE_TOP2_SUM());
    mla_route_params.group_mask(
        s,
        r.groupMask() == Routing.GroupMask.ZERO
            ? Mla.MLA_GROUP_MASK_ZERO()
            : Mla.MLA_GROUP_MASK_NEGATIVE_INFINITY());
    mla_route_params.renormalize(s, r.renormalize() ? 1 : 0);
    mla_route_params.weight_scale(s, r.scale());
    mla_route_params.logits_stride(s, o.logits().stride(0));
  }

  /** Cosines and sines of {@code tokens} tokens are there. */
  static void angles(Rotation rotation, int tokens) {
    long count = (long) tokens * (rotation.width() / 2);
    Segments.input4("cosines", rotation.cosines().segment(), count);
    Segments.input4("sines", rotation.sines().segment(), count);
  }

  /** {@code MLA_TYPE_*}. */
  public static int code(StorageFormat format) {
    if (format.code() < 0) {
      throw new InvalidArgumentException(
          "weights of type " + format + " are unsupported by the native kernels");
    }
    return format.code();
  }

  /** {@code MLA_COMPUTE_*}. */
  public static int code(ComputeType compute) {
    return switch (compute) {
      case F32 -> Mla.MLA_COMPUTE_F32();
      case BF16 -> Mla.MLA_COMPUTE_BF16();
      case INT8 -> Mla.MLA_COMPUTE_INT8();
    };
  }

  /** {@code MLA_ROPE_*}. */
  public static int code(RopeLayout layout) {
    return layout == RopeLayout.PAIRS ? Mla.MLA_ROPE_PAIRS() : Mla.MLA_ROPE_HALVES();
  }
}
