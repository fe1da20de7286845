// What attention over integer codes keeps of a call: queries as codes, and a block of tokens (attention_integers.h).
#pragma once
#include "cpu/attention_call.h"
#include "cpu/attention_integer_dots.h"
#include "cpu/attention_state.h"
#include "cpu/cache.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kIntegerTokens = 128;  // of a block. 255 * 127 * 128 < 2^24: sums of 8 bits are exact as floats
constexpr float kLargestFinite = 3.4028235e38f;
constexpr float kSmallestPeak = 1e-30f;  // values of a block whose scales all are below count as zero

MLA_INLINE bool uses_integers(const mla_attention_params& p, const mla_cache_params& c) {
  return p.compute == MLA_COMPUTE_INT8 && c.cache_type == I8::kType && c.rope_type == Bf16::kType &&
         c.scale_type == F32::kType && c.scale_columns > 0 && c.scale_columns % kIntegerChunk == 0 &&
         c.row_stride_bytes % kIntegerChunk == 0;
}

// Rows and scales of a block of tokens.
struct IntegerTokens {
  static constexpr int kTokens = kIntegerTokens;
  static constexpr bool kAligned = true;  // blocks begin at multiples of kTokens

  State s;
  int groups;                      // of a row's scales
  int key_groups;                  // the same, or 0 where the latent is not part of a key
  int group_columns;               // of a group
  int rope_at;                     // element of a query where its rotated part begins
  int64_t rope_bytes;              // byte of a row where that begins
  float largest;                   // integer that a probability becomes
  float* row;                      // a query
  const char* rows[kTokens + 16];  // of the block
  bool peaks_known;
  float *scales, *finite;  // [groups][token], and with 0 where they are not finite
  float* peaks;            // [groups][token] the largest of `finite` up to the token
  float* block_peaks;      // [groups] of all tokens
  float* weights;  // [groups][token] what probabilities are multiplied with where all of a block is seen
  float *lane_peaks, *lane_units;  // [groups][L] of what each row sees
  Ahead ahead;

  template <class Isa>
  void make_tokens(const mla_attention_params& p, const mla_cache_params& c, int query_rows, Carver* w) {
    s = make_state<Isa>(p, c, false, query_rows, kIntegerChunk, false, kTokens, w);
    groups = scale_count(c);
    key_groups = p.key_offset ? 0 : groups;
    group_columns = c.scale_columns;
    rope_at = p.key_offset ? 0 : c.rope_offset;
    rope_bytes = key_bytes(c);
    largest = p.probability_bits == 8 ? 255 : 32767;
    row = w->take<float>(s.key_stride);
    scales = w->take<float>((int64_t)kTokens * groups);
    finite = w->take<float>((int64_t)kTokens * groups);
    peaks = w->take<float>((int64_t)kTokens * groups);
    block_peaks = w->take<float>(groups);
    weights = w->take<float>((int64_t)kTokens * groups);
    lane_peaks = w->take<float>((int64_t)groups * Isa::L);
    lane_units = w->take<float>((int64_t)groups * Isa::L);
    ahead.none = (const char*)s.scores;
    ahead.last = -1;
  }

  // What makes an integer of a probability times a scale, where `peak` is the largest scale.
  MLA_INLINE float unit(float peak) const { return peak > kSmallestPeak ? largest / peak : 0; }
};

// K, V: the dots of keys and of values.
template <class K, class V>
struct IntegerRows : IntegerTokens {
  typedef typename K::Isa Isa;
  typedef V Values;
  static constexpr int kVectors = 2;                             // of rows that are scored together
  static constexpr int kSums = Isa::kCodeVectors == 2 ? 16 : 8;  // of a score tile, in vectors
  static constexpr int kSteps = kTokens / V::kShare;             // of a value tile
  static constexpr bool kQuads = K::kShare == 4;                 // how single vectors of rows are scored
  static constexpr int kKeyTile = 16;                            // tokens whose keys are copied together
  typedef Rope<Isa> R;

