// What the functions of a device's table share: the turn of an exception into a status and a text, the stream of a handle, checks of
// arguments. Each file beside this one has the functions of one kind and puts them into the table.
#pragma once
#include <initializer_list>
#include <type_traits>

#include "abi/checks.h"
#include "cuda/common/runtime.h"
#include "mla/mla.h"

namespace mla {

// A grid has at most this many blocks in its first dimension, and 65535 in the others.
constexpr int kMaxBlocks = INT_MAX, kMaxOtherBlocks = 65535;

inline void require_cuda_compute(int32_t compute) {
  require_compute(compute);
  if (compute == MLA_COMPUTE_INT8)
    fail(MLA_UNSUPPORTED,
         "compute is MLA_COMPUTE_INT8, but must be MLA_COMPUTE_F32 or MLA_COMPUTE_BF16 here");
}

// Rows that kernels here read: elements stored one by one, in pages that a table names.
inline void check_plain(const mla_cache_params* c) {
  check(c);
  if (c->scale_columns != 0)
    fail(MLA_UNSUPPORTED, "cache_type is " + std::to_string(c->cache_type) +
                              " under scales, but must be MLA_TYPE_F32 or MLA_TYPE_BF16 on a device");
  if (c->table_of_rows != 0) fail(MLA_UNSUPPORTED, "table_of_rows is 1, but must be 0 on a device");
}

inline void check(const mla_step_params* p) {
  require_struct("params", p);
  require_cuda_compute(p->compute);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("causal", p->causal, 0, 1);
  require_range("max_sequences", p->max_sequences, 0, 1 << 20);
  require_range("max_tokens", p->max_tokens, 0, 1 << 24);
  require_range("max_queries", p->max_queries, 0, p->max_tokens);
  require(static_cast<int64_t>(p->max_queries) * p->heads <= kMaxBlocks, "max_queries * heads",
          static_cast<int64_t>(p->max_queries) * p->heads, "at most 2147483647");
  require_range("max_splits", p->max_splits, 0, kMaxOtherBlocks);
  require_range("page_table_stride", p->page_table_stride, 0, 1 << 24);
  require_range("multiprocessors", p->multiprocessors, 1, 1 << 16);
  require_range("shared_bytes", p->shared_bytes, 48 * 1024, 1 << 20);
  if (!(p->scale > 0) || p->scale > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "scale is " + std::to_string(p->scale) + ", but must be finite and positive");
  require_stride("q_token_stride", p->q_token_stride, p->max_tokens, 0);
  require_stride("q_head_stride", p->q_head_stride, p->heads, 0);
  require_stride("out_token_stride", p->out_token_stride, p->max_tokens, 1);
  require_stride("out_head_stride", p->out_head_stride, p->heads, 1);
}

}  // namespace mla

namespace mla::device {

using cuda::Result;
using cuda::Stream;

// `body`, which throws, as a function of the table: one without a result gives a status and a text, one with a count -1.
template <auto body>
struct Call;
template <class... A, void (*body)(A...)>
struct Call<body> {
  static int32_t run(A... arguments, char* error, int32_t error_size) {
    return guard(error, error_size, [&] { body(arguments...); });
  }
};
template <class R, class... A, R (*body)(A...)>
  requires(!std::is_void_v<R>)
struct Call<body> {
  static R run(A... arguments) {
    R result = -1;
    guard(nullptr, 0, [&] { result = body(arguments...); });
    return result;
  }
};

void add_memory(mla_device_kernels& table);
void add_rows(mla_device_kernels& table);
void add_linear(mla_device_kernels& table);
void add_plan(mla_device_kernels& table);
void add_attention(mla_device_kernels& table);

inline void require_done(const Result& result) {
  if (!result) return;
  const int32_t status = result.code == cuda::kOutOfMemory ? MLA_OUT_OF_MEMORY
                         : result.code == cuda::kNoDriver || result.code == cuda::kNoDevice ? MLA_NO_DEVICE
                         : cuda::is_lost(result.code)                                       ? MLA_DEVICE_LOST
                                                      : MLA_DEVICE_ERROR;
  const std::string text = cuda::error_text(result.code);
  fail(status, status == MLA_NO_DEVICE ? text : std::string(result.what) + ": " + text);
}

// The stream of a handle, its device current.
inline Stream& enter(void* stream) {
  require_pointer("stream", stream);
  Stream& s = *static_cast<Stream*>(stream);
  require_done(cuda::use_device(s.device));
  return s;
}

// What a block can have of shared memory.
inline int shared_bytes(const Stream& stream) {
  int bytes = 0;
  require_done(cuda::shared_bytes(stream.device, &bytes));
  return bytes;
}

inline void require_width(int32_t rows, int32_t width) {
  require_range("rows", rows, 0, kMaxBlocks);
  require_range("width", width, 0, 65535 * 256);
}

// Weights of other types are converted when they are uploaded.
inline void require_no_scales(int32_t scale_rows) {
  require(scale_rows == 0, "scale_rows", scale_rows, "0: a device multiplies weights without scales");
}

inline void require_cuda_type(const char* name, int32_t type) {
  require_type(name, type);
  if (type != MLA_TYPE_F32 && type != MLA_TYPE_BF16)
    fail(MLA_UNSUPPORTED, std::string(name) + " is " +
                              (type == MLA_TYPE_F16 ? "MLA_TYPE_F16" : std::to_string(type)) +
                              ", but devices compute with F32 and BF16: convert it first");
}

// Rows of an operation that each have `width` float32 elements.
struct Rows {
  const char* name;
  const void* data;
  int64_t stride;
};

// Checks rows and enters the stream; whether there is something to do.
inline bool check_rows(void* stream, int32_t rows, int32_t width, std::initializer_list<Rows> all) {
  require_width(rows, width);
  for (const Rows& r : all) require_stride((std::string(r.name) + "_stride").c_str(), r.stride, rows, width);
  enter(stream);
  if (rows == 0 || width == 0) return false;
  for (const Rows& r : all) require_pointer(r.name, r.data);
  return true;
}

inline bool is_aligned(const void* weight, int64_t stride) {
  return reinterpret_cast<uintptr_t>(weight) % 16 == 0 && stride % 8 == 0;
}
inline bool is_aligned_f32(const float* x, int64_t stride) {
  return reinterpret_cast<uintptr_t>(x) % 16 == 0 && stride % 4 == 0;
}

}  // namespace mla::device
