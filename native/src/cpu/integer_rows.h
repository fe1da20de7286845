// Activations of products with MLA_COMPUTE_INT8, as mla.h defines them: rounded to integers in blocks of 32.
//
// Packed: groups of up to 4 rows; within one, blocks of 32 elements; within a block [row][32] integers, [row] scales and, for each run of the
// weight's elements in it, [row] what its sum of integers is for: the product's first summand where codes are signed (minus the offset of the
// codes times the sum), the factor of the minimum (scale times sum) where there are minima.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kInt8Block = 32;
constexpr int kRoundedGroup = 4;

MLA_INLINE bool multiplies_codes(int compute, int type, int scale_rows, int scale_columns, int k) {
  return compute == MLA_COMPUTE_INT8 && coding_of(type).run > 0 &&
         (scale_rows == 0 || scale_columns % kInt8Block == 0 || scale_columns >= k);
}
MLA_INLINE bool multiplies_codes(const mla_linear_params& p) {
  return multiplies_codes(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.k);
}

MLA_INLINE int rounded_blocks(int k) { return (k + kInt8Block - 1) / kInt8Block; }
// Bytes of a block of a row where a weight has runs of so many elements.
MLA_INLINE constexpr int rounded_block_bytes(int run) { return kInt8Block + 4 + 4 * (kInt8Block / run); }
MLA_INLINE int rounded_group(int rows) { return min_int(rows, kRoundedGroup); }

MLA_INLINE int64_t rounded_bytes(int rows, int k, int run) {
  return (int64_t)round_up(rows, kRoundedGroup) * rounded_blocks(k) * rounded_block_bytes(run);
}

// What a block of activations became.
struct RoundedBlock {
  float scale;
  float sums[2];  // of the integers of either half
};

// Rounds 32 numbers to q.
template <class Isa>
MLA_INLINE RoundedBlock round_block(const float* x, int8_t* q) {
  constexpr int L = Isa::L, kHalf = 16 / L;
  F<Isa> largest = Isa::zero(), nothing = Isa::zero();  // NaN where a number is not finite
  for (int i = 0; i < kInt8Block; i += L) {
    const F<Isa> v = Isa::load(x + i);
    largest = Isa::max(largest, Isa::max(v, Isa::sub(Isa::zero(), v)));
    nothing = Isa::add(nothing, Isa::sub(v, v));
  }
  const float most = Isa::max_lanes(largest);
  float inverse = most >= 0x1p-100f ? 127 / most : 0, scale = inverse == 0 ? 0 : most / 127;
  if (!(sum<Isa>(nothing) == 0)) {
    scale = __builtin_nanf("");
    __builtin_memset(q, 0, kInt8Block);
    return {scale, {0, 0}};
  }
  F<Isa> halves[2] = {Isa::zero(), Isa::zero()};
  for (int i = 0; i < kInt8Block / L; i++) {
    const F<Isa> whole = Isa::round_to_integer(Isa::mul(Isa::load(x + i * L), Isa::set1(inverse)));
    halves[i / kHalf] = Isa::add(halves[i / kHalf], whole);
    Isa::store_bytes(q + i * L, whole);
  }
  float r[4];
  Isa::sum4(halves[0], halves[1], Isa::zero(), Isa::zero(), r);
  return {scale, {r[0], r[1]}};
}

// Row `i` of the packed form of `rows` rows; x is nullptr for one that fills the last group up.
template <class Isa>
void round_row(const float* x, int k, Coding coding, int rows, int i, char* packed) {
  const int group = rounded_group(rows), blocks = rounded_blocks(k), runs = kInt8Block / coding.run,
            lane = i % group;
  const int64_t step = (int64_t)group * rounded_block_bytes(coding.run);
  char* to = packed + i / group * blocks * step;
  for (int b = 0; b < blocks; b++, to += step) {
    auto* q = (int8_t*)to + lane * kInt8Block;
    char* numbers = to + group * kInt8Block + 4 * lane;
    RoundedBlock block{0, {0, 0}};
    if (x == nullptr) {
      __builtin_memset(q, 0, kInt8Block);
    } else if (k - b * kInt8Block >= kInt8Block) {
      block = round_block<Isa>(x + (int64_t)b * kInt8Block, q);
    } else {
      alignas(64) float last[kInt8Block] = {};
      __builtin_memcpy(last, x + (int64_t)b * kInt8Block, (size_t)(k - b * kInt8Block) * sizeof(float));
      block = round_block<Isa>(last, q);
    }
    __builtin_memcpy(numbers, &block.scale, 4);
    for (int run = 0; run < runs; run++) {
      const float of_run = runs == 2 ? block.sums[run] : block.sums[0] + block.sums[1];
      const float product = block.scale * of_run;
      const int32_t first = -Isa::kCodeOffset * (int32_t)of_run;
      __builtin_memcpy(numbers + 4 * group * (1 + run), coding.has_minima ? (const void*)&product : &first,
                       4);
    }
  }
}

// Rows [begin, end) of x to the packed form.
template <class Isa>
void round_rows(const mla_linear_params& p, const float* x, const int32_t* indices, int begin, int end,
                char* packed) {
  const Coding coding = coding_of(p.weight_type);
  for (int i = begin; i < end; i++)
    round_row<Isa>(x + (indices ? indices[i] : i) * p.x_stride, p.k, coding, p.rows, i, packed);
  for (int i = end; end == p.rows && i < round_up(end, rounded_group(p.rows)); i++)
    round_row<Isa>(nullptr, p.k, coding, p.rows, i, packed);
}

}  // namespace
}  // namespace mla
