// Sizes, offsets and signatures, read from the types themselves.
#include "abi/layout.h"

#include "abi/layout_text.h"

namespace mla {
namespace {

#define FUNCTION(f) FUNCTION_OF(mla_kernels, f)

std::string linear_params() {
  return BEGIN(mla_linear_params) + FIELD(mla_linear_params, struct_size) +
         FIELD(mla_linear_params, compute) + FIELD(mla_linear_params, weight_type) +
         FIELD(mla_linear_params, rows) + FIELD(mla_linear_params, k) + FIELD(mla_linear_params, n) +
         FIELD(mla_linear_params, scale_block_rows) + FIELD(mla_linear_params, scale_block_columns) +
         FIELD(mla_linear_params, x_stride) + FIELD(mla_linear_params, weight_stride) +
         FIELD(mla_linear_params, y_stride) + "\n";
}

std::string head_linear_params() {
  return BEGIN(mla_head_linear_params) + FIELD(mla_head_linear_params, struct_size) +
         FIELD(mla_head_linear_params, compute) + FIELD(mla_head_linear_params, weight_type) +
         FIELD(mla_head_linear_params, tokens) + FIELD(mla_head_linear_params, heads) +
         FIELD(mla_head_linear_params, in) + FIELD(mla_head_linear_params, out) +
         FIELD(mla_head_linear_params, transposed) + FIELD(mla_head_linear_params, scale_block_rows) +
         FIELD(mla_head_linear_params, scale_block_columns) + FIELD(mla_head_linear_params, x_token_stride) +
         FIELD(mla_head_linear_params, x_head_stride) + FIELD(mla_head_linear_params, y_token_stride) +
         FIELD(mla_head_linear_params, y_head_stride) + FIELD(mla_head_linear_params, weight_head_stride) +
         FIELD(mla_head_linear_params, weight_stride) + "\n";
}

std::string cache_params() {
  return BEGIN(mla_cache_params) + FIELD(mla_cache_params, struct_size) +
         FIELD(mla_cache_params, cache_type) + FIELD(mla_cache_params, latent) +
         FIELD(mla_cache_params, rope) + FIELD(mla_cache_params, rope_offset) +
         FIELD(mla_cache_params, page_size) + FIELD(mla_cache_params, page_count) +
         FIELD(mla_cache_params, reserved) + FIELD(mla_cache_params, row_stride_bytes) +
         FIELD(mla_cache_params, page_stride_bytes) + "\n";
}

std::string attention_params() {
  return BEGIN(mla_attention_params) + FIELD(mla_attention_params, struct_size) +
         FIELD(mla_attention_params, compute) + FIELD(mla_attention_params, heads) +
         FIELD(mla_attention_params, query_tokens) + FIELD(mla_attention_params, kv_tokens) +
         FIELD(mla_attention_params, causal) + FIELD(mla_attention_params, window) +
         FIELD(mla_attention_params, sparse_count) + FIELD(mla_attention_params, nope) +
         FIELD(mla_attention_params, value) + FIELD(mla_attention_params, weight_type) +
         FIELD(mla_attention_params, scale_block_rows) + FIELD(mla_attention_params, scale_block_columns) +
         FIELD(mla_attention_params, scale) + FIELD(mla_attention_params, softcap) +
         FIELD(mla_attention_params, key_offset) + FIELD(mla_attention_params, q_token_stride) +
         FIELD(mla_attention_params, q_head_stride) + FIELD(mla_attention_params, out_token_stride) +
         FIELD(mla_attention_params, out_head_stride) + FIELD(mla_attention_params, lse_token_stride) +
         FIELD(mla_attention_params, lse_head_stride) + FIELD(mla_attention_params, weight_head_stride) +
         FIELD(mla_attention_params, weight_stride) + "\n";
}

std::string merge_params() {
  return BEGIN(mla_merge_params) + FIELD(mla_merge_params, struct_size) + FIELD(mla_merge_params, parts) +
         FIELD(mla_merge_params, tokens) + FIELD(mla_merge_params, heads) + FIELD(mla_merge_params, width) +
         FIELD(mla_merge_params, reserved) + FIELD(mla_merge_params, part_stride) +
         FIELD(mla_merge_params, part_token_stride) + FIELD(mla_merge_params, part_head_stride) +
         FIELD(mla_merge_params, part_lse_stride) + FIELD(mla_merge_params, part_lse_token_stride) +
         FIELD(mla_merge_params, part_lse_head_stride) + FIELD(mla_merge_params, out_token_stride) +
         FIELD(mla_merge_params, out_head_stride) + FIELD(mla_merge_params, lse_token_stride) +
         FIELD(mla_merge_params, lse_head_stride) + "\n";
}

std::string append_params() {
  return BEGIN(mla_append_params) + FIELD(mla_append_params, struct_size) + FIELD(mla_append_params, tokens) +
         FIELD(mla_append_params, position) + FIELD(mla_append_params, rope_layout) +
         FIELD(mla_append_params, eps) + FIELD(mla_append_params, reserved) +
         FIELD(mla_append_params, a_stride) + "\n";
}

std::string rope_params() {
  return BEGIN(mla_rope_params) + FIELD(mla_rope_params, struct_size) + FIELD(mla_rope_params, tokens) +
         FIELD(mla_rope_params, heads) + FIELD(mla_rope_params, width) + FIELD(mla_rope_params, rope) +
         FIELD(mla_rope_params, rope_layout) + FIELD(mla_rope_params, x_token_stride) +
         FIELD(mla_rope_params, x_head_stride) + FIELD(mla_rope_params, y_token_stride) +
         FIELD(mla_rope_params, y_head_stride) + "\n";
}

std::string route_params() {
  return BEGIN(mla_route_params) + FIELD(mla_route_params, struct_size) + FIELD(mla_route_params, tokens) +
         FIELD(mla_route_params, experts) + FIELD(mla_route_params, top_k) + FIELD(mla_route_params, score) +
         FIELD(mla_route_params, groups) + FIELD(mla_route_params, kept_groups) +
         FIELD(mla_route_params, group_score) + FIELD(mla_route_params, group_mask) +
         FIELD(mla_route_params, renormalize) + FIELD(mla_route_params, weight_scale) +
         FIELD(mla_route_params, reserved) + FIELD(mla_route_params, logits_stride) + "\n";
}

std::string kernels() {
  return BEGIN(mla_kernels) + FIELD(mla_kernels, struct_size) + FIELD(mla_kernels, abi_version) +
         FIELD(mla_kernels, isa) + FIELD(mla_kernels, lanes) + FIELD(mla_kernels, supported_isas) +
         FIELD(mla_kernels, prefers_bf16) + FIELD(mla_kernels, describe) + FIELD(mla_kernels, packed_bytes) +
         FIELD(mla_kernels, pack) + FIELD(mla_kernels, linear) + FIELD(mla_kernels, head_linear) +
         FIELD(mla_kernels, attention_workspace) + FIELD(mla_kernels, attend_absorbed) +
         FIELD(mla_kernels, attend_decompressed) + FIELD(mla_kernels, merge) + FIELD(mla_kernels, append) +
         FIELD(mla_kernels, rope) + FIELD(mla_kernels, rms_norm) + FIELD(mla_kernels, swiglu) +
         FIELD(mla_kernels, add) + FIELD(mla_kernels, embed) + FIELD(mla_kernels, route) +
         FIELD(mla_kernels, combine) + FIELD(mla_kernels, probe) + "\n";
}

std::string functions() {
  return std::string() + FUNCTION(describe) + FUNCTION(packed_bytes) + FUNCTION(pack) + FUNCTION(linear) +
         FUNCTION(head_linear) + FUNCTION(attention_workspace) + FUNCTION(attend_absorbed) +
         FUNCTION(attend_decompressed) + FUNCTION(merge) + FUNCTION(append) + FUNCTION(rope) +
         FUNCTION(rms_norm) + FUNCTION(swiglu) + FUNCTION(add) + FUNCTION(embed) + FUNCTION(route) +
         FUNCTION(combine) + FUNCTION(probe) + "function mla_get_kernels " + signature(mla_get_kernels_fn{}) +
         "\n";
}

}  // namespace

std::string params_layout_text() {
  return linear_params() + head_linear_params() + cache_params() + attention_params() + merge_params() +
         append_params() + rope_params() + route_params();
}

std::string layout_text() { return params_layout_text() + kernels() + functions(); }

}  // namespace mla
