// Products with weights, alone, of heads and of experts; the choice of experts.
#include "cuda/abi/device.h"
#include "cuda/kernels/launches.h"

namespace mla::device {
namespace {

// Whether weights of this type are multiplied on tensor cores.
bool on_tensor_cores(int32_t weight_type, int32_t compute) {
  return weight_type == MLA_TYPE_BF16 && compute == MLA_COMPUTE_BF16;
}

cuda::LinearTask task_of(const Stream& s, const mla_linear_params& p, const float* x) {
  cuda::LinearTask t{};
  t.rows = p.rows;
  t.k = p.k;
  t.n = p.n;
  t.rounds = p.compute == MLA_COMPUTE_BF16;
  t.x_aligned = is_aligned_f32(x, p.x_stride);
  t.shared_bytes = shared_bytes(s);
  t.x_stride = p.x_stride;
  t.weight_stride = p.weight_stride;
  t.y_stride = p.y_stride;
  return t;
}

// Tiles of rows are a dimension of the grid.
void require_tiles(const char* name, int64_t tiles) { require(tiles <= 65535, name, tiles, "at most 65535"); }

void require_task(const Stream& s, const cuda::LinearTask& t, int heads, int32_t weight_type, int32_t compute,
                  const float* x, const void* weight, const float* bias, float* y) {
  require_pointer("x", x);
  require_pointer("weight", weight);
  require_pointer("y", y);
  const bool tensor = on_tensor_cores(weight_type, compute);
  const int tile = tensor ? cuda::linear_tile(t, heads) : cuda::linear_f32_tile();
  require_tiles("tiles of rows", (int64_t{t.rows} + tile - 1) / tile);
  require_tiles("heads", heads);
  require_done(tensor ? cuda::linear(s, t, heads, x, static_cast<const cuda::Bf16*>(weight), bias, y)
                      : cuda::linear_f32(s, t, heads, weight_type, x, weight, bias, y));
}

void linear(void* stream, const mla_linear_params* p, const float* x, const void* weight, const float* bias,
            float* y) {
  check(p);
  require_cuda_compute(p->compute);
  require_cuda_type("weight_type", p->weight_type);
  require_no_scales(p->scale_rows);
  const Stream& s = enter(stream);
  if (p->rows == 0 || p->n == 0) return;
  cuda::LinearTask t = task_of(s, *p, x);
  t.aligned = is_aligned(weight, p->weight_stride);
  require_task(s, t, 1, p->weight_type, p->compute, x, weight, bias, y);
}

void head_linear(void* stream, const mla_head_linear_params* p, const float* x, const void* weight,
                 float* y) {
  check(p);
  require_cuda_compute(p->compute);
  require_cuda_type("weight_type", p->weight_type);
  require_no_scales(p->scale_rows);
  const Stream& s = enter(stream);
  if (p->tokens == 0) return;
  cuda::LinearTask t{};
  t.rows = p->tokens;
  t.k = p->in;
  t.n = p->out;
  t.in_out = p->transposed;
  t.rounds = p->compute == MLA_COMPUTE_BF16;
  t.aligned = is_aligned(weight, p->weight_stride) && (p->heads == 1 || p->weight_head_stride % 8 == 0);
  t.x_aligned = is_aligned_f32(x, p->x_token_stride) && (p->heads == 1 || p->x_head_stride % 4 == 0);
  t.shared_bytes = shared_bytes(s);
  t.x_stride = p->x_token_stride;
  t.y_stride = p->y_token_stride;
  t.weight_stride = p->weight_stride;
  t.x_head_stride = p->x_head_stride;
  t.y_head_stride = p->y_head_stride;
  t.weight_head_stride = p->weight_head_stride;
  require_task(s, t, p->heads, p->weight_type, p->compute, x, weight, nullptr, y);
}

void route(void* stream, const mla_route_params* p, const float* logits, const float* bias,
           int32_t* experts_out, float* weights_out) {
  check(p);
  require_range("experts", p->experts, 1, 1024);
  const Stream& s = enter(stream);
  if (p->tokens == 0) return;
  require_pointer("logits", logits);
  require_pointer("experts_out", experts_out);
  require_pointer("weights_out", weights_out);
  require_done(cuda::route(s, *p, logits, bias, experts_out, weights_out));
}

// Slots of a tile of grouped_linear: what an expert has on average.
int group_tile(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  return on_tensor_cores(weight_type, compute) ? cuda::group_tile((slots + experts - 1) / experts)
                                               : cuda::linear_f32_tile();
}

int64_t max_tiles(int32_t slots, int32_t experts, int tile) {
  return (int64_t{slots} + tile - 1) / tile + experts;
}

void check_group(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  require_range("slots", slots, 0, 1 << 24);
  require_range("experts", experts, 1, 1024);
  require_cuda_compute(compute);
  require_cuda_type("weight_type", weight_type);
  require_tiles("tiles of slots",
                max_tiles(slots, experts, group_tile(slots, experts, weight_type, compute)));
}

int64_t group_bytes(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  check_group(slots, experts, weight_type, compute);
  return (1 + 3 * max_tiles(slots, experts, group_tile(slots, experts, weight_type, compute))) * 4;
}

void group(void* stream, const int32_t* chosen, int32_t tokens, int32_t top_k, int32_t experts,
           int32_t weight_type, int32_t compute, int32_t* token_of, int32_t* slot_of, void* groups,
           int64_t bytes) {
  require_range("tokens", tokens, 0, 1 << 24);
  require_range("top_k", top_k, 1, 1024);
  require(int64_t{tokens} * top_k <= 1 << 24, "tokens * top_k", int64_t{tokens} * top_k, "at most 16777216");
  require_workspace("groups", bytes, group_bytes(tokens * top_k, experts, weight_type, compute));
  const Stream& s = enter(stream);
  require_pointer("groups", groups);
  if (tokens > 0) {
    require_pointer("chosen", chosen);
    require_pointer("token_of", token_of);
    require_pointer("slot_of", slot_of);
  }
  require_done(cuda::group(s, chosen, tokens * top_k, top_k, experts,
                           group_tile(tokens * top_k, experts, weight_type, compute), token_of, slot_of,
                           static_cast<int32_t*>(groups)));
}

void grouped_linear(void* stream, const mla_linear_params* p, int32_t experts, int64_t expert_stride,
                    const float* x, const int32_t* indices, const void* groups, const void* weight,
                    float* y) {
  check(p);
  check_group(p->rows, experts, p->weight_type, p->compute);
  require_no_scales(p->scale_rows);
  require_stride("expert_stride", expert_stride, experts, 0);
  const Stream& s = enter(stream);
  if (p->rows == 0 || p->n == 0) return;
  require_pointer("x", x);
  require_pointer("groups", groups);
  require_pointer("weight", weight);
  require_pointer("y", y);
  cuda::LinearTask t = task_of(s, *p, x);
  t.aligned = is_aligned(weight, p->weight_stride) && expert_stride % 8 == 0;
  t.group_stride = expert_stride;
  const int tile = group_tile(p->rows, experts, p->weight_type, p->compute);
  const int tiles = static_cast<int>(max_tiles(p->rows, experts, tile));
  const auto* ints = static_cast<const int32_t*>(groups);
  require_done(on_tensor_cores(p->weight_type, p->compute)
                   ? cuda::grouped_linear(s, t, tile, tiles, x, indices, ints,
                                          static_cast<const cuda::Bf16*>(weight), y)
                   : cuda::grouped_linear_f32(s, t, tiles, p->weight_type, x, indices, ints, weight, y));
}

void combine(void* stream, const float* expert_out, int64_t expert_out_stride, int32_t slot_count,
             const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
             int32_t tokens, int32_t top_k, int32_t width, float* y, int64_t y_stride) {
  require_range("slot_count", slot_count, 0, INT_MAX);
  require_range("top_k", top_k, 0, 1024);
  require_stride("expert_out_stride", expert_out_stride, slot_count, width);
  if (shared != nullptr) require_stride("shared_stride", shared_stride, tokens, width);
  if (!check_rows(stream, tokens, width, {{"y", y, y_stride}})) return;
  if (top_k > 0) {
    require_pointer("slots", slots);
    require_pointer("weights", weights);
    if (slot_count > 0) require_pointer("expert_out", expert_out);
  }
  require_done(cuda::combine(enter(stream), expert_out, expert_out_stride, slot_count, slots, weights, shared,
                             shared_stride, tokens, top_k, width, y, y_stride));
}

}  // namespace

void add_linear(mla_device_kernels& table) {
  table.linear = Call<linear>::run;
  table.head_linear = Call<head_linear>::run;
  table.route = Call<route>::run;
  table.group_bytes = Call<group_bytes>::run;
  table.group = Call<group>::run;
  table.grouped_linear = Call<grouped_linear>::run;
  table.combine = Call<combine>::run;
}

}  // namespace mla::device
