// The kernels for neon.
#include "cpu/isa/neon.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels neon_kernels = kernels_of<Neon>();

}  // namespace mla
