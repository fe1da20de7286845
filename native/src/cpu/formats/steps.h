// Elements that are nibbles through a table of sixteen steps.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// IQ4's: small near zero.
alignas(16) constexpr int8_t kSteps[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

// The four-bit floats e2m1 times two; the zero of the negative ones has no sign.
alignas(16) constexpr int8_t kDoubledE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// q[i] = table[which[i]] for 32 elements.
template <class Isa>
MLA_INLINE void steps(const int8_t* table, const uint8_t* which, int8_t* q) {
  Isa::pick(table, which, q);
  Isa::pick(table, which + 16, q + 16);
}

}  // namespace
}  // namespace mla
