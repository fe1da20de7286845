// A table of kernels whose attention is computed in emulated matrix registers; everything else is the generic table's. In a file of its own,
// since it takes as long to compile as all that tests it.
#pragma once
#include "mla/mla.h"

namespace mla::test {

const mla_kernels* emulated_matrix_kernels();

}  // namespace mla::test
