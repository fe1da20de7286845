// The functions of the C interface as calls to be fuzzed: for each what a valid call is, what bytes its buffers have and its arguments.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/raw.h"
#include "support/fuzz.h"
#include "support/kernels.h"
#include "support/numbers.h"

namespace mla::test::fuzz {

inline Wide weight_bytes(int type, Wide rows, Wide stride, Wide columns) {
  const BlockSize block = block_size(type);
  if (block.bytes == 0 || rows <= 0 || columns <= 0) return 0;
  return (positive((rows - 1) * stride) / block.elements + (columns + block.elements - 1) / block.elements) *
         block.bytes;
}
inline Wide ceil_div(Wide x, Wide y) { return y <= 0 ? 0 : (positive(x) + y - 1) / y; }
inline Wide scale_bytes_of(int type, Wide rows, Wide stride, Wide columns, Wide scale_columns) {
  const Wide width = ceil_div(columns, scale_columns);
  return span(rows, stride, width) * (type == MLA_TYPE_F32 ? 4 : type == MLA_TYPE_E8M0 ? 1 : 2);
}
inline int any_type(Random& random) { return random.in(MLA_TYPE_F32, MLA_TYPE_F4); }
inline int any_scale_type(Random& random) {
  return random.of({MLA_TYPE_F32, MLA_TYPE_BF16, MLA_TYPE_F16, MLA_TYPE_E8M0});
}
inline int any_compute(Random& random) { return random.in(MLA_COMPUTE_F32, MLA_COMPUTE_INT8); }
// Elements of a row of so many columns, in whole blocks, with a block of padding or without.
inline int64_t whole_blocks(Random& random, int type, int64_t columns) {
  const int elements = block_size(type).elements;
  return (columns + elements - 1) / elements * elements + elements * random.in(0, 1);
}
template <class P>
void draw_scales(Random& random, P& p, int columns, Buffer& scales) {
  scales.is_absent = random.in(0, 2) > 0;
  p.scale_type = any_scale_type(random);
  if (scales.is_absent) return;
  p.scale_rows = random.of({1, 2, 128});
  p.scale_columns = random.of({1, 16, 32, 64, 128, columns});
  p.scale_stride = (columns + p.scale_columns - 1) / p.scale_columns + random.in(0, 2);
}
inline void take_rows(Random& random, int count, int32_t& begin, int32_t& end) {
  begin = random.in(0, count), end = random.in(begin, count);
  if (random.coin()) begin = 0, end = count;
}
inline bool is_status(int64_t status) { return status >= MLA_OK && status <= MLA_WORKSPACE_TOO_SMALL; }
inline bool is_count(int64_t count) { return count >= -1; }

template <auto function>
struct Of;

// Members of each: draw makes numbers of a valid call, measure says what bytes the call has, arguments are in the order of mla.h.
#define MLA_SUBJECT(function) \
  template <>                 \
  struct Of<&mla_kernels::function> : Subject

inline void draw_linear(Random& random, mla_linear_params& p) {
  p.struct_size = sizeof p;
  p.compute = any_compute(random);
  p.weight_type = any_type(random);
  p.rows = random.in(0, random.coin() ? 8 : 40);
  p.k = random.in(0, 3) == 0 ? random.of({256, 512, 1024}) : random.in(1, 300);
  p.n = random.in(0, 40);
  p.x_stride = p.k + random.in(0, 2);
  p.weight_stride = whole_blocks(random, p.weight_type, p.k);
  p.y_stride = p.n + random.in(0, 2);
}

MLA_SUBJECT(packed_bytes) {
  static bool is_answer(int64_t count) { return is_count(count); }
  Params<mla_linear_params> p;
  void draw(const mla_kernels&, Random& r) { draw_linear(r, p.value); }
  void measure(const mla_kernels&) {}
  auto arguments() { return std::tie(p); }
};

MLA_SUBJECT(pack) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_linear_params> p;
  Buffer x, indices, packed;
  int32_t begin = 0, end = 0;
  int64_t bytes = 0;
  void draw(const mla_kernels& k, Random& r) {
    draw_linear(r, p.value);
    begin = p->rows == 0 ? 0 : r.in(0, p->rows - 1) / 16 * 16, end = p->rows;
    bytes = k.packed_bytes(&p.value);
    indices.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    x.bytes = span(p->rows, p->x_stride, p->k) * 4;
    indices.bytes = positive(p->rows) * Wide{4}, indices.ids = positive(p->rows), indices.has_end = false;
    packed.bytes = positive(bytes), packed.align = 64;
    work = positive(p->rows) * positive(p->k);
  }
  auto arguments() { return std::tie(p, x, indices, begin, end, packed, bytes); }
};

