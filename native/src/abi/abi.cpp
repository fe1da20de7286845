// The exported function and its tables: every call checks its arguments, runs the kernel of its instruction set, and turns a failure into
// a status and a text.
#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>

#include "abi/checks.h"
#include "abi/layout.h"
#include "cpu/dispatch.h"
#include "mla/mla.h"

namespace mla {
namespace {

int32_t describe(int isa, int32_t subject, char* text, int32_t size) {
  std::string s;
  switch (subject) {
    case MLA_DESCRIBE_VERSION:
      s = kVersion;
      break;
    case MLA_DESCRIBE_ISA:
      s = isa_name(isa);
      break;
    case MLA_DESCRIBE_REASON:
      s = preference_reason();
      break;
    case MLA_DESCRIBE_LAYOUT:
      s = layout_text();
      break;
    case MLA_DESCRIBE_ISAS:
      for (int i = 0; i < MLA_ISA_COUNT; i++) s += std::string(i == 0 ? "" : " ") + isa_name(i);
      break;
    default:
      return -1;
  }
  if (text != nullptr && size > 0) std::snprintf(text, (size_t)size, "%s", s.c_str());
  return (int32_t)s.size();
}

// The checked functions of one instruction set.
template <int I>
struct Checked {
  static const RawKernels& raw() {
    static const RawKernels& kernels = *raw_kernels(I);
    return kernels;
  }

  static int32_t describe(int32_t subject, char* text, int32_t size) {
    try {
      return mla::describe(I, subject, text, size);
    } catch (...) {
      return -1;
    }
  }

  static int64_t packed_bytes(const mla_linear_params* p) {
    const int32_t status = guard(nullptr, 0, [&] { check(p); });
    return status == MLA_OK ? raw().packed_bytes(*p) : -1;
  }

  static int32_t pack(const mla_linear_params* p, const float* x, const int32_t* indices, int32_t row_begin,
                      int32_t row_end, void* packed, int64_t packed_bytes, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_bounds("row", row_begin, row_end, p->rows);
      require(row_begin % 16 == 0, "row_begin", row_begin, "a multiple of 16");
      require(row_end % 16 == 0 || row_end == p->rows, "row_end", row_end, "a multiple of 16 or rows");
      if (row_begin == row_end) return;
      require_pointer("x", x);
      require_pointer("packed", packed);
      const int64_t needed = raw().packed_bytes(*p);
      if (packed_bytes < needed)
        fail(MLA_WORKSPACE_TOO_SMALL,
             "packed has " + std::to_string(packed_bytes) + " bytes, but needs " + std::to_string(needed));
      if (indices != nullptr) {
        const int64_t highest = p->x_stride > 0 ? (int64_t{1} << 60) / p->x_stride : INT_MAX;
        for (int i = row_begin; i < row_end; i++) {
          if (indices[i] < 0 || indices[i] > highest)
            fail(MLA_INVALID_ARGUMENT, "indices[" + std::to_string(i) + "] is " + std::to_string(indices[i]) +
                                           ", but must be a row of x");
        }
      }
      raw().pack(*p, x, indices, row_begin, row_end, packed);
    });
  }

