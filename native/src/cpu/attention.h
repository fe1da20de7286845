// Attention over the paged latent cache, absorbed and decompressed. Included inside an ISA's namespace.
//
// Both forms are one loop over blocks of tokens and bands of rows: scores, online softmax, values. How keys are brought in and multiplied
// is the structure's matter: PairRows (the bf16 dot), WideRows (float32), or DirectRows where there are few rows.
//
// A call's rows are taken in blocks of kMaxRows; calls that are cut at multiples of 16 rows give the same bits.

// ---- absorbed: the rows of the cache are keys and values ----

static MLA_INLINE void load_block(WideRows& a, const mla_attention_params& p, const mla_cache_params& c,
                                  const void* cache, const int32_t* page_table, int begin, int tokens) {
  const int key_bytes = p.key_offset * (c.cache_type == MLA_TYPE_F32 ? 4 : 2);
  a.use_block(0, tokens);
  CacheRows rows(c, cache, page_table, begin, tokens);
  for (int t = 0; t < tokens; t++) {
    const char* row = rows.next();
    widen_run(c, row + key_bytes, a.s.key_width, a.key_buffer + (int64_t)t * a.s.key_stride, a.s.key_stride);
    if (p.key_offset)
      widen_run(c, row, c.latent, a.value_buffer + (int64_t)t * a.value_stride, a.value_stride);
  }
}

#ifdef MLA_HAS_BF16_DOT
static MLA_INLINE void load_block(PairRows& a, const mla_attention_params& p, const mla_cache_params& c,
                                  const void* cache, const int32_t* page_table, int begin, int tokens) {
  CacheRows rows(c, cache, page_table, begin, tokens);
  for (int t = 0; t < round_up(tokens, 16); t++) a.keys[t] = (const uint16_t*)rows.next() + p.key_offset;
  a.interleaved = 0;
  if (p.key_offset) {
    for (int t = 0; t < tokens; t += 2) {
      const char* ahead = a.ahead.next(c.latent / 32 * 2);
      for (int column = 0; column < c.latent; column += 32) {
        prefetch_lines<2>(ahead, column / 32);
        const int left = c.latent - column;
        Isa::P x[2], low, high;
        const uint16_t* rows[2] = {a.keys[t] - p.key_offset, a.keys[t + 1] - p.key_offset};
        load_chunk<2>(rows, column, left, x);
        Isa::interleave(x[0], x[1], &low, &high);
        Isa::store_pairs(a.value_pairs(t / 2, column), low);
        Isa::store_pairs(a.value_pairs(t / 2, column) + L, high);
      }
    }
    a.interleaved = PairRows::kTokens;
  }
}
#endif

template <class K>
static MLA_INLINE void load_block(DirectRows<K>& a, const mla_attention_params&, const mla_cache_params& c,
                                  const void* cache, const int32_t* page_table, int begin, int tokens) {
  CacheRows rows(c, cache, page_table, begin, tokens);
  for (int t = 0; t < DirectRows<K>::kTokens; t++) a.rows[t] = (const typename K::T*)rows.next();
}

template <class Structure>
static void absorbed_of(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                        const void* cache, const int32_t* page_table, const float* alibi_slopes,
                        int head_begin, int head_end, int query_begin, int query_end, int kv_begin,
                        int kv_end, float* out, float* lse, void* workspace) {
  const int heads = head_end - head_begin, all = (query_end - query_begin) * heads;
  const int first_position = p.kv_tokens - p.query_tokens;
  const QueryRow query =
      p.key_offset ? QueryRow{c.rope, 0, 0} : QueryRow{c.latent, c.rope_offset - c.latent, c.rope};
  for (int row_begin = 0; row_begin < all; row_begin += kMaxRows) {
    Carver w{(char*)workspace, 0};
    Structure a = Structure::make(p, c, false, min_int(kMaxRows, all - row_begin), 1, &w);
    const int rows = a.s.rows;
    a.s.biased = alibi_slopes != nullptr;
    const auto token = [&](int r) { return query_begin + (row_begin + r) / heads; };
    const auto head = [&](int r) { return head_begin + (row_begin + r) % heads; };
    const int last = p.causal ? min_int(kv_end, first_position + token(rows - 1) + 1) : kv_end;
    // the first block comes while the queries are packed
    if (kv_begin < last) {
      a.ahead.aim(c, cache, page_table, kv_begin, min_int(last, kv_begin + Structure::kTokens), a.s.scores);
      a.ahead.fetch();
    }
    reset(a.s);
    for (int r = 0; r < rows; r++)
      set_row(a.s, r, first_position + token(r) - kv_begin, alibi_slopes ? alibi_slopes[head(r)] : 0);
    pack_queries(a, query,
                 [&](int r) { return q + token(r) * p.q_token_stride + head(r) * p.q_head_stride; });
    for (int begin = kv_begin; begin < last; begin += Structure::kTokens) {
      const int tokens = min_int(Structure::kTokens, last - begin);
      a.ahead.aim(c, cache, page_table, begin + tokens, min_int(last, begin + 3 * Structure::kTokens),
                  a.s.scores);
      load_block(a, p, c, cache, page_table, begin, tokens);
      for (int r = 0; r < rows; r += kBandRows)
        attend_rows(a, r, min_int(rows, r + kBandRows), begin - kv_begin, tokens);
    }
    for (int r = 0; r < rows; r++)
      write_row(a.s, r, out + token(r) * p.out_token_stride + head(r) * p.out_head_stride,
                lse + token(r) * p.lse_token_stride + head(r) * p.lse_head_stride);
  }
}