MLA_SUBJECT(linear) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_linear_params> p;
  Buffer packed, weight, scales, bias, y;
  int32_t begin = 0, end = 0;
  void draw(const mla_kernels&, Random& r) {
    draw_linear(r, p.value);
    draw_scales(r, p.value, p->k, scales);
    bias.is_absent = r.coin();
    take_rows(r, p->n, begin, end);
  }
  void measure(const mla_kernels& k) {
    packed.bytes = positive(k.packed_bytes(&p.value)), packed.align = 64;
    weight.bytes = weight_bytes(p->weight_type, p->n, p->weight_stride, p->k);
    scales.bytes =
        scale_bytes_of(p->scale_type, ceil_div(p->n, p->scale_rows), p->scale_stride, p->k, p->scale_columns);
    bias.bytes = positive(p->n) * Wide{4};
    y.bytes = span(p->rows, p->y_stride, p->n) * 4;
    work = positive(p->rows) * positive(p->k) * positive(p->n);
  }
  auto arguments() { return std::tie(p, packed, weight, scales, bias, begin, end, y); }
};

inline void draw_head_linear(Random& random, mla_head_linear_params& p, Buffer& scales) {
  p.struct_size = sizeof p;
  p.compute = any_compute(random);
  p.weight_type = any_type(random);
  p.tokens = random.in(0, 12);
  p.heads = random.in(1, 5);
  p.in = random.coin() ? random.in(1, 70) : random.of({32, 64, 128, 256});
  p.out = random.coin() ? random.in(1, 70) : random.of({32, 64, 128, 256});
  p.transposed = random.in(0, 1);
  p.x_head_stride = p.in + random.in(0, 2);
  p.x_token_stride = p.x_head_stride * p.heads;
  p.y_head_stride = p.out + random.in(0, 2);
  p.y_token_stride = p.y_head_stride * p.heads;
  const int rows = p.transposed ? p.in : p.out, columns = p.transposed ? p.out : p.in;
  p.weight_stride = whole_blocks(random, p.weight_type, columns);
  p.weight_head_stride = p.weight_stride * rows;
  draw_scales(random, p, columns, scales);
  p.scale_head_rows = scales.is_absent ? 0 : rows;
  p.scale_first_row = scales.is_absent ? 0 : random.in(0, 3);
}
inline void measure_head_weight(mla_head_linear_params& p, Buffer& weight, Buffer& scales) {
  const Wide rows = p.transposed == 1 ? p.in : p.out, columns = p.transposed == 1 ? p.out : p.in;
  const BlockSize block = block_size(p.weight_type);
  const Wide one = weight_bytes(p.weight_type, rows, p.weight_stride, columns);
  weight.bytes =
      one == 0 || p.heads <= 0
          ? 0
          : positive((Wide{p.heads} - 1) * p.weight_head_stride) / block.elements * block.bytes + one;
  const Wide plane = p.scale_first_row + positive(Wide{p.heads} - 1) * p.scale_head_rows + rows;
  scales.bytes =
      scale_bytes_of(p.scale_type, ceil_div(plane, p.scale_rows), p.scale_stride, columns, p.scale_columns);
}

MLA_SUBJECT(head_linear) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_head_linear_params> p;
  Buffer x, weight, scales, y;
  int32_t head_begin = 0, head_end = 0, token_begin = 0, token_end = 0;
  void draw(const mla_kernels&, Random& r) {
    draw_head_linear(r, p.value, scales);
    take_rows(r, p->heads, head_begin, head_end);
    take_rows(r, p->tokens, token_begin, token_end);
  }
  void measure(const mla_kernels&) {
    measure_head_weight(p.value, weight, scales);
    x.bytes = span(p->tokens, p->x_token_stride, p->heads, p->x_head_stride, p->in) * 4;
    y.bytes = span(p->tokens, p->y_token_stride, p->heads, p->y_head_stride, p->out) * 4;
    work = positive(p->tokens) * positive(p->heads) * positive(p->in) * positive(p->out);
  }
  auto arguments() { return std::tie(p, x, weight, scales, head_begin, head_end, token_begin, token_end, y); }
};

