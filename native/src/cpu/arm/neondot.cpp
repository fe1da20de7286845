// The kernels for neondot.
#include "cpu/isa/neondot.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels neondot_kernels = kernels_of<NeonDot>();

}  // namespace mla
