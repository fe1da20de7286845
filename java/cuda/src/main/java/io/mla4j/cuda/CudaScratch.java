package io.mla4j.cuda;

import io.mla4j.ComputeType;
import io.mla4j.ffi.CallScratch;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_device_info;
import io.mla4j.ffi.abi.mla_rebuild_params;
import io.mla4j.ffi.abi.mla_step_params;
import io.mla4j.ops.StorageFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * As {@link CallScratch}: what calls of devices take beside the structs of all kernels, one for
 * each thread.
 */
final class CudaScratch {
  private static final ThreadLocal<CudaScratch> OF_THREAD =
      ThreadLocal.withInitial(CudaScratch::new);

  /** A {@code mla_device_info} for a call to fill. */
  final MemorySegment info;

  /** A pointer or an integer for a call to fill. */
  final MemorySegment result;

  private final MemorySegment step;
  private final MemorySegment rebuild;

  private CudaScratch() {
    Arena arena = Arena.ofAuto();
    info = mla_device_info.allocate(arena);
    mla_device_info.struct_size(info, (int) mla_device_info.sizeof());
    step = mla_step_params.allocate(arena);
    mla_step_params.struct_size(step, (int) mla_step_params.sizeof());
    rebuild = mla_rebuild_params.allocate(arena);
    mla_rebuild_params.struct_size(rebuild, (int) mla_rebuild_params.sizeof());
    result = arena.allocate(ValueLayout.ADDRESS);
  }

  static CudaScratch ofThread() {
    return OF_THREAD.get();
  }

  /**
   * Numbers of a step's attention, {@code mla_step_params}. Strides in elements.
   *
   * @param maxQueries query tokens of one sequence
   * @param maxSplits of all sequences
   * @param pageTableStride pages between the rows of two sequences
   */
  record StepParams(
      ComputeType compute,
      int heads,
      int sequences,
      int tokens,
      int maxQueries,
      int maxSplits,
      int pageTableStride,
      int multiprocessors,
      int sharedBytes,
      float scale,
      long qTokenStride,
      long qHeadStride,
      long outTokenStride,
      long outHeadStride,
      long lseTokenStride,
      long lseHeadStride) {}

  /** {@code mla_step_params}, causal. */
  MemorySegment fill(StepParams p) {
    MemorySegment s = step;
    mla_step_params.compute(
        s, p.compute() == ComputeType.BF16 ? Mla.MLA_COMPUTE_BF16() : Mla.MLA_COMPUTE_F32());
    mla_step_params.heads(s, p.heads());
    mla_step_params.causal(s, 1);
    mla_step_params.max_sequences(s, p.sequences());
    mla_step_params.max_tokens(s, p.tokens());
    mla_step_params.max_queries(s, p.maxQueries());
    mla_step_params.max_splits(s, p.maxSplits());
    mla_step_params.page_table_stride(s, p.pageTableStride());
    mla_step_params.multiprocessors(s, p.multiprocessors());
    mla_step_params.shared_bytes(s, p.sharedBytes());
    mla_step_params.scale(s, p.scale());
    mla_step_params.q_token_stride(s, p.qTokenStride());
    mla_step_params.q_head_stride(s, p.qHeadStride());
    mla_step_params.out_token_stride(s, p.outTokenStride());
    mla_step_params.out_head_stride(s, p.outHeadStride());
    mla_step_params.lse_token_stride(s, p.lseTokenStride());
    mla_step_params.lse_head_stride(s, p.lseHeadStride());
    return s;
  }

  /**
   * What keys and values are rebuilt with, {@code mla_rebuild_params}. Strides in elements.
   *
   * @param weightHeadStride between the kv_b rows of two heads
   */
  record RebuildParams(
      int nope, int value, StorageFormat weightType, long weightHeadStride, long weightStride) {}

  /** {@code mla_rebuild_params}. */
  MemorySegment fill(RebuildParams p) {
    MemorySegment s = rebuild;
    mla_rebuild_params.nope(s, p.nope());
    mla_rebuild_params.value(s, p.value());
    mla_rebuild_params.weight_type(s, CallScratch.code(p.weightType()));
    mla_rebuild_params.weight_head_stride(s, p.weightHeadStride());
    mla_rebuild_params.weight_stride(s, p.weightStride());
    return s;
  }
}
