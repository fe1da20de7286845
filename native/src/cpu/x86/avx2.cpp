// The kernels for avx2.
#include "cpu/isa/avx2.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels avx2_kernels = kernels_of<Avx2>();

}  // namespace mla
