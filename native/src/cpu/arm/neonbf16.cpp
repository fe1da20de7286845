// The kernels for neonbf16.
#include "cpu/isa/neonbf16.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels neonbf16_kernels = kernels_of<NeonBf16>();

}  // namespace mla
