// The kernels for toyset.
#include "cpu/isa/toyset.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels toyset_kernels = kernels_of<ToySet>();

}  // namespace mla