  int group_words;                        // of a group of a key's codes
  int code_words, rope_words, key_words;  // of a key: its codes, its rotated part, all with padding
  uint32_t* queries;                      // [group of rows][key_words][vectors][L]
  float* query_scales;                    // [group of rows][key_groups][vectors][L]
  int copied;                             // tokens of the block whose keys and values are in place
  int key_tokens;                         // of the block that there is room for
  bool in_place;                          // keys are rows of the cache, one behind the other in each kKeyTile
  int32_t* starts;          // [key_groups][token] what sums begin with, which takes the queries' offset away
  uint32_t* keys;           // [token % key_tokens][key_words] where they are not used where they lie
  uint32_t* values;         // [column / kValueColumns][kSteps][kValueColumns]
  uint32_t* probabilities;  // [groups][vector][kSteps][L]
  float* factors;           // [groups][vector][L] of a block's sums

  static IntegerRows make(const mla_attention_params& p, const mla_cache_params& c, bool, int rows, int,
                          Carver* w) {
    IntegerRows x{};
    x.template make_tokens<Isa>(p, c, rows, w);
    x.group_words = c.scale_columns / K::kShare;
    const int64_t columns = round_up(c.latent, kIntegerChunk), padded = padded_rows<Isa>(rows);
    x.code_words = p.key_offset ? 0 : (int)columns / K::kShare;
    x.rope_words = R::words(c.rope);
    x.key_words = round_up(x.code_words + x.rope_words, 16);
    x.queries = w->take<uint32_t>(padded * x.key_words);
    x.query_scales = w->take<float>(padded * x.key_groups);
    x.starts = w->take<int32_t>((int64_t)kTokens * x.key_groups);
    x.key_tokens = rows > kVectors * Isa::L ? kTokens : kKeyTile;
    x.keys = w->take<uint32_t>((int64_t)x.key_tokens * x.key_words);
    x.values = w->take<uint32_t>(kSteps * columns);
    x.probabilities = w->take<uint32_t>((int64_t)x.groups * kVectors * kSteps * Isa::L);
    x.factors = w->take<float>((int64_t)x.groups * kVectors * Isa::L);
    return x;
  }

  // What is packed of the rows of a group, or of a vector of it.
  struct Group {
    int vectors;
    uint32_t* words;
    float* scales;
  };

  // From the vector of rows that begins at `row` on.
  MLA_INLINE Group group_of(int row) const {
    const int first = row / (kVectors * Isa::L) * (kVectors * Isa::L), lane = row - first;
    return {s.rows - first > Isa::L ? kVectors : 1, queries + (int64_t)first * key_words + lane,
            query_scales + (int64_t)first * key_groups + lane};
  }

  // Quads of rows of a single vector.
  MLA_INLINE int quads_at(int row) const { return (min_int(Isa::L, s.rows - row) + 3) / 4; }
  MLA_INLINE uint32_t* key_of(int token) const { return keys + (int64_t)(token % key_tokens) * key_words; }
  MLA_INLINE uint32_t* value_words(int step, int column) const {
    return values + ((int64_t)(column / kValueColumns<Isa>)*kSteps + step) * kValueColumns<Isa> +
           column % kValueColumns<Isa>;
  }
  MLA_INLINE uint32_t* probability_words(int group, int vector, int step) const {
    return probabilities + ((int64_t)(group * kVectors + vector) * kSteps + step) * Isa::L;
  }
  MLA_INLINE float* factors_of(int group, int vector) const {
    return factors + (group * kVectors + vector) * Isa::L;
  }
};

// ---- queries ----