// Calls f with a null pointer to the structure that an operation takes, whatever its calls. Latents that are values too are worth pairing
// once in PairRows, from two rows on.
template <class Function>
static MLA_INLINE void with_structure(const mla_attention_params& p, const mla_cache_params& c,
                                      bool decompressed, Function f) {
  const bool few = !decompressed && (int64_t)p.heads * p.query_tokens <= kDirectRows;
#ifdef MLA_HAS_BF16_DOT
  if (uses_pairs(p, c))
    return few && p.key_offset ? f((DirectRows<PairedNumbers>*)nullptr) : f((PairRows*)nullptr);
#endif
  if (!few) return f((WideRows*)nullptr);
  if (c.cache_type == MLA_TYPE_F32) return f((DirectRows<WidenedNumbers<F32Reader>>*)nullptr);
  f((DirectRows<WidenedNumbers<Bf16Reader>>*)nullptr);
}

static void attend_absorbed(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                            const void* cache, const int32_t* page_table, const float* alibi_slopes,
                            int head_begin, int head_end, int query_begin, int query_end, int kv_begin,
                            int kv_end, float* out, float* lse, void* workspace) {
  with_structure(p, c, false, [&]<class Structure>(Structure*) {
    absorbed_of<Structure>(p, c, q, cache, page_table, alibi_slopes, head_begin, head_end, query_begin,
                           query_end, kv_begin, kv_end, out, lse, workspace);
  });
}

// ---- decompressed: keys and values of a head are rebuilt from the latents, some blocks at a time ----

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

static MLA_INLINE bool packs_weight(const mla_attention_params& p, const mla_cache_params& c) {
  return uses_pairs(p, c) && p.weight_type == MLA_TYPE_BF16;
}

static Rebuilding make_rebuilding(const mla_attention_params& p, const mla_cache_params& c, int tokens,
                                  Carver* w) {
  Rebuilding x{};
  if (packs_weight(p, c)) {
    const int rows = round_up(p.nope, 4) + round_up(p.value, 4);
    x.weight = w->take<uint16_t>((int64_t)rows * round_up(c.latent, 32) + 4 * round_up(c.latent, 32));
    return x;
  }
  x.linear.struct_size = sizeof x.linear;
  // latents of a bf16 cache are exact in either compute type; an F32 cache is not rounded
  x.linear.compute = c.cache_type == MLA_TYPE_BF16 ? p.compute : MLA_COMPUTE_F32;
  x.linear.weight_type = p.weight_type;
  x.linear.rows = tokens;
  x.linear.k = c.latent;
  x.linear.n = p.nope + p.value;
  x.linear.x_stride = c.latent;
  x.linear.weight_stride = p.weight_stride;
  x.linear.y_stride = x.linear.n;
  x.latents = w->take<float>((int64_t)tokens * c.latent);
  x.packed = w->take<char>(packed_bytes(x.linear));
  x.rebuilt = w->take<float>((int64_t)tokens * x.linear.n);
  return x;
}

// Keys (without their rotated part) and values of the tokens [begin, begin + tokens) in float32.
static void rebuild(const Rebuilding& x, const mla_cache_params& c, const void* cache,
                    const int32_t* page_table, int begin, int tokens, const void* weight) {
  for (int t = 0; t < tokens; t++)
    widen_run(c, cache_row(c, cache, page_table, begin + t), c.latent, x.latents + (int64_t)t * c.latent,
              c.latent);
  mla_linear_params l = x.linear;
  l.rows = tokens;
  pack(l, x.latents, nullptr, 0, tokens, x.packed);
  linear(l, x.packed, weight, nullptr, 0, l.n, x.rebuilt);
}

