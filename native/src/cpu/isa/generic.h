// Isa vocabulary in plain C++ with compiler vectors of four floats: runs anywhere, the reference for the others.
#pragma once
#include <cstdint>

#include "cpu/raw.h"

namespace mla {
namespace {

struct Generic {
  static constexpr int L = 4;             // floats in a vector
  static constexpr int kTileColumns = 2;  // outputs of a linear tile: 4 rows x 2 columns fit 16 registers
  static constexpr int kScoreVectors = 2;
  static constexpr int kScoreTokens = 4;
  static constexpr int kValueVectors = 2;
  static constexpr bool kHasBf16Dot = false;
  static constexpr bool kHasMatrix = false;
  static constexpr const RawKernels* kIntegers = nullptr;
  static constexpr bool kHasInt8Dot = false;
  static constexpr bool kPrefersInt8 = false;
  static constexpr InstructionSet kSet = {
      .needs = {},
      .fast_on = nullptr,
      .why = "",
      .why_slow = "",
      .why_none = "",
      // measured on one thread of a Zen 5 with 512 + 64 elements in a row and bf16 cache and weights
      .costs = {48.5, 68, 52, 44, 1},
  };

  typedef float F __attribute__((vector_size(16)));
  typedef int32_t I __attribute__((vector_size(16)));
  typedef uint32_t U __attribute__((vector_size(16)));
  typedef uint16_t H __attribute__((vector_size(8)));

  static F zero() { return F{}; }
  static F set1(float x) { return F{x, x, x, x}; }
  static F load(const float* p) {
    F r;
    __builtin_memcpy(&r, p, sizeof r);
    return r;
  }
  static F load(const float* p, int n) {
    if (n >= L) return load(p);
    F r{};
    for (int i = 0; i < n; i++) r[i] = p[i];
    return r;
  }
  static void store(float* p, F x) { __builtin_memcpy(p, &x, sizeof x); }
  static void store(float* p, F x, int n) {
    if (n >= L) return store(p, x);
    for (int i = 0; i < n; i++) p[i] = x[i];
  }
  static F fma(F a, F b, F c) { return a * b + c; }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F max(F a, F b) { return a > b ? a : b; }
  static float max_lanes(F x) {
    const float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
  }
  // a where x < y, else b
  static F select_less(F x, F y, F a, F b) { return x < y ? a : b; }
  static F round_to_integer(F x) {
    const F big = set1(12582912.f);  // 1.5 * 2^23: adding it leaves no fraction bits
    return (x + big) - big;
  }
  static F scale_by_power_of_two(F x, F n) {
    // two steps, so that a result in the subnormals is reached without an exponent below the smallest normal
    const I half = __builtin_convertvector(n, I) >> 1;
    const I rest = __builtin_convertvector(n, I) - half;
    return x * (F)((half + 127) << 23) * (F)((rest + 127) << 23);
  }
  static F round_bf16(F x) {
    const U bits = (U)x;  // unsigned: the sum runs over where x is no number
    const U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    const U quiet = (bits | 0x00400000) & 0xffff0000;
    return (F)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
  }
  static I load_halves(const uint16_t* p) {
    H h;
    __builtin_memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, I);
  }
  static I load_halves(const uint16_t* p, int n) {
    if (n >= L) return load_halves(p);
    I r{};
    for (int i = 0; i < n; i++) r[i] = p[i];
    return r;
  }
  static F widen_i8(const int8_t* p) { return F{(float)p[0], (float)p[1], (float)p[2], (float)p[3]}; }
  // q[i] = nibble i of 16 bytes, the low ones first, plus 16 times bit i of 4 bytes, minus `less`.
  static void five_bit_codes(const uint8_t* nibbles, const uint8_t* fifth, int less, int8_t* q) {
    for (int i = 0; i < 32; i++) {
      const int nibble = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
      q[i] = (int8_t)(nibble + ((fifth[i / 8] >> i % 8 & 1) << 4) - less);
    }
  }
  // to[2 i], to[2 i + 1] = the low and the high nibble of byte i of sixteen.
  static void neighbours(const uint8_t* from, uint8_t* to) {
    for (int i = 0; i < 16; i++) {
      to[2 * i] = from[i] & 15;
      to[2 * i + 1] = from[i] >> 4;
    }
  }
  // to[i] = table[which[i]], sixteen of them, each below sixteen.
  static void pick(const int8_t* table, const uint8_t* which, int8_t* to) {
    for (int i = 0; i < 16; i++) to[i] = table[which[i]];
  }
  static F widen_bf16(I h) { return (F)(h << 16); }
  static F widen_bf16(const uint16_t* p) { return widen_bf16(load_halves(p)); }
  static F widen_bf16(const uint16_t* p, int n) { return widen_bf16(load_halves(p, n)); }
  // Exponent and fraction in float32's places are the number times 2^-112, subnormals included; infinity and NaN keep theirs.
  static F widen_f16(I h) {
    const I sign = (h & 0x8000) << 16, magnitude = (h & 0x7fff) << 13;
    const I scaled = (I)((F)magnitude * 0x1p112f);
    return (F)(sign | (magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : scaled));
  }
  static F widen_f16(const uint16_t* p) { return widen_f16(load_halves(p)); }
  static F widen_f16(const uint16_t* p, int n) { return widen_f16(load_halves(p, n)); }
  static void store_bf16(uint16_t* p, F x, int n) {
    const I bits = (I)round_bf16(x);
    for (int i = 0; i < n; i++) p[i] = (uint16_t)((uint32_t)bits[i] >> 16);
  }
  // Rows and columns of four vectors change places.
  static void transpose(F* x) {
    const F a = x[0], b = x[1], c = x[2], d = x[3];
    for (int i = 0; i < L; i++) x[i] = F{a[i], b[i], c[i], d[i]};
  }
  // Integers: four of 32 bits, or four bytes in each of them.
  static constexpr bool kReadsLanes = false;
  static constexpr int kCodeOffset = 0;
  static constexpr int kCodeVectors = 1;
  static constexpr int kFewRounded = 4;
  typedef int8_t SignedBytes __attribute__((vector_size(16)));