// A query's latent part to padded codes, as K has them, under a scale for each group; scales are `stride` apart.
template <class K>
void round_query(const IntegerTokens& a, const float* from, int codes_padded, typename K::Code* to,
                 float* scales, int stride) {
  typedef typename K::Isa Isa;
  for (int i = 0; i < codes_padded; i++) to[i] = K::kOffset;
  for (int g = 0; g < a.key_groups; g++) {
    const int begin = g * a.group_columns, end = min_int(a.s.value_width, begin + a.group_columns);
    float largest = 0;
    bool finite = true;
    for (int i = begin; i < end; i++) {
      const float x = __builtin_fabsf(from[i]);
      largest = x > largest ? x : largest;
      finite = finite && x <= kLargestFinite;
    }
    const float scale = largest / 127;
    for (int i = begin; finite && scale > 0 && i < end; i += kCodes) {
      int8_t codes[kCodes];
      rounded_codes<Isa>(from + i, Isa::set1(scale), -127, 127, codes);
      for (int j = 0; j < kCodes; j++) to[i + j] = (typename K::Code)(codes[j] + K::kOffset);
    }
    scales[g * stride] = finite ? scale : __builtin_nanf("");
  }
}

// head(row) is the address of a row's query.
template <class K, class V, class Head>
void pack_queries(const IntegerRows<K, V>& a, const QueryRow& row, Head head) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const State& s = a.s;
  const int words = a.key_words;
  uint32_t* lines = (uint32_t*)s.scratch;  // [L][words]
  for (int first = 0; first < s.rows; first += L) {
    const auto to = a.group_of(first);
    const int lanes = to.vectors * L;
    __builtin_memset(lines, 0, sizeof *lines * (size_t)words * L);
    for (int g = 0; g < a.key_groups; g++) Isa::store(to.scales + g * lanes, Isa::zero());
    for (int r = 0; r < min_int(L, s.rows - first); r++) {
      uint32_t* line = lines + (int64_t)r * words;
      copy_query<Isa>(s.key_stride, false, head(first + r), row, a.row);
      round_query<K>(a, a.row, a.code_words * K::kShare, (typename K::Code*)line, to.scales + r, lanes);
      Rope<Isa>::round(a.row + a.rope_at, s.key_width - a.rope_at, line + a.code_words);
    }
    // a single vector of rows is packed as quads, but for the rotated part
    const int quads = IntegerRows<K, V>::kQuads && to.vectors == 1 ? a.quads_at(first) : 0;
    if constexpr (IntegerRows<K, V>::kQuads) {
      for (int v = 0; v < quads; v++) {
        for (int i = 0; i < a.code_words; i += L) {
          typename Isa::I x[4];
#pragma GCC unroll 4
          for (int r = 0; r < 4; r++) x[r] = Isa::load_ints(lines + (int64_t)(4 * v + r) * words + i);
          Isa::transpose_quads(x);
#pragma GCC unroll 4
          for (int j = 0; j < 4; j++)
            Isa::store_ints(to.words + ((int64_t)(i / L * 4 + j) * quads + v) * L, x[j]);
        }
      }
    }
    for (int i = quads ? a.code_words : 0; i < words; i += L) {
      F<Isa> x[L];
#pragma GCC unroll 16
      for (int r = 0; r < L; r++) x[r] = Isa::load((const float*)lines + (int64_t)r * words + i);
      Isa::transpose(x);
#pragma GCC unroll 16
      for (int r = 0; r < L; r++) Isa::store((float*)to.words + (int64_t)(i + r) * lanes, x[r]);
    }
  }
}

// ---- tokens ----

// Prefetches the scales of tokens [begin, end), which lie apart from the rows that Ahead knows.
MLA_INLINE void fetch_scales(const AttentionCall& x, int begin, int end) {
  const mla_cache_params& c = x.c;
  const int64_t bytes = scale_bytes(c);
  for (int t = begin; t < end && !c.table_of_rows;) {
    const int slot = t % c.page_size, stop = min_int(end, t - slot + c.page_size);
    const char* scales = cache_row(c, x.cache, x.page_table, t).scales;
    for (int64_t i = 0; i < (stop - t) * bytes; i += 64) __builtin_prefetch(scales + i, 0, 2);
    t = stop;
  }
}

