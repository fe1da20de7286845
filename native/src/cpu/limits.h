// Sizes that the kernels' arrays on the stack have, and that argument checks hold callers to.
#pragma once

namespace mla {

constexpr int kMaxExperts = 4096;
constexpr int kMaxGroups = 256;
constexpr int kMaxRow = 8192;           // elements of a padded cache row
constexpr int kMaxDeltaWidth = 256;     // channels of a head with a state
constexpr int kDeltaTaps = 4;           // inputs of its convolutions
constexpr float kDeltaNormEps = 1e-6f;  // added to the sum of squares of its queries and keys
constexpr int kRowMultiple = 16;        // rows of attention that every instruction set computes together

}  // namespace mla
