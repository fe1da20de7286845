// The cache's rows: where token s of a sequence lies, and appending new ones. Included inside an ISA's namespace.

static MLA_INLINE const char* cache_row(const mla_cache_params& c, const void* cache,
                                        const int32_t* page_table, int s) {
  return (const char*)cache + page_table[s / c.page_size] * c.page_stride_bytes +
         s % c.page_size * c.row_stride_bytes;
}

// The rows of the tokens [first, first + count), one after the other and without a division for each; then the last one again and again.
struct CacheRows {
  const mla_cache_params& c;
  const char* cache;
  const int32_t* page_table;
  int page, slot, left;
  const char* at;

  MLA_INLINE CacheRows(const mla_cache_params& c, const void* cache, const int32_t* page_table, int first,
                       int count)
      : c(c),
        cache((const char*)cache),
        page_table(page_table),
        page(first / c.page_size),
        slot(first % c.page_size),
        left(count),
        at(cache_row(c, cache, page_table, first)) {}

  MLA_INLINE const char* next() {
    const char* row = at;
    if (--left > 0) {
      at += c.row_stride_bytes;
      if (++slot == c.page_size) {
        slot = 0;
        at = cache + page_table[++page] * c.page_stride_bytes;
      }
    }
    return row;
  }
};

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
