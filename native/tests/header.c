/* mla.h alone is a valid C11 file without other includes. */
#include "mla/mla.h"

int32_t mla_header_version(void) { return MLA_ABI_VERSION; }