  static I set1_int(int32_t x) { return I{x, x, x, x}; }
  static I load_int(const void* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return set1_int(x);
  }
  static I load_ints(const void* p) {
    I r;
    __builtin_memcpy(&r, p, sizeof r);
    return r;
  }
  static void store_ints(void* p, I x) { __builtin_memcpy(p, &x, sizeof x); }
  static I both(I a, I b) { return a & b; }
  static I either(I a, I b) { return a | b; }
  static I shift_right(I a, int n) { return (I)((U)a >> n); }
  static I shift_left(I a, int n) { return (I)((U)a << n); }
  static I add_ints(I a, I b) { return a + b; }
  static I add_bytes(I a, I b) { return (I)((SignedBytes)a + (SignedBytes)b); }
  static I signed_byte(I a, int n) { return (I)((U)a << (24 - 8 * n)) >> 24; }
  static I pick(I which, const int8_t* table) {
    int8_t from[16], to[16];
    __builtin_memcpy(from, &which, 16);
    for (int i = 0; i < 16; i++) to[i] = table[from[i]];
    return load_ints(to);
  }
  // Rounded once, which fma is not here. The product is exact in double; its sum is rounded to odd, so that rounding it again to float is
  // as rounding once.
  static F fused(F a, F b, F c) {
    F r{};
    for (int i = 0; i < L; i++) {
      const double product = (double)a[i] * b[i], sum = product + c[i], part = sum - product;
      const double error = (product - (sum - part)) + (c[i] - part);
      int64_t bits;
      __builtin_memcpy(&bits, &sum, 8);
      if (error == error && error != 0 && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
      double odd;
      __builtin_memcpy(&odd, &bits, 8);
      r[i] = (float)odd;
    }
    return r;
  }
  static F to_floats(I a) { return __builtin_convertvector(a, F); }
  static F as_floats(I a) { return (F)a; }
  static F halves(I a) { return widen_f16(a & 0xffff); }
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    for (int byte = 0; byte < 4; byte++) sum += signed_byte(codes, byte) * signed_byte(bytes, byte);
    return sum;
  }
  static void store_bytes(int8_t* p, F whole) {
    for (int i = 0; i < L; i++) p[i] = (int8_t)(int)whole[i];
  }
  static I row_ints(const uint8_t* const* rows, int64_t at) {
    I x{};
    for (int r = 0; r < L; r++) {
      int32_t one;
      __builtin_memcpy(&one, rows[r] + at, 4);
      x[r] = one;
    }
    return x;
  }
  static void row_quarters(const uint8_t* const* rows, int64_t at, I* x) {
    for (int i = 0; i < 4; i++) x[i] = row_ints(rows, at + 4 * i);
  }
  static void row_eighths(const uint8_t* const* rows, int64_t at, I* x) {
    for (int i = 0; i < 8; i++) x[i] = row_ints(rows, at + 4 * i);
  }

  // The sums of four vectors, each by the same tree whatever the other three are.
  static void sum4(F a, F b, F c, F d, float* out) {
    out[0] = (a[0] + a[2]) + (a[1] + a[3]);
    out[1] = (b[0] + b[2]) + (b[1] + b[3]);
    out[2] = (c[0] + c[2]) + (c[1] + c[3]);
    out[3] = (d[0] + d[2]) + (d[1] + d[3]);
  }

  // Numbers of 16 bits in pairs, and bytes in fours, as attention multiplies them.
  static constexpr bool kHasByteDots = false;
  static I as_ints(F x) { return (I)x; }
  // 2 L signed bytes.
  static I widen_to_pairs(const int8_t* p) {
    int16_t r[8];
    for (int i = 0; i < 8; i++) r[i] = p[i];
    return load_ints(r);
  }
  // The pairs (x[i], y[i]) of the first L and the last L numbers of 16 bits.
  static void interleave_words(I x, I y, I* low, I* high) {
    const I a = x & 0xffff, b = x >> 16 & 0xffff, c = y << 16, d = y & (int32_t)0xffff0000;
    const I even = a | c, odd = b | d;
    *low = I{even[0], odd[0], even[1], odd[1]};
    *high = I{even[2], odd[2], even[3], odd[3]};
  }
  // Sums of the products of pairs.
  static I dot_words(I sum, I x, I y) {
    return sum + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
  }
};

}  // namespace
}  // namespace mla
