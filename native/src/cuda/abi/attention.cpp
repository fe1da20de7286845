// Attention in both forms, and the workspaces that they need.
#include "cuda/abi/device.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/plan.h"
#include "cuda/kernels/rebuild_task.h"

namespace mla::device {
namespace {

int64_t attention_workspace(const mla_step_params* p, const mla_cache_params* c) {
  check(p);
  check_plain(c);
  return (cuda::partial_rows(*p) * (c->latent + 1) * 4 + 255) / 256 * 256;
}

void check_lse(const mla_step_params* p, const float* lse) {
  if (lse == nullptr) return;
  require_stride("lse_token_stride", p->lse_token_stride, p->max_tokens, 1);
  require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
}

void require_all(const void* plan, const float* q, const void* cache, const int32_t* page_table,
                 const float* out, const void* workspace) {
  require_pointer("plan", plan);
  require_pointer("q", q);
  require_pointer("cache", cache);
  require_pointer("page_table", page_table);
  require_pointer("out", out);
  require_pointer("workspace", workspace);
}

void require_tensor_rows(const mla_cache_params& c) {
  require(c.row_stride_bytes % 16 == 0, "row_stride_bytes", c.row_stride_bytes,
          "a multiple of 16 for tensor cores");
  require(c.page_stride_bytes % 16 == 0, "page_stride_bytes", c.page_stride_bytes,
          "a multiple of 16 for tensor cores");
  require(c.rope_offset % 16 == 0, "rope_offset", c.rope_offset, "a multiple of 16 for tensor cores");
}

// Queries, rebuilt keys and values, and probabilities are rounded as a bf16 cache is: see the conventions of mla.h.
bool rounds_to_bf16(const mla_step_params& p, const mla_cache_params& c) {
  return p.compute == MLA_COMPUTE_BF16 && c.cache_type == MLA_TYPE_BF16;
}

void attend_absorbed(void* stream, const mla_step_params* p, const mla_cache_params* c, const void* plan,
                     const float* q, const void* cache, const int32_t* page_table, const float* slopes,
                     float* out, float* lse, void* workspace, int64_t workspace_bytes) {
  check_lse(p, lse);
  require_workspace("workspace", workspace_bytes, attention_workspace(p, c));
  const Stream& s = enter(stream);
  if (p->max_tokens == 0 || p->max_splits == 0) return;
  require_all(plan, q, cache, page_table, out, workspace);
  auto* partial_out = static_cast<float*>(workspace);
  float* partial_lse = partial_out + cuda::partial_rows(*p) * c->latent;
  const auto* ints = static_cast<const int32_t*>(plan);
  const bool rounds = rounds_to_bf16(*p, *c);
  if (rounds) {
    require_tensor_rows(*c);
    if (!cuda::can_attend(*p, *c))
      fail(MLA_UNSUPPORTED, "rows of " + std::to_string(c->latent) + " + " + std::to_string(c->rope) +
                                " do not fit the tensor core kernel on a device with " +
                                std::to_string(p->shared_bytes) +
                                " bytes of shared memory: use MLA_COMPUTE_F32");
  }
  require_done((rounds ? cuda::attend : cuda::attend_f32)(s, *p, *c, ints, q, cache, page_table, slopes, out,
                                                          lse, partial_out, partial_lse));
  require_done(cuda::merge_splits(s, *p, c->latent, ints, partial_out, partial_lse, out, lse));
}

// A workspace of this size holds enough for a product that fills a device, and not much more than its second-level cache.
constexpr int64_t kRebuiltBytes = int64_t{64} << 20;

// Where things lie in the workspace of attend_decompressed.
struct Rebuilt {
  cuda::RebuildTask task;  // but its piece
  int64_t states;          // bytes of the rows' states, at the begin
  int64_t tile;            // bytes of the shortest piece of all sequences
};

Rebuilt check_rebuild(const mla_step_params* p, const mla_rebuild_params* r, const mla_cache_params* c) {
  check(p);
  require_struct("rebuild", r);
  check_plain(c);
  require_range("nope", r->nope, 1, 1 << 16);
  require_range("value", r->value, 1, 1 << 16);
  require_cuda_type("weight_type", r->weight_type);
  require_stride("weight_head_stride", r->weight_head_stride, p->heads, 0);
  require_stride("weight_stride", r->weight_stride, r->nope + r->value, c->latent);
  Rebuilt rebuilt{};
  cuda::RebuildTask& t = rebuilt.task;
  t.nope = r->nope;
  t.value = r->value;
  t.values_at = (r->nope + 7) / 8 * 8;
  t.row = t.values_at + (r->value + 7) / 8 * 8;
  t.weight_head_stride = r->weight_head_stride;
  t.weight_stride = r->weight_stride;
  const int columns = cuda::decompressed_states(t);
  rebuilt.states = (int64_t{columns} * p->max_tokens * p->heads * 8 + 255) / 256 * 256;
  rebuilt.tile =
      int64_t{cuda::kRebuiltTile} * p->max_sequences * p->heads * t.row * (rounds_to_bf16(*p, *c) ? 2 : 4);
  require(p->heads * (int64_t{t.row} + 8) / 4 <= kMaxOtherBlocks, "heads * (nope + value)",
          p->heads * (int64_t{r->nope} + r->value), "at most 262140");
  require(int64_t{p->max_sequences} * columns <= kMaxOtherBlocks, "max_sequences * blocks of 128 values",
          int64_t{p->max_sequences} * columns, "at most 65535");
  return rebuilt;
}

int64_t decompressed_workspace(const mla_step_params* p, const mla_rebuild_params* r,
                               const mla_cache_params* c) {
  const Rebuilt rebuilt = check_rebuild(p, r, c);
  const int64_t longest = int64_t{p->page_table_stride} * c->page_size;
  const int64_t all = (longest + cuda::kRebuiltTile - 1) / cuda::kRebuiltTile;
  const int64_t tiles = rebuilt.tile == 0 ? 0 : std::max<int64_t>(1, kRebuiltBytes / rebuilt.tile);
  return rebuilt.states + std::min(tiles, all) * rebuilt.tile;
}

void attend_decompressed(void* stream, const mla_step_params* p, const mla_rebuild_params* r,
                         const mla_cache_params* c, const void* plan, int32_t max_kv_tokens, const float* q,
                         const void* latent_up, const void* cache, const int32_t* page_table,
                         const float* slopes, float* out, float* lse, void* workspace,
                         int64_t workspace_bytes) {
  const Rebuilt rebuilt = check_rebuild(p, r, c);
  cuda::RebuildTask t = rebuilt.task;
  check_lse(p, lse);
  require_range("max_kv_tokens", max_kv_tokens, 0, int64_t{p->page_table_stride} * c->page_size);
  const Stream& s = enter(stream);
  if (p->max_tokens == 0 || p->max_sequences == 0 || max_kv_tokens == 0) return;
  require_workspace("workspace", workspace_bytes, rebuilt.states + rebuilt.tile);
  require_all(plan, q, cache, page_table, out, workspace);
  require_pointer("latent_up", latent_up);
  require(reinterpret_cast<uintptr_t>(workspace) % 16 == 0, "workspace % 16",
          static_cast<int64_t>(reinterpret_cast<uintptr_t>(workspace) % 16), "0");
  const bool rounds = rounds_to_bf16(*p, *c);
  if (rounds) {
    require_tensor_rows(*c);
    if (!cuda::can_attend_decompressed(*p, *c, t))
      fail(MLA_UNSUPPORTED, "keys of " + std::to_string(t.nope) + " + " + std::to_string(c->rope) +
                                " do not fit the tensor core kernel on a device with " +
                                std::to_string(p->shared_bytes) +
                                " bytes of shared memory: use MLA_COMPUTE_F32");
  } else if (cuda::decompressed_f32_shared(*c, t) > p->shared_bytes) {
    fail(MLA_UNSUPPORTED, "keys of " + std::to_string(t.nope) + " + " + std::to_string(c->rope) +
                              " and values of " + std::to_string(t.value) +
                              " do not fit the shared memory of " + std::to_string(p->shared_bytes) +
                              " bytes");
  }
  const bool tensor = rounds && r->weight_type == MLA_TYPE_BF16 && is_aligned(latent_up, r->weight_stride) &&
                      (p->heads == 1 || r->weight_head_stride % 8 == 0) && t.nope % 8 == 0 &&
                      t.value % 8 == 0 && c->latent % 8 == 0;
  const auto* ints = static_cast<const int32_t*>(plan);
  auto* states = static_cast<cuda::RowState*>(workspace);
  uint8_t* rows = static_cast<uint8_t*>(workspace) + rebuilt.states;
  const int64_t room = (workspace_bytes - rebuilt.states) / rebuilt.tile * cuda::kRebuiltTile;
  const int64_t all =
      (int64_t{max_kv_tokens} + cuda::kRebuiltTile - 1) / cuda::kRebuiltTile * cuda::kRebuiltTile;
  t.tokens = static_cast<int32_t>(std::min(room, all));
  for (int64_t first = 0; first < max_kv_tokens; first += t.tokens) {
    t.first = static_cast<int32_t>(first);
    t.last = first + t.tokens >= max_kv_tokens;
    require_done(tensor ? cuda::rebuild(s, *p, *c, t, ints, cache, page_table,
                                        static_cast<const cuda::Bf16*>(latent_up),
                                        reinterpret_cast<cuda::Bf16*>(rows))
                        : cuda::rebuild_f32(s, *p, *c, t, r->weight_type, rounds, ints, cache, page_table,
                                            latent_up, rows));
    require_done(
        rounds ? cuda::attend_decompressed(s, *p, *c, t, ints, q, reinterpret_cast<const cuda::Bf16*>(rows),
                                           cache, page_table, slopes, out, lse, states)
               : cuda::attend_decompressed_f32(s, *p, *c, t, ints, q, reinterpret_cast<const float*>(rows),
                                               cache, page_table, slopes, out, lse, states));
  }
}

}  // namespace

void add_attention(mla_device_kernels& table) {
  table.attention_workspace = Call<attention_workspace>::run;
  table.attend_absorbed = Call<attend_absorbed>::run;
  table.decompressed_workspace = Call<decompressed_workspace>::run;
  table.attend_decompressed = Call<attend_decompressed>::run;
}

}  // namespace mla::device
