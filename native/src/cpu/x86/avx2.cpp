// The kernels for avx2.
#define MLA_ISA avx2
#include "cpu/isa/avx2.h"

#include "cpu/raw.h"
//
#include "cpu/instantiate.h"
