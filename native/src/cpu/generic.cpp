// The kernels for generic.
#include "cpu/isa/generic.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels generic_kernels = kernels_of<Generic>();

}  // namespace mla