inline void draw_cache(Random& random, mla_cache_params& c, int tokens) {
  c.struct_size = sizeof c;
  const bool scaled = random.coin();
  c.cache_type = scaled ? random.of({MLA_TYPE_I8, MLA_TYPE_F8_E4M3, MLA_TYPE_NL4})
                        : random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  c.latent = random.coin() ? random.of({64, 128, 512}) : random.in(1, 140);
  c.rope = 2 * random.in(0, 32);
  c.rope_offset = (c.latent + 31) / 32 * 32;
  c.page_size = random.of({1, 3, 16, 64});
  c.page_count = (tokens + c.page_size - 1) / c.page_size + random.in(0, 2);
  c.table_of_rows = random.in(0, 3) == 0;
  c.rope_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  c.scale_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  c.scale_columns = scaled ? random.of({32, 64, 128}) : 0;
  const int64_t element = scaled ? type_size(c.rope_type) : type_size(c.cache_type);
  c.row_stride_bytes = weight_bytes(c.cache_type, 1, 0, c.rope_offset) + c.rope * element;
  if (random.coin()) c.row_stride_bytes = (c.row_stride_bytes + 63) / 64 * 64;
  c.page_stride_bytes =
      (c.row_stride_bytes + 4 * ((c.latent + 31) / 32)) * c.page_size + 64 * random.in(0, 1);
}
inline void measure_cache(mla_cache_params& c, Wide tokens, Buffer& cache, Buffer& pages) {
  const Wide scales = c.scale_columns > 0 ? ceil_div(c.latent, c.scale_columns) * type_size(c.scale_type) : 0;
  cache.bytes = span(c.page_count, c.page_stride_bytes,
                     positive(c.page_size) * (positive(c.row_stride_bytes) + scales));
  cache.align = 4;
  pages.bytes = ceil_div(tokens, c.table_of_rows == 1 ? 1 : c.page_size) * 4;
  pages.ids = static_cast<int64_t>(
      std::min<Wide>(positive(c.page_count) * (c.table_of_rows == 1 ? positive(c.page_size) : 1), INT_MAX));
}

inline void draw_attention(Random& random, mla_attention_params& p, mla_cache_params& c, int query_width,
                           int out_width) {
  p.struct_size = sizeof p;
  p.compute = any_compute(random);
  p.heads = random.of({1, 2, 3, 5, 16});
  p.query_tokens = random.in(0, 6);
  p.kv_tokens = p.query_tokens + random.in(0, random.coin() ? 20 : 150);
  p.causal = random.in(0, 1);
  p.scale = 0.1f;
  p.probability_bits = random.of({8, 15});
  p.q_head_stride = query_width + random.in(0, 2);
  p.q_token_stride = p.q_head_stride * p.heads;
  p.out_head_stride = out_width + random.in(0, 2);
  p.out_token_stride = p.out_head_stride * p.heads;
  p.lse_head_stride = 1;
  p.lse_token_stride = p.heads;
  (void)c;
}
inline Wide attention_work(const mla_attention_params& p, Wide width) {
  return positive(p.heads) * positive(p.query_tokens) * positive(p.kv_tokens) * width;
}

MLA_SUBJECT(attention_workspace) {
  static bool is_answer(int64_t count) { return is_count(count); }
  Params<mla_attention_params> p;
  Params<mla_cache_params> c;
  Params<mla_head_linear_params> keys, values;
  void draw(const mla_kernels&, Random& r) {
    draw_cache(r, c.value, 40);
    draw_attention(r, p.value, c.value, 64, 64);
    Buffer ignored;
    draw_head_linear(r, keys.value, ignored);
    draw_head_linear(r, values.value, ignored);
    p->nope = keys->out, p->value = values->out;
    keys->heads = values->heads = p->heads;
    keys->in = values->in = c->latent;
    values->transposed = 0;
    keys.is_null = values.is_null = r.coin();
  }
  void measure(const mla_kernels&) {}
  auto arguments() { return std::tie(p, c, keys, values); }
};

