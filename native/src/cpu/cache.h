// The rows of the cache: where token s of a sequence lies, and its elements as floats. A row is stored in one of CacheFormats, or its latent
// in one of CodeFormats under scales, which lie in a plane behind the page's rows.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/limits.h"
#include "mla/mla.h"

namespace mla {
namespace {

// A token's row, and its scales where it has some.
struct CacheRow {
  const char* at;
  const char* scales;
};

MLA_INLINE bool has_scales(const mla_cache_params& c) { return c.scale_columns > 0; }

// Whether queries, probabilities and elements under scales are rounded to bf16.
MLA_INLINE bool rounds_to_bf16(int compute, const mla_cache_params& c) {
  return rounds_to_bf16(compute) && c.cache_type != F32::kType;
}

// Scales of a row.
MLA_INLINE int scale_count(const mla_cache_params& c) {
  return has_scales(c) ? (c.latent + c.scale_columns - 1) / c.scale_columns : 0;
}

inline int scale_bytes(const mla_cache_params& c) {
  return has_scales(c) ? scale_count(c) * (int)bytes_of(c.scale_type, 1) : 0;
}

// Bytes from a row's begin to its rotated key.
inline int64_t key_bytes(const mla_cache_params& c) { return bytes_of(c.cache_type, c.rope_offset); }

// Elements of a row, of which those after the key are padding.
inline int64_t row_elements(const mla_cache_params& c) {
  const int64_t key = key_bytes(c);
  return c.rope_offset + (c.row_stride_bytes - key) / bytes_of(has_scales(c) ? c.rope_type : c.cache_type, 1);
}

// Tokens that an entry of the page table stands for, and where the first of them lies.
MLA_INLINE int entry_tokens(const mla_cache_params& c) { return c.table_of_rows ? 1 : c.page_size; }
MLA_INLINE int64_t entry_page(const mla_cache_params& c, int32_t entry) {
  return c.table_of_rows ? entry / c.page_size : entry;
}
MLA_INLINE int entry_slot(const mla_cache_params& c, int32_t entry) {
  return c.table_of_rows ? entry % c.page_size : 0;
}
MLA_INLINE int64_t entry_offset(const mla_cache_params& c, int32_t entry) {
  return entry_page(c, entry) * c.page_stride_bytes + entry_slot(c, entry) * c.row_stride_bytes;
}

// The rows of the tokens [first, first + count), one after the other and without a division for each; then the last one again and again.
struct CacheRows {
  const mla_cache_params& c;
  const char* cache;
  const int32_t* page_table;
  int tokens, scales;  // of an entry; bytes
  int entry, token, left;
  CacheRow row;

  MLA_INLINE CacheRows(const mla_cache_params& c, const void* cache, const int32_t* page_table, int first,
                       int count)
      : c(c),
        cache((const char*)cache),
        page_table(page_table),
        tokens(entry_tokens(c)),
        scales(scale_bytes(c)),
        entry(first / tokens),
        token(first % tokens),
        left(count) {
    begin_entry();
    row.at += token * c.row_stride_bytes;
    row.scales += token * scales;
  }

  MLA_INLINE CacheRow next() {
    const CacheRow now = row;
    if (--left > 0) {
      row.at += c.row_stride_bytes;
      row.scales += scales;
      if (++token == tokens) {
        token = 0;
        entry++;
        begin_entry();
      }
    }
    return now;
  }

