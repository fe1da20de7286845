// The kernels for avx512bf16.
#define MLA_ISA avx512bf16
#define MLA_HAS_BF16_DOT 1
#include "cpu/isa/avx512bf16.h"

#include "cpu/raw.h"
//
#include "cpu/instantiate.h"
