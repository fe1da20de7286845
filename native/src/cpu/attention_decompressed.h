// The decompressed form of attention: keys and values of a head are rebuilt from the latents, some blocks of tokens at a time.
#pragma once
#include "cpu/attention_call.h"
#include "cpu/attention_pairs.h"
#include "cpu/attention_widened.h"
#include "cpu/cache.h"
#include "cpu/linear.h"

namespace mla {
namespace {

// Blocks of tokens that are rebuilt before all rows of a call attend to them: a row's sums come from memory once for all of them.
constexpr int kKeyBlocks = 4;

// What rebuilding needs of the workspace.
struct Rebuilding {
  mla_linear_params linear;
  uint16_t* weight;  // of the head, packed, where the bf16 dot is used
  float* latents;    // [tokens][latent]
  void* packed;
  float* rebuilt;  // [tokens][nope + value]
};

template <class Isa>
MLA_INLINE bool packs_weight(const mla_attention_params& p, const mla_cache_params& c) {
  return uses_pairs<Isa>(p, c) && p.weight_type == Bf16::kType;
}

template <class Isa>
Rebuilding make_rebuilding(const mla_attention_params& p, const mla_cache_params& c, int tokens, Carver* w) {
  Rebuilding x{};
  if (packs_weight<Isa>(p, c)) {
    const int rows = round_up(p.nope, 4) + round_up(p.value, 4);
    x.weight = w->take<uint16_t>((int64_t)rows * round_up(c.latent, 32) + 4 * round_up(c.latent, 32));
    return x;
  }
  x.linear.struct_size = sizeof x.linear;
  // latents of a bf16 cache are exact in either compute type; an F32 cache is not rounded
  x.linear.compute = c.cache_type == F32::kType ? MLA_COMPUTE_F32 : p.compute;
  x.linear.weight_type = p.weight_type;
  x.linear.rows = tokens;
  x.linear.k = c.latent;
  x.linear.n = p.nope + p.value;
  x.linear.x_stride = c.latent;
  x.linear.weight_stride = p.weight_stride;
  x.linear.y_stride = x.linear.n;
  x.latents = w->take<float>((int64_t)tokens * c.latent);
  x.packed = w->take<char>(packed_bytes<Isa>(&x.linear));
  x.rebuilt = w->take<float>((int64_t)tokens * x.linear.n);
  return x;
}

// A head's part of a call.
struct HeadCall {
  const AttentionCall& call;
  const Rebuilding& rebuilding;
  const void* weight;