static void use_head(const WideRows&, const Rebuilding&, const mla_attention_params&, const mla_cache_params&,
                     const void*) {}

// Block i of the buffers from the tokens [begin, begin + tokens).
static void rebuild_block(WideRows& a, const Rebuilding& x, const mla_attention_params& p,
                          const mla_cache_params& c, const void* cache, const int32_t* page_table, int i,
                          int begin, int tokens, const void* weight) {
  const State& s = a.s;
  const int64_t key_bytes = (int64_t)c.rope_offset * (c.cache_type == MLA_TYPE_F32 ? 4 : 2);
  rebuild(x, c, cache, page_table, begin, tokens, weight);
  for (int t = 0; t < tokens; t++) {
    const float* from = x.rebuilt + (int64_t)t * x.linear.n;
    float* key = a.key_buffer + (int64_t)(i * WideRows::kTokens + t) * s.key_stride;
    float* value = a.value_buffer + (int64_t)(i * WideRows::kTokens + t) * a.value_stride;
    copy_run(from, p.nope, s.rounds, key);
    widen_run(c, cache_row(c, cache, page_table, begin + t) + key_bytes, c.rope, key + p.nope,
              s.key_stride - p.nope);
    copy_run(from + p.nope, p.value, s.rounds, value);
    for (int d = p.value; d < a.value_stride; d++) value[d] = 0;
  }
}

#ifdef MLA_HAS_BF16_DOT
static void use_head(const PairRows&, const Rebuilding& x, const mla_attention_params& p,
                     const mla_cache_params& c, const void* weight) {
  if (!x.weight) return;
  const int stride = round_up(c.latent, 32);
  const auto fill = [&](const uint16_t* from) {
    return [=, &p, &c](int r, uint16_t* to) {
      __builtin_memcpy(to, from + r * p.weight_stride, 2 * (size_t)c.latent);
      __builtin_memset(to + c.latent, 0, 2 * (size_t)(stride - c.latent));
    };
  };
  const uint16_t* w = (const uint16_t*)weight;
  uint16_t* lines = x.weight;
  uint32_t* packed = (uint32_t*)(lines + 4 * stride);
  pack_quads(p.nope, stride, lines, packed, fill(w));
  pack_quads(p.value, stride, lines, packed + (int64_t)round_up(p.nope, 4) * (stride / 2),
             fill(w + p.nope * p.weight_stride));
}

static void rebuild_block(PairRows& a, const Rebuilding& x, const mla_attention_params& p,
                          const mla_cache_params& c, const void* cache, const int32_t* page_table, int i,
                          int begin, int tokens, const void* weight) {
  const State& s = a.s;
  uint16_t* keys = a.key_buffer + (int64_t)i * PairRows::kTokens * s.key_stride;
  a.use_block(i, tokens);
  for (int t = 0; t < tokens; t++) {
    const uint16_t* row = (const uint16_t*)cache_row(c, cache, page_table, begin + t);
    uint16_t* key = keys + (int64_t)t * s.key_stride;
    __builtin_memcpy(key + p.nope, row + c.rope_offset, 2 * (size_t)c.rope);
    __builtin_memset(key + s.key_width, 0, 2 * (size_t)(s.key_stride - s.key_width));
  }
  if (!x.weight) {
    rebuild(x, c, cache, page_table, begin, tokens, weight);
    for (int t = 0; t < tokens; t++) {
      const float* from = x.rebuilt + (int64_t)t * x.linear.n;
      copy_run(from, p.nope, true, keys + (int64_t)t * s.key_stride);
      for (int d = 0; t % 2 == 0 && d < p.value; d += L) {
        const int n = min_int(L, p.value - d);
        const float* value = from + p.nope + d;
        const F next = t + 1 < tokens ? Isa::load(value + x.linear.n, n) : Isa::zero();
        Isa::store_pairs(a.value_pairs(t / 2, d), Isa::make_pairs(Isa::load(value, n), next));
      }
    }
    return;
  }
  // outputs of the weight are the rows, latents the keys
  const int stride = round_up(c.latent, 32);
  const uint32_t* w = (const uint32_t*)(x.weight + 4 * stride);
  const uint16_t* latents[PairRows::kTokens];
  for (int t = 0; t < round_up(tokens, 16); t++)
    latents[t] = (const uint16_t*)cache_row(c, cache, page_table, begin + min_int(t, tokens - 1));
  const auto outputs = [&](int d, int n) {
    const int quads = (min_int(PairRows::kRows, n - d) + 3) / 4;
    score_group(a, latents, c.latent, w, quads, tokens, s.scores);
    w += (int64_t)quads * 4 * (stride / 2);
  };
  for (int d = 0; d < p.nope; d += PairRows::kRows) {
    outputs(d, p.nope);
    for (int t = 0; t < tokens; t++)
      Isa::store_bf16(keys + (int64_t)t * s.key_stride + d, Isa::load(s.scores + t * PairRows::kRows),
                      min_int(L, p.nope - d));
  }
  for (int d = 0; d < p.value; d += PairRows::kRows) {
    outputs(d, p.value);
    for (int t = 0; t < tokens; t += 2)
      Isa::store_pairs(a.value_pairs(t / 2, d),
                       Isa::make_pairs(Isa::load(s.scores + t * PairRows::kRows),
                                       Isa::load(s.scores + (t + 1) * PairRows::kRows)));
  }
}
#endif

