// Rows of a weight of any format, with its scales where it has a plane of them, widened to floats a run at a time: the one way in which
// kernels get at what they do not multiply where it lies.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/raw.h"

namespace mla {
namespace {

template <class Params>
MLA_INLINE Scales scales_of(const Params& p, const void* scales, int64_t first = 0) {
  return {scales, p.scale_type, p.scale_rows, p.scale_columns, p.scale_stride, first};
}

template <class Isa>
float scale_at(const Scales& s, int64_t at) {
  alignas(64) float lanes[Isa::L] = {};
  ScaleFormats::with(s.type, [&]<class Format>(Format) {
    Isa::store(lanes, Format::template read<Isa>((const typename Format::Block*)s.values + at, 1));
  });
  return lanes[0];
}

// to[i] is element (row, k + i) for i < n: times its scale.
template <class Isa>
void scale_run(const Scales& s, int64_t row, int k, int n, float* to) {
  const int64_t first = (s.first + row) / s.rows * s.stride;
  for (int i = 0; i < n;) {
    const int64_t block = (k + i) / s.columns;
    const int64_t end_of_block = (block + 1) * s.columns - k;
    const int end = end_of_block < n ? (int)end_of_block : n;
    const F<Isa> scale = Isa::set1(scale_at<Isa>(s, first + block));
    for (; i < end; i += Isa::L) {
      const int count = min_int(Isa::L, end - i);
      Isa::store(to + i, Isa::mul(Isa::load(to + i, count), scale), count);
    }
    i = end;
  }
}

// Whether the elements of a weight become bf16, which has all of them, and are multiplied so; a scale multiplies the sum over its columns.
MLA_INLINE bool widens_to_bf16(int compute, int type, int scale_rows, int scale_columns, int k) {
  constexpr int kColumns = 32;  // a whole step of every instruction set
  return rounds_to_bf16(compute) && type == F8_E4M3::kType &&
         (scale_rows == 0 || scale_columns % kColumns == 0 || scale_columns >= k);
}
MLA_INLINE bool widens_to_bf16(const mla_linear_params& p) {
  return widens_to_bf16(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.k);
}

template <class Isa>
struct StoredRows {
  int type;
  const char* weight;
  int64_t row_bytes;
  BlockSize block;
  Widen widen;
  Scales scales;
  Coding coding{};
  ReadCodes codes = nullptr;

  // stride: elements between rows, whole blocks
  static StoredRows of(int type, const void* weight, int64_t stride, const Scales& scales) {
    return apart(type, weight, bytes_of(type, stride), scales);
  }
  static StoredRows apart(int type, const void* weight, int64_t row_bytes, const Scales& scales) {
    StoredRows rows{type, (const char*)weight, row_bytes, block_size(type), nullptr, scales};
    WeightFormats::with(type, [&]<class Format>(Format) {
      rows.widen = mla::widen<Isa, Format>;
      if constexpr (kIsCoded<Format>) {
        rows.coding = {Format::kRun, Format::kHasMinima};
        rows.codes = mla::read_codes<Isa, Format>;
      }
    });
    return rows;
  }

  // to[i] = element (row, k + i) for i < n; a block begins at k.
  MLA_INLINE void read(int64_t row, int k, int n, float* to) const {
    widen(weight + row * row_bytes + (int64_t)(k / block.elements) * block.bytes, n, to);
    if (scales.values) scale_run<Isa>(scales, row, k, n, to);
  }

  // What multiplies elements from (row, k) on, 1 where there are no scales, and how many of a row it multiplies: all up to the next multiple.
  MLA_INLINE float scale(int64_t row, int k) const {
    if (!scales.values) return 1;
    return scale_at<Isa>(scales, (scales.first + row) / scales.rows * scales.stride + k / scales.columns);
  }
  // From this row on so many rows have the same scales.
  MLA_INLINE int64_t rows_of_scale(int64_t row) const {
    return scales.values ? scales.rows - (scales.first + row) % scales.rows : INT32_MAX;
  }
  MLA_INLINE int scale_columns() const { return scales.values ? scales.columns : INT32_MAX; }

  // Element (row, k) of a format of bytes.
  MLA_INLINE const uint8_t* bytes_at(int64_t row, int k) const {
    return (const uint8_t*)weight + row * row_bytes + k;
  }

  // to[i] = element (row, k + i) for i < n without its scale, as bf16, zero from n up to whole steps of 2 Isa::L. For weights that widen so.
  MLA_INLINE void read_bf16(int64_t row, int k, int n, uint16_t* to) const {
    constexpr int kStep = 2 * Isa::L;
    const uint8_t* from = bytes_at(row, k);
    int i = 0;
    for (; i + kStep <= n; i += kStep) Isa::store_pairs(to + i, Isa::widen_f8(from + i));
    if (i == n) return;
    uint8_t rest[kStep] = {};
    __builtin_memcpy(rest, from + i, (size_t)(n - i));
    Isa::store_pairs(to + i, Isa::widen_f8(rest));
  }

  // The same elements as integers, whole blocks of 32, see ReadCodes; scales[i] and minima[i] are those of elements run * i and on.
  MLA_INLINE void read_codes(int64_t row, int k, int n, int8_t* q, float* s, float* m) const {
    codes(weight + row * row_bytes + (int64_t)(k / block.elements) * block.bytes, n, q, s, m);
    if (!scales.values) return;
    const int64_t first = (scales.first + row) / scales.rows * scales.stride;
    for (int i = 0; i < n; i += 32) {
      const float scale = scale_at<Isa>(scales, first + (k + i) / scales.columns);
      for (int j = i / coding.run; j < (i + 32) / coding.run; j++) {
        s[j] *= scale;
        if (coding.has_minima) m[j] *= scale;
      }
    }
  }
};

// Rows of a plain format, which a kernel reads where they lie.
template <class T>
struct PlainRows {
  const T* at;
  int64_t stride;  // elements

  // Rows n, n + step, .. from element k on.
  MLA_INLINE PlainRows part(int64_t n, int64_t step, int k) const {
    return {at + n * stride + k, step * stride};
  }
};

template <class Format, class Isa>
MLA_INLINE PlainRows<typename Format::Block> plain_rows(const StoredRows<Isa>& rows) {
  typedef typename Format::Block T;
  return {(const T*)rows.weight, rows.row_bytes / (int64_t)sizeof(T)};
}

}  // namespace
}  // namespace mla
