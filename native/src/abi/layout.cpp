// Sizes, offsets and signatures, read from the types themselves.
#include "abi/layout.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "mla/mla.h"

namespace mla {
namespace {

template <class T>
std::string type_name() {
  if constexpr (std::is_pointer_v<T>) return "ptr";
  else if constexpr (std::is_same_v<T, int32_t>) return "i32";
  else if constexpr (std::is_same_v<T, int64_t>) return "i64";
  else if constexpr (std::is_same_v<T, float>) return "f32";
  else static_assert(sizeof(T) == 0, "a type that the interface does not allow");
}

template <class R, class... A>
std::string signature(R (*)(A...)) {
  std::string arguments;
  ((arguments += (arguments.empty() ? "" : ",") + type_name<A>()), ...);
  return type_name<R>() + "(" + arguments + ")";
}

#define FIELD(S, f) " " #f ":" + type_name<decltype(S::f)>() + "@" + std::to_string(offsetof(S, f))
#define BEGIN(S) "struct " #S " " + std::to_string(sizeof(S))
#define FUNCTION(f) "fn " #f " " + signature(decltype(mla_kernels::f){}) + "\n"

std::string linear_params() {
  typedef mla_linear_params S;
  return BEGIN(mla_linear_params) + FIELD(S, struct_size) + FIELD(S, compute) + FIELD(S, weight_type) + FIELD(S, rows) +
         FIELD(S, k) + FIELD(S, n) + FIELD(S, scale_block_rows) + FIELD(S, scale_block_columns) + FIELD(S, x_stride) +
         FIELD(S, weight_stride) + FIELD(S, y_stride) + "\n";
}

std::string head_linear_params() {
  typedef mla_head_linear_params S;
  return BEGIN(mla_head_linear_params) + FIELD(S, struct_size) + FIELD(S, compute) + FIELD(S, weight_type) + FIELD(S, tokens) +
         FIELD(S, heads) + FIELD(S, in) + FIELD(S, out) + FIELD(S, transposed) + FIELD(S, scale_block_rows) +
         FIELD(S, scale_block_columns) + FIELD(S, x_token_stride) + FIELD(S, x_head_stride) + FIELD(S, y_token_stride) +
         FIELD(S, y_head_stride) + FIELD(S, weight_head_stride) + FIELD(S, weight_stride) + "\n";
}

std::string cache_params() {
  typedef mla_cache_params S;
  return BEGIN(mla_cache_params) + FIELD(S, struct_size) + FIELD(S, cache_type) + FIELD(S, latent) + FIELD(S, rope) +
         FIELD(S, rope_offset) + FIELD(S, page_size) + FIELD(S, page_count) + FIELD(S, reserved) + FIELD(S, row_stride_bytes) +
         FIELD(S, page_stride_bytes) + "\n";
}

std::string attention_params() {
  typedef mla_attention_params S;
  return BEGIN(mla_attention_params) + FIELD(S, struct_size) + FIELD(S, compute) + FIELD(S, heads) + FIELD(S, query_tokens) +
         FIELD(S, kv_tokens) + FIELD(S, causal) + FIELD(S, window) + FIELD(S, sparse_count) + FIELD(S, nope) + FIELD(S, value) +
         FIELD(S, weight_type) + FIELD(S, scale_block_rows) + FIELD(S, scale_block_columns) + FIELD(S, scale) + FIELD(S, softcap) +
         FIELD(S, reserved) + FIELD(S, q_token_stride) + FIELD(S, q_head_stride) + FIELD(S, out_token_stride) +
         FIELD(S, out_head_stride) + FIELD(S, lse_token_stride) + FIELD(S, lse_head_stride) + FIELD(S, weight_head_stride) +
         FIELD(S, weight_stride) + "\n";
}

std::string merge_params() {
  typedef mla_merge_params S;
  return BEGIN(mla_merge_params) + FIELD(S, struct_size) + FIELD(S, parts) + FIELD(S, tokens) + FIELD(S, heads) + FIELD(S, width) +
         FIELD(S, reserved) + FIELD(S, part_stride) + FIELD(S, part_token_stride) + FIELD(S, part_head_stride) +
         FIELD(S, part_lse_stride) + FIELD(S, part_lse_token_stride) + FIELD(S, part_lse_head_stride) + FIELD(S, out_token_stride) +
         FIELD(S, out_head_stride) + FIELD(S, lse_token_stride) + FIELD(S, lse_head_stride) + "\n";
}

std::string append_params() {
  typedef mla_append_params S;
  return BEGIN(mla_append_params) + FIELD(S, struct_size) + FIELD(S, tokens) + FIELD(S, position) + FIELD(S, rope_layout) +
         FIELD(S, eps) + FIELD(S, reserved) + FIELD(S, a_stride) + "\n";
}

std::string rope_params() {
  typedef mla_rope_params S;
  return BEGIN(mla_rope_params) + FIELD(S, struct_size) + FIELD(S, tokens) + FIELD(S, heads) + FIELD(S, width) + FIELD(S, rope) +
         FIELD(S, rope_layout) + FIELD(S, x_token_stride) + FIELD(S, x_head_stride) + FIELD(S, y_token_stride) +
         FIELD(S, y_head_stride) + "\n";
}

std::string route_params() {
  typedef mla_route_params S;
  return BEGIN(mla_route_params) + FIELD(S, struct_size) + FIELD(S, tokens) + FIELD(S, experts) + FIELD(S, top_k) +
         FIELD(S, score) + FIELD(S, groups) + FIELD(S, kept_groups) + FIELD(S, group_score) + FIELD(S, group_mask) +
         FIELD(S, renormalize) + FIELD(S, weight_scale) + FIELD(S, reserved) + FIELD(S, logits_stride) + "\n";
}

std::string kernels() {
  typedef mla_kernels S;
  return BEGIN(mla_kernels) + FIELD(S, struct_size) + FIELD(S, abi_version) + FIELD(S, isa) + FIELD(S, lanes) +
         FIELD(S, supported_isas) + FIELD(S, prefers_bf16) + FIELD(S, describe) + FIELD(S, packed_bytes) + FIELD(S, pack) +
         FIELD(S, linear) + FIELD(S, head_linear) + FIELD(S, attention_workspace) + FIELD(S, attend_absorbed) +
         FIELD(S, attend_decompressed) + FIELD(S, merge) + FIELD(S, append) + FIELD(S, rope) + FIELD(S, rms_norm) +
         FIELD(S, swiglu) + FIELD(S, add) + FIELD(S, embed) + FIELD(S, route) + FIELD(S, combine) + "\n";
}

std::string functions() {
  return std::string() + FUNCTION(describe) + FUNCTION(packed_bytes) + FUNCTION(pack) + FUNCTION(linear) + FUNCTION(head_linear) +
         FUNCTION(attention_workspace) + FUNCTION(attend_absorbed) + FUNCTION(attend_decompressed) + FUNCTION(merge) +
         FUNCTION(append) + FUNCTION(rope) + FUNCTION(rms_norm) + FUNCTION(swiglu) + FUNCTION(add) + FUNCTION(embed) +
         FUNCTION(route) + FUNCTION(combine);
}

}  // namespace

std::string layout_text() {
  return linear_params() + head_linear_params() + cache_params() + attention_params() + merge_params() + append_params() +
         rope_params() + route_params() + kernels() + functions();
}

}  // namespace mla
