// The rows of the cache: where token s of a sequence lies, and its elements as floats. A row is stored in one of CacheFormats.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

MLA_INLINE const char* cache_row(const mla_cache_params& c, const void* cache, const int32_t* page_table,
                                 int s) {
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

// The elements [first, first + n) of a row to `padded` floats, zero after them.
template <class Isa>
MLA_INLINE void widen_row(const mla_cache_params& c, const char* row, int first, int n, float* to,
                          int padded) {
  CacheFormats::with(c.cache_type, [&]<class Format>(Format) __attribute__((always_inline)) {
    const auto* from = (const typename Format::Block*)row + first;
    for (int i = 0; i < padded; i += Isa::L) {
      const int left = n - i;
      const F<Isa> v = left >= Isa::L ? Format::template read<Isa>(from + i)
                       : left > 0     ? Format::template read<Isa>(from + i, left)
                                      : Isa::zero();
      Isa::store(to + i, v, min_int(Isa::L, padded - i));
    }
  });
}

// A row from floats, as many as it has elements, padding included.
template <class Isa>
MLA_INLINE void store_row(const mla_cache_params& c, const float* from, char* row) {
  CacheFormats::with(c.cache_type, [&]<class Format>(Format) {
    typedef typename Format::Block Block;
    const int width = (int)(c.row_stride_bytes / (int)sizeof(Block));
    for (int i = 0; i < width; i += Isa::L) {
      const int n = min_int(Isa::L, width - i);
      Format::template write<Isa>((Block*)row + i, Isa::load(from + i, n), n);
    }
  });
}

}  // namespace
}  // namespace mla
