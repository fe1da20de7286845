package io.mla4j.cuda;

import static io.mla4j.ffi.NativeParams.code;

import io.mla4j.ComputeType;
import io.mla4j.device.DeviceKernels.RunShape;
import io.mla4j.device.KernelOperation.AttendDecompressed;
import io.mla4j.device.PlainWeights;
import io.mla4j.device.StepLaunch;
import io.mla4j.ffi.abi.mla_device_kernels;
import io.mla4j.ffi.abi.mla_step_params;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Kernels on the cache, and the plans that they read. Used in the device's turn. */
final class CudaAttention {
  private final CudaCalls calls;
  private final MemorySegment table;
  private final CudaDriver.Info info;
  private final MemorySegment planParams;
  private CacheParams cacheParams;
  private MemorySegment cacheStruct;

  CudaAttention(CudaCalls calls, CudaDriver.Info info) {
    this.calls = calls;
    this.table = calls.table();
    this.info = info;
    planParams = params(ComputeType.F32, 1);
  }

  StepLaunch append(AppendLatent o) {
    boolean turns = o.rotation().cosines().dim(1) > 0;
    MemorySegment params = CudaStructs.append(o);
    MemorySegment latentAndKey = calls.of("latentAndKey", o.latentAndKey());
    MemorySegment normWeight = calls.of("normWeight", o.normWeight());
    MemorySegment cosines = calls.of("rotation.cosines", turns ? o.rotation().cosines() : null);
    MemorySegment sines = calls.of("rotation.sines", turns ? o.rotation().sines() : null);
    return (plan, _, _, cache) ->
        calls
            .bind(
                mla_device_kernels.append(table),
                mla_device_kernels.append.descriptor(),
                params,
                struct(plan.cacheParams()),
                latentAndKey,
                normWeight,
                cosines,
                sines,
                plan.slots(),
                cache)
            .launch();
  }

  StepLaunch attendAbsorbed(AttendAbsorbed o) {
    MemorySegment params = params(o.compute(), o.score().scale());
    strides(params, o.q(), o.out(), o.lse());
    MemorySegment q = calls.of("q", o.q());
    MemorySegment out = calls.of("out", o.out());
    MemorySegment lse = calls.of("lse", o.lse());
    MemorySegment slopes = slopes(o.score());
    return (plan, run, row, cache) -> {
      if (run.shape().tokens() == 0) {
        return;
      }
      set(params, run.shape());
      MemorySegment cacheStruct = struct(plan.cacheParams());
      long workspace =
          mla_device_kernels.attention_workspace.invoke(
              mla_device_kernels.attention_workspace(table), params, cacheStruct);
      calls
          .bind(
              mla_device_kernels.attend_absorbed(table),
              mla_device_kernels.attend_absorbed.descriptor(),
              params,
              cacheStruct,
              run.plan(),
              from(q, o.q(), row),
              cache,
              run.pageTable(),
              slopes,
              from(out, o.out(), row),
              from(lse, o.lse(), row),
              calls.memory().workspace(workspace),
              workspace)
          .launch();
    };
  }

  StepLaunch attendDecompressed(AttendDecompressed decompressed) {
    Attend o = decompressed.attend();
    Tensor lse = decompressed.lse();
    MemorySegment params = params(o.compute(), o.score().scale());
    strides(params, o.q(), o.out(), lse);
    MemorySegment rebuild = CudaStructs.rebuild(o);
    MemorySegment q = calls.of("q", o.q());
    MemorySegment latentUp = calls.of("latentUp", PlainWeights.fused(o.up()));
    MemorySegment out = calls.of("out", o.out());
    MemorySegment sums = calls.of("lse", lse);
    MemorySegment slopes = slopes(o.score());
    return (plan, run, row, cache) -> {
      if (run.shape().tokens() == 0) {
        return;
      }
      set(params, run.shape());
      MemorySegment cacheStruct = struct(plan.cacheParams());
      long workspace =
          mla_device_kernels.decompressed_workspace.invoke(
              mla_device_kernels.decompressed_workspace(table), params, rebuild, cacheStruct);
      calls
          .bind(
              mla_device_kernels.attend_decompressed(table),
              mla_device_kernels.attend_decompressed.descriptor(),
              params,
              rebuild,
              cacheStruct,
              run.plan(),
              run.kvTokens(),
              from(q, o.q(), row),
              latentUp,
              cache,
              run.pageTable(),
              slopes,
              from(out, o.out(), row),
              from(sums, lse, row),
              calls.memory().workspace(workspace),
              workspace)
          .launch();
    };
  }