  static int32_t linear(const mla_linear_params* p, const void* packed, const void* weight, const float* bias,
                        int32_t n_begin, int32_t n_end, float* y, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_bounds("n", n_begin, n_end, p->n);
      if (n_begin == n_end || p->rows == 0) return;
      require_pointer("packed", packed);
      require_pointer("weight", weight);
      require_pointer("y", y);
      raw().linear(*p, packed, weight, bias, n_begin, n_end, y);
    });
  }

  static int32_t head_linear(const mla_head_linear_params* p, const float* x, const void* weight,
                             int32_t head_begin, int32_t head_end, int32_t token_begin, int32_t token_end,
                             float* y, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_bounds("head", head_begin, head_end, p->heads);
      require_bounds("token", token_begin, token_end, p->tokens);
      if (head_begin == head_end || token_begin == token_end) return;
      require_pointer("x", x);
      require_pointer("weight", weight);
      require_pointer("y", y);
      raw().head_linear(*p, x, weight, head_begin, head_end, token_begin, token_end, y);
    });
  }

  static int64_t attention_workspace(const mla_attention_params* p, const mla_cache_params* c, int32_t form) {
    const int32_t status = guard(nullptr, 0, [&] {
      require_range("form", form, 0, 1);
      check(p, form == 1);
      check(c);
      check_key_offset(p, c);
    });
    return status == MLA_OK ? raw().attention_workspace(*p, *c, form) : -1;
  }

  static void check_attention(const mla_attention_params* p, const mla_cache_params* c, int form,
                              int head_begin, int head_end, int query_begin, int query_end,
                              const void* workspace, int64_t workspace_bytes) {
    require_bounds("head", head_begin, head_end, p->heads);
    require_bounds("query", query_begin, query_end, p->query_tokens);
    const int64_t needed = raw().attention_workspace(*p, *c, form);
    if (workspace_bytes < needed)
      fail(MLA_WORKSPACE_TOO_SMALL, "workspace has " + std::to_string(workspace_bytes) +
                                        " bytes, but needs " + std::to_string(needed));
    require_pointer("workspace", workspace);
    if ((uintptr_t)workspace % 64 != 0) fail(MLA_INVALID_ARGUMENT, "workspace is not aligned to 64 bytes");
  }

  static int32_t attend_absorbed(const mla_attention_params* p, const mla_cache_params* c, const float* q,
                                 const void* cache, const int32_t* page_table, const float* alibi_slopes,
                                 int32_t head_begin, int32_t head_end, int32_t query_begin, int32_t query_end,
                                 int32_t kv_begin, int32_t kv_end, float* out, float* lse, void* workspace,
                                 int64_t workspace_bytes, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, false);
      check(c);
      check_key_offset(p, c);
      check_attention(p, c, 0, head_begin, head_end, query_begin, query_end, workspace, workspace_bytes);
      require_bounds("kv", kv_begin, kv_end, p->kv_tokens);
      if (head_begin == head_end || query_begin == query_end) return;
      require_pointer("q", q);
      require_pointer("out", out);
      require_pointer("lse", lse);
      if (kv_begin < kv_end) require_pointer("cache", cache);
      check_pages(c, page_table, kv_begin, kv_end);
      raw().attend_absorbed(*p, *c, q, cache, page_table, alibi_slopes, head_begin, head_end, query_begin,
                            query_end, kv_begin, kv_end, out, lse, workspace);
    });
  }

  static int32_t attend_decompressed(const mla_attention_params* p, const mla_cache_params* c, const float* q,
                                     const void* kv_b, const void* cache, const int32_t* page_table,
                                     const float* alibi_slopes, int32_t head_begin, int32_t head_end,
                                     int32_t query_begin, int32_t query_end, float* out, float* lse,
                                     void* workspace, int64_t workspace_bytes, char* error,
                                     int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, true);
      check(c);
      require_stride("weight_stride", p->weight_stride, (int64_t)p->nope + p->value, c->latent);
      check_attention(p, c, 1, head_begin, head_end, query_begin, query_end, workspace, workspace_bytes);
      if (head_begin == head_end || query_begin == query_end) return;
      require_pointer("q", q);
      require_pointer("kv_b", kv_b);
      require_pointer("cache", cache);
      require_pointer("out", out);
      require_pointer("lse", lse);
      check_pages(c, page_table, 0, p->kv_tokens);
      raw().attend_decompressed(*p, *c, q, kv_b, cache, page_table, alibi_slopes, head_begin, head_end,
                                query_begin, query_end, out, lse, workspace);
    });
  }

  static int32_t merge(const mla_merge_params* p, const float* partial_out, const float* partial_lse,
                       int32_t token_begin, int32_t token_end, int32_t head_begin, int32_t head_end,
                       float* out, float* lse, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, lse != nullptr);
      require_bounds("token", token_begin, token_end, p->tokens);
      require_bounds("head", head_begin, head_end, p->heads);
      if (token_begin == token_end || head_begin == head_end) return;
      require_pointer("partial_out", partial_out);
      require_pointer("partial_lse", partial_lse);
      require_pointer("out", out);
      raw().merge(*p, partial_out, partial_lse, token_begin, token_end, head_begin, head_end, out, lse);
    });
  }

  static int32_t append(const mla_append_params* p, const mla_cache_params* c, const float* a,
                        const float* norm_weight, const float* cosines, const float* sines,
                        const int32_t* page_table, int32_t token_begin, int32_t token_end, void* cache,
                        char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, c);
      require_bounds("token", token_begin, token_end, p->tokens);
      if (token_begin == token_end) return;
      require_pointer("a", a);
      require_pointer("cache", cache);
      if (c->rope > 0) {
        require_pointer("cosines", cosines);
        require_pointer("sines", sines);
      }
      check_pages(c, page_table, (int64_t)p->position + token_begin, (int64_t)p->position + token_end);
      raw().append(*p, *c, a, norm_weight, cosines, sines, page_table, token_begin, token_end, cache);
    });
  }

  static int32_t rope(const mla_rope_params* p, const float* x, const float* cosines, const float* sines,
                      int32_t token_begin, int32_t token_end, float* y, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_bounds("token", token_begin, token_end, p->tokens);
      if (token_begin == token_end) return;
      require_pointer("x", x);
      require_pointer("y", y);
      if (p->rope > 0) {
        require_pointer("cosines", cosines);
        require_pointer("sines", sines);
      }
      raw().rope(*p, x, cosines, sines, token_begin, token_end, y);
    });
  }

  static int32_t rms_norm(const float* x, int64_t x_stride, const float* weight, float eps, int32_t rows,
                          int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      require_range("rows", rows, 0, INT_MAX);
      require_range("width", width, 1, INT_MAX);
      require_eps(eps);
      require_stride("x_stride", x_stride, rows, 0);
      require_stride("y_stride", y_stride, rows, width);
      if (rows == 0) return;
      require_pointer("x", x);
      require_pointer("weight", weight);
      require_pointer("y", y);
      raw().rms_norm(x, x_stride, weight, eps, rows, width, y, y_stride);
    });
  }

  static int32_t swiglu(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
                        int32_t rows, int32_t width, float* y, int64_t y_stride, char* error,
                        int32_t error_size) {
    return guard(error, error_size, [&] {
      require_range("rows", rows, 0, INT_MAX);
      require_range("width", width, 1, INT_MAX);
      require_stride("gate_stride", gate_stride, rows, 0);
      require_stride("up_stride", up_stride, rows, 0);
      require_stride("y_stride", y_stride, rows, width);
      if (rows == 0) return;
      require_pointer("gate", gate);
      require_pointer("up", up);
      require_pointer("y", y);
      raw().swiglu(gate, gate_stride, up, up_stride, rows, width, y, y_stride);
    });
  }

  static int32_t add(const float* x, int64_t x_stride, const float* r, int64_t r_stride, float scale,
                     int32_t rows, int32_t width, float* y, int64_t y_stride, char* error,
                     int32_t error_size) {
    return guard(error, error_size, [&] {
      require_range("rows", rows, 0, INT_MAX);
      require_range("width", width, 1, INT_MAX);
      require_stride("x_stride", x_stride, rows, 0);
      require_stride("r_stride", r_stride, rows, 0);
      require_stride("y_stride", y_stride, rows, width);
      if (rows == 0) return;
      require_pointer("x", x);
      require_pointer("r", r);
      require_pointer("y", y);
      raw().add(x, x_stride, r, r_stride, scale, rows, width, y, y_stride);
    });
  }

  static int32_t embed(int32_t table_type, const void* table, int64_t table_stride, int32_t vocabulary,
                       const int32_t* ids, int32_t count, int32_t width, float scale, float* y,
                       int64_t y_stride, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      require_type("table_type", table_type);
      require_range("vocabulary", vocabulary, 1, INT_MAX);
      require_range("count", count, 0, INT_MAX);
      require_range("width", width, 1, INT_MAX);
      require_stride("table_stride", table_stride, vocabulary, width);
      require_stride("y_stride", y_stride, count, width);
      if (count == 0) return;
      require_pointer("table", table);
      require_pointer("ids", ids);
      require_pointer("y", y);
      for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= vocabulary)
          fail(MLA_INVALID_ARGUMENT, "ids[" + std::to_string(i) + "] is " + std::to_string(ids[i]) +
                                         ", but the vocabulary is 0.." + std::to_string(vocabulary - 1));
      }
      raw().embed(table_type, table, table_stride, ids, count, width, scale, y, y_stride);
    });
  }

  static int32_t route(const mla_route_params* p, const float* logits, const float* bias, int32_t token_begin,
                       int32_t token_end, int32_t* experts_out, float* weights_out, char* error,
                       int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_bounds("token", token_begin, token_end, p->tokens);
      if (token_begin == token_end) return;
      require_pointer("logits", logits);
      require_pointer("experts_out", experts_out);
      require_pointer("weights_out", weights_out);
      raw().route(*p, logits, bias, token_begin, token_end, experts_out, weights_out);
    });
  }

  static int32_t combine(const float* expert_out, int64_t expert_out_stride, int32_t slot_count,
                         const int32_t* slots, const float* weights, const float* shared,
                         int64_t shared_stride, int32_t tokens, int32_t top_k, int32_t width, float* y,
                         int64_t y_stride, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      require_range("tokens", tokens, 0, INT_MAX);
      require_range("top_k", top_k, 0, INT_MAX);
      require_range("width", width, 1, INT_MAX);
      require_stride("expert_out_stride", expert_out_stride, slot_count, 0);
      if (shared != nullptr) require_stride("shared_stride", shared_stride, tokens, 0);
      require_stride("y_stride", y_stride, tokens, width);
      if (tokens == 0) return;
      if (top_k > 0) {
        require_pointer("expert_out", expert_out);
        require_pointer("slots", slots);
        require_pointer("weights", weights);
      }
      require_pointer("y", y);
      for (int64_t i = 0; i < (int64_t)tokens * top_k; i++) {
        if (slots[i] < 0 || slots[i] >= slot_count)
          fail(MLA_INVALID_ARGUMENT, "slots[" + std::to_string(i / top_k) + ", " + std::to_string(i % top_k) +
                                         "] is " + std::to_string(slots[i]) + ", but must be in 0.." +
                                         std::to_string(slot_count - 1));
      }
      raw().combine(expert_out, expert_out_stride, slots, weights, shared, shared_stride, tokens, top_k,
                    width, y, y_stride);
    });
  }

  static int64_t probe(int32_t what, int64_t count, const void* memory, int64_t bytes) {
    const bool reads = what == MLA_PROBE_READ;
    if (count < 0 || (reads && (memory == nullptr || bytes < 0 || bytes % 64 != 0))) return -1;
    if (what == MLA_PROBE_DOT_INT8 && !has_int8_dot(I)) return -1;
    return raw().probe(what, count, memory, bytes);
  }

  static const mla_kernels* table() {
    static const mla_kernels kernels = {
        (int32_t)sizeof(mla_kernels),
        MLA_ABI_VERSION,
        I,
        supported_isas(),
        prefers_bf16(I) ? 1 : 0,
        kRowMultiple,
        raw().costs.absorbed,
        raw().costs.project,
        raw().costs.decompressed,
        raw().costs.rebuild,
        raw().costs.start,
        describe,
        packed_bytes,
        pack,
        linear,
        head_linear,
        attention_workspace,
        attend_absorbed,
        attend_decompressed,
        merge,
        append,
        rope,
        rms_norm,
        swiglu,
        add,
        embed,
        route,
        combine,
        probe,
    };
    return &kernels;
  }
};

}  // namespace
}  // namespace mla

extern "C" const mla_kernels* mla_get_kernels(int32_t abi_version, int32_t isa) {
  using namespace mla;
  if (abi_version != MLA_ABI_VERSION) return nullptr;
  if (isa == MLA_ISA_AUTO) isa = preferred_isa();
  if (raw_kernels(isa) == nullptr) return nullptr;
  switch (isa) {
    case MLA_ISA_GENERIC:
      return Checked<MLA_ISA_GENERIC>::table();
    case MLA_ISA_AVX2:
      return Checked<MLA_ISA_AVX2>::table();
    case MLA_ISA_AVX512:
      return Checked<MLA_ISA_AVX512>::table();
    case MLA_ISA_AVX512BF16:
      return Checked<MLA_ISA_AVX512BF16>::table();
    default:
      return nullptr;
  }
}
