// Attention over the paged latent cache, absorbed and decompressed. Included inside an ISA's namespace.
//
// Both forms are one loop: for each block of tokens, bring keys and values into a buffer of the workspace that stays in L2 and that all
// rows of the call use; then for each group of rows: scores, online softmax, values. A row is a (query, head) pair of the call.
//
//  - Scores have rows as vector lanes: q is packed once as [dimension][row], a key's number is broadcast. Rows that do not fill a vector
//    are scored with dimensions as lanes instead of padding them.
//  - Values have latent columns as lanes: kRowTile rows x kValueVectors vectors of sums stay in registers over all tokens of a block.
//  - Keys are widened to float32 once per block, or, where the bf16 dot is used, copied as they are and values interleaved in pairs of
//    tokens. The copy makes the distance of rows a compile-time number for the common 512 + 64, whatever the page size.
//
// A call's rows are taken in blocks of kMaxRows; a caller that cuts queries and heads at multiples of its own choice gets the same bits as
// long as it cuts the same shape the same way.

constexpr int kMaxRows = 1024;
constexpr int kRowTile = 4;
constexpr int kWidenedTokens = 48;  // 48 x 576 floats are 108 KiB: half of a small L2
constexpr int kPairTokens = 64;
constexpr int kValueColumns = Isa::kValueVectors * L;
constexpr float kLowest = -3.4e38f;

struct Group {
  int first;    // row
  int rows;     // rows in it: lanes, or fewer than L for the remainder
  int vectors;  // vectors of lanes; 0 for the remainder
};

static MLA_INLINE int lanes_of(const Group& g) { return g.vectors ? g.vectors * L : L; }

// Rows first, first + rows, ... as full vectors, as many at a time as registers allow, then the remainder.
static MLA_INLINE Group group_at(int first, int count) {
  const int left = count - first;
  int vectors = Isa::kScoreVectors;
  while (vectors > 1 && vectors * L > left) vectors /= 2;
  return left >= L ? Group{first, vectors * L, vectors} : Group{first, left, 0};
}

struct State {
  int rows;        // of this block of rows
  int key_width;   // numbers of a key, padded to key_stride
  int key_stride;  // of a key in the buffer
  int value_width;
  int value_stride;  // of a value in the buffer, widened structure only
  int out_stride;    // value_width padded to kValueColumns
  float scale;
  bool rounds;              // q and p to bf16
  float* max;               // [padded rows]
  float* sum;               // [padded rows]
  float* factor;            // [padded rows] of the old sums
  float* position;          // [padded rows] relative to the first key of the call
  float* slope;             // [padded rows]
  void* query;              // packed
  float* out;               // [rows][out_stride] running sums
  float* scores;            // [tokens][lanes]
  uint32_t* probabilities;  // [tokens / 2][lanes], pairs
  void* keys;               // [tokens][key_stride]
  void* values;
  bool biased;
  bool causal;
};

static MLA_INLINE int padded_rows(int rows) { return round_up(rows, L) + L; }

// Carves aligned arrays out of the workspace.
struct Carver {
  char* at;
  int64_t used;
  template <class T>
  T* take(int64_t count) {
    T* p = (T*)(at + used);
    used += round_up64(count * (int64_t)sizeof(T));
    return p;
  }
};

static MLA_INLINE bool uses_pairs(const mla_attention_params& p, const mla_cache_params& c) {
  return Isa::kHasBf16Dot && p.compute == MLA_COMPUTE_BF16 && c.cache_type == MLA_TYPE_BF16;
}

// Everything that does not depend on the rows of a block.
static State make_state(const mla_attention_params& p, const mla_cache_params& c, bool decompressed, int rows,
                        Carver* w) {
  const bool pairs = uses_pairs(p, c);
  const int tokens = pairs ? kPairTokens : kWidenedTokens;
  State s{};
  s.rows = rows;
  s.key_width = decompressed ? p.nope + c.rope : c.rope_offset + c.rope - p.key_offset;
  s.value_width = decompressed ? p.value : c.latent;
  s.out_stride = round_up(s.value_width, kValueColumns);
  s.key_stride = round_up(s.key_width, pairs ? 32 : L);
  s.value_stride = s.out_stride;
  const bool apart = decompressed || p.key_offset != 0;
  if (!apart && !pairs) {  // values are the keys' own memory
    if (s.key_stride < s.out_stride) s.key_stride = s.out_stride;
    s.value_stride = s.key_stride;
  }
  s.scale = p.scale;
  s.rounds = p.compute == MLA_COMPUTE_BF16 && c.cache_type == MLA_TYPE_BF16;
  s.causal = p.causal;
  const int padded = padded_rows(rows);
  s.max = w->take<float>(padded);
  s.sum = w->take<float>(padded);
  s.factor = w->take<float>(padded);
  s.position = w->take<float>(padded);
  s.slope = w->take<float>(padded);
  s.query = w->take<float>((int64_t)padded * s.key_stride);
  s.out = w->take<float>((int64_t)rows * s.out_stride);
  s.scores = w->take<float>((int64_t)tokens * Isa::kScoreVectors * L);
  if (pairs) {
    s.probabilities = w->take<uint32_t>((int64_t)tokens / 2 * Isa::kScoreVectors * L);
    s.keys = w->take<uint16_t>((int64_t)tokens * s.key_stride);
    s.values = w->take<uint32_t>((int64_t)tokens / 2 * s.out_stride);
  } else {
    s.keys = w->take<float>((int64_t)tokens * s.key_stride);
    s.values = apart ? w->take<float>((int64_t)tokens * s.value_stride) : (float*)s.keys;
  }
  return s;
}