 private:
  MLA_INLINE void begin_entry() {
    const int32_t at = page_table[entry];
    const char* page = cache + entry_page(c, at) * c.page_stride_bytes;
    const int slot = entry_slot(c, at);
    row.at = page + slot * c.row_stride_bytes;
    row.scales = page + c.page_size * c.row_stride_bytes + slot * scales;
  }
};

MLA_INLINE CacheRow cache_row(const mla_cache_params& c, const void* cache, const int32_t* page_table,
                              int s) {
  return CacheRows(c, cache, page_table, s, 1).row;
}

MLA_INLINE float scale_at(const mla_cache_params& c, const CacheRow& row, int group) {
  uint32_t bits = 0;
  if (c.scale_type == Bf16::kType) {
    __builtin_memcpy(&bits, row.scales + 2 * group, 2);
    bits <<= 16;
  } else {
    __builtin_memcpy(&bits, row.scales + 4 * group, 4);
  }
  float scale;
  __builtin_memcpy(&scale, &bits, 4);
  return scale;
}

// take(Format(), from, scale, i) for each run of kCodes of the latent of a row under scales, from element i on; the last may go on behind
// the latent.
template <class Isa, class Take>
MLA_INLINE void each_run(const mla_cache_params& c, const CacheRow& row, Take take) {
  CodeFormats::with(c.cache_type, [&]<class Format>(Format) __attribute__((always_inline)) {
    const auto* from = (const typename Format::Block*)row.at;
    for (int begin = 0, group = 0; begin < c.latent; begin += c.scale_columns, group++) {
      const F<Isa> scale = Isa::set1(scale_at(c, row, group));
      const int end = min_int(c.latent, begin + c.scale_columns);
      for (int i = begin; i < end; i += kCodes) take(Format(), from + i / Format::kElements, scale, i);
    }
  });
}

// put(i, v) for each vector v of the latent of a row under scales, from element i on, in such runs.
template <class Isa, class Put>
MLA_INLINE void each_code(const mla_cache_params& c, const CacheRow& row, Put put) {
  each_run<Isa>(c, row,
                [&]<class Format>(Format, const typename Format::Block* from, F<Isa> scale,
                                  int i) __attribute__((always_inline)) {
                  Format::template each<Isa>(from, [&](int j, F<Isa> code) __attribute__((always_inline)) {
                    put(i + j, Isa::mul(code, scale));
                  });
                });
}

// The first n elements of a run of a plain format to `padded` floats, zero after them.
template <class Isa>
MLA_INLINE void widen_plain(int type, const char* at, int first, int n, float* to, int padded) {
  CacheFormats::with(type, [&]<class Format>(Format) __attribute__((always_inline)) {
    const auto* from = (const typename Format::Block*)at + first;
    for (int i = 0; i < padded; i += Isa::L) {
      const int left = n - i;
      const F<Isa> v = left >= Isa::L ? Format::template read<Isa>(from + i)
                       : left > 0     ? Format::template read<Isa>(from + i, left)
                                      : Isa::zero();
      Isa::store(to + i, v, min_int(Isa::L, padded - i));
    }
  });
}

// The elements [first, first + n) of a row to `padded` floats, zero after them; those under scales to bf16 where `rounds`. Under scales
// `first` is 0 or rope_offset.
template <class Isa>
MLA_INLINE void widen_row(const mla_cache_params& c, const CacheRow& row, int first, int n, bool rounds,
                          float* to, int padded) {
  if (!has_scales(c)) return widen_plain<Isa>(c.cache_type, row.at, first, n, to, padded);
  if (first < c.rope_offset) {
    const int latent = min_int(n, c.latent), gap = min_int(padded, c.rope_offset);
    each_code<Isa>(c, row, [&](int i, F<Isa> x) __attribute__((always_inline)) {
      if (i < latent) Isa::store(to + i, rounds ? Isa::round_bf16(x) : x, min_int(Isa::L, latent - i));
    });
    for (int i = latent; i < gap; i++) to[i] = 0;
    to += gap;
    padded -= gap;
    n -= c.rope_offset;
  }
  if (padded > 0) widen_plain<Isa>(c.rope_type, row.at + key_bytes(c), 0, n, to, padded);
}

// A run of kCodes times their scale, as bf16.
template <class Isa, class Format>
MLA_INLINE void round_codes(const typename Format::Block* from, F<Isa> scale, uint16_t* to) {
  if constexpr (requires { Format::template round<Isa>(from, scale, to); })
    Format::template round<Isa>(from, scale, to);
  else
    Format::template each<Isa>(from, [&](int i, F<Isa> code) __attribute__((always_inline)) {
      Isa::store_bf16(to + i, Isa::mul(code, scale), Isa::L);
    });
}

// A row under scales, whose rotated key is bf16, as bf16: rope_offset elements, then the key.
template <class Isa>
MLA_INLINE void round_row(const mla_cache_params& c, const CacheRow& row, uint16_t* to) {
  each_run<Isa>(c, row,
                [&]<class Format>(Format, const typename Format::Block* from, F<Isa> scale, int i)
                    __attribute__((always_inline)) { round_codes<Isa, Format>(from, scale, to + i); });
  for (int i = c.latent; i < c.rope_offset; i++) to[i] = 0;
  __builtin_memcpy(to + c.rope_offset, row.at + key_bytes(c), 2 * (size_t)c.rope);
}

// The first n elements of a plain format from floats.
template <class Isa>
MLA_INLINE void store_plain(int type, const float* from, int n, char* at) {
  CacheFormats::with(type, [&]<class Format>(Format) {
    auto* to = (typename Format::Block*)at;
    for (int i = 0; i < n; i += Isa::L) {
      const int count = min_int(Isa::L, n - i);
      Format::template write<Isa>(to + i, Isa::load(from + i, count), count);
    }
  });
}

// Magnitudes are ordered as their bits are, what is not finite above all.
MLA_INLINE float largest_magnitude(const float* from, int n) {
  int32_t largest = 0;
  for (int i = 0; i < n; i++) {
    int32_t bits;
    __builtin_memcpy(&bits, from + i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  float magnitude;
  __builtin_memcpy(&magnitude, &largest, 4);
  return magnitude;
}

// A row from floats, as many as it has elements, padding included: zeros.
template <class Isa>
void store_row(const mla_cache_params& c, const float* from, const CacheRow& row) {
  alignas(64) static constexpr float kZeros[kCodes] = {};
  char* at = (char*)row.at;
  if (!has_scales(c)) return store_plain<Isa>(c.cache_type, from, (int)row_elements(c), at);
  CodeFormats::with(c.cache_type, [&]<class Format>(Format) {
    auto* to = (typename Format::Block*)at;
    __builtin_memset(at, 0, (size_t)key_bytes(c));
    for (int begin = 0, group = 0; begin < c.latent; begin += c.scale_columns, group++) {
      const int end = min_int(c.latent, begin + c.scale_columns);
      const float largest = largest_magnitude(from + begin, end - begin);
      bool is_negative = false;
      for (int i = begin; i < end; i++) is_negative |= from[i] == -largest;
      alignas(64) float lanes[Isa::L] = {Format::scale(largest, is_negative)};
      store_plain<Isa>(c.scale_type, lanes, 1, (char*)row.scales + group * bytes_of(c.scale_type, 1));
      const float scale = scale_at(c, row, group);
      const bool usable = scale != 0 && scale < 3.4e38f && scale > -3.4e38f;
      for (int i = begin; i < end; i += kCodes)
        Format::template encode<Isa>(usable ? from + i : kZeros, Isa::set1(usable ? scale : 1),
                                     to + i / Format::kElements);
    }
  });
  const int64_t key = key_bytes(c);
  store_plain<Isa>(c.rope_type, from + c.rope_offset, (int)row_elements(c) - c.rope_offset, at + key);
}

}  // namespace
}  // namespace mla
