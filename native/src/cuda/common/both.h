// A function for the host and for the device.
#pragma once

#if defined(__CUDACC__)
#define MLA_BOTH __host__ __device__ __forceinline__
#else
#define MLA_BOTH inline
#endif
