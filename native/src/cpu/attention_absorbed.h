// The absorbed form of attention: the rows of the cache are keys and values.
//
// A call's rows are taken in blocks of kMaxRows; calls that are cut at multiples of 16 rows give the same bits.
#pragma once
#include "cpu/attention_call.h"
#include "cpu/attention_direct.h"
#include "cpu/attention_integers.h"
#include "cpu/attention_matrix_integers.h"
#include "cpu/attention_pairs.h"
#include "cpu/attention_widened.h"
#include "cpu/cache.h"

namespace mla {
namespace {

template <class Isa>
MLA_INLINE void load_block(WideRows<Isa>& a, const AttentionCall& x, int begin, int tokens) {
  const mla_cache_params& c = x.c;
  const int key_offset = x.p.key_offset;
  a.use_block(0, tokens);
  CacheRows rows(c, x.cache, x.page_table, begin, tokens);
  for (int t = 0; t < tokens; t++) {
    const CacheRow row = rows.next();
    widen_row<Isa>(c, row, key_offset, a.s.key_width, a.s.rounds, a.key_buffer + (int64_t)t * a.s.key_stride,
                   a.s.key_stride);
    if (key_offset)
      widen_row<Isa>(c, row, 0, c.latent, a.s.rounds, a.value_buffer + (int64_t)t * a.value_stride,
                     a.value_stride);
  }
}

template <class Isa>
MLA_INLINE void load_block(PairRows<Isa>& a, const AttentionCall& x, int begin, int tokens) {
  const mla_cache_params& c = x.c;
  const int key_offset = x.p.key_offset;
  a.point_to_rows(c, CacheRows(c, x.cache, x.page_table, begin, tokens), tokens, a.keys);
  for (int t = 0; key_offset && t < round_up(tokens, 16); t++) a.keys[t] += key_offset;
  a.interleaved = 0;
  // where scores do not interleave values on their way
  if (key_offset || Isa::kHasMatrix) {
    constexpr int kLines = Isa::kHasMatrix ? 1 : 2;
    for (int t = 0; t < tokens; t += 2) {
      const char* ahead = a.ahead.next(c.latent / 32 * kLines);
      for (int column = 0; column < c.latent; column += 2 * Isa::L) {
        if (column % 32 == 0) prefetch_lines<kLines>(ahead, column / 32);
        const int left = c.latent - column;
        P<Isa> x[2], low, high;
        const uint16_t* rows[2] = {a.keys[t] - key_offset, a.keys[t + 1] - key_offset};
        load_chunk<Isa, 2>(rows, column, left, x);
        Isa::interleave(x[0], x[1], &low, &high);
        Isa::store_pairs(a.value_pairs(t / 2, column), low);
        Isa::store_pairs(a.value_pairs(t / 2, column) + Isa::L, high);
      }
    }
    a.clear_pairs(tokens);
    a.interleaved = PairRows<Isa>::kTokens;
  }
}

template <class K>
MLA_INLINE void load_block(DirectRows<K>& a, const AttentionCall& x, int begin, int tokens) {
  CacheRows rows(x.c, x.cache, x.page_table, begin, tokens);
  for (int t = 0; t < DirectRows<K>::kTokens; t++) a.rows[t] = (const typename K::T*)rows.next().at;
}

// Tokens from `begin` to the end of a block: blocks start at the call's first token, those of integers at multiples of their length.
template <class Structure>
MLA_INLINE int block_tokens(int begin) {
  if constexpr (requires { Structure::kAligned; })
    return Structure::kTokens - begin % Structure::kTokens;
  else
    return Structure::kTokens;
}

// What is left to do with the sums of all rows: nothing, mostly.
template <class Structure>
MLA_INLINE void finish_sums(const Structure&) {}

template <class Structure>
void absorbed_of(const AttentionCall& x) {
  typedef typename Structure::Isa Isa;
  const mla_attention_params& p = x.p;
  const mla_cache_params& c = x.c;
  const int heads = x.head_end - x.head_begin, all = (x.query_end - x.query_begin) * heads;
  const QueryRow query =
      p.key_offset ? QueryRow{c.rope, 0, 0} : QueryRow{c.latent, c.rope_offset - c.latent, c.rope};
  for (int row_begin = 0; row_begin < all; row_begin += kMaxRows) {
    Carver w{(char*)x.workspace, 0};
    Structure a = Structure::make(p, c, false, min_int(kMaxRows, all - row_begin), 1, &w);
    const int rows = a.s.rows;
    a.s.biased = x.alibi_slopes != nullptr;
    const auto token = [&](int r) { return x.query_begin + (row_begin + r) / heads; };
    const auto head = [&](int r) { return x.head_begin + (row_begin + r) % heads; };
    const int last = p.causal ? min_int(x.kv_end, x.first_position() + token(rows - 1) + 1) : x.kv_end;
    // the first block comes while the queries are packed
    if (x.kv_begin < last) {
      a.ahead.aim(c, x.cache, x.page_table, x.kv_begin, min_int(last, x.kv_begin + Structure::kTokens),
                  a.s.scores);
      a.ahead.template fetch<Isa>();
    }
    reset<Isa>(a.s);
    for (int r = 0; r < rows; r++)
      set_row(a.s, r, x.first_position() + token(r) - x.kv_begin, x.slope(head(r)));
    pack_queries(a, query, [&](int r) { return x.query(token(r), head(r)); });
    for (int begin = x.kv_begin, tokens; begin < last; begin += tokens) {
      tokens = min_int(block_tokens<Structure>(begin), last - begin);
      a.ahead.aim(c, x.cache, x.page_table, begin + tokens, min_int(last, begin + 3 * Structure::kTokens),
                  a.s.scores);
      load_block(a, x, begin, tokens);
      for (int r = 0; r < rows; r += kBandRows)
        attend_rows(a, r, min_int(rows, r + kBandRows), begin - x.kv_begin, tokens);
    }
    finish_sums(a);
    for (int r = 0; r < rows; r++) x.write<Isa>(a.s, r, token(r), head(r));
  }
}

}  // namespace
}  // namespace mla