  MLA_INLINE const char* row(int token) const {
    return cache_row(call.c, call.cache, call.page_table, token);
  }
};

// Keys (without their rotated part) and values of the tokens [begin, begin + tokens) in float32.
template <class Isa>
void rebuild(const HeadCall& h, int begin, int tokens) {
  const Rebuilding& x = h.rebuilding;
  const int latent = h.call.c.latent;
  for (int t = 0; t < tokens; t++)
    widen_row<Isa>(h.call.c, h.row(begin + t), 0, latent, x.latents + (int64_t)t * latent, latent);
  mla_linear_params l = x.linear;
  l.rows = tokens;
  pack_rows<Isa>(l, x.latents, nullptr, 0, tokens, x.packed);
  linear<Isa>(&l, x.packed, h.weight, nullptr, 0, l.n, x.rebuilt);
}

template <class Isa>
void use_head(const WideRows<Isa>&, const HeadCall&) {}

// Block i of the buffers from the tokens [begin, begin + tokens).
template <class Isa>
void rebuild_block(WideRows<Isa>& a, const HeadCall& h, int i, int begin, int tokens) {
  constexpr int kTokens = WideRows<Isa>::kTokens;
  const State& s = a.s;
  const mla_attention_params& p = h.call.p;
  const mla_cache_params& c = h.call.c;
  rebuild<Isa>(h, begin, tokens);
  for (int t = 0; t < tokens; t++) {
    const float* from = h.rebuilding.rebuilt + (int64_t)t * h.rebuilding.linear.n;
    float* key = a.key_buffer + (int64_t)(i * kTokens + t) * s.key_stride;
    float* value = a.value_buffer + (int64_t)(i * kTokens + t) * a.value_stride;
    copy_run<Isa>(from, p.nope, s.rounds, key);
    widen_row<Isa>(c, h.row(begin + t), c.rope_offset, c.rope, key + p.nope, s.key_stride - p.nope);
    copy_run<Isa>(from + p.nope, p.value, s.rounds, value);
    for (int d = p.value; d < a.value_stride; d++) value[d] = 0;
  }
}

template <class Isa>
void use_head(const PairRows<Isa>&, const HeadCall& h) {
  const mla_attention_params& p = h.call.p;
  const mla_cache_params& c = h.call.c;
  if (!h.rebuilding.weight) return;
  const int stride = round_up(c.latent, 32);
  const auto fill = [&](const uint16_t* from) {
    return [=, &p, &c](int r, uint16_t* to) {
      __builtin_memcpy(to, from + r * p.weight_stride, 2 * (size_t)c.latent);
      __builtin_memset(to + c.latent, 0, 2 * (size_t)(stride - c.latent));
    };
  };
  const uint16_t* w = (const uint16_t*)h.weight;
  uint16_t* lines = h.rebuilding.weight;
  uint32_t* packed = (uint32_t*)(lines + 4 * stride);
  pack_quads<Isa>(p.nope, stride, lines, packed, fill(w));
  pack_quads<Isa>(p.value, stride, lines, packed + (int64_t)round_up(p.nope, 4) * (stride / 2),
                  fill(w + p.nope * p.weight_stride));
}

template <class Isa>
void rebuild_block(PairRows<Isa>& a, const HeadCall& h, int i, int begin, int tokens) {
  constexpr int kTokens = PairRows<Isa>::kTokens, L = Isa::L;
  const State& s = a.s;
  const mla_attention_params& p = h.call.p;
  const mla_cache_params& c = h.call.c;
  const Rebuilding& x = h.rebuilding;
  uint16_t* keys = a.key_buffer + (int64_t)i * kTokens * s.key_stride;
  a.use_block(i, tokens);
  for (int t = 0; t < tokens; t++) {
    const uint16_t* row = (const uint16_t*)h.row(begin + t);
    uint16_t* key = keys + (int64_t)t * s.key_stride;
    __builtin_memcpy(key + p.nope, row + c.rope_offset, 2 * (size_t)c.rope);
    __builtin_memset(key + s.key_width, 0, 2 * (size_t)(s.key_stride - s.key_width));
  }
  if (!x.weight) {
    rebuild<Isa>(h, begin, tokens);
    for (int t = 0; t < tokens; t++) {
      const float* from = x.rebuilt + (int64_t)t * x.linear.n;
      copy_run<Isa>(from, p.nope, true, keys + (int64_t)t * s.key_stride);
      for (int d = 0; t % 2 == 0 && d < p.value; d += L) {
        const int n = min_int(L, p.value - d);
        const float* value = from + p.nope + d;
        const F<Isa> next = t + 1 < tokens ? Isa::load(value + x.linear.n, n) : Isa::zero();
        Isa::store_pairs(a.value_pairs(t / 2, d), Isa::make_pairs(Isa::load(value, n), next));
      }
    }
    return;
  }
  // outputs of the weight are the rows, latents the keys
  const int stride = round_up(c.latent, 32);
  const uint32_t* w = (const uint32_t*)(x.weight + 4 * stride);
  const uint16_t* latents[kTokens];
  for (int t = 0; t < round_up(tokens, 16); t++)
    latents[t] = (const uint16_t*)h.row(begin + min_int(t, tokens - 1));
  const auto outputs = [&](int d, int n) {
    const int quads = (min_int(kPairRows, n - d) + 3) / 4;
    score_group(a, latents, c.latent, w, quads, tokens, s.scores);
    w += (int64_t)quads * 4 * (stride / 2);
  };
  for (int d = 0; d < p.nope; d += kPairRows) {
    outputs(d, p.nope);
    for (int t = 0; t < tokens; t++)
      Isa::store_bf16(keys + (int64_t)t * s.key_stride + d, Isa::load(s.scores + t * kPairRows),
                      min_int(L, p.nope - d));
  }
  for (int d = 0; d < p.value; d += kPairRows) {
    outputs(d, p.value);
    for (int t = 0; t < tokens; t += 2)
      Isa::store_pairs(a.value_pairs(t / 2, d), Isa::make_pairs(Isa::load(s.scores + t * kPairRows),
                                                                Isa::load(s.scores + (t + 1) * kPairRows)));
  }
}

template <class Structure>
void decompressed_of(const AttentionCall& x, const void* kv_b) {
  typedef typename Structure::Isa Isa;
  constexpr int kBlock = Structure::kTokens;
  const mla_attention_params& p = x.p;
  Carver w{(char*)x.workspace, 0};
  Structure a = Structure::make(p, x.c, true, x.query_end - x.query_begin, kKeyBlocks, &w);
  const Rebuilding rebuilding = make_rebuilding<Isa>(p, x.c, kBlock, &w);
  const int rows = a.s.rows;
  a.s.biased = x.alibi_slopes != nullptr;
  const int last = p.causal ? min_int(p.kv_tokens, x.first_position() + x.query_end) : p.kv_tokens;
  for (int head = x.head_begin; head < x.head_end; head++) {
    const HeadCall h{x, rebuilding, (const char*)kv_b + bytes_of(p.weight_type, head * p.weight_head_stride)};
    reset<Isa>(a.s);
    for (int r = 0; r < rows; r++) set_row(a.s, r, x.first_position() + x.query_begin + r, x.slope(head));
    pack_queries(a, QueryRow{a.s.key_width, 0, 0}, [&](int r) { return x.query(x.query_begin + r, head); });
    use_head(a, h);
    for (int begin = 0; begin < last; begin += kKeyBlocks * kBlock) {
      const int end = min_int(last, begin + kKeyBlocks * kBlock);
      for (int b = begin; b < end; b += kBlock)
        rebuild_block(a, h, (b - begin) / kBlock, b, min_int(kBlock, end - b));
      for (int r = 0; r < rows; r += kBandRows) {
        const int band_end = min_int(rows, r + kBandRows);
        for (int b = begin; b < end; b += kBlock) {
          const int tokens = min_int(kBlock, end - b);
          if (visible_tokens(a.s, band_end, b, tokens) <= 0) break;
          a.use_block((b - begin) / kBlock, tokens);
          attend_rows(a, r, band_end, b, tokens);
        }
      }
    }
    for (int r = 0; r < rows; r++) x.write<Isa>(a.s, r, x.query_begin + r, head);
  }
}

}  // namespace
}  // namespace mla