MLA_SUBJECT(attend_absorbed) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_attention_params> p;
  Params<mla_cache_params> c;
  Buffer q, cache, pages, slopes, out, lse, workspace;
  int32_t head_begin = 0, head_end = 0, query_begin = 0, query_end = 0, kv_begin = 0, kv_end = 0;
  int64_t bytes = 0;
  void draw(const mla_kernels& k, Random& r) {
    draw_cache(r, c.value, 170);
    draw_attention(r, p.value, c.value, c->latent + c->rope, c->latent);
    if (c->rope > 0 && r.in(0, 3) == 0) p->key_offset = c->rope_offset;
    take_rows(r, p->heads, head_begin, head_end);
    take_rows(r, p->query_tokens, query_begin, query_end);
    take_rows(r, p->kv_tokens, kv_begin, kv_end);
    slopes.is_absent = r.coin();
    bytes = k.attention_workspace(&p.value, &c.value, nullptr, nullptr);
  }
  void measure(const mla_kernels&) {
    const Wide width = (p->key_offset == 0 ? positive(c->latent) : 0) + positive(c->rope);
    q.bytes = span(p->query_tokens, p->q_token_stride, p->heads, p->q_head_stride, width) * 4;
    out.bytes = span(p->query_tokens, p->out_token_stride, p->heads, p->out_head_stride, c->latent) * 4;
    lse.bytes = span(p->query_tokens, p->lse_token_stride, p->heads, p->lse_head_stride, 1) * 4;
    slopes.bytes = positive(p->heads) * Wide{4};
    workspace.bytes = positive(bytes), workspace.align = 64;
    measure_cache(c.value, p->kv_tokens, cache, pages);
    work = attention_work(p.value, width + positive(c->latent));
  }
  auto arguments() {
    return std::tie(p, c, q, cache, pages, slopes, head_begin, head_end, query_begin, query_end, kv_begin,
                    kv_end, out, lse, workspace, bytes);
  }
};

MLA_SUBJECT(attend_decompressed) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_attention_params> p;
  Params<mla_cache_params> c;
  Params<mla_head_linear_params> keys, values;
  Buffer q, key_weight, key_scales, value_weight, value_scales, cache, pages, slopes, out, lse, workspace;
  int32_t head_begin = 0, head_end = 0, query_begin = 0, query_end = 0;
  int64_t bytes = 0;
  static void draw_up(Random & r, mla_head_linear_params & up, Buffer & scales, int heads, int latent,
                      int width, int transposed) {
    draw_head_linear(r, up, scales);
    up.heads = heads, up.in = latent, up.out = width, up.transposed = transposed;
    const int rows = transposed ? latent : width, columns = transposed ? width : latent;
    up.weight_stride = whole_blocks(r, up.weight_type, columns);
    up.weight_head_stride = up.weight_stride * rows;
    if (!scales.is_absent) {
      up.scale_head_rows = rows;
      up.scale_stride = (columns + up.scale_columns - 1) / up.scale_columns;
    }
  }
  void draw(const mla_kernels& k, Random& r) {
    draw_cache(r, c.value, 170);
    const int nope = r.of({1, 16, 40, 128}), value = r.of({1, 16, 40, 128});
    draw_attention(r, p.value, c.value, nope + c->rope, value);
    p->heads = std::min(p->heads, 3), p->nope = nope, p->value = value;
    draw_up(r, keys.value, key_scales, p->heads, c->latent, nope, r.in(0, 1));
    draw_up(r, values.value, value_scales, p->heads, c->latent, value, 0);
    take_rows(r, p->heads, head_begin, head_end);
    take_rows(r, p->query_tokens, query_begin, query_end);
    slopes.is_absent = r.coin();
    bytes = k.attention_workspace(&p.value, &c.value, &keys.value, &values.value);
  }
  void measure(const mla_kernels&) {
    const Wide width = positive(p->nope) + positive(c->rope);
    q.bytes = span(p->query_tokens, p->q_token_stride, p->heads, p->q_head_stride, width) * 4;
    out.bytes = span(p->query_tokens, p->out_token_stride, p->heads, p->out_head_stride, p->value) * 4;
    lse.bytes = span(p->query_tokens, p->lse_token_stride, p->heads, p->lse_head_stride, 1) * 4;
    slopes.bytes = positive(p->heads) * Wide{4};
    workspace.bytes = positive(bytes), workspace.align = 64;
    measure_head_weight(keys.value, key_weight, key_scales);
    measure_head_weight(values.value, value_weight, value_scales);
    measure_cache(c.value, p->kv_tokens, cache, pages);
    work = attention_work(p.value, width + positive(p->value)) + positive(p->heads) * positive(p->kv_tokens) *
                                                                     positive(c->latent) *
                                                                     (positive(p->nope) + positive(p->value));
  }
  auto arguments() {
    return std::tie(p, c, keys, values, q, key_weight, key_scales, value_weight, value_scales, cache, pages,
                    slopes, head_begin, head_end, query_begin, query_end, out, lse, workspace, bytes);
  }
};