static mla_linear_params expansion(const mla_attention_params& p, const mla_cache_params& c, int tokens) {
  mla_linear_params l{};
  l.struct_size = sizeof l;
  // latents of a bf16 cache are exact in either compute type; an F32 cache is not rounded
  l.compute = c.cache_type == MLA_TYPE_BF16 ? p.compute : MLA_COMPUTE_F32;
  l.weight_type = p.weight_type;
  l.rows = tokens;
  l.k = c.latent;
  l.n = p.nope + p.value;
  l.x_stride = c.latent;
  l.weight_stride = p.weight_stride;
  return l;
}

static int64_t attention_workspace(const mla_attention_params& p, const mla_cache_params& c, int form) {
  const int64_t all = form == 0 ? (int64_t)p.heads * p.query_tokens : p.query_tokens;
  Carver w{nullptr, 0};
  make_state(p, c, form == 1, (int)(form == 0 && all > kMaxRows ? kMaxRows : all), &w);
  if (form == 1) {
    const int tokens = uses_pairs(p, c) ? kPairTokens : kWidenedTokens;
    w.take<float>((int64_t)tokens * c.latent);
    w.take<char>(packed_bytes(expansion(p, c, tokens)));
    w.take<float>((int64_t)tokens * (p.nope + p.value));
  }
  return w.used;
}

static MLA_INLINE const char* cache_row(const mla_cache_params& c, const void* cache,
                                        const int32_t* page_table, int s) {
  return (const char*)cache + page_table[s / c.page_size] * c.page_stride_bytes +
         s % c.page_size * c.row_stride_bytes;
}

static MLA_INLINE void widen_run(const mla_cache_params& c, const char* from, int n, float* to, int padded) {
  for (int i = 0; i < padded; i += L) {
    const int left = n - i;
    F v = Isa::zero();
    if (c.cache_type == MLA_TYPE_F32) {
      const float* p = (const float*)from + i;
      v = left >= L ? Isa::load(p) : left > 0 ? Isa::load(p, left) : v;
    } else {
      const uint16_t* p = (const uint16_t*)from + i;
      v = left >= L ? Isa::widen_bf16(p) : left > 0 ? Isa::widen_bf16(p, left) : v;
    }
    Isa::store(to + i, v, min_int(L, padded - i));
  }
}

// ---- queries ----

// n numbers of `from` into `to`, of type T (rounded where that is bf16, or where `rounds` says so).
static MLA_INLINE void copy_run(const float* from, int n, bool rounds, float* to) {
  for (int i = 0; i < n; i += L) {
    const F x = n - i >= L ? Isa::load(from + i) : Isa::load(from + i, n - i);
    Isa::store(to + i, rounds ? Isa::round_bf16(x) : x, min_int(L, n - i));
  }
}
static MLA_INLINE void copy_run(const float* from, int n, bool, uint16_t* to) {
  for (int i = 0; i < n; i += L)
    Isa::store_bf16(to + i, n - i >= L ? Isa::load(from + i) : Isa::load(from + i, n - i), min_int(L, n - i));
}

// A head's numbers of a query: `plain` of them, then `rest` that belong behind a gap of zeros.
struct QueryRow {
  int plain, gap, rest;
};

template <class T>
static MLA_INLINE void copy_query(const State& s, const float* head, const QueryRow& row, T* to) {
  for (int i = row.plain; i < row.plain + row.gap; i++) to[i] = 0;
  for (int i = row.plain + row.gap + row.rest; i < s.key_stride; i++) to[i] = 0;
  copy_run(head, row.plain, s.rounds, to);
  copy_run(head + row.plain, row.rest, s.rounds, to + row.plain + row.gap);
}

// The rows of a group: lanes beside one another for each number (or pair of them), or, in the remainder, row by row. head(row) is the
// address of a row's query. Uses the keys' memory.
template <class T, class Head>
static MLA_INLINE void pack_group(const State& s, const Group& g, const QueryRow& row, Head head) {
  const int words = s.key_stride * (int)sizeof(T) / 4;
  float* q = (float*)s.query + (int64_t)g.first * words;
  if (g.vectors == 0) {
    for (int r = 0; r < g.rows; r++) copy_query(s, head(g.first + r), row, (T*)(q + (int64_t)r * words));
    return;
  }
  const float* lanes = (const float*)s.keys;
  for (int v = 0; v < g.vectors; v++) {
    for (int r = 0; r < L; r++)
      copy_query(s, head(g.first + v * L + r), row, (T*)s.keys + (int64_t)r * s.key_stride);
    for (int d = 0; d < words; d += L) {
      F x[L];
#pragma GCC unroll 16
      for (int r = 0; r < L; r++) x[r] = Isa::load(lanes + (int64_t)r * words + d);
      Isa::transpose(x);
#pragma GCC unroll 16
      for (int r = 0; r < L; r++) Isa::store(q + ((int64_t)(d + r) * g.vectors + v) * L, x[r]);
    }
  }
}

