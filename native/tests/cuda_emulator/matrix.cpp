// ldmatrix and mma.sync m16n8k16 on the fragment layouts that src/cuda/common/matrix.h describes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

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

namespace {

struct Operand {
  const uint8_t* at;
  Place place;
};
// What a warp's products read, which goes on until it waits for them.
std::vector<Operand>& pending() {
  static std::vector<Operand> of_warp[kMaxThreads / kLanes];
  return of_warp[machine().position().thread / kLanes];
}

// Eight bf16 of an operand. at: where they lie.
void read_chunk(const uint8_t* at, Place place, double* values) {
  if (at < machine().shared() || at >= machine().shared() + kLargestShared)
    machine().report("warpgroup_multiply of what is no shared memory at " + Origin(place).text());
  machine().access(at, 16, false, Origin(place));
  pending().push_back({at, place});
  for (int i = 0; i < 8; i++) {
    uint16_t bits;
    std::memcpy(&bits, at + i * 2, 2);
    values[i] = bf16(bits);
  }
}

// Chunk c of row r from where a product begins, which is in the first row of an atom.
const uint8_t* chunk_of(const uint8_t* begin, int r, int c) {
  const size_t offset = begin - machine().shared(), first = offset % 128 / 16;
  return machine().shared() + offset / 128 * 128 + r * 128 + ((first + c) ^ (r % 8)) * 16;
}

}  // namespace

namespace {

void require_first_row(const uint8_t* matrix, Place place) {
  if ((matrix - machine().shared()) % 1024 >= 128)
    machine().report("warpgroup_multiply of a matrix that does not begin in an atom's first row at " +
                     Origin(place).text());
}

struct Accumulators {
  float* d;
  const uint32_t* a;  // a lane's fragment, or NULL
};

// The 16 rows of a that a warp has.
using Rows = double[16][16];

void multiply_warp(void* const* lanes, const Rows& rows, int width, const uint8_t* b, int stride,
                   Place place) {
  double columns[256][16];
  if (stride == 0) {
    for (int n = 0; n < width; n++) {
      for (int c = 0; c < 2; c++) read_chunk(chunk_of(b, n, c), place, columns[n] + c * 8);
    }
  } else {
    for (int k = 0; k < 16; k++) {
      for (int n = 0; n < width; n += 8) {
        double eight[8];
        read_chunk(chunk_of(b + n / 64 * stride, k, n % 64 / 8), place, eight);
        for (int i = 0; i < 8; i++) columns[n + i][k] = eight[i];
      }
    }
  }
  for (int l = 0; l < kLanes; l++) {
    float* d = static_cast<const Accumulators*>(lanes[l])->d;
    for (int i = 0; i < width / 2; i++) {
      const double *row = rows[l / 4 + i / 2 % 2 * 8], *column = columns[i / 4 * 8 + l % 4 * 2 + i % 2];
      for (int k = 0; k < 16; k += 8) d[i] = cut_sum(d[i], row + k, column + k, 8);
    }
  }
}

}  // namespace

void warpgroup_multiply(float* d, int width, const uint8_t* a, const uint8_t* b, int stride, Place place) {
  require_first_row(a, place);
  require_first_row(b, place);
  Accumulators mine{d, nullptr};
  machine().meet("warpgroup_multiply", place, &mine, [=](void* const* lanes) {
    Rows rows;
    const int warp = machine().position().thread / kLanes % 4;
    for (int r = 0; r < 16; r++) {
      for (int c = 0; c < 2; c++) read_chunk(chunk_of(a, warp * 16 + r, c), place, rows[r] + c * 8);
    }
    multiply_warp(lanes, rows, width, b, stride, place);
  });
}

void warpgroup_multiply(float* d, int width, const uint32_t (&a)[4], const uint8_t* b, int stride,
                        Place place) {
  require_first_row(b, place);
  Accumulators mine{d, a};
  machine().meet("warpgroup_multiply", place, &mine, [=](void* const* lanes) {
    Rows rows;
    for (int l = 0; l < kLanes; l++) {
      const uint32_t* fragment = static_cast<const Accumulators*>(lanes[l])->a;
      for (int i = 0; i < 8; i++)
        rows[l / 4 + i / 2 % 2 * 8][l % 4 * 2 + i / 4 * 8 + i % 2] =
            bf16(fragment[i / 2] >> 16 * (i % 2) & 0xffff);
    }
    multiply_warp(lanes, rows, width, b, stride, place);
  });
}

void warpgroup_wait(Place place) {
  machine().meet("warpgroup_wait", place, nullptr, [](void* const*) {
    for (const Operand& o : pending()) machine().access(o.at, 16, false, Origin(o.place));
    pending().clear();
  });
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
