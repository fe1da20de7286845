package io.mla4j.cuda;

import static io.mla4j.ffi.NativeParams.code;

import io.mla4j.ComputeType;
import io.mla4j.device.KernelOperation.GroupedMatMul;
import io.mla4j.device.KernelOperation.HeadMatMul;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.device.PlainWeights;
import io.mla4j.ffi.NativeParams;
import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rebuild_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Route;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The structs of mla.h from operations. Their memory lives as long as somebody holds it. */
final class CudaStructs {
  private CudaStructs() {}

  static MemorySegment linear(MatMul o) {
    MemorySegment s = linear(o.compute(), o.x(), o.weight(), o.out());
    mla_linear_params.k(s, (int) o.weight().dim(1));
    mla_linear_params.weight_stride(s, o.weight().stride(0));
    return s;
  }

  /** Of each of the experts. */
  static MemorySegment linear(GroupedMatMul o) {
    MemorySegment s = linear(o.groups().compute(), o.x(), o.weight(), o.out());
    mla_linear_params.k(s, (int) o.weight().dim(2));
    mla_linear_params.weight_stride(s, o.weight().stride(1));
    return s;
  }

  private static MemorySegment linear(ComputeType compute, Tensor x, Tensor weight, Tensor out) {
    MemorySegment s = mla_linear_params.allocate(Arena.ofAuto());
    mla_linear_params.struct_size(s, (int) s.byteSize());
    mla_linear_params.compute(s, code(compute));
    mla_linear_params.weight_type(s, code(weight.format()));
    mla_linear_params.rows(s, (int) out.dim(0));
    mla_linear_params.n(s, (int) out.dim(1));
    mla_linear_params.x_stride(s, x.stride(0));
    mla_linear_params.y_stride(s, out.stride(0));
    return s;
  }

  static MemorySegment headLinear(HeadMatMul o) {
    MemorySegment s = mla_head_linear_params.allocate(Arena.ofAuto());
    mla_head_linear_params.struct_size(s, (int) s.byteSize());
    mla_head_linear_params.compute(s, code(o.compute()));
    mla_head_linear_params.weight_type(s, code(o.weight().format()));
    mla_head_linear_params.tokens(s, (int) o.x().dim(0));
    mla_head_linear_params.heads(s, (int) o.x().dim(1));
    mla_head_linear_params.in(s, (int) o.x().dim(2));
    mla_head_linear_params.out(s, (int) o.out().dim(2));
    mla_head_linear_params.transposed(s, o.transposed() ? 1 : 0);
    mla_head_linear_params.x_token_stride(s, o.x().stride(0));
    mla_head_linear_params.x_head_stride(s, o.x().stride(1));
    mla_head_linear_params.y_token_stride(s, o.out().stride(0));
    mla_head_linear_params.y_head_stride(s, o.out().stride(1));
    mla_head_linear_params.weight_head_stride(s, o.weight().stride(0));
    mla_head_linear_params.weight_stride(s, o.weight().stride(1));
    return s;
  }

  static MemorySegment rope(Rotate o) {
    MemorySegment s = mla_rope_params.allocate(Arena.ofAuto());
    NativeParams.fill(s, o);
    return s;
  }

  static MemorySegment merge(Merge o) {
    MemorySegment s = mla_merge_params.allocate(Arena.ofAuto());
    NativeParams.fill(s, o);
    return s;
  }

  static MemorySegment route(Route o) {
    MemorySegment s = mla_route_params.allocate(Arena.ofAuto());
    NativeParams.fill(s, o);
    return s;
  }

  static MemorySegment append(AppendLatent o) {
    MemorySegment s = mla_append_params.allocate(Arena.ofAuto());
    mla_append_params.struct_size(s, (int) s.byteSize());
    mla_append_params.tokens(s, (int) o.latentAndKey().dim(0));
    mla_append_params.rope_layout(s, code(o.rotation().layout()));
    mla_append_params.eps(s, o.eps());
    mla_append_params.latent_and_key_stride(s, o.latentAndKey().stride(0));
    return s;
  }

  static MemorySegment cache(CacheParams p) {
    MemorySegment s = mla_cache_params.allocate(Arena.ofAuto());
    NativeParams.fill(s, p);
    return s;
  }

  static MemorySegment rebuild(Attend o) {
    MemorySegment s = mla_rebuild_params.allocate(Arena.ofAuto());
    Tensor weight = PlainWeights.fused(o.up());
    mla_rebuild_params.struct_size(s, (int) s.byteSize());
    mla_rebuild_params.nope(s, o.shape().nope());
    mla_rebuild_params.value(s, o.shape().value());
    mla_rebuild_params.weight_type(s, code(weight.format()));
    mla_rebuild_params.weight_head_stride(
        s, (o.shape().nope() + o.shape().value()) * weight.stride(0));
    mla_rebuild_params.weight_stride(s, weight.stride(0));
    return s;
  }
}