template <class Head>
static void pack_queries(const State& s, bool pairs, const QueryRow& row, Head head) {
  for (int r = 0; r < s.rows;) {
    const Group g = group_at(r, s.rows);
    r += g.rows;
    if (pairs)
      pack_group<uint16_t>(s, g, row, head);
    else
      pack_group<float>(s, g, row, head);
  }
}

// ---- scores ----

// TT tokens x HV vectors of rows; LD: the distance of keys where it is known at compile time, else 0.
template <int HV, int TT, int LD>
static MLA_INLINE void score_tile(const float* q, const float* k, int stride, int width, float* out,
                                  F scale) {
  const int64_t ld = LD ? LD : stride;
  F a[TT][HV];
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) a[t][v] = Isa::zero();
  for (int d = 0; d < width; d++) {
    F x[HV];
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) x[v] = Isa::load(q + ((int64_t)d * HV + v) * L);
#pragma GCC unroll 32
    for (int t = 0; t < TT; t++) {
      const F b = Isa::set1(k[t * ld + d]);
#pragma GCC unroll 8
      for (int v = 0; v < HV; v++) a[t][v] = Isa::fma(x[v], b, a[t][v]);
    }
  }
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) Isa::store(out + (t * HV + v) * L, Isa::mul(a[t][v], scale));
}

template <int HV, int LD>
static void score_group(const State& s, const float* q, int tokens) {
  constexpr int TT = Isa::kScoreTokens * Isa::kScoreVectors / HV;
  const float* k = (const float*)s.keys;
  const F scale = Isa::set1(s.scale);
  int t = 0;
  for (; t + TT <= tokens; t += TT)
    score_tile<HV, TT, LD>(q, k + (int64_t)t * s.key_stride, s.key_stride, s.key_width, s.scores + t * HV * L,
                           scale);
  for (; t + 4 <= tokens; t += 4)
    score_tile<HV, 4, LD>(q, k + (int64_t)t * s.key_stride, s.key_stride, s.key_width, s.scores + t * HV * L,
                          scale);
  for (; t < tokens; t++)
    score_tile<HV, 1, LD>(q, k + (int64_t)t * s.key_stride, s.key_stride, s.key_width, s.scores + t * HV * L,
                          scale);
}

// RR rows of the remainder x 4 tokens (fewer at the end: the last is repeated and dropped), dimensions as lanes.
template <int RR>
static MLA_INLINE void score_remainder_tile(const State& s, const float* q, const float* const* k, int n,
                                            float* out) {
  F a[RR][4];
#pragma GCC unroll 4
  for (int r = 0; r < RR; r++)
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) a[r][t] = Isa::zero();
  for (int d = 0; d < s.key_stride; d += L) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) {
      const F x = Isa::load(k[t] + d);
#pragma GCC unroll 4
      for (int r = 0; r < RR; r++)
        a[r][t] = Isa::fma(Isa::load(q + (int64_t)r * s.key_stride + d), x, a[r][t]);
    }
  }
  for (int r = 0; r < RR; r++) {
    float sums[4];
    Isa::sum4(a[r][0], a[r][1], a[r][2], a[r][3], sums);
    for (int t = 0; t < n; t++) out[t * L + r] = sums[t] * s.scale;
  }
}

static void score_remainder(const State& s, const float* q, int rows, int tokens) {
  for (int t = 0; t < tokens; t += 4) {
    const int n = min_int(4, tokens - t);
    const float* k[4];
    for (int i = 0; i < 4; i++) k[i] = (const float*)s.keys + (int64_t)(t + min_int(i, n - 1)) * s.key_stride;
    int r = 0;
    for (; r + 4 <= rows; r += 4)
      score_remainder_tile<4>(s, q + (int64_t)r * s.key_stride, k, n, s.scores + t * L + r);
    for (; r < rows; r++)
      score_remainder_tile<1>(s, q + (int64_t)r * s.key_stride, k, n, s.scores + t * L + r);
    for (int i = 0; i < n; i++)
      for (int lane = rows; lane < L; lane++) s.scores[(t + i) * L + lane] = 0;
  }
}

// ---- softmax ----

// slope * distance where there are slopes, -infinity where a row may not see a key. first: the block's first key, relative.
static void mask_scores(const State& s, const Group& g, int first, int tokens) {
  const int lanes = lanes_of(g);
  const F hidden = Isa::set1(-__builtin_inff());
  for (int v = 0; v < lanes; v += L) {
    const F position = Isa::sub(Isa::load(s.position + g.first + v), Isa::set1((float)first));
    const F slope = Isa::load(s.slope + g.first + v);
    for (int t = 0; t < tokens; t++) {
      float* at = s.scores + t * lanes + v;
      const F distance = Isa::sub(position, Isa::set1((float)t));
      F x = Isa::load(at);
      if (s.biased) x = Isa::sub(x, Isa::mul(slope, distance));
      if (s.causal) x = Isa::select_less(distance, Isa::zero(), hidden, x);
      Isa::store(at, x);
    }
  }
}

