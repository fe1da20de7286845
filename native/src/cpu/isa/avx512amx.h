// Isa vocabulary for AVX-512 with matrix registers (AMX): what AVX-512 multiplies as float32 where bf16 dots are slow, as they are on all
// processors that have AMX, is multiplied in registers of 16 rows where a kernel knows them.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/avx512_pairs.h"
#include "cpu/matrix.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx512Amx : Avx512Pairs {
  static constexpr bool kHasMatrix = true;
  static constexpr InstructionSet kSet = {
      .needs = {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni",
                "avx512bf16", "amxbf16", "amxint8"},
      .fast_on = nullptr,
      .why = "the processor multiplies bf16 in AMX's registers at many times the float32 rate",
      .why_slow = "",
      .why_none = "the processor has no AMX, or the system does not allow it",
      // measured on one thread of a server of the Sapphire Rapids family, as the others were on theirs
      .costs = {3.3, 14, 7, 2, 120},
  };

  // What the instruction that configures them reads: palette 1, bytes and rows of each register.
  struct MatrixConfiguration {
    uint8_t palette = 1, start = 0, zeros[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static void configure_matrix(const MatrixShape& sums, const MatrixShape& first, const MatrixShape& second) {
    alignas(64) MatrixConfiguration c;
    for (int i = 0; i < kMatrixRegisters; i++) {
      const MatrixShape& shape = i < kFirstOperand ? sums : i < kSecondOperand ? first : second;
      c.bytes[i] = (uint16_t)shape.bytes;
      c.rows[i] = (uint8_t)shape.rows;
    }
    asm volatile("ldtilecfg %0" : : "m"(c));
  }
  static void release_matrix() { asm volatile("tilerelease"); }
  // In assembly, since the intrinsics of some compilers paste the register's name from their argument's text.
  template <int R>
  static void zero_matrix() {
    asm volatile("tilezero %%tmm%c0" : : "i"(R));
  }
  template <int R>
  static void load_matrix(const void* rows, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(R) : "memory");
  }
  template <int R>
  static void store_matrix(void* rows, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(R) : "memory");
  }
  template <int C, int A, int B>
  static void add_products_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
  // kSigned: the first operand's bytes; the second's are.
  template <int C, int A, int B, bool kSigned>
  static void add_products_int8() {
    if constexpr (kSigned)
      asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
    else
      asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }

  // Words of byte kByte of each of four vectors' words.
  template <int kByte>
  static I join_bytes(const I* x) {
    constexpr int kFrom = 0x01010101 * kByte;
    const I from = _mm512_set4_epi32(kFrom + 0x0c0c0c0c, kFrom + 0x08080808, kFrom + 0x04040404, kFrom);
    I joined = kByte == 0 ? x[0] : _mm512_shuffle_epi8(x[0], from);
    joined = _mm512_mask_shuffle_epi8(joined, 0x2222222222222222, x[1], from);
    joined = _mm512_mask_shuffle_epi8(joined, 0x4444444444444444, x[2], from);
    return _mm512_mask_shuffle_epi8(joined, 0x8888888888888888, x[3], from);
  }
};

}  // namespace
}  // namespace mla
