// The kernels for avxvnni.
#include "cpu/isa/avxvnni.h"

#include "cpu/kernels.h"

namespace mla {

extern constinit const RawKernels avxvnni_kernels = kernels_of<AvxVnni>();

}  // namespace mla