// Scores become e^(score - max); max, sum and the factor of the old sums follow.
static void softmax_block(const State& s, const Group& g, int tokens) {
  const int lanes = lanes_of(g);
  for (int v = 0; v < lanes; v += L) {
    float* x = s.scores + v;
    const F old_max = Isa::load(s.max + g.first + v);
    F m0 = old_max, m1 = old_max;
    int t = 0;
    for (; t + 2 <= tokens; t += 2) {
      m0 = Isa::max(m0, Isa::load(x + t * lanes));
      m1 = Isa::max(m1, Isa::load(x + (t + 1) * lanes));
    }
    if (t < tokens) m0 = Isa::max(m0, Isa::load(x + t * lanes));
    const F max = Isa::max(m0, m1);
    const F base = Isa::max(
        max, Isa::set1(kLowest));  // a row that has seen nothing: -infinity minus this is -infinity, not NaN
    const F factor = vector_exp(Isa::sub(old_max, base));
    F s0 = Isa::zero(),
      s1 = Isa::zero();  // of this block alone: small terms would drown in the sum of a long text
    for (t = 0; t + 2 <= tokens; t += 2) {
      const F e0 = vector_exp(Isa::sub(Isa::load(x + t * lanes), base));
      const F e1 = vector_exp(Isa::sub(Isa::load(x + (t + 1) * lanes), base));
      s0 = Isa::add(s0, e0);
      s1 = Isa::add(s1, e1);
      Isa::store(x + t * lanes, s.rounds ? Isa::round_bf16(e0) : e0);
      Isa::store(x + (t + 1) * lanes, s.rounds ? Isa::round_bf16(e1) : e1);
    }
    if (t < tokens) {
      const F e0 = vector_exp(Isa::sub(Isa::load(x + t * lanes), base));
      s0 = Isa::add(s0, e0);
      Isa::store(x + t * lanes, s.rounds ? Isa::round_bf16(e0) : e0);
    }
    Isa::store(s.max + g.first + v, max);
    const F sum = Isa::mul(Isa::load(s.sum + g.first + v), factor);
    Isa::store(s.sum + g.first + v, Isa::add(sum, Isa::add(s0, s1)));
    Isa::store(s.factor + g.first + v, factor);
  }
}

// ---- values ----

template <int HH, int LD>
static MLA_INLINE void value_tile(const float* p, int lanes, const float* values, int stride, float* out,
                                  int out_stride, const float* factor, int tokens) {
  constexpr int VV = Isa::kValueVectors;
  const int64_t ld = LD ? LD : stride;
  F a[HH][VV];
#pragma GCC unroll 4
  for (int h = 0; h < HH; h++) {
    const F f = Isa::set1(factor[h]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) a[h][v] = Isa::mul(f, Isa::load(out + (int64_t)h * out_stride + v * L));
  }
  for (int t = 0; t < tokens; t++) {
    F x[VV];
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) x[v] = Isa::load(values + t * ld + v * L);
#pragma GCC unroll 4
    for (int h = 0; h < HH; h++) {
      const F b = Isa::set1(p[(int64_t)t * lanes + h]);
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) a[h][v] = Isa::fma(x[v], b, a[h][v]);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < HH; h++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(out + (int64_t)h * out_stride + v * L, a[h][v]);
}

template <int LD>
static void value_group(const State& s, const Group& g, int tokens) {
  const int lanes = lanes_of(g);
  for (int column = 0; column < s.out_stride; column += kValueColumns) {
    const float* values = (const float*)s.values + column;
    float* out = s.out + (int64_t)g.first * s.out_stride + column;
    int h = 0;
    for (; h + kRowTile <= g.rows; h += kRowTile)
      value_tile<kRowTile, LD>(s.scores + h, lanes, values, s.value_stride, out + (int64_t)h * s.out_stride,
                               s.out_stride, s.factor + g.first + h, tokens);
    for (; h < g.rows; h++)
      value_tile<1, LD>(s.scores + h, lanes, values, s.value_stride, out + (int64_t)h * s.out_stride,
                        s.out_stride, s.factor + g.first + h, tokens);
  }
}

#ifdef MLA_HAS_BF16_DOT
// ---- the same with pairs of bf16 ----

template <int HV, int TT, int LD>
static MLA_INLINE void pair_score_tile(const uint32_t* q, const uint32_t* k, int stride, int pairs,
                                       float* out, F scale) {
  const int64_t ld = LD ? LD : stride;
  F a[TT][HV];
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) a[t][v] = Isa::zero();
  for (int d = 0; d < pairs; d++) {
    Isa::P x[HV];
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) x[v] = Isa::load_pairs(q + ((int64_t)d * HV + v) * L);
#pragma GCC unroll 32
    for (int t = 0; t < TT; t++) {
      const Isa::P b = Isa::set1_pair(k[t * ld + d]);
#pragma GCC unroll 8
      for (int v = 0; v < HV; v++) a[t][v] = Isa::dot(a[t][v], x[v], b);
    }
  }
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) Isa::store(out + (t * HV + v) * L, Isa::mul(a[t][v], scale));
}