template <class Structure>
static void decompressed_of(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                            const void* kv_b, const void* cache, const int32_t* page_table,
                            const float* alibi_slopes, int head_begin, int head_end, int query_begin,
                            int query_end, float* out, float* lse, void* workspace) {
  constexpr int kBlock = Structure::kTokens;
  const int first_position = p.kv_tokens - p.query_tokens;
  Carver w{(char*)workspace, 0};
  Structure a = Structure::make(p, c, true, query_end - query_begin, kKeyBlocks, &w);
  const Rebuilding x = make_rebuilding(p, c, kBlock, &w);
  const int rows = a.s.rows;
  a.s.biased = alibi_slopes != nullptr;
  const int last = p.causal ? min_int(p.kv_tokens, first_position + query_end) : p.kv_tokens;
  for (int h = head_begin; h < head_end; h++) {
    const void* weight =
        (const char*)kv_b + h * p.weight_head_stride * (p.weight_type == MLA_TYPE_F32 ? 4 : 2);
    reset(a.s);
    for (int r = 0; r < rows; r++)
      set_row(a.s, r, first_position + query_begin + r, alibi_slopes ? alibi_slopes[h] : 0);
    pack_queries(a, QueryRow{a.s.key_width, 0, 0},
                 [&](int r) { return q + (query_begin + r) * p.q_token_stride + h * p.q_head_stride; });
    use_head(a, x, p, c, weight);
    for (int begin = 0; begin < last; begin += kKeyBlocks * kBlock) {
      const int end = min_int(last, begin + kKeyBlocks * kBlock);
      for (int b = begin; b < end; b += kBlock)
        rebuild_block(a, x, p, c, cache, page_table, (b - begin) / kBlock, b, min_int(kBlock, end - b),
                      weight);
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
    for (int r = 0; r < rows; r++) {
      const int t = query_begin + r;
      write_row(a.s, r, out + t * p.out_token_stride + h * p.out_head_stride,
                lse + t * p.lse_token_stride + h * p.lse_head_stride);
    }
  }
}

static void attend_decompressed(const mla_attention_params& p, const mla_cache_params& c, const float* q,
                                const void* kv_b, const void* cache, const int32_t* page_table,
                                const float* alibi_slopes, int head_begin, int head_end, int query_begin,
                                int query_end, float* out, float* lse, void* workspace) {
#ifdef MLA_HAS_BF16_DOT
  if (uses_pairs(p, c)) {
    decompressed_of<PairRows>(p, c, q, kv_b, cache, page_table, alibi_slopes, head_begin, head_end,
                              query_begin, query_end, out, lse, workspace);
    return;
  }
#endif
  decompressed_of<WideRows>(p, c, q, kv_b, cache, page_table, alibi_slopes, head_begin, head_end, query_begin,
                            query_end, out, lse, workspace);
}

template <class Structure>
static int64_t workspace_of(const mla_attention_params& p, const mla_cache_params& c, bool decompressed) {
  const int64_t all = decompressed ? p.query_tokens : (int64_t)p.heads * p.query_tokens;
  const int rows = (int)(!decompressed && all > kMaxRows ? kMaxRows : all);
  Carver w{nullptr, 0};
  Structure::make(p, c, decompressed, rows, decompressed ? kKeyBlocks : 1, &w);
  if (decompressed) make_rebuilding(p, c, Structure::kTokens, &w);
  return w.used;
}

static int64_t attention_workspace(const mla_attention_params& p, const mla_cache_params& c, int form) {
  int64_t bytes = 0;
  with_structure(p, c, form == 1,
                 [&]<class Structure>(Structure*) { bytes = workspace_of<Structure>(p, c, form == 1); });
  return bytes;
}