MLA_SUBJECT(merge) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_merge_params> p;
  Buffer partial_out, partial_lse, out, lse;
  int32_t token_begin = 0, token_end = 0, head_begin = 0, head_end = 0;
  void draw(const mla_kernels&, Random& r) {
    p->struct_size = sizeof(mla_merge_params);
    p->parts = r.in(1, 5), p->tokens = r.in(0, 6), p->heads = r.in(1, 5), p->width = r.in(1, 70);
    p->part_head_stride = p->width, p->part_token_stride = p->width * p->heads;
    p->part_stride = p->part_token_stride * p->tokens;
    p->part_lse_head_stride = 1, p->part_lse_token_stride = p->heads,
    p->part_lse_stride = p->heads * p->tokens;
    p->out_head_stride = p->width + r.in(0, 1), p->out_token_stride = p->out_head_stride * p->heads;
    p->lse_head_stride = 1, p->lse_token_stride = p->heads;
    take_rows(r, p->tokens, token_begin, token_end);
    take_rows(r, p->heads, head_begin, head_end);
    lse.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    const Wide one = span(p->tokens, p->part_token_stride, p->heads, p->part_head_stride, p->width);
    const Wide one_lse = span(p->tokens, p->part_lse_token_stride, p->heads, p->part_lse_head_stride, 1);
    partial_out.bytes = span(p->parts, p->part_stride, one) * 4;
    partial_lse.bytes = span(p->parts, p->part_lse_stride, one_lse) * 4;
    out.bytes = span(p->tokens, p->out_token_stride, p->heads, p->out_head_stride, p->width) * 4;
    lse.bytes = span(p->tokens, p->lse_token_stride, p->heads, p->lse_head_stride, 1) * 4;
    work = positive(p->parts) * positive(p->tokens) * positive(p->heads) * positive(p->width);
  }
  auto arguments() {
    return std::tie(p, partial_out, partial_lse, token_begin, token_end, head_begin, head_end, out, lse);
  }
};

MLA_SUBJECT(append) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_append_params> p;
  Params<mla_cache_params> c;
  Buffer latent_and_key, norm, cosines, sines, pages, cache;
  int32_t begin = 0, end = 0;
  void draw(const mla_kernels&, Random& r) {
    draw_cache(r, c.value, 60);
    p->struct_size = sizeof(mla_append_params);
    p->tokens = r.in(0, 20), p->position = r.in(0, 40), p->rope_layout = r.in(0, 1), p->eps = 1e-6f;
    p->latent_and_key_stride = c->latent + c->rope + r.in(0, 2);
    take_rows(r, p->tokens, begin, end);
    norm.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    latent_and_key.bytes =
        span(p->tokens, p->latent_and_key_stride, positive(c->latent) + positive(c->rope)) * 4;
    norm.bytes = positive(c->latent) * Wide{4};
    cosines.bytes = sines.bytes = positive(p->tokens) * positive(c->rope / 2) * Wide{4};
    measure_cache(c.value, Wide{p->position} + p->tokens, cache, pages);
    work = positive(p->tokens) * (positive(c->latent) + positive(c->rope));
  }
  auto arguments() { return std::tie(p, c, latent_and_key, norm, cosines, sines, pages, begin, end, cache); }
};

MLA_SUBJECT(rope) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_rope_params> p;
  Buffer x, cosines, sines, y;
  int32_t begin = 0, end = 0;
  void draw(const mla_kernels&, Random& r) {
    p->struct_size = sizeof(mla_rope_params);
    p->tokens = r.in(0, 9), p->heads = r.in(1, 4), p->rope = 2 * r.in(0, 40),
    p->width = std::max(1, p->rope + r.in(0, 20));
    p->rope_layout = r.in(0, 1);
    p->x_head_stride = p->width, p->x_token_stride = p->width * p->heads;
    p->y_head_stride = p->width + r.in(0, 1), p->y_token_stride = p->y_head_stride * p->heads;
    take_rows(r, p->tokens, begin, end);
  }
  void measure(const mla_kernels&) {
    x.bytes = span(p->tokens, p->x_token_stride, p->heads, p->x_head_stride, p->width) * 4;
    y.bytes = span(p->tokens, p->y_token_stride, p->heads, p->y_head_stride, p->width) * 4;
    cosines.bytes = sines.bytes = positive(p->tokens) * positive(p->rope / 2) * Wide{4};
    work = positive(p->tokens) * positive(p->heads) * positive(p->width);
  }
  auto arguments() { return std::tie(p, x, cosines, sines, begin, end, y); }
};