template <int HV, int LD>
static void pair_score_group(const State& s, const uint32_t* q, int tokens) {
  constexpr int TT = Isa::kScoreTokens * Isa::kScoreVectors / HV;
  const int stride = s.key_stride / 2, pairs = (s.key_width + 1) / 2;
  const uint32_t* k = (const uint32_t*)s.keys;
  const F scale = Isa::set1(s.scale);
  int t = 0;
  for (; t + TT <= tokens; t += TT)
    pair_score_tile<HV, TT, LD>(q, k + (int64_t)t * stride, stride, pairs, s.scores + t * HV * L, scale);
  for (; t + 4 <= tokens; t += 4)
    pair_score_tile<HV, 4, LD>(q, k + (int64_t)t * stride, stride, pairs, s.scores + t * HV * L, scale);
  for (; t < tokens; t++)
    pair_score_tile<HV, 1, LD>(q, k + (int64_t)t * stride, stride, pairs, s.scores + t * HV * L, scale);
}

template <int RR>
static MLA_INLINE void pair_remainder_tile(const State& s, const uint32_t* q, const uint32_t* const* k, int n,
                                           float* out) {
  const int stride = s.key_stride / 2;
  F a[RR][4];
#pragma GCC unroll 4
  for (int r = 0; r < RR; r++)
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) a[r][t] = Isa::zero();
  for (int d = 0; d < stride; d += L) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) {
      const Isa::P x = Isa::load_pairs(k[t] + d);
#pragma GCC unroll 4
      for (int r = 0; r < RR; r++)
        a[r][t] = Isa::dot(a[r][t], Isa::load_pairs(q + (int64_t)r * stride + d), x);
    }
  }
  for (int r = 0; r < RR; r++) {
    float sums[4];
    Isa::sum4(a[r][0], a[r][1], a[r][2], a[r][3], sums);
    for (int t = 0; t < n; t++) out[t * L + r] = sums[t] * s.scale;
  }
}

static void pair_score_remainder(const State& s, const uint32_t* q, int rows, int tokens) {
  const int stride = s.key_stride / 2;
  for (int t = 0; t < tokens; t += 4) {
    const int n = min_int(4, tokens - t);
    const uint32_t* k[4];
    for (int i = 0; i < 4; i++) k[i] = (const uint32_t*)s.keys + (int64_t)(t + min_int(i, n - 1)) * stride;
    int r = 0;
    for (; r + 4 <= rows; r += 4)
      pair_remainder_tile<4>(s, q + (int64_t)r * stride, k, n, s.scores + t * L + r);
    for (; r < rows; r++) pair_remainder_tile<1>(s, q + (int64_t)r * stride, k, n, s.scores + t * L + r);
    for (int i = 0; i < n; i++)
      for (int lane = rows; lane < L; lane++) s.scores[(t + i) * L + lane] = 0;
  }
}

// Probabilities of two tokens side by side, rounded; a last single token is paired with zero.
static void pair_probabilities(const State& s, const Group& g, int tokens) {
  const int lanes = lanes_of(g);
  for (int t = 0; t < tokens; t += 2)
    for (int v = 0; v < lanes; v += L) {
      const F low = Isa::load(s.scores + t * lanes + v);
      const F high = t + 1 < tokens ? Isa::load(s.scores + (t + 1) * lanes + v) : Isa::zero();
      Isa::store_pairs(s.probabilities + t / 2 * lanes + v, Isa::make_pairs(low, high));
    }
}

template <int HH>
static MLA_INLINE void pair_value_tile(const uint32_t* p, int lanes, const uint32_t* values, float* out,
                                       int out_stride, const float* factor, int pairs) {
  constexpr int VV = Isa::kValueVectors;
  F a[HH][VV];
#pragma GCC unroll 4
  for (int h = 0; h < HH; h++) {
    const F f = Isa::set1(factor[h]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) a[h][v] = Isa::mul(f, Isa::load(out + (int64_t)h * out_stride + v * L));
  }
  for (int t = 0; t < pairs; t++) {
    Isa::P x[VV];
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) x[v] = Isa::load_pairs(values + (int64_t)t * kValueColumns + v * L);
#pragma GCC unroll 4
    for (int h = 0; h < HH; h++) {
      const Isa::P b = Isa::set1_pair(p[(int64_t)t * lanes + h]);
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) a[h][v] = Isa::dot(a[h][v], x[v], b);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < HH; h++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(out + (int64_t)h * out_stride + v * L, a[h][v]);
}

static void pair_value_group(const State& s, const Group& g, int tokens) {
  const int lanes = lanes_of(g), pairs = (tokens + 1) / 2;
  for (int column = 0; column < s.out_stride; column += kValueColumns) {
    const uint32_t* values = (const uint32_t*)s.values + (int64_t)column * (kPairTokens / 2);
    float* out = s.out + (int64_t)g.first * s.out_stride + column;
    int h = 0;
    for (; h + kRowTile <= g.rows; h += kRowTile)
      pair_value_tile<kRowTile>(s.probabilities + h, lanes, values, out + (int64_t)h * s.out_stride,
                                s.out_stride, s.factor + g.first + h, pairs);
    for (; h < g.rows; h++)
      pair_value_tile<1>(s.probabilities + h, lanes, values, out + (int64_t)h * s.out_stride, s.out_stride,
                         s.factor + g.first + h, pairs);
  }
}

