// Sizes, offsets and signatures, read from the types themselves.
#include "cuda/abi/device_layout.h"

#include "abi/layout.h"
#include "abi/layout_text.h"

namespace mla {
namespace {

#define FUNCTION(f) FUNCTION_OF(mla_device_kernels, f)

std::string device_info() {
  return BEGIN(mla_device_info) + FIELD(mla_device_info, struct_size) + FIELD(mla_device_info, major) +
         FIELD(mla_device_info, minor) + FIELD(mla_device_info, multiprocessors) +
         FIELD(mla_device_info, shared_bytes) + FIELD(mla_device_info, driver) +
         FIELD(mla_device_info, total_memory) + FIELD(mla_device_info, free_memory) + "\n";
}

std::string step_params() {
  return BEGIN(mla_step_params) + FIELD(mla_step_params, struct_size) + FIELD(mla_step_params, compute) +
         FIELD(mla_step_params, heads) + FIELD(mla_step_params, causal) +
         FIELD(mla_step_params, max_sequences) + FIELD(mla_step_params, max_tokens) +
         FIELD(mla_step_params, max_queries) + FIELD(mla_step_params, max_splits) +
         FIELD(mla_step_params, page_table_stride) + FIELD(mla_step_params, multiprocessors) +
         FIELD(mla_step_params, shared_bytes) + FIELD(mla_step_params, scale) +
         FIELD(mla_step_params, q_token_stride) + FIELD(mla_step_params, q_head_stride) +
         FIELD(mla_step_params, out_token_stride) + FIELD(mla_step_params, out_head_stride) +
         FIELD(mla_step_params, lse_token_stride) + FIELD(mla_step_params, lse_head_stride) + "\n";
}

std::string rebuild_params() {
  return BEGIN(mla_rebuild_params) + FIELD(mla_rebuild_params, struct_size) +
         FIELD(mla_rebuild_params, nope) + FIELD(mla_rebuild_params, value) +
         FIELD(mla_rebuild_params, weight_type) + FIELD(mla_rebuild_params, weight_head_stride) +
         FIELD(mla_rebuild_params, weight_stride) + "\n";
}

std::string kernels() {
  return BEGIN(mla_device_kernels) + FIELD(mla_device_kernels, struct_size) +
         FIELD(mla_device_kernels, abi_version) + FIELD(mla_device_kernels, describe) +
         FIELD(mla_device_kernels, count) + FIELD(mla_device_kernels, info) +
         FIELD(mla_device_kernels, allocate) + FIELD(mla_device_kernels, release) +
         FIELD(mla_device_kernels, allocate_host) + FIELD(mla_device_kernels, release_host) +
         FIELD(mla_device_kernels, create_stream) + FIELD(mla_device_kernels, destroy_stream) +
         FIELD(mla_device_kernels, synchronize) + FIELD(mla_device_kernels, create_event) +
         FIELD(mla_device_kernels, destroy_event) + FIELD(mla_device_kernels, record_event) +
         FIELD(mla_device_kernels, await_event) + FIELD(mla_device_kernels, synchronize_event) +
         FIELD(mla_device_kernels, copy) + FIELD(mla_device_kernels, fill) +
         FIELD(mla_device_kernels, begin_capture) + FIELD(mla_device_kernels, end_capture) +
         FIELD(mla_device_kernels, launch_graph) + FIELD(mla_device_kernels, destroy_graph) +
         FIELD(mla_device_kernels, convert) + FIELD(mla_device_kernels, embed) +
         FIELD(mla_device_kernels, rms_norm) + FIELD(mla_device_kernels, swiglu) +
         FIELD(mla_device_kernels, add) + FIELD(mla_device_kernels, rope) +
         FIELD(mla_device_kernels, append) + FIELD(mla_device_kernels, plan_bytes) +
         FIELD(mla_device_kernels, splits) + FIELD(mla_device_kernels, make_plan) +
         FIELD(mla_device_kernels, attention_workspace) + FIELD(mla_device_kernels, attend_absorbed) +
         FIELD(mla_device_kernels, decompressed_workspace) + FIELD(mla_device_kernels, attend_decompressed) +
         FIELD(mla_device_kernels, merge) + FIELD(mla_device_kernels, linear) +
         FIELD(mla_device_kernels, head_linear) + FIELD(mla_device_kernels, route) +
         FIELD(mla_device_kernels, group_bytes) + FIELD(mla_device_kernels, group) +
         FIELD(mla_device_kernels, grouped_linear) + FIELD(mla_device_kernels, combine) +
         FIELD(mla_device_kernels, argmax) + FIELD(mla_device_kernels, sample) + "\n";
}

std::string functions() {
  return std::string() + FUNCTION(describe) + FUNCTION(count) + FUNCTION(info) + FUNCTION(allocate) +
         FUNCTION(release) + FUNCTION(allocate_host) + FUNCTION(release_host) + FUNCTION(create_stream) +
         FUNCTION(destroy_stream) + FUNCTION(synchronize) + FUNCTION(create_event) + FUNCTION(destroy_event) +
         FUNCTION(record_event) + FUNCTION(await_event) + FUNCTION(synchronize_event) + FUNCTION(copy) +
         FUNCTION(fill) + FUNCTION(begin_capture) + FUNCTION(end_capture) + FUNCTION(launch_graph) +
         FUNCTION(destroy_graph) + FUNCTION(convert) + FUNCTION(embed) + FUNCTION(rms_norm) +
         FUNCTION(swiglu) + FUNCTION(add) + FUNCTION(rope) + FUNCTION(append) + FUNCTION(plan_bytes) +
         FUNCTION(splits) + FUNCTION(make_plan) + FUNCTION(attention_workspace) + FUNCTION(attend_absorbed) +
         FUNCTION(decompressed_workspace) + FUNCTION(attend_decompressed) + FUNCTION(merge) +
         FUNCTION(linear) + FUNCTION(head_linear) + FUNCTION(route) + FUNCTION(group_bytes) +
         FUNCTION(group) + FUNCTION(grouped_linear) + FUNCTION(combine) + FUNCTION(argmax) +
         FUNCTION(sample) + "function mla_get_device_kernels " + signature(mla_get_device_kernels_fn{}) +
         "\n";
}

}  // namespace

std::string device_layout_text() {
  return params_layout_text() + device_info() + step_params() + rebuild_params() + kernels() + functions();
}

}  // namespace mla
