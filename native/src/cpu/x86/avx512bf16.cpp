// The kernels for avx512bf16.
#include "cpu/isa/avx512bf16.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels avx512bf16_kernels = kernels_of<Avx512Bf16>();

}  // namespace mla