// Operations on rows of one or two operands.
struct Rows : Subject {
  static bool is_answer(int64_t status) { return is_status(status); }
  Buffer x, second, third, y;
  int64_t x_stride = 0, second_stride = 0, y_stride = 0;
  int32_t rows = 0, width = 0;
  float number = 1e-6f;
  void draw(const mla_kernels&, Random& r) {
    rows = r.in(0, 9), width = r.in(1, 150);
    x_stride = width + r.in(0, 2), second_stride = width + r.in(0, 2), y_stride = width + r.in(0, 2);
  }
  void measure(const mla_kernels&) {
    x.bytes = span(rows, x_stride, width) * 4;
    second.bytes = span(rows, second_stride, width) * 4;
    y.bytes = span(rows, y_stride, width) * 4;
    work = positive(rows) * positive(width);
  }
};
struct Norm : Rows {
  void measure(const mla_kernels& k) {
    Rows::measure(k);
    second.bytes = third.bytes = positive(width) * Wide{4};
  }
};
template <>
struct Of<&mla_kernels::rms_norm> : Norm {
  auto arguments() { return std::tie(x, x_stride, second, number, rows, width, y, y_stride); }
};
template <>
struct Of<&mla_kernels::layer_norm> : Norm {
  auto arguments() { return std::tie(x, x_stride, second, third, number, rows, width, y, y_stride); }
};
template <>
struct Of<&mla_kernels::swiglu> : Rows {
  auto arguments() { return std::tie(x, x_stride, second, second_stride, number, rows, width, y, y_stride); }
};
template <>
struct Of<&mla_kernels::add> : Rows {
  auto arguments() { return std::tie(x, x_stride, second, second_stride, number, rows, width, y, y_stride); }
};
template <>
struct Of<&mla_kernels::gate> : Rows {
  int32_t count = 0, function = 0;
  void draw(const mla_kernels& k, Random& r) {
    Rows::draw(k, r);
    count = r.in(1, 5), width = count * r.in(1, 40), function = r.in(0, 2);
    x_stride = width, second_stride = count, y_stride = width;
  }
  void measure(const mla_kernels& k) {
    Rows::measure(k);
    second.bytes = span(rows, second_stride, count) * 4;
  }
  auto arguments() {
    return std::tie(x, x_stride, second, second_stride, rows, width, count, function, y, y_stride);
  }
};

MLA_SUBJECT(embed) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_embed_params> p;
  Buffer table, scales, ids, y;
  int32_t count = 0;
  void draw(const mla_kernels&, Random& r) {
    p->struct_size = sizeof(mla_embed_params);
    p->table_type = any_type(r), p->vocabulary = r.in(1, 20), p->width = r.in(1, 300), p->scale = 1;
    p->table_stride = whole_blocks(r, p->table_type, p->width), p->y_stride = p->width + r.in(0, 2);
    draw_scales(r, p.value, p->width, scales);
    count = r.in(0, 9);
  }
  void measure(const mla_kernels&) {
    table.bytes = weight_bytes(p->table_type, p->vocabulary, p->table_stride, p->width);
    scales.bytes = scale_bytes_of(p->scale_type, ceil_div(p->vocabulary, p->scale_rows), p->scale_stride,
                                  p->width, p->scale_columns);
    ids.bytes = positive(count) * Wide{4}, ids.ids = p->vocabulary;
    y.bytes = span(count, p->y_stride, p->width) * 4;
    work = positive(count) * positive(p->width);
  }
  auto arguments() { return std::tie(p, table, scales, ids, count, y); }
};

