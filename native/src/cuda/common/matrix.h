// The tensor cores of sm_80 and newer: 8 x 8 tiles of bf16 from shared memory into fragments (ldmatrix), and the product of a 16 x 16 and a
// 16 x 8 one (mma.sync). Lane l holds, with row = l / 4 and column = 2 (l % 4), of
//   a (16 x 16 bf16): a[0] = (row, column..), a[1] = (row + 8, column..), a[2] = (row, column + 8..), a[3] = (row + 8, column + 8..)
//   b (16 x 8 bf16, k by n): b[0] = (k = column.., n = row), b[1] = (k = column + 8.., n = row)
//   d (16 x 8 float32): d[0], d[1] = (row, column..), d[2], d[3] = (row + 8, column..)
#pragma once
#include "cuda/common/platform.h"

namespace mla::cuda {

#if defined(__CUDACC__)

// Four tiles: lane l gives the address of row l % 8 of tile l / 8 (8 bf16, aligned to 16 bytes) and receives elements 2 (l % 4).. of row
// l / 4 of each.
MLA_DEVICE void load_matrix(uint32_t (&tiles)[4], const void* row) {
  const auto from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
               : "r"(from)
               : "memory");
}
// The same of the transposed tiles.
MLA_DEVICE void load_matrix_transposed(uint32_t (&tiles)[4], const void* row) {
  const auto from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
               : "r"(from)
               : "memory");
}
// d += a b, products exact, sums in float32.
MLA_DEVICE void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, "
      "%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else

inline void load_matrix(uint32_t (&tiles)[4], const void* row, MLA_CALLER) {
  const emulator::Tiles t = emulator::load_matrix(row, false, {file, line});
  for (int i = 0; i < 4; i++) tiles[i] = t.tile[i];
}
inline void load_matrix_transposed(uint32_t (&tiles)[4], const void* row, MLA_CALLER) {
  const emulator::Tiles t = emulator::load_matrix(row, true, {file, line});
  for (int i = 0; i < 4; i++) tiles[i] = t.tile[i];
}
inline void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, MLA_CALLER) {
  const emulator::Product p =
      emulator::multiply_add({{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}}, {file, line});
  for (int i = 0; i < 4; i++) d[i] = p.d[i];
}

#endif

}  // namespace mla::cuda