// Rows and scales of tokens [begin, begin + tokens) of the sequence, a block or what there is of it.
template <class Isa>
void load_tokens(IntegerTokens& a, const AttentionCall& x, int begin, int tokens) {
  constexpr int T = kIntegerTokens;
  CacheRows rows(x.c, x.cache, x.page_table, begin, tokens);
  const int padded = round_up(tokens, 16), next = begin + tokens;
  fetch_scales(x, next, min_int(x.kv_end, next + kIntegerTokens));
  for (int t = 0; t < padded; t++) {
    const CacheRow row = rows.next();
    a.rows[t] = row.at;
    for (int g = 0; g < a.groups; g++) a.scales[g * T + t] = ((const float*)row.scales)[g];
  }
  a.peaks_known = false;
  for (int g = 0; g < a.groups; g++) {
    F<Isa> peaks = Isa::zero();
    for (int t = 0; t < padded; t += Isa::L) {
      const F<Isa> scale = Isa::load(a.scales + g * T + t), most = Isa::set1(kLargestFinite);
      // neither infinity nor NaN is less
      const F<Isa> finite = Isa::select_less(scale, most, scale, Isa::zero());
      Isa::store(a.finite + g * T + t, finite);
      peaks = Isa::max(peaks, finite);
    }
    a.block_peaks[g] = Isa::max_lanes(peaks);
    const F<Isa> unit = Isa::set1(a.unit(a.block_peaks[g])), largest = Isa::set1(a.largest);
    for (int t = 0; t < padded; t += Isa::L) {
      const F<Isa> weight = Isa::mul(Isa::load(a.finite + g * T + t), unit);
      Isa::store(a.weights + g * T + t, Isa::select_less(weight, largest, weight, largest));
    }
  }
}

// The rows are copied when they are scored.
template <class K, class V>
void load_block(IntegerRows<K, V>& a, const AttentionCall& x, int begin, int tokens) {
  const mla_cache_params& c = x.c;
  load_tokens<typename K::Isa>(a, x, begin, tokens);
  a.copied = 0;
  a.in_place = K::kShare == 4 && Rope<typename K::Isa>::kPairs && a.key_groups &&
               c.row_stride_bytes == a.key_words * 4 && c.rope_offset == a.code_words * 4;
  for (int t = 0; t + 16 <= round_up(tokens, 16) && a.in_place; t += 16)
    a.in_place = a.rows[t + 15] - a.rows[t] == 15 * c.row_stride_bytes;
}

// Brings the next kKeyTile tokens of the block into place.
template <class K, class V>
void copy_tokens(IntegerRows<K, V>& a) {
  const int rope = a.s.key_width - a.rope_at;
  for (int t = a.copied; t < a.copied + IntegerRows<K, V>::kKeyTile; t += 4) {
    const char* const* rows = a.rows + t;
    for (int column = 0; column < a.s.value_width; column += kIntegerChunk) V::interleave(a, rows, t, column);
    for (int g = 0; g < a.key_groups; g++) {
      const int begin = g * a.group_columns;
      const char* const at[4] = {rows[0] + begin, rows[1] + begin, rows[2] + begin, rows[3] + begin};
      K::find_starts(at, min_int(a.group_columns, a.code_words * K::kShare - begin),
                     a.starts + g * kIntegerTokens + t);
    }
    if (a.in_place) continue;
    for (int i = 0; i < 4; i++) {
      for (int column = 0; column < a.code_words * K::kShare; column += kIntegerChunk)
        K::copy_keys(rows[i] + column, a.key_of(t + i) + column / K::kShare);
      Rope<typename K::Isa>::copy((const uint16_t*)(rows[i] + a.rope_bytes), rope,
                                  a.key_of(t + i) + a.code_words);
    }
  }
  a.copied += IntegerRows<K, V>::kKeyTile;
}

}  // namespace
}  // namespace mla
