// What attention on pairs of bf16 keeps of a block of tokens.
#pragma once
#include "cpu/attention_state.h"
#include "cpu/cache.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kPairRows = 16;  // rows of a group: four quads

template <class I>
struct PairRows {
  typedef I Isa;
  // A row's sums come from L2 once a block; 128 x 576 bf16 and their values are 272 KiB. In matrix registers a block is computed in less time
  // than its sums take to come and go, in caches that are larger.
  static constexpr int kTokens = Isa::kHasMatrix ? 256 : 128;
  static constexpr int kStep = 32;
  static constexpr int kRows = kPairRows;
  static constexpr int kPairs = kTokens / 2;

  State s;
  uint32_t* probabilities;  // of a band: [group][pair][kRows]
  uint16_t* key_buffer;     // of several blocks: [token][key_stride]
  uint16_t* row_buffer;     // rows under scales as bf16: [token][row_stride]
  int row_stride;
  uint16_t* tile_buffer;  // of matrix registers, keys that are not read where they lie: [token][tile_stride]
  int tile_stride;
  uint32_t* value_buffer;  // of several blocks: [out_stride / kValueColumns<Isa>][kPairs][kValueColumns<Isa>]
  uint32_t* values;        // of the block at hand
  const uint16_t* keys[kTokens + 16];
  int interleaved;  // tokens of the block whose values are in place
  Ahead ahead;

  static PairRows make(const mla_attention_params& p, const mla_cache_params& c, bool decompressed, int rows,
                       int blocks, Carver* w) {
    PairRows x{};
    x.s = make_state<Isa>(p, c, decompressed, rows, kStep, false, kTokens, w);
    x.probabilities = w->take<uint32_t>(kPairs * kBandRows);
    x.key_buffer = w->take<uint16_t>(decompressed ? (int64_t)blocks * kTokens * x.s.key_stride : 0);
    x.value_buffer = w->take<uint32_t>((int64_t)blocks * kPairs * x.s.out_stride);
    x.row_stride = round_up(c.rope_offset + c.rope, kStep);
    x.row_buffer = w->take<uint16_t>(has_scales(c) ? (int64_t)kTokens * x.row_stride : 0);
    x.tile_stride = x.row_stride > x.s.key_stride ? x.row_stride : x.s.key_stride;
    x.tile_buffer = w->take<uint16_t>(Isa::kHasMatrix ? (int64_t)kTokens * x.tile_stride : 0);
    x.values = x.value_buffer;
    x.ahead.none = (const char*)x.s.scores;
    x.ahead.last = -1;
    return x;
  }

  // Block i of the buffers.
  MLA_INLINE void use_block(int i, int tokens) {
    values = value_buffer + (int64_t)i * kPairs * s.out_stride;
    for (int t = 0; t < round_up(tokens, 16); t++)
      keys[t] = key_buffer + (int64_t)(i * kTokens + min_int(t, tokens - 1)) * s.key_stride;
    interleaved = kTokens;
  }

  // to[t]: the row of the t-th token from `first` on as bf16, of the last one again up to a multiple of 16.
  MLA_INLINE void point_to_rows(const mla_cache_params& c, CacheRows rows, int tokens,
                                const uint16_t** to) const {
    for (int t = 0; t < round_up(tokens, 16); t++) {
      const CacheRow row = rows.next();
      to[t] = (const uint16_t*)row.at;
      if (!has_scales(c)) continue;
      uint16_t* rounded = row_buffer + (int64_t)min_int(t, tokens - 1) * row_stride;
      if (t < tokens) round_row<Isa>(c, row, rounded);
      to[t] = rounded;
    }
  }

  // Values of a block of `tokens` up to whole steps of a matrix register, which multiplies those that are not there by 0.
  MLA_INLINE void clear_pairs(int tokens) const {
    if constexpr (Isa::kHasMatrix) {
      for (int pair = (tokens + 1) / 2; pair < round_up(tokens, 32) / 2; pair++)
        for (int column = 0; column < s.out_stride; column += kValueColumns<Isa>)
          __builtin_memset(value_pairs(pair, column), 0, 4 * kValueColumns<Isa>);
    }
  }

  MLA_INLINE int quads_at(int row) const { return min_int(kRows, s.padded - row) / 4; }

  MLA_INLINE uint32_t* value_pairs(int pair, int column) const {
    return values + ((int64_t)(column / kValueColumns<Isa>)*kPairs + pair) * kValueColumns<Isa> +
           column % kValueColumns<Isa>;
  }
};

// The probabilities of two tokens side by side; a last single one beside zero.
template <class Isa>
struct InPairs {
  uint32_t* at;
  MLA_INLINE void put(int t, F<Isa> p, F<Isa> next) const {
    Isa::store_pairs(at + t / 2 * kPairRows, Isa::make_pairs(p, next));
  }
  MLA_INLINE void put(int t, F<Isa> p) const { put(t, p, Isa::zero()); }
};

}  // namespace
}  // namespace mla
