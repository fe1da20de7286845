// Elements that are nibbles through a table of sixteen steps.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// IQ4's: small near zero.
alignas(16) constexpr int8_t kSteps[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

// to[i] = d table[q[i]] for 32 elements.
template <class Isa>
MLA_INLINE void steps(const int8_t* table, const uint8_t* q, float d, float* to) {
  int8_t picked[32];
  Isa::pick(table, q, picked);
  Isa::pick(table, q + 16, picked + 16);
  scaled<Isa>(picked, 32, d, to);
}

}  // namespace
}  // namespace mla
