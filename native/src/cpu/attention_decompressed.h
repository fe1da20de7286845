// The decompressed form of attention: keys and values of a head are rebuilt from the latents, some blocks of tokens at a time.
#pragma once
#include "cpu/attention_call.h"
#include "cpu/attention_pairs.h"
#include "cpu/attention_widened.h"
#include "cpu/cache.h"
#include "cpu/head_linear.h"
#include "cpu/linear.h"

namespace mla {
namespace {

// Blocks of tokens that are rebuilt before all rows of a call attend to them: a row's sums come from memory once for all of them.
constexpr int kKeyBlocks = 4;

// W_UK and W_UV of all heads: products of latents that make keys and values.
struct LatentUp {
  const mla_head_linear_params& keys;
  const mla_head_linear_params& values;
  const void* key_weight;
  const void* key_scales;
  const void* value_weight;
  const void* value_scales;
};

// What rebuilding needs of the workspace.
struct Rebuilding {
  uint16_t* weight;   // of the head, packed, where the bf16 dot is used
  float* key_weight;  // of the head, [latent][key_stride], where it is transposed and has to be widened
  int key_stride;
  int width;  // nope + value
  int compute;
  bool rounds;
  float* latents;  // [tokens][latent]
  void* packed;
  float* rebuilt;  // [tokens][width]
};

MLA_INLINE bool is_plain_bf16(const mla_head_linear_params& p) {
  return p.weight_type == Bf16::kType && p.scale_rows == 0 && !p.transposed;
}

template <class Isa>
MLA_INLINE bool packs_weight(const mla_attention_params& p, const mla_cache_params& c,
                             const mla_head_linear_params& keys, const mla_head_linear_params& values) {
  return uses_pairs<Isa>(p, c) && is_plain_bf16(keys) && is_plain_bf16(values);
}

// Outputs of a weight that is packed as queries are.
template <class Isa>
MLA_INLINE int packed_outputs(int outputs) {
  return round_up(outputs, kSumRows<Isa>);
}

// Whether W_UK of a head is widened once for all tokens: a transposed one that is not read where it lies.
MLA_INLINE bool widens_keys(const mla_head_linear_params& keys) {
  return keys.transposed && (keys.scale_rows > 0 || !PlainFormats::has(keys.weight_type));
}

// A head's keys or values as a linear layer of latents.
MLA_INLINE mla_linear_params linear_of_latents(const Rebuilding& x, const mla_head_linear_params& p,
                                               int tokens) {
  mla_linear_params l{};
  l.compute = x.compute;
  l.weight_type = p.weight_type;
  l.scale_rows = p.scale_rows;
  l.scale_columns = p.scale_columns;
  l.rows = tokens;
  l.k = p.in;
  l.n = p.out;
  l.x_stride = p.in;
  l.y_stride = x.width;
  return l;
}

template <class Isa>
Rebuilding make_rebuilding(const mla_attention_params& p, const mla_cache_params& c,
                           const mla_head_linear_params& keys, const mla_head_linear_params& values,
                           int tokens, Carver* w) {
  Rebuilding x{};
  if (packs_weight<Isa>(p, c, keys, values)) {
    const int rows = packed_outputs<Isa>(p.nope) + packed_outputs<Isa>(p.value);
    x.weight = w->take<uint16_t>((int64_t)(rows + kSumRows<Isa>)*round_up(c.latent, 32));
    return x;
  }
  x.width = p.nope + p.value;
  // what is read of other caches is bf16 already; an F32 cache is not rounded
  x.rounds = rounds_to_bf16(p.compute, c);
  x.compute = x.rounds ? MLA_COMPUTE_BF16 : MLA_COMPUTE_F32;
  x.key_stride = widens_keys(keys) ? round_up(keys.out, Isa::L) : 0;
  if (x.key_stride > 0) x.key_weight = w->take<float>((int64_t)keys.in * x.key_stride);
  x.latents = w->take<float>((int64_t)tokens * c.latent);
  const mla_linear_params k = linear_of_latents(x, keys, tokens), v = linear_of_latents(x, values, tokens);
  const int64_t key_bytes = packed_bytes<Isa>(&k), value_bytes = packed_bytes<Isa>(&v);
  x.packed = w->take<char>(key_bytes > value_bytes ? key_bytes : value_bytes);
  x.rebuilt = w->take<float>((int64_t)tokens * x.width);
  return x;
}

// A head's part of a call.
struct HeadCall {
  const AttentionCall& call;
  const Rebuilding& rebuilding;
  const LatentUp& up;
  int head;

