// ldmatrix and mma.sync m16n8k16 on the fragment layouts that src/cuda/common/matrix.h describes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda_emulator/machine.h"

namespace mla::emulator {
namespace {

double bf16(uint32_t bits) {
  const uint32_t u = bits << 16;
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

// c + a sum of products as tensor cores add: all terms are aligned to the largest one and cut off 24 bits below it, and the sum is cut to
// float32. Real ones keep a few bits more, depending on the architecture: what is near enough here is near enough there.
float cut_sum(float c, const double* a, const double* b, int count) {
  double terms[17], largest = std::fabs(c), sum = c;
  terms[count] = c;
  for (int i = 0; i < count; i++) {
    terms[i] = a[i] * b[i];
    sum += terms[i];
    largest = std::max(largest, std::fabs(terms[i]));
  }
  if (largest == 0 || !std::isfinite(sum)) return static_cast<float>(sum);
  // 2^(52 - 24) times the power of two below the largest, added and subtracted, cuts; towards zero by a correction.
  uint64_t bits;
  std::memcpy(&bits, &largest, 8);
  const int exponent = static_cast<int>(bits >> 52) - 1023;
  if (exponent < -900 || exponent > 900) return static_cast<float>(sum);
  const uint64_t scale_bits = static_cast<uint64_t>(24 - exponent + 1023) << 52,
                 back_bits = static_cast<uint64_t>(exponent - 24 + 1023) << 52;
  double scale, back;
  std::memcpy(&scale, &scale_bits, 8);
  std::memcpy(&back, &back_bits, 8);
  int64_t whole = 0;
  for (int i = 0; i <= count; i++) whole += static_cast<int64_t>(terms[i] * scale);
  const double exact = static_cast<double>(whole) * back;
  const auto nearest = static_cast<float>(exact);
  return std::fabs(nearest) > std::fabs(exact) ? std::nextafter(nearest, 0.f) : nearest;
}

void multiply(void* const* lanes) {
  // rows of a and columns of b, in k
  double a[16][16], b[8][16];
  for (int l = 0; l < kLanes; l++) {
    const auto& p = *static_cast<const Product*>(lanes[l]);
    const int row = l / 4, column = l % 4 * 2;
    for (int half = 0; half < 2; half++) {
      for (int i = 0; i < 4; i++)
        a[row + i % 2 * 8][column + i / 2 * 8 + half] = bf16(p.a[i] >> 16 * half & 0xffff);
      for (int i = 0; i < 2; i++) b[row][column + i * 8 + half] = bf16(p.b[i] >> 16 * half & 0xffff);
    }
  }
  for (int l = 0; l < kLanes; l++) {
    auto& p = *static_cast<Product*>(lanes[l]);
    for (int i = 0; i < 4; i++) {
      const int row = l / 4 + i / 2 * 8, column = l % 4 * 2 + i % 2;
      // two steps of 8, as sm_80 does it
      for (int k = 0; k < 16; k += 8) p.d[i] = cut_sum(p.d[i], a[row] + k, b[column] + k, 8);
    }
  }
}

}  // namespace

Product multiply_add(const Product& operands, Place place) {
  Product mine = operands;
  machine().meet("multiply_add", place, &mine, multiply);
  return mine;
}

Tiles load_matrix(const void* row, bool transposed, Place place) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
    machine().report("load_matrix of a row that is not aligned to 16 at " + Origin(place).text());
  const auto* at = static_cast<const uint8_t*>(row);
  if (at < machine().shared() || at >= machine().shared() + kLargestShared)
    machine().report("load_matrix of what is no shared memory at " + Origin(place).text());
  machine().access(row, 16, false, Origin(place));
  struct Lane {
    uint16_t row[8];
    Tiles tiles;
  } mine;
  std::memcpy(mine.row, row, 16);
  machine().meet(transposed ? "load_matrix_transposed" : "load_matrix", place, &mine,
                 [=](void* const* lanes) {
                   const auto element = [&](int tile, int r, int c) -> uint32_t {
                     return static_cast<const Lane*>(lanes[tile * 8 + r])->row[c];
                   };
                   for (int l = 0; l < kLanes; l++) {
                     const int r = l / 4, c = l % 4 * 2;
                     for (int tile = 0; tile < 4; tile++) {
                       static_cast<Lane*>(lanes[l])->tiles.tile[tile] =
                           transposed ? element(tile, c, r) | element(tile, c + 1, r) << 16
                                      : element(tile, r, c) | element(tile, r, c + 1) << 16;
                     }
                   }
                 });
  return mine.tiles;
}

}  // namespace mla::emulator
