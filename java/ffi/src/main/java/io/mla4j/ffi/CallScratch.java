package io.mla4j.ffi;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_attention_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The structs and the error text of one thread's calls: made once, filled for each call, so that a
 * call allocates nothing.
 *
 * <p>The memory belongs to the garbage collector: it lives as long as the thread.
 */
public final class CallScratch {
  private static final ThreadLocal<CallScratch> OF_THREAD =
      ThreadLocal.withInitial(CallScratch::new);
  private static final int ERROR_BYTES = 512;

  /** Where the library writes its error text. */
  public final MemorySegment error;

  private final MemorySegment linear;
  private final MemorySegment headLinear;
  private final MemorySegment cache;
  private final MemorySegment attention;
  private final MemorySegment merge;
  private final MemorySegment append;
  private final MemorySegment rope;
  private final MemorySegment route;

  private CallScratch() {
    Arena arena = Arena.ofAuto();
    error = arena.allocate(ERROR_BYTES);
    linear = mla_linear_params.allocate(arena);
    headLinear = mla_head_linear_params.allocate(arena);
    cache = mla_cache_params.allocate(arena);
    attention = mla_attention_params.allocate(arena);
    merge = mla_merge_params.allocate(arena);
    append = mla_append_params.allocate(arena);
    rope = mla_rope_params.allocate(arena);
    route = mla_route_params.allocate(arena);
    mla_linear_params.struct_size(linear, (int) mla_linear_params.sizeof());
    mla_head_linear_params.struct_size(headLinear, (int) mla_head_linear_params.sizeof());
    mla_cache_params.struct_size(cache, (int) mla_cache_params.sizeof());
    mla_attention_params.struct_size(attention, (int) mla_attention_params.sizeof());
    mla_merge_params.struct_size(merge, (int) mla_merge_params.sizeof());
    mla_append_params.struct_size(append, (int) mla_append_params.sizeof());
    mla_rope_params.struct_size(rope, (int) mla_rope_params.sizeof());
    mla_route_params.struct_size(route, (int) mla_route_params.sizeof());
  }

  /** The scratch of the calling thread. */
  public static CallScratch ofThread() {
    return OF_THREAD.get();
  }

  public int errorBytes() {
    return ERROR_BYTES;
  }

  /** {@code mla_linear_params}. */
  public MemorySegment fill(LinearParams p) {
    MemorySegment s = linear;
    mla_linear_params.compute(s, code(p.compute()));
    mla_linear_params.weight_type(s, code(p.weightType()));
    mla_linear_params.rows(s, p.rows());
    mla_linear_params.k(s, p.k());
    mla_linear_params.n(s, p.n());
    mla_linear_params.x_stride(s, p.xStride());
    mla_linear_params.weight_stride(s, p.weightStride());
    mla_linear_params.y_stride(s, p.yStride());
    return s;
  }

  /** {@code mla_head_linear_params}. */
  public MemorySegment fill(HeadLinearParams p) {
    MemorySegment s = headLinear;
    mla_head_linear_params.compute(s, code(p.compute()));
    mla_head_linear_params.weight_type(s, code(p.weightType()));
    mla_head_linear_params.tokens(s, p.tokens());
    mla_head_linear_params.heads(s, p.heads());
    mla_head_linear_params.in(s, p.in());
    mla_head_linear_params.out(s, p.out());
    mla_head_linear_params.transposed(s, p.transposed() ? 1 : 0);
    mla_head_linear_params.x_token_stride(s, p.xTokenStride());
    mla_head_linear_params.x_head_stride(s, p.xHeadStride());
    mla_head_linear_params.y_token_stride(s, p.yTokenStride());
    mla_head_linear_params.y_head_stride(s, p.yHeadStride());
    mla_head_linear_params.weight_head_stride(s, p.weightHeadStride());
    mla_head_linear_params.weight_stride(s, p.weightStride());
    return s;
  }

  /** {@code mla_cache_params}. */
  public MemorySegment fill(CacheParams p) {
    MemorySegment s = cache;
    mla_cache_params.cache_type(
        s, code(p.layout().type().format()));
    mla_cache_params.latent(s, p.layout().latent());
    mla_cache_params.rope(s, p.layout().rope());
    mla_cache_params.rope_offset(s, p.layout().ropeOffset());
    mla_cache_params.page_size(s, p.pageSize());
    mla_cache_params.page_count(s, p.pageCount());
    mla_cache_params.row_stride_bytes(s, p.layout().rowStrideBytes());
    mla_cache_params.page_stride_bytes(s, p.pageStrideBytes());
    return s;
  }