MLA_SUBJECT(route) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_route_params> p;
  Buffer logits, bias, experts, weights;
  int32_t begin = 0, end = 0;
  void draw(const mla_kernels&, Random& r) {
    p->struct_size = sizeof(mla_route_params);
    p->groups = r.in(1, 4), p->experts = p->groups * r.in(2, 20), p->kept_groups = r.in(1, p->groups);
    p->top_k = r.in(1, p->kept_groups * (p->experts / p->groups));
    p->tokens = r.in(0, 6), p->score = r.in(0, 1), p->group_score = r.in(0, 1), p->group_mask = r.in(0, 1);
    p->renormalize = r.in(0, 1), p->weight_scale = 1, p->logits_stride = p->experts;
    take_rows(r, p->tokens, begin, end);
    bias.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    logits.bytes = span(p->tokens, p->logits_stride, p->experts) * 4;
    bias.bytes = positive(p->experts) * Wide{4};
    experts.bytes = weights.bytes = positive(p->tokens) * positive(p->top_k) * Wide{4};
    work = positive(p->tokens) * positive(p->experts) * positive(p->top_k);
  }
  auto arguments() { return std::tie(p, logits, bias, begin, end, experts, weights); }
};

MLA_SUBJECT(combine) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Buffer expert_out, slots, weights, shared, y;
  int64_t expert_stride = 0, shared_stride = 0, y_stride = 0;
  int32_t slot_count = 0, tokens = 0, top_k = 0, width = 0;
  void draw(const mla_kernels&, Random& r) {
    slot_count = r.in(1, 20), tokens = r.in(0, 6), top_k = r.in(0, 5), width = r.in(1, 100);
    expert_stride = width + r.in(0, 1), shared_stride = width, y_stride = width + r.in(0, 1);
    shared.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    expert_out.bytes = span(slot_count, expert_stride, width) * 4;
    slots.bytes = weights.bytes = positive(tokens) * positive(top_k) * Wide{4};
    slots.ids = positive(slot_count);
    shared.bytes = span(tokens, shared_stride, width) * 4;
    y.bytes = span(tokens, y_stride, width) * 4;
    work = positive(tokens) * (positive(top_k) + 1) * positive(width);
  }
  auto arguments() {
    return std::tie(expert_out, expert_stride, slot_count, slots, weights, shared, shared_stride, tokens,
                    top_k, width, y, y_stride);
  }
};

MLA_SUBJECT(attend_delta) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_delta_params> p;
  Buffer queries, keys, values, decays, betas, gates, taps, rates, decay_bias, norm, state_in, state_out, out;
  int32_t begin = 0, end = 0;
  void draw(const mla_kernels&, Random& r) {
    p->struct_size = sizeof(mla_delta_params);
    p->tokens = r.in(0, 4), p->heads = r.in(1, 3), p->width = r.coin() ? r.in(1, 40) : r.of({64, 128, 256});
    p->decay = r.in(0, 1), p->decay_bound = -5, p->eps = 1e-6f;
    const int channels = p->heads * p->width;
    p->query_stride = p->key_stride = p->value_stride = p->decay_stride = p->gate_stride =
        channels + r.in(0, 1);
    p->out_stride = channels, p->beta_stride = p->heads;
    p->state_head_stride = p->width * (p->width + 9) + r.in(0, 1);
    take_rows(r, p->heads, begin, end);
    state_in.is_absent = r.coin();
  }
  void measure(const mla_kernels&) {
    const Wide channels = positive(p->heads) * positive(p->width);
    queries.bytes = span(p->tokens, p->query_stride, channels) * 4;
    keys.bytes = span(p->tokens, p->key_stride, channels) * 4;
    values.bytes = span(p->tokens, p->value_stride, channels) * 4;
    decays.bytes = span(p->tokens, p->decay_stride, channels) * 4;
    gates.bytes = span(p->tokens, p->gate_stride, channels) * 4;
    out.bytes = span(p->tokens, p->out_stride, channels) * 4;
    betas.bytes = span(p->tokens, p->beta_stride, p->heads) * 4;
    taps.bytes = 12 * channels * 4, rates.bytes = positive(p->heads) * Wide{4};
    decay_bias.bytes = channels * 4, norm.bytes = positive(p->width) * Wide{4};
    state_in.bytes = state_out.bytes =
        span(p->heads, p->state_head_stride, positive(p->width) * (Wide{p->width} + 9)) * 4;
    work = positive(p->tokens) * channels * positive(p->width);
  }
  auto arguments() {
    return std::tie(p, queries, keys, values, decays, betas, gates, taps, rates, decay_bias, norm, state_in,
                    begin, end, state_out, out);
  }
};

