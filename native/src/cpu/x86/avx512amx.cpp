// The kernels for avx512amx.
#include "cpu/isa/avx512amx.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels avx512amx_kernels = kernels_of<Avx512Amx>();

}  // namespace mla
