// Rows of a table, gathered by id and scaled.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

template <class Isa>
void embed(const mla_embed_params* params, const void* table, const void* scales, const int32_t* ids,
           int count, float* y) {
  const mla_embed_params& p = *params;
  const auto rows = StoredRows<Isa>::of(p.table_type, table, p.table_stride, scales_of(p, scales));
  const F<Isa> scale = Isa::set1(p.scale);
  for (int i = 0; i < count; i++) {
    float* to = y + i * p.y_stride;
    rows.read(ids[i], 0, p.width, to);
    for (int j = 0; j < p.width; j += Isa::L) {
      const int n = min_int(Isa::L, p.width - j);
      Isa::store(to + j, Isa::mul(scale, Isa::load(to + j, n)), n);
    }
  }
}

inline bool check_embed(const mla_embed_params* p, const void* table, const void* scales, const int32_t* ids,
                        int count, const float* y) {
  check(p);
  require_range("count", count, 0, INT_MAX);
  require_stride("y_stride", p->y_stride, count, p->width);
  if (count == 0) return false;
  require_pointer("table", table);
  require_scale_pointer("scales", scales, p->scale_rows);
  require_pointer("ids", ids);
  require_pointer("y", y);
  for (int i = 0; i < count; i++) {
    if (ids[i] < 0 || ids[i] >= p->vocabulary)
      fail(MLA_INVALID_ARGUMENT, "ids[" + std::to_string(i) + "] is " + std::to_string(ids[i]) +
                                     ", but the vocabulary is 0.." + std::to_string(p->vocabulary - 1));
  }
  return true;
}

}  // namespace
}  // namespace mla