  MLA_INLINE CacheRow row(int token) const { return cache_row(call.c, call.cache, call.page_table, token); }
};

// Widens W_UK of the head where that is done once for all tokens.
template <class Isa>
void widen_keys(const HeadCall& h) {
  const Rebuilding& x = h.rebuilding;
  if (x.key_stride == 0) return;
  const mla_head_linear_params& keys = h.up.keys;
  const auto rows = head_rows<Isa>(keys, h.up.key_weight, h.up.key_scales, h.head);
  for (int i = 0; i < keys.in; i++) rows.read(i, 0, keys.out, x.key_weight + (int64_t)i * x.key_stride);
}

// y = x W for the latents of some tokens and a transposed W_UK.
template <class Isa>
void transposed_keys(const HeadCall& h, int tokens) {
  const Rebuilding& x = h.rebuilding;
  mla_head_linear_params p = h.up.keys;
  p.compute = x.compute;
  p.x_token_stride = h.call.c.latent;
  p.y_token_stride = x.width;
  if (x.key_stride == 0)
    return transposed_head<Isa>(p, x.latents, head_rows<Isa>(p, h.up.key_weight, h.up.key_scales, h.head), 0,
                                tokens, x.rebuilt);
  p.weight_type = F32::kType;
  p.scale_rows = 0;
  transposed_head<Isa>(p, x.latents, StoredRows<Isa>::of(F32::kType, x.key_weight, x.key_stride, Scales{}), 0,
                       tokens, x.rebuilt);
}

// Keys (without their rotated part) and values of the tokens [begin, begin + tokens) in float32.
template <class Isa>
void rebuild(const HeadCall& h, int begin, int tokens) {
  const Rebuilding& x = h.rebuilding;
  const int latent = h.call.c.latent;
  for (int t = 0; t < tokens; t++)
    widen_row<Isa>(h.call.c, h.row(begin + t), 0, latent, x.rounds, x.latents + (int64_t)t * latent, latent);
  const mla_head_linear_params &keys = h.up.keys, &values = h.up.values;
  const mla_linear_params k = linear_of_latents(x, keys, tokens), v = linear_of_latents(x, values, tokens);
  const auto value_rows = head_rows<Isa>(values, h.up.value_weight, h.up.value_scales, h.head);
  bool packed = false;
  if (keys.transposed) {
    transposed_keys<Isa>(h, tokens);
  } else {
    const auto key_rows = head_rows<Isa>(keys, h.up.key_weight, h.up.key_scales, h.head);
    pack_any_rows<Isa>(k, x.latents, nullptr, 0, tokens, x.packed);
    multiply<Isa>(k, x.packed, key_rows, nullptr, 0, k.n, x.rebuilt);
    packed = packs_alike<Isa>(k, v);
  }
  if (!packed) pack_any_rows<Isa>(v, x.latents, nullptr, 0, tokens, x.packed);
  multiply<Isa>(v, x.packed, value_rows, nullptr, 0, v.n, x.rebuilt + keys.out);
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
    const float* from = h.rebuilding.rebuilt + (int64_t)t * h.rebuilding.width;
    float* key = a.key_buffer + (int64_t)(i * kTokens + t) * s.key_stride;
    float* value = a.value_buffer + (int64_t)(i * kTokens + t) * a.value_stride;
    copy_run<Isa>(from, p.nope, s.rounds, key);
    widen_row<Isa>(c, h.row(begin + t), c.rope_offset, c.rope, s.rounds, key + p.nope, s.key_stride - p.nope);
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
  const auto fill = [&](const mla_head_linear_params& up, const void* weight) {
    const uint16_t* from = (const uint16_t*)weight + h.head * up.weight_head_stride;
    return [=, row_stride = up.weight_stride, &c](int r, uint16_t* to) {
      __builtin_memcpy(to, from + r * row_stride, 2 * (size_t)c.latent);
      __builtin_memset(to + c.latent, 0, 2 * (size_t)(stride - c.latent));
    };
  };
  uint16_t* lines = h.rebuilding.weight;
  uint32_t* packed = (uint32_t*)(lines + kSumRows<Isa> * stride);
  pack_groups<Isa>(p.nope, stride, lines, packed, fill(h.up.keys, h.up.key_weight));
  pack_groups<Isa>(p.value, stride, lines, packed + (int64_t)packed_outputs<Isa>(p.nope) * (stride / 2),
                   fill(h.up.values, h.up.value_weight));
}

// Rows of keys, and pairs of values, from scores of 16 outputs of a weight: [token][16].
template <class Isa>
MLA_INLINE void put_keys(const float* scores, int tokens, int outputs, int64_t stride, uint16_t* keys) {
  for (int t = 0; t < tokens; t++)
    for (int v = 0; v < outputs; v += Isa::L)
      Isa::store_bf16(keys + t * stride + v, Isa::load(scores + t * kPairRows + v),
                      min_int(Isa::L, outputs - v));
}
template <class Isa>
MLA_INLINE void put_values(const PairRows<Isa>& a, const float* scores, int tokens, int outputs, int column) {
  for (int t = 0; t < tokens; t += 2)
    for (int v = 0; v < outputs; v += Isa::L) {
      const float* at = scores + t * kPairRows + v;
      // an odd last token stands beside itself, as its row does
      Isa::store_pairs(a.value_pairs(t / 2, column + v),
                       Isa::make_pairs(Isa::load(at), Isa::load(at + kPairRows)));
    }
}

// Keys and values of a block in matrix registers: outputs of the weight, two groups of sixteen at a time, are the rows, latents the keys.
template <class Isa>
void rebuild_in_matrix(PairRows<Isa>& a, const uint16_t* weight, const uint16_t* const* latents,
                       const AttentionCall& call, uint16_t* keys, int tokens) {
  constexpr int kScores = PairRows<Isa>::kTokens * kMatrixRows;
  const State& s = a.s;
  const int stride = round_up(call.c.latent, 32);
  Isa::configure_matrix(kWholeMatrix, kWholeMatrix, kWholeMatrix);
  const KeyTiles<Isa> tiles(a, latents, call.c.latent, tokens);
  const uint32_t* w = (const uint32_t*)(weight + kSumRows<Isa> * stride);
  const auto outputs = [&](int count, auto put) {
    for (int d = 0; d < count; d += 2 * kMatrixRows) {
      const int groups = count - d > kMatrixRows ? 2 : 1;
      if (groups == 2)
        matrix_scores<Isa, 2>(a, tiles.tiles, w, stride, tokens, s.scores);
      else
        matrix_scores<Isa, 1>(a, tiles.tiles, w, stride, tokens, s.scores);
      w += (int64_t)groups * kMatrixRows * (stride / 2);
      for (int g = 0; g < groups; g++) {
        const int at = d + g * kMatrixRows;
        put(s.scores + g * kScores, at, min_int(kMatrixRows, count - at));
      }
    }
  };
  outputs(call.p.nope, [&](const float* scores, int d, int n) {
    put_keys<Isa>(scores, tokens, n, s.key_stride, keys + d);
  });
  outputs(call.p.value, [&](const float* scores, int d, int n) { put_values(a, scores, tokens, n, d); });
  Isa::release_matrix();
}

// The same with the dot product: outputs of the weight are the rows, latents the keys.
template <class Isa>
void rebuild_in_pairs(PairRows<Isa>& a, const uint16_t* weight, const uint16_t* const* latents,
                      const AttentionCall& call, uint16_t* keys, int tokens) {
  const State& s = a.s;
  const int stride = round_up(call.c.latent, 32);
  const uint32_t* w = (const uint32_t*)(weight + kSumRows<Isa> * stride);
  const auto outputs = [&](int d, int n) {
    const int quads = (min_int(kPairRows, n - d) + 3) / 4;
    score_group(a, latents, call.c.latent, w, quads, tokens, s.scores);
    w += (int64_t)quads * 4 * (stride / 2);
  };
  for (int d = 0; d < call.p.nope; d += kPairRows) {
    outputs(d, call.p.nope);
    put_keys<Isa>(s.scores, tokens, min_int(kPairRows, call.p.nope - d), s.key_stride, keys + d);
  }
  for (int d = 0; d < call.p.value; d += kPairRows) {
    outputs(d, call.p.value);
    put_values(a, s.scores, tokens, min_int(kPairRows, call.p.value - d), d);
  }
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
  const uint16_t* latents[kTokens];
  a.point_to_rows(c, CacheRows(c, h.call.cache, h.call.page_table, begin, tokens), tokens, latents);
  a.clear_pairs(tokens);
  for (int t = 0; t < tokens; t++) {
    const uint16_t* row = latents[t];
    uint16_t* key = keys + (int64_t)t * s.key_stride;
    __builtin_memcpy(key + p.nope, row + c.rope_offset, 2 * (size_t)c.rope);
    __builtin_memset(key + s.key_width, 0, 2 * (size_t)(s.key_stride - s.key_width));
  }
  if (!x.weight) {
    rebuild<Isa>(h, begin, tokens);
    for (int t = 0; t < tokens; t++) {
      const float* from = x.rebuilt + (int64_t)t * x.width;
      copy_run<Isa>(from, p.nope, true, keys + (int64_t)t * s.key_stride);
      for (int d = 0; t % 2 == 0 && d < p.value; d += L) {
        const int n = min_int(L, p.value - d);
        const float* value = from + p.nope + d;
        const F<Isa> next = t + 1 < tokens ? Isa::load(value + x.width, n) : Isa::zero();
        Isa::store_pairs(a.value_pairs(t / 2, d), Isa::make_pairs(Isa::load(value, n), next));
      }
    }
    return;
  }
  if constexpr (Isa::kHasMatrix)
    rebuild_in_matrix(a, x.weight, latents, h.call, keys, tokens);
  else
    rebuild_in_pairs(a, x.weight, latents, h.call, keys, tokens);
}

template <class Structure>
void decompressed_of(const AttentionCall& x, const LatentUp& up) {
  typedef typename Structure::Isa Isa;
  constexpr int kBlock = Structure::kTokens;
  const mla_attention_params& p = x.p;
  Carver w{(char*)x.workspace, 0};
  Structure a = Structure::make(p, x.c, true, x.query_end - x.query_begin, kKeyBlocks, &w);
  const Rebuilding rebuilding = make_rebuilding<Isa>(p, x.c, up.keys, up.values, kBlock, &w);
  const int rows = a.s.rows;
  a.s.biased = x.alibi_slopes != nullptr;
  const int last = p.causal ? min_int(p.kv_tokens, x.first_position() + x.query_end) : p.kv_tokens;
  for (int head = x.head_begin; head < x.head_end; head++) {
    const HeadCall h{x, rebuilding, up, head};
    reset<Isa>(a.s);
    for (int r = 0; r < rows; r++) set_row(a.s, r, x.first_position() + x.query_begin + r, x.slope(head));
    pack_queries(a, QueryRow{a.s.key_width, 0, 0}, [&](int r) { return x.query(x.query_begin + r, head); });
    use_head(a, h);
    widen_keys<Isa>(h);
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
