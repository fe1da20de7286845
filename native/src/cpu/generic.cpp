// The kernels for generic.
#define MLA_ISA generic
#include "cpu/isa/generic.h"

#include "cpu/raw.h"
//
#include "cpu/instantiate.h"