inline void draw_index(Random& r, mla_index_params& p, mla_cache_params& c) {
  draw_cache(r, c, 170);
  p.struct_size = sizeof p;
  p.heads = r.in(1, 9), p.query_tokens = r.in(0, 6), p.kv_tokens = p.query_tokens + r.in(0, 150);
  p.q_head_stride = c.latent, p.q_token_stride = (int64_t)c.latent * p.heads;
  p.weights_stride = p.heads, p.scores_stride = p.kv_tokens + r.in(0, 2);
}
MLA_SUBJECT(index_workspace) {
  static bool is_answer(int64_t count) { return is_count(count); }
  Params<mla_index_params> p;
  Params<mla_cache_params> c;
  void draw(const mla_kernels&, Random& r) { draw_index(r, p.value, c.value); }
  void measure(const mla_kernels&) {}
  auto arguments() { return std::tie(p, c); }
};
MLA_SUBJECT(index_scores) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Params<mla_index_params> p;
  Params<mla_cache_params> c;
  Buffer q, weights, cache, pages, scores, workspace;
  int32_t query_begin = 0, query_end = 0, kv_begin = 0, kv_end = 0;
  int64_t bytes = 0;
  void draw(const mla_kernels& k, Random& r) {
    draw_index(r, p.value, c.value);
    take_rows(r, p->query_tokens, query_begin, query_end);
    take_rows(r, p->kv_tokens, kv_begin, kv_end);
    bytes = k.index_workspace(&p.value, &c.value);
  }
  void measure(const mla_kernels&) {
    q.bytes = span(p->query_tokens, p->q_token_stride, p->heads, p->q_head_stride, c->latent) * 4;
    weights.bytes = span(p->query_tokens, p->weights_stride, p->heads) * 4;
    scores.bytes = span(p->query_tokens, p->scores_stride, p->kv_tokens) * 4;
    workspace.bytes = positive(bytes), workspace.align = 64;
    measure_cache(c.value, p->kv_tokens, cache, pages);
    work = positive(p->heads) * positive(p->query_tokens) * positive(p->kv_tokens) * positive(c->latent);
  }
  auto arguments() {
    return std::tie(p, c, q, weights, cache, pages, query_begin, query_end, kv_begin, kv_end, scores,
                    workspace, bytes);
  }
};

MLA_SUBJECT(top_k) {
  static bool is_answer(int64_t status) { return is_status(status); }
  Buffer scores, chosen;
  int64_t stride = 0;
  int32_t rows = 0, first_count = 0, k = 0;
  void draw(const mla_kernels&, Random& r) {
    rows = r.in(0, 9), first_count = r.in(0, 200), k = r.in(1, 100);
    stride = first_count + rows + r.in(0, 2);
  }
  void measure(const mla_kernels&) {
    scores.bytes = span(rows, stride, Wide{first_count} + rows - 1) * 4;
    chosen.bytes = positive(rows) * positive(k) * Wide{4};
    work = positive(rows) * (positive(first_count) + positive(rows) + positive(k));
  }
  auto arguments() { return std::tie(scores, stride, rows, first_count, k, chosen); }
};

MLA_SUBJECT(probe) {
  static bool is_answer(int64_t count) { return is_count(count); }
  int32_t what = 0;
  int64_t count = 0, bytes = 0;
  Buffer memory;
  void draw(const mla_kernels&, Random& r) {
    what = r.in(MLA_PROBE_FMA_F32, MLA_PROBE_READ), count = r.in(0, 3), bytes = 64 * r.in(0, 9);
  }
  void measure(const mla_kernels&) {
    count = std::min<int64_t>(count, 3);  // it repeats as often as it is told to
    memory.bytes = positive(bytes), memory.align = 64;
  }
  auto arguments() { return std::tie(what, count, memory, bytes); }
};

MLA_SUBJECT(describe) {
  static bool is_answer(int64_t count) { return is_count(count); }
  int32_t subject = 0, size = 0;
  Buffer text;
  void draw(const mla_kernels&, Random& r) { subject = r.in(-1, 5), size = r.in(0, 200); }
  void measure(const mla_kernels&) { text.bytes = positive(size), text.align = 1; }
  auto arguments() { return std::tie(subject, text, size); }
};

}  // namespace mla::test::fuzz