// Two rows of value_width bf16 into column tiles [column / 64][pair][64].
static MLA_INLINE void interleave_values(const State& s, int pair, const uint16_t* x, const uint16_t* y) {
  for (int column = 0; column < s.out_stride; column += 32) {
    const int left = s.value_width - column;
    const Isa::P zero = Isa::set1_pair(0);
    const Isa::P a = left >= 32 ? Isa::load_pairs(x + column)
                     : left > 0 ? Isa::load_pairs(x + column, left)
                                : zero;
    const Isa::P b = !y           ? zero
                     : left >= 32 ? Isa::load_pairs(y + column)
                     : left > 0   ? Isa::load_pairs(y + column, left)
                                  : zero;
    Isa::P low, high;
    Isa::interleave(a, b, &low, &high);
    uint32_t* to = (uint32_t*)s.values +
                   (int64_t)(column / kValueColumns) * kValueColumns * (kPairTokens / 2) +
                   (int64_t)pair * kValueColumns + column % kValueColumns;
    Isa::store_pairs(to, low);
    Isa::store_pairs(to + L, high);
  }
}
#endif

// ---- one block of tokens for all rows ----

template <int LD>
static MLA_INLINE void score_any(const State& s, const Group& g, int tokens) {
  const float* q = (const float*)s.query + (int64_t)g.first * s.key_stride;
  if (g.vectors == 0)
    score_remainder(s, q, g.rows, tokens);
  else if (g.vectors == 1)
    score_group<1, LD>(s, q, tokens);
  else if (g.vectors == 2)
    score_group<2, LD>(s, q, tokens);
  else if constexpr (Isa::kScoreVectors == 4)
    score_group<4, LD>(s, q, tokens);
}

static void attend_block(const State& s, bool pairs, int first, int tokens) {
  for (int r = 0; r < s.rows;) {
    const Group g = group_at(r, s.rows);
    r += g.rows;
    // rows are ordered by query: the last one sees the most, the first one the least
    if (s.causal && s.position[g.first + g.rows - 1] < (float)first) continue;
    const bool masks = s.biased || (s.causal && s.position[g.first] < (float)(first + tokens - 1));
#ifdef MLA_HAS_BF16_DOT
    if (pairs) {
      const uint32_t* q = (const uint32_t*)s.query + (int64_t)g.first * (s.key_stride / 2);
      const bool common = s.key_stride == 576;
      if (g.vectors == 0)
        pair_score_remainder(s, q, g.rows, tokens);
      else if (g.vectors == 1)
        common ? pair_score_group<1, 288>(s, q, tokens) : pair_score_group<1, 0>(s, q, tokens);
      else if (g.vectors == 2)
        common ? pair_score_group<2, 288>(s, q, tokens) : pair_score_group<2, 0>(s, q, tokens);
      else
        common ? pair_score_group<4, 288>(s, q, tokens) : pair_score_group<4, 0>(s, q, tokens);
      if (masks) mask_scores(s, g, first, tokens);
      softmax_block(s, g, tokens);
      pair_probabilities(s, g, tokens);
      pair_value_group(s, g, tokens);
      continue;
    }
#endif
    (void)pairs;
    if (s.key_stride == 576)
      score_any<576>(s, g, tokens);
    else
      score_any<0>(s, g, tokens);
    if (masks) mask_scores(s, g, first, tokens);
    softmax_block(s, g, tokens);
    if (s.value_stride == 576)
      value_group<576>(s, g, tokens);
    else
      value_group<0>(s, g, tokens);
  }
}

static void reset(const State& s) {
  const int padded = padded_rows(s.rows);
  for (int i = 0; i < padded; i++) {
    s.max[i] = -__builtin_inff();
    s.sum[i] = s.position[i] = s.slope[i] = 0;
  }
  for (int64_t i = 0; i < (int64_t)s.rows * s.out_stride; i++) s.out[i] = 0;
}

static void write_row(const State& s, int row, float* out, float* lse) {
  const float sum = s.sum[row];
  const F divisor = Isa::set1(sum == 0 ? 1 : sum);
  for (int i = 0; i < s.value_width; i += L) {
    const int n = min_int(L, s.value_width - i);
    Isa::store(out + i, Isa::div(Isa::load(s.out + (int64_t)row * s.out_stride + i), divisor), n);
  }
  *lse = sum == 0 ? -__builtin_inff() : s.max[row] + __builtin_logf(sum);
}

