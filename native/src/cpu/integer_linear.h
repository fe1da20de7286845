// Products with MLA_COMPUTE_INT8, as mla.h defines them: activations rounded to integers in blocks of 32, weights of integer codes.
//
// Packed activations: a row's scales, then its integers.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

constexpr int kInt8Block = 32;
// Elements of a weight that are read at a time: whole blocks of every type.
constexpr int kCodesAtOnce = 1024;

MLA_INLINE bool multiplies_codes(int compute, int type, int scale_rows, int scale_columns, int k) {
  return compute == MLA_COMPUTE_INT8 && coding_of(type).run > 0 &&
         (scale_rows == 0 || scale_columns % kInt8Block == 0 || scale_columns >= k);
}
MLA_INLINE bool multiplies_codes(const mla_linear_params& p) {
  return multiplies_codes(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.k);
}

// a b + c, rounded once.
MLA_INLINE float fused(float a, float b, float c) {
#if defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  // The product is exact in double. Its sum is rounded to odd, so that rounding it again to float is as rounding once.
  const double product = (double)a * b, sum = product + c, part = sum - product;
  const double error = (product - (sum - part)) + (c - part);
  int64_t bits;
  __builtin_memcpy(&bits, &sum, 8);
  if (error != 0 && (bits & 1) == 0) {
    bits += (error > 0) == (sum > 0) ? 1 : -1;
    double odd;
    __builtin_memcpy(&odd, &bits, 8);
    return (float)odd;
  }
  return (float)sum;
#endif
}

MLA_INLINE int rounded_blocks(int k) { return (k + kInt8Block - 1) / kInt8Block; }
MLA_INLINE int64_t rounded_row_bytes(int k) { return (int64_t)rounded_blocks(k) * (4 + kInt8Block); }

// One row of activations to its scales and integers.
inline void round_row(const float* x, int k, char* to) {
  const int blocks = rounded_blocks(k);
  auto* scales = (float*)to;
  auto* q = (int8_t*)(scales + blocks);
  for (int b = 0; b < blocks; b++, q += kInt8Block) {
    const int n = min_int(kInt8Block, k - b * kInt8Block);
    const float* from = x + (int64_t)b * kInt8Block;
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < n; i++) {
      const float magnitude = __builtin_fabsf(from[i]);
      finite = finite && magnitude <= 3.402823466e38f;
      largest = magnitude > largest ? magnitude : largest;
    }
    const float inverse = finite && largest >= 0x1p-100f ? 127 / largest : 0;
    scales[b] = !finite ? __builtin_nanf("") : inverse == 0 ? 0 : largest / 127;
    for (int i = 0; i < kInt8Block; i++) {
      const float whole = 12582912.f;  // 1.5 * 2^23: adding it leaves no fraction bits
      q[i] = i < n && finite ? (int8_t)(int)(from[i] * inverse + whole - whole) : (int8_t)0;
    }
  }
}

// y[i, n] for rows of packed activations and outputs [n_begin, n_end).
template <class Isa>
void multiply_codes(const StoredRows<Isa>& weight, const char* packed, int rows, int k, const float* bias,
                    int n_begin, int n_end, float* y, int64_t y_stride) {
  const int run = weight.coding.run, blocks = rounded_blocks(k);
  alignas(64) int8_t w[kCodesAtOnce];
  float scales[kCodesAtOnce / 16], minima[kCodesAtOnce / 16];
  for (int n = n_begin; n < n_end; n++) {
    for (int i = 0; i < rows; i++) y[i * y_stride + n] = 0;
    for (int k0 = 0; k0 < k; k0 += kCodesAtOnce) {
      const int count = min_int(kCodesAtOnce, blocks * kInt8Block - k0);
      weight.read_codes(n, k0, min_int(kCodesAtOnce, k - k0), w, scales, minima);
      for (int i = 0; i < rows; i++) {
        const char* row = packed + i * rounded_row_bytes(k);
        const float* x_scales = (const float*)row + k0 / kInt8Block;
        const int8_t* x = (const int8_t*)row + (int64_t)blocks * 4 + k0;
        float product = y[i * y_stride + n];
        for (int r = 0; r < count / run; r++) {
          int sum = 0, total = 0;
          for (int j = r * run; j < (r + 1) * run; j++) {
            sum += (int)w[j] * (int)x[j];
            total += x[j];
          }
          const float scale = x_scales[r * run / kInt8Block];
          product = fused(scales[r] * scale, (float)sum, product);
          if (weight.coding.has_minima) product = fused(minima[r], scale * (float)total, product);
        }
        y[i * y_stride + n] = product;
      }
    }
    for (int i = 0; bias && i < rows; i++) y[i * y_stride + n] = y[i * y_stride + n] + bias[n];
  }
}

template <class Isa>
bool prefers_int8_dot() {
  if constexpr (Isa::kKnowsInt8Dot)
    return Isa::has_int8_dot();
  else
    return false;
}

}  // namespace
}  // namespace mla
