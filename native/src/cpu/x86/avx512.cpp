// The kernels for avx512.
#include "cpu/isa/avx512.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels avx512_kernels = kernels_of<Avx512>();

}  // namespace mla
