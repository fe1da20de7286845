// Rows of a table, gathered by id and scaled.
#pragma once
#include "abi/checks.h"
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa, class Format>
void embed_row(const typename Format::Block* row, int width, float scale, float* y) {
  const F<Isa> s = Isa::set1(scale);
  for (int j = 0; j < width; j += Isa::L) {
    const int n = min_int(Isa::L, width - j);
    Isa::store(y + j, Isa::mul(s, Format::template read<Isa>(row + j, n)), n);
  }
}

template <class Isa>
void embed(int table_type, const void* table, int64_t table_stride, int, const int32_t* ids, int count,
           int width, float scale, float* y, int64_t y_stride) {
  const bool plain = PlainFormats::with(table_type, [&]<class Format>(Format) {
    const auto* rows = (const typename Format::Block*)table;
    for (int i = 0; i < count; i++)
      embed_row<Isa, Format>(rows + ids[i] * table_stride, width, scale, y + i * y_stride);
  });
  if (plain) return;
  const auto rows = StoredRows<Isa>::of(table_type, table, table_stride);
  for (int i = 0; i < count; i++) {
    float* to = y + i * y_stride;
    rows.read(ids[i], 0, width, to);
    embed_row<Isa, F32>(to, width, scale, to);
  }
}

inline bool check_embed(int table_type, const void* table, int64_t table_stride, int vocabulary,
                        const int32_t* ids, int count, int width, float, const float* y, int64_t y_stride) {
  require_type("table_type", table_type);
  require_range("vocabulary", vocabulary, 1, INT_MAX);
  require_range("count", count, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_stride("table_stride", table_stride, vocabulary, width);
  require_blocks("table_stride", table_stride, table_type);
  require_stride("y_stride", y_stride, count, width);
  if (count == 0) return false;
  require_pointer("table", table);
  require_pointer("ids", ids);
  require_pointer("y", y);
  for (int i = 0; i < count; i++) {
    if (ids[i] < 0 || ids[i] >= vocabulary)
      fail(MLA_INVALID_ARGUMENT, "ids[" + std::to_string(i) + "] is " + std::to_string(ids[i]) +
                                     ", but the vocabulary is 0.." + std::to_string(vocabulary - 1));
  }
  return true;
}

}  // namespace
}  // namespace mla