static void attend_absorbed(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                            const void* cache, const int32_t* page_table, const float* alibi_slopes,
                            int head_begin, int head_end, int query_begin, int query_end, int kv_begin,
                            int kv_end, float* out, float* lse, void* workspace) {
  const int heads = head_end - head_begin, all = (query_end - query_begin) * heads;
  const bool pairs = uses_pairs(p, c);
  const int block = pairs ? kPairTokens : kWidenedTokens;
  const int first_position = p.kv_tokens - p.query_tokens;
  const int key_bytes = p.key_offset * (c.cache_type == MLA_TYPE_F32 ? 4 : 2);
  // a key of its own, or the latent, padding and the rotated key
  const QueryRow query =
      p.key_offset ? QueryRow{c.rope, 0, 0} : QueryRow{c.latent, c.rope_offset - c.latent, c.rope};
  for (int row_begin = 0; row_begin < all; row_begin += kMaxRows) {
    Carver w{(char*)workspace, 0};
    State s = make_state(p, c, false, min_int(kMaxRows, all - row_begin), &w);
    s.biased = alibi_slopes != nullptr;
    reset(s);
    for (int r = 0; r < s.rows; r++) {
      const int t = query_begin + (row_begin + r) / heads, h = head_begin + (row_begin + r) % heads;
      s.position[r] = (float)(first_position + t - kv_begin);
      if (alibi_slopes) s.slope[r] = alibi_slopes[h];
    }
    pack_queries(s, pairs, query, [&](int r) {
      const int t = query_begin + (row_begin + r) / heads, h = head_begin + (row_begin + r) % heads;
      return q + t * p.q_token_stride + h * p.q_head_stride;
    });
    const int last =
        p.causal ? min_int(kv_end, first_position + query_begin + (row_begin + s.rows - 1) / heads + 1)
                 : kv_end;
    for (int begin = kv_begin; begin < last; begin += block) {
      const int tokens = min_int(block, last - begin);
#ifdef MLA_HAS_BF16_DOT
      if (pairs) {
        for (int t = 0; t < tokens; t += 2) {
          const uint16_t* rows[2];
          for (int i = 0; i < min_int(2, tokens - t); i++) {
            rows[i] = (const uint16_t*)cache_row(c, cache, page_table, begin + t + i);
            const uint16_t* key = rows[i] + p.key_offset;
            uint16_t* to = (uint16_t*)s.keys + (int64_t)(t + i) * s.key_stride;
            for (int d = 0; d < s.key_stride; d += 32) {
              const int left = s.key_width - d;
              Isa::store_pairs(to + d,
                               left >= 32 ? Isa::load_pairs(key + d) : Isa::load_pairs(key + d, left));
            }
          }
          interleave_values(s, t / 2, rows[0], t + 1 < tokens ? rows[1] : nullptr);
        }
      }
#endif
      if (!pairs) {
        for (int t = 0; t < tokens; t++) {
          const char* row = cache_row(c, cache, page_table, begin + t);
          widen_run(c, row + key_bytes, s.key_width, (float*)s.keys + (int64_t)t * s.key_stride,
                    s.key_stride);
          if (p.key_offset)
            widen_run(c, row, c.latent, (float*)s.values + (int64_t)t * s.value_stride, s.value_stride);
        }
      }
      attend_block(s, pairs, begin - kv_begin, tokens);
    }
    for (int r = 0; r < s.rows; r++) {
      const int t = query_begin + (row_begin + r) / heads, h = head_begin + (row_begin + r) % heads;
      write_row(s, r, out + t * p.out_token_stride + h * p.out_head_stride,
                lse + t * p.lse_token_stride + h * p.lse_head_stride);
    }
  }
}

static void attend_decompressed(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                                const void* kv_b, const void* cache, const int32_t* page_table,
                                const float* alibi_slopes, int head_begin, int head_end, int query_begin,
                                int query_end, float* out, float* lse, void* workspace) {
  const bool pairs = uses_pairs(p, c);
  const int block = pairs ? kPairTokens : kWidenedTokens;
  const int cache_bytes = c.cache_type == MLA_TYPE_F32 ? 4 : 2,
            weight_bytes = p.weight_type == MLA_TYPE_F32 ? 4 : 2;
  const int first_position = p.kv_tokens - p.query_tokens, width = p.nope + p.value;
  Carver w{(char*)workspace, 0};
  State s = make_state(p, c, true, query_end - query_begin, &w);
  float* latents = w.take<float>((int64_t)block * c.latent);
  void* packed = w.take<char>(packed_bytes(expansion(p, c, block)));
  float* rebuilt = w.take<float>((int64_t)block * width);
  s.biased = alibi_slopes != nullptr;
  const int last = p.causal ? min_int(p.kv_tokens, first_position + query_end) : p.kv_tokens;
  for (int h = head_begin; h < head_end; h++) {
    const void* weight = (const char*)kv_b + h * p.weight_head_stride * weight_bytes;
    reset(s);
    for (int r = 0; r < s.rows; r++) {
      s.position[r] = (float)(first_position + query_begin + r);
      if (alibi_slopes) s.slope[r] = alibi_slopes[h];
    }
    pack_queries(s, pairs, QueryRow{s.key_width, 0, 0},
                 [&](int r) { return q + (query_begin + r) * p.q_token_stride + h * p.q_head_stride; });
    for (int begin = 0; begin < last; begin += block) {
      const int tokens = min_int(block, last - begin);
      for (int t = 0; t < tokens; t++)
        widen_run(c, cache_row(c, cache, page_table, begin + t), c.latent, latents + (int64_t)t * c.latent,
                  c.latent);
      mla_linear_params l = expansion(p, c, tokens);
      l.y_stride = width;
      pack(l, latents, nullptr, 0, tokens, packed);
      linear(l, packed, weight, nullptr, 0, width, rebuilt);
      for (int t = 0; t < tokens; t++) {
        const char* key = cache_row(c, cache, page_table, begin + t) + (int64_t)c.rope_offset * cache_bytes;
        const float* from = rebuilt + (int64_t)t * width;
#ifdef MLA_HAS_BF16_DOT
        if (pairs) {
          uint16_t* to = (uint16_t*)s.keys + (int64_t)t * s.key_stride;
          for (int i = 0; i < p.nope; i += L) {
            const int n = min_int(L, p.nope - i);
            Isa::store_bf16(to + i, Isa::load(from + i, n), n);
          }
          for (int i = 0; i < c.rope; i++) to[p.nope + i] = ((const uint16_t*)key)[i];
          for (int i = s.key_width; i < s.key_stride; i++) to[i] = 0;
          uint16_t* value =
              (uint16_t*)(rebuilt +
                          (int64_t)t * width);  // the values in place of the keys, which are done with
          for (int i = 0; i < p.value; i += L) {
            const int n = min_int(L, p.value - i);
            Isa::store_bf16(value + i, Isa::load(from + p.nope + i, n), n);
          }
          continue;
        }
#endif
        float* to = (float*)s.keys + (int64_t)t * s.key_stride;
        float* value = (float*)s.values + (int64_t)t * s.value_stride;
        for (int i = 0; i < p.nope; i += L) {
          const int n = min_int(L, p.nope - i);
          const F x = Isa::load(from + i, n);
          Isa::store(to + i, s.rounds ? Isa::round_bf16(x) : x, n);
        }
        widen_run(c, key, c.rope, to + p.nope, s.key_stride - p.nope);
        for (int i = 0; i < s.value_stride; i += L) {
          const int n = min_int(L, p.value - i);
          const F x = n > 0 ? Isa::load(from + p.nope + i, n) : Isa::zero();
          Isa::store(value + i, s.rounds ? Isa::round_bf16(x) : x);
        }
      }
#ifdef MLA_HAS_BF16_DOT
      if (pairs) {
        for (int t = 0; t < tokens; t += 2)
          interleave_values(s, t / 2, (const uint16_t*)(rebuilt + (int64_t)t * width),
                            t + 1 < tokens ? (const uint16_t*)(rebuilt + (int64_t)(t + 1) * width) : nullptr);
      }
#endif
      attend_block(s, pairs, begin, tokens);
    }
    for (int r = 0; r < s.rows; r++) {
      const int t = query_begin + r;
      write_row(s, r, out + t * p.out_token_stride + h * p.out_head_stride,
                lse + t * p.lse_token_stride + h * p.lse_head_stride);
    }
  }
}

