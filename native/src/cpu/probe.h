// What the processor can do at best: registers multiplied without touching memory, and memory read in order. The yardsticks of
// benchmarks, never part of a result.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"
#include "mla/mla.h"

namespace mla {
namespace {

// Enough independent sums that no instruction waits for the one before it (latency 4 to 5, two a cycle), with registers left for operands.
template <class Isa>
constexpr int kProbeSums = Isa::L == 16 ? 24 : 12;
// Repetitions between two looks at the loop counter.
constexpr int kProbeUnroll = 4;

// Repeats sums[i] = step(sums[i]).
template <class Isa, class V, class Step>
inline void probe_registers(int64_t count, V first, Step step) {
  V sums[kProbeSums<Isa>];
#pragma GCC unroll 24
  for (int i = 0; i < kProbeSums<Isa>; i++) {
    sums[i] = first;
    keep(sums[i]);
  }
  for (int64_t n = 0; n < count; n++) {
#pragma GCC unroll 4
    for (int u = 0; u < kProbeUnroll; u++) {
#pragma GCC unroll 24
      for (int i = 0; i < kProbeSums<Isa>; i++) sums[i] = step(sums[i]);
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kProbeSums<Isa>; i++) keep(sums[i]);
}

template <class Isa>
int64_t probe_fma(int64_t count) {
  F<Isa> x = Isa::set1(0.999f), y = Isa::set1(1e-3f);
  keep(x);
  keep(y);
  probe_registers<Isa>(count, Isa::zero(), [=](F<Isa> sum) { return Isa::fma(x, y, sum); });
  return count * kProbeUnroll * kProbeSums<Isa> * Isa::L * 2;
}

// Products of matrix registers, as many at a time as there are sums.
template <class Isa>
int64_t probe_matrix_bf16(int64_t count) {
  const MatrixShape whole{kMatrixRows, kMatrixBytes};
  Isa::configure_matrix(whole, whole, whole);
  for (int64_t n = 0; n < count; n++) {
#pragma GCC unroll 4
    for (int u = 0; u < kProbeUnroll; u++) {
      Isa::template add_products_bf16<0, kFirstOperand, kSecondOperand>();
      Isa::template add_products_bf16<1, kFirstOperand, kSecondOperand + 1>();
      Isa::template add_products_bf16<2, kFirstOperand + 1, kSecondOperand>();
      Isa::template add_products_bf16<3, kFirstOperand + 1, kSecondOperand + 1>();
    }
  }
  Isa::release_matrix();
  return count * kProbeUnroll * 4 * kMatrixRows * kMatrixRows * kMatrixElements * 2;
}

template <class Isa>
int64_t probe_dot_bf16(int64_t count) {
  if constexpr (Isa::kHasMatrix) return probe_matrix_bf16<Isa>(count);
  if constexpr (Isa::kHasBf16Dot) {
    P<Isa> x = Isa::set1_pair(0x3c003c00u), y = Isa::set1_pair(0x3c003c00u);
    keep(x);
    keep(y);
    probe_registers<Isa>(count, Isa::zero(), [=](F<Isa> sum) { return Isa::dot(sum, x, y); });
    return count * kProbeUnroll * kProbeSums<Isa> * Isa::L * 4;
  }
  return -1;
}

template <class Isa>
int64_t probe_dot_int8(int64_t count) {
  if constexpr (Isa::kHasInt8Dot) {
    typename Isa::Bytes x = Isa::set1_bytes(1), y = x;
    keep(x);
    keep(y);
    probe_registers<Isa>(count, Isa::set1_bytes(0),
                         [=](typename Isa::Bytes sum) { return Isa::dot_int8(sum, x, y); });
    return count * kProbeUnroll * kProbeSums<Isa> * (4 * Isa::L) * 2;
  }
  return -1;
}

// Eight sums, so that reading does not wait for adding. Floats: what the bits mean does not matter, and their sum is never looked at.
template <class Isa>
int64_t probe_read(int64_t count, const void* memory, int64_t bytes) {
  constexpr int kSums = 8;
  constexpr int64_t kBlock = kSums * Isa::L;
  const float* p = (const float*)memory;
  const int64_t n = bytes / 4;
  F<Isa> sums[kSums];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; i++) sums[i] = Isa::zero();
  for (int64_t k = 0; k < count; k++) {
    int64_t at = 0;
    for (; at + kBlock <= n; at += kBlock) {
#pragma GCC unroll 8
      for (int i = 0; i < kSums; i++) sums[i] = Isa::add(sums[i], Isa::load(p + at + i * Isa::L));
    }
    for (; at + Isa::L <= n; at += Isa::L) sums[0] = Isa::add(sums[0], Isa::load(p + at));
#pragma GCC unroll 8
    for (int i = 0; i < kSums; i++) keep(sums[i]);
  }
  return count * (n / Isa::L * Isa::L) * 4;
}

template <class Isa>
int64_t probe(int what, int64_t count, const void* memory, int64_t bytes) {
  switch (what) {
    case MLA_PROBE_FMA_F32:
      return probe_fma<Isa>(count);
    case MLA_PROBE_DOT_BF16:
      return probe_dot_bf16<Isa>(count);
    case MLA_PROBE_DOT_INT8:
      return probe_dot_int8<Isa>(count);
    case MLA_PROBE_READ:
      return probe_read<Isa>(count, memory, bytes);
    default:
      return -1;
  }
}

inline bool check_probe(int what, int64_t count, const void* memory, int64_t bytes) {
  require(count >= 0, "count", count, "at least 0");
  if (what != MLA_PROBE_READ) return true;
  require_pointer("memory", memory);
  require(bytes >= 0 && bytes % 64 == 0, "bytes", bytes, "a multiple of 64");
  return true;
}

}  // namespace
}  // namespace mla
