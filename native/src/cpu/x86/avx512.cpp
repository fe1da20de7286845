// The kernels for avx512.
#define MLA_ISA avx512
#include "cpu/isa/avx512.h"

#include "cpu/raw.h"
//
#include "cpu/instantiate.h"