static void merge(const mla_merge_params& p, const float* partial_out, const float* partial_lse,
                  int token_begin, int token_end, int head_begin, int head_end, float* out, float* lse) {
  for (int t = token_begin; t < token_end; t++) {
    for (int h = head_begin; h < head_end; h++) {
      const float* part_lse = partial_lse + t * p.part_lse_token_stride + h * p.part_lse_head_stride;
      const float* part = partial_out + t * p.part_token_stride + h * p.part_head_stride;
      float max = -__builtin_inff(), total = 0;
      for (int i = 0; i < p.parts; i++)
        max = part_lse[i * p.part_lse_stride] > max ? part_lse[i * p.part_lse_stride] : max;
      const bool empty = max == -__builtin_inff();
      for (int i = 0; i < p.parts && !empty; i++)
        total += __builtin_expf(part_lse[i * p.part_lse_stride] - max);
      float* to = out + t * p.out_token_stride + h * p.out_head_stride;
      for (int j = 0; j < p.width; j += L) {
        const int n = min_int(L, p.width - j);
        F s = Isa::zero();
        for (int i = 0; i < p.parts && !empty; i++) {
          const float weight = __builtin_expf(part_lse[i * p.part_lse_stride] - max) / total;
          if (weight != 0) s = Isa::fma(Isa::set1(weight), Isa::load(part + i * p.part_stride + j, n), s);
        }
        Isa::store(to + j, s, n);
      }
      if (lse)
        lse[t * p.lse_token_stride + h * p.lse_head_stride] = empty ? max : max + __builtin_logf(total);
    }
  }
}

static void append(const mla_append_params& p, const mla_cache_params& c, const float* a,
                   const float* norm_weight, const float* cosines, const float* sines,
                   const int32_t* page_table, int token_begin, int token_end, void* cache) {
  float row[kMaxRow];
  const int pairs = c.rope / 2, bytes = c.cache_type == MLA_TYPE_F32 ? 4 : 2;
  const int width = (int)(c.row_stride_bytes / bytes);
  for (int t = token_begin; t < token_end; t++) {
    const float* from = a + t * p.a_stride;
    for (int i = 0; i < width; i++) row[i] = 0;
    if (norm_weight) {
      rms_norm_row(from, norm_weight, p.eps, c.latent, row);
    } else {
      for (int i = 0; i < c.latent; i++) row[i] = from[i];
    }
    rotate(from + c.latent, cosines + (int64_t)t * pairs, sines + (int64_t)t * pairs, pairs, p.rope_layout,
           row + c.rope_offset);
    char* to = (char*)cache_row(c, cache, page_table, p.position + t);
    for (int i = 0; i < width; i += L) {
      const int n = min_int(L, width - i);
      if (c.cache_type == MLA_TYPE_F32)
        Isa::store((float*)to + i, Isa::load(row + i, n), n);
      else
        Isa::store_bf16((uint16_t*)to + i, Isa::load(row + i, n), n);
    }
  }
}
