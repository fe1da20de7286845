// The exported function and its tables: every call checks its arguments, runs the kernel of its instruction set, and turns a failure into
// a status and a text.
#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>

#include "abi/layout.h"
#include "cpu/dispatch.h"
#include "mla/mla.h"

namespace mla {
namespace {

constexpr const char* kVersion = "0.1.0";

struct Failure {
  int32_t status;
  std::string text;
};

[[noreturn]] void fail(int32_t status, const std::string& text) { throw Failure{status, text}; }

void require(bool condition, const char* name, int64_t value, const std::string& allowed) {
  if (!condition)
    fail(MLA_INVALID_ARGUMENT,
         std::string(name) + " is " + std::to_string(value) + ", but must be " + allowed);
}

void require_range(const char* name, int64_t value, int64_t low, int64_t high) {
  require(value >= low && value <= high, name, value,
          "in " + std::to_string(low) + ".." + std::to_string(high));
}

void require_pointer(const char* name, const void* p) {
  if (p == nullptr) fail(MLA_INVALID_ARGUMENT, std::string(name) + " is NULL");
}

void require_absent(const char* name, const void* p) {
  if (p != nullptr) fail(MLA_UNSUPPORTED, std::string(name) + " is given, but this version computes without");
}

template <class Params>
void require_struct(const char* name, const Params* params) {
  require_pointer(name, params);
  if (params->struct_size != (int32_t)sizeof(Params))
    fail(MLA_INVALID_ARGUMENT, std::string(name) + "->struct_size is " + std::to_string(params->struct_size) +
                                   ", but must be " + std::to_string(sizeof(Params)));
}

void require_bounds(const char* what, int begin, int end, int limit) {
  if (begin < 0 || end < begin || end > limit)
    fail(MLA_INVALID_ARGUMENT, std::string(what) + " range is " + std::to_string(begin) + ".." +
                                   std::to_string(end) + ", but must lie in 0.." + std::to_string(limit));
}

// Rows of at least `least` elements, `stride` apart; their offsets stay far from the limits of 64 bits and of an address space.
void require_stride(const char* name, int64_t stride, int64_t count, int64_t least) {
  constexpr int64_t kElements = int64_t{1} << 45;
  if (count > 1) require_range(name, stride, least, kElements / count);
}

void require_eps(float eps) {
  if (!(eps >= 0) || eps > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "eps is " + std::to_string(eps) + ", but must be finite and at least 0");
}

void require_compute(int32_t compute) {
  require_range("compute", compute, MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
}
void require_type(const char* name, int32_t type) { require_range(name, type, MLA_TYPE_F32, MLA_TYPE_F16); }

void require_no_blocks(int32_t rows, int32_t columns) {
  if (rows != 0 || columns != 0)
    fail(MLA_UNSUPPORTED, "scale blocks are given, but this version computes without");
}

void check(const mla_linear_params* p) {
  require_struct("params", p);
  require_compute(p->compute);
  require_type("weight_type", p->weight_type);
  require_range("rows", p->rows, 0, INT_MAX - 64);
  require_range("k", p->k, 1, 1 << 28);
  require_range("n", p->n, 0, INT_MAX);
  require_no_blocks(p->scale_block_rows, p->scale_block_columns);
  require_stride("x_stride", p->x_stride, p->rows, 0);
  require_stride("weight_stride", p->weight_stride, p->n, p->k);
  require_stride("y_stride", p->y_stride, p->rows, p->n);
}

void check(const mla_head_linear_params* p) {
  require_struct("params", p);
  require_compute(p->compute);
  require_type("weight_type", p->weight_type);
  require_range("tokens", p->tokens, 0, INT_MAX);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("in", p->in, 1, 1 << 16);
  require_range("out", p->out, 1, 1 << 16);
  require_range("transposed", p->transposed, 0, 1);
  require_no_blocks(p->scale_block_rows, p->scale_block_columns);
  const int rows = p->transposed ? p->in : p->out, columns = p->transposed ? p->out : p->in;
  require_stride("x_token_stride", p->x_token_stride, p->tokens, 0);
  require_stride("x_head_stride", p->x_head_stride, p->heads, 0);
  require_stride("y_token_stride", p->y_token_stride, p->tokens, p->out);
  require_stride("y_head_stride", p->y_head_stride, p->heads, p->out);
  require_stride("weight_head_stride", p->weight_head_stride, p->heads, 0);
  require_stride("weight_stride", p->weight_stride, rows, columns);
}

void check(const mla_cache_params* c) {
  require_struct("cache_params", c);
  if (c->cache_type != MLA_TYPE_F32 && c->cache_type != MLA_TYPE_BF16)
    fail(c->cache_type == MLA_TYPE_F16 ? MLA_UNSUPPORTED : MLA_INVALID_ARGUMENT,
         "cache_type is " + std::to_string(c->cache_type) + ", but must be MLA_TYPE_F32 or MLA_TYPE_BF16");
  require_range("latent", c->latent, 1, 4096);
  require_range("rope", c->rope, 0, 1024);
  require(c->rope % 2 == 0, "rope", c->rope, "even");
  require_range("rope_offset", c->rope_offset, c->latent, 6144);
  require(c->rope_offset % 2 == 0, "rope_offset", c->rope_offset, "even");
  require_range("page_size", c->page_size, 1, 1 << 20);
  require_range("page_count", c->page_count, 0, INT_MAX);
  const int64_t bytes = c->cache_type == MLA_TYPE_F32 ? 4 : 2;
  require_range("row_stride_bytes", c->row_stride_bytes, (c->rope_offset + c->rope) * bytes, kMaxRow * bytes);
  require(c->row_stride_bytes % bytes == 0, "row_stride_bytes", c->row_stride_bytes,
          "a multiple of the element size");
  require_stride("page_stride_bytes", c->page_stride_bytes, std::max<int64_t>(c->page_count, 2),
                 c->row_stride_bytes * c->page_size);
}

void check_key_offset(const mla_attention_params* p, const mla_cache_params* c) {
  if (p->key_offset == 0) return;
  require(p->key_offset == c->rope_offset, "key_offset", p->key_offset,
          "0 or rope_offset, which is " + std::to_string(c->rope_offset));
  require(c->rope > 0, "rope", c->rope, "positive where key_offset is given");
}

void check_pages(const mla_cache_params* c, const int32_t* page_table, int64_t begin, int64_t end) {
  if (begin >= end) return;
  require_pointer("page_table", page_table);
  for (int64_t i = begin / c->page_size; i <= (end - 1) / c->page_size; i++) {
    if (page_table[i] < 0 || page_table[i] >= c->page_count)
      fail(MLA_INVALID_ARGUMENT, "page_table[" + std::to_string(i) + "] is " + std::to_string(page_table[i]) +
                                     ", but the pool has pages 0.." + std::to_string(c->page_count - 1));
  }
}

void check(const mla_attention_params* p, bool decompressed) {
  require_struct("params", p);
  require_compute(p->compute);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("query_tokens", p->query_tokens, 0, 1 << 24);
  require_range("kv_tokens", p->kv_tokens, p->query_tokens, 1 << 24);
  require_range("causal", p->causal, 0, 1);
  require((int64_t)p->heads * p->query_tokens <= INT_MAX, "heads * query_tokens",
          (int64_t)p->heads * p->query_tokens, "at most 2147483647");
  if (p->window != 0)
    fail(MLA_UNSUPPORTED, "window is " + std::to_string(p->window) + ", but this version computes without");
  if (p->sparse_count != 0)
    fail(MLA_UNSUPPORTED,
         "sparse_count is " + std::to_string(p->sparse_count) + ", but this version computes without");
  if (decompressed) require(p->key_offset == 0, "key_offset", p->key_offset, "0 in the decompressed form");
  if (p->softcap != 0) fail(MLA_UNSUPPORTED, "softcap is given, but this version computes without");
  if (!(p->scale > 0) || p->scale > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "scale is " + std::to_string(p->scale) + ", but must be finite and positive");
  require_stride("q_token_stride", p->q_token_stride, p->query_tokens, 0);
  require_stride("q_head_stride", p->q_head_stride, p->heads, 0);
  require_stride("out_token_stride", p->out_token_stride, p->query_tokens, 1);
  require_stride("out_head_stride", p->out_head_stride, p->heads, 1);
  require_stride("lse_token_stride", p->lse_token_stride, p->query_tokens, 1);
  require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
  if (decompressed) {
    require_range("nope", p->nope, 1, 1 << 16);
    require_range("value", p->value, 1, 1 << 16);
    require_type("weight_type", p->weight_type);
    require_no_blocks(p->scale_block_rows, p->scale_block_columns);
    require_stride("weight_head_stride", p->weight_head_stride, p->heads, 0);
  }
}

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
    default:
      return -1;
  }
  if (text != nullptr && size > 0) std::snprintf(text, (size_t)size, "%s", s.c_str());
  return (int32_t)s.size();
}

template <class Body>
int32_t guard(char* error, int32_t error_size, Body body) {
  int32_t status = MLA_INTERNAL_ERROR;
  std::string text = "unknown exception";
  try {
    body();
    return MLA_OK;
  } catch (const Failure& f) {
    status = f.status;
    text = f.text;
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
  }
  if (error != nullptr && error_size > 0) std::snprintf(error, (size_t)error_size, "%s", text.c_str());
  return status;
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

  static int32_t linear(const mla_linear_params* p, const void* packed, const void* weight,
                        const float* scales, const float* bias, int32_t n_begin, int32_t n_end, float* y,
                        char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_absent("scales", scales);
      require_bounds("n", n_begin, n_end, p->n);
      if (n_begin == n_end || p->rows == 0) return;
      require_pointer("packed", packed);
      require_pointer("weight", weight);
      require_pointer("y", y);
      raw().linear(*p, packed, weight, bias, n_begin, n_end, y);
    });
  }

  static int32_t head_linear(const mla_head_linear_params* p, const float* x, const void* weight,
                             const float* scales, int32_t head_begin, int32_t head_end, int32_t token_begin,
                             int32_t token_end, float* y, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p);
      require_absent("scales", scales);
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
                                 const float* sinks, const int32_t* sparse_indices, int32_t head_begin,
                                 int32_t head_end, int32_t query_begin, int32_t query_end, int32_t kv_begin,
                                 int32_t kv_end, float* out, float* lse, void* workspace,
                                 int64_t workspace_bytes, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, false);
      check(c);
      check_key_offset(p, c);
      require_absent("sinks", sinks);
      require_absent("sparse_indices", sparse_indices);
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
                                     const void* kv_b, const float* kv_b_scales, const void* cache,
                                     const int32_t* page_table, const float* alibi_slopes, const float* sinks,
                                     int32_t head_begin, int32_t head_end, int32_t query_begin,
                                     int32_t query_end, float* out, float* lse, void* workspace,
                                     int64_t workspace_bytes, char* error, int32_t error_size) {
    return guard(error, error_size, [&] {
      check(p, true);
      check(c);
      require_stride("weight_stride", p->weight_stride, (int64_t)p->nope + p->value, c->latent);
      require_absent("kv_b_scales", kv_b_scales);
      require_absent("sinks", sinks);
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
      require_struct("params", p);
      require_range("parts", p->parts, 1, INT_MAX);
      require_range("tokens", p->tokens, 0, INT_MAX);
      require_range("heads", p->heads, 1, INT_MAX);
      require_range("width", p->width, 1, INT_MAX);
      require_stride("part_stride", p->part_stride, p->parts, 0);
      require_stride("part_token_stride", p->part_token_stride, p->tokens, 0);
      require_stride("part_head_stride", p->part_head_stride, p->heads, 0);
      require_stride("part_lse_stride", p->part_lse_stride, p->parts, 0);
      require_stride("part_lse_token_stride", p->part_lse_token_stride, p->tokens, 0);
      require_stride("part_lse_head_stride", p->part_lse_head_stride, p->heads, 0);
      require_stride("out_token_stride", p->out_token_stride, p->tokens, p->width);
      require_stride("out_head_stride", p->out_head_stride, p->heads, p->width);
      if (lse != nullptr) {
        require_stride("lse_token_stride", p->lse_token_stride, p->tokens, 1);
        require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
      }
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
      require_struct("params", p);
      check(c);
      require_range("tokens", p->tokens, 0, 1 << 24);
      require_range("position", p->position, 0, (1 << 24) - p->tokens);
      require_range("rope_layout", p->rope_layout, MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
      require_eps(p->eps);
      require_stride("a_stride", p->a_stride, p->tokens, 0);
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
      require_struct("params", p);
      require_range("tokens", p->tokens, 0, INT_MAX);
      require_range("heads", p->heads, 1, INT_MAX);
      require_range("width", p->width, 1, INT_MAX);
      require_range("rope", p->rope, 0, p->width);
      require(p->rope % 2 == 0, "rope", p->rope, "even");
      require_range("rope_layout", p->rope_layout, MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
      require_stride("x_token_stride", p->x_token_stride, p->tokens, 0);
      require_stride("x_head_stride", p->x_head_stride, p->heads, 0);
      require_stride("y_token_stride", p->y_token_stride, p->tokens, p->width);
      require_stride("y_head_stride", p->y_head_stride, p->heads, p->width);
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
      require_struct("params", p);
      require_range("tokens", p->tokens, 0, INT_MAX);
      require_range("experts", p->experts, 1, kMaxExperts);
      require_range("top_k", p->top_k, 1, p->experts);
      require_range("score", p->score, MLA_SCORE_SOFTMAX, MLA_SCORE_SIGMOID);
      require_range("groups", p->groups, 1, std::min(kMaxGroups, p->experts));
      require(p->experts % p->groups == 0, "groups", p->groups, "a divisor of experts");
      require(p->groups == 1 || p->group_score != MLA_GROUP_SCORE_TOP2_SUM || p->experts >= 2 * p->groups,
              "groups", p->groups, "at most half of experts where a group's score is the sum of two");
      require_range("kept_groups", p->kept_groups, 1, p->groups);
      require_range("top_k", p->top_k, 1, p->kept_groups * (p->experts / p->groups));
      require_range("group_score", p->group_score, MLA_GROUP_SCORE_MAX, MLA_GROUP_SCORE_TOP2_SUM);
      require_range("group_mask", p->group_mask, MLA_GROUP_MASK_NEGATIVE_INFINITY, MLA_GROUP_MASK_ZERO);
      require_range("renormalize", p->renormalize, 0, 1);
      require_stride("logits_stride", p->logits_stride, p->tokens, 0);
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
        raw().lanes,
        supported_isas(),
        prefers_bf16(I) ? 1 : 0,
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