  int splits(RunShape shape, int queries, int kvTokens) {
    set(planParams, shape);
    return mla_device_kernels.splits.invoke(
        mla_device_kernels.splits(table), planParams, queries, kvTokens);
  }

  long planBytes(RunShape shape) {
    set(planParams, shape);
    return mla_device_kernels.plan_bytes.invoke(mla_device_kernels.plan_bytes(table), planParams);
  }

  void writePlan(
      RunShape shape, MemorySegment queryBegin, MemorySegment kvTokens, MemorySegment plan) {
    set(planParams, shape);
    CudaStatus.check(
        mla_device_kernels.make_plan.invoke(
            mla_device_kernels.make_plan(table),
            planParams,
            shape.sequences(),
            queryBegin,
            kvTokens,
            plan,
            plan.byteSize(),
            CudaStatus.error(),
            CudaStatus.ERROR_BYTES));
  }

  /** {@code mla_step_params}, causal; a plan depends on none of these. */
  private MemorySegment params(ComputeType compute, float scale) {
    MemorySegment s = mla_step_params.allocate(Arena.ofAuto());
    mla_step_params.struct_size(s, (int) s.byteSize());
    mla_step_params.compute(s, code(compute));
    mla_step_params.causal(s, 1);
    mla_step_params.multiprocessors(s, info.multiprocessors());
    mla_step_params.shared_bytes(s, info.sharedBytes());
    mla_step_params.scale(s, scale);
    mla_step_params.out_token_stride(s, 1);
    mla_step_params.out_head_stride(s, 1);
    return s;
  }

  private static void strides(MemorySegment s, Tensor q, Tensor out, Tensor lse) {
    mla_step_params.q_token_stride(s, q.stride(0));
    mla_step_params.q_head_stride(s, q.stride(1));
    mla_step_params.out_token_stride(s, out.stride(0));
    mla_step_params.out_head_stride(s, out.stride(1));
    if (lse != null) {
      mla_step_params.lse_token_stride(s, lse.stride(0));
      mla_step_params.lse_head_stride(s, lse.stride(1));
    }
  }

  private static void set(MemorySegment s, RunShape shape) {
    mla_step_params.heads(s, shape.heads());
    mla_step_params.max_sequences(s, shape.sequences());
    mla_step_params.max_tokens(s, shape.tokens());
    mla_step_params.max_queries(s, shape.queries());
    mla_step_params.max_splits(s, shape.splits());
    mla_step_params.page_table_stride(s, shape.pageTableStride());
  }

  /** Of the last call, as a rule. */
  private MemorySegment struct(CacheParams params) {
    if (!params.equals(cacheParams)) {
      cacheStruct = CudaStructs.cache(params);
      cacheParams = params;
    }
    return cacheStruct;
  }

  private MemorySegment slopes(AttentionScore score) {
    return calls.of("score.alibiSlopes", score.alibiSlopes());
  }

  /** The memory of an F32 tensor from a row on; NULL of null. */
  private static MemorySegment from(MemorySegment memory, Tensor tensor, long row) {
    return tensor == null
        ? MemorySegment.NULL
        : memory.asSlice(row * tensor.stride(0) * ValueLayout.JAVA_FLOAT.byteSize());
  }
}