  /** {@code mla_attention_params}. */
  public MemorySegment fill(AttentionParams p) {
    MemorySegment s = attention;
    mla_attention_params.compute(s, code(p.compute()));
    mla_attention_params.heads(s, p.heads());
    mla_attention_params.query_tokens(s, p.queryTokens());
    mla_attention_params.kv_tokens(s, p.kvTokens());
    mla_attention_params.causal(s, p.causal() ? 1 : 0);
    mla_attention_params.nope(s, p.nope());
    mla_attention_params.value(s, p.value());
    mla_attention_params.weight_type(s, code(p.weightType()));
    mla_attention_params.scale(s, p.scale());
    mla_attention_params.key_offset(s, p.keyOffset());
    mla_attention_params.q_token_stride(s, p.qTokenStride());
    mla_attention_params.q_head_stride(s, p.qHeadStride());
    mla_attention_params.out_token_stride(s, p.outTokenStride());
    mla_attention_params.out_head_stride(s, p.outHeadStride());
    mla_attention_params.lse_token_stride(s, p.lseTokenStride());
    mla_attention_params.lse_head_stride(s, p.lseHeadStride());
    mla_attention_params.weight_head_stride(s, p.weightHeadStride());
    mla_attention_params.weight_stride(s, p.weightStride());
    return s;
  }

  /** {@code mla_merge_params}. */
  public MemorySegment fill(MergeParams p) {
    MemorySegment s = merge;
    mla_merge_params.parts(s, p.parts());
    mla_merge_params.tokens(s, p.tokens());
    mla_merge_params.heads(s, p.heads());
    mla_merge_params.width(s, p.width());
    mla_merge_params.part_stride(s, p.partStride());
    mla_merge_params.part_token_stride(s, p.partTokenStride());
    mla_merge_params.part_head_stride(s, p.partHeadStride());
    mla_merge_params.part_lse_stride(s, p.partLseStride());
    mla_merge_params.part_lse_token_stride(s, p.partLseTokenStride());
    mla_merge_params.part_lse_head_stride(s, p.partLseHeadStride());
    mla_merge_params.out_token_stride(s, p.outTokenStride());
    mla_merge_params.out_head_stride(s, p.outHeadStride());
    mla_merge_params.lse_token_stride(s, p.lseTokenStride());
    mla_merge_params.lse_head_stride(s, p.lseHeadStride());
    return s;
  }

  /** {@code mla_append_params}. */
  public MemorySegment fill(AppendParams p) {
    MemorySegment s = append;
    mla_append_params.tokens(s, p.tokens());
    mla_append_params.position(s, p.position());
    mla_append_params.rope_layout(s, code(p.ropeLayout()));
    mla_append_params.eps(s, p.eps());
    mla_append_params.a_stride(s, p.aStride());
    return s;
  }

  /** {@code mla_rope_params}. */
  public MemorySegment fill(RopeParams p) {
    MemorySegment s = rope;
    mla_rope_params.tokens(s, p.tokens());
    mla_rope_params.heads(s, p.heads());
    mla_rope_params.width(s, p.width());
    mla_rope_params.rope(s, p.rope());
    mla_rope_params.rope_layout(s, code(p.ropeLayout()));
    mla_rope_params.x_token_stride(s, p.xTokenStride());
    mla_rope_params.x_head_stride(s, p.xHeadStride());
    mla_rope_params.y_token_stride(s, p.yTokenStride());
    mla_rope_params.y_head_stride(s, p.yHeadStride());
    return s;
  }

  /** {@code mla_route_params}. */
  public MemorySegment fill(RouteParams p) {
    MemorySegment s = route;
    Routing r = p.routing();
    mla_route_params.tokens(s, p.tokens());
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
    mla_route_params.logits_stride(s, p.logitsStride());
    return s;
  }

  /** {@code MLA_TYPE_*}. */
  public static int code(StorageFormat type) {
    if (type.code() < 0) {
      throw new InvalidArgumentException(
          "weights of type " + type + " are unsupported by the native kernels");
    }
    return type.code();
  }

  public static int code(ComputeType compute) {
    return compute == ComputeType.BF16 ? Mla.MLA_COMPUTE_BF16() : Mla.MLA_COMPUTE_F32();
  }

  private static int code(RopeLayout layout) {
    return layout == RopeLayout.PAIRS ? Mla.MLA_ROPE_PAIRS() : Mla.MLA_ROPE_HALVES();
  }
}
