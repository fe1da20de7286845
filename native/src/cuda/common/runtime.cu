// The functions of runtime.h on CUDA.
#include "cuda/common/runtime.h"

namespace mla::cuda {
namespace {

Result result(cudaError_t code, const char* what) {
  // The runtime repeats an error that is not sticky until it is read.
  if (code != cudaSuccess) cudaGetLastError();
  return {static_cast<int>(code), what};
}

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

}  // namespace

std::string error_text(int code) {
  if (code == kNoDriver) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    if (driver == 0) return "no CUDA driver (35)";
    return "the CUDA driver supports CUDA " + version(driver) + ", but " + version(CUDART_VERSION) +
           " is needed (35)";
  }
  return std::string(cudaGetErrorString(static_cast<cudaError_t>(code))) + " (" + std::to_string(code) + ")";
}

Result count_devices(int* count) { return result(cudaGetDeviceCount(count), "cudaGetDeviceCount"); }

Result device_info(int device, DeviceInfo* info) {
  cudaDeviceProp properties;
  if (Result r = result(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties")) return r;
  if (Result r = use_device(device)) return r;
  size_t free = 0, total = 0;
  if (Result r = result(cudaMemGetInfo(&free, &total), "cudaMemGetInfo")) return r;
  int driver = 0;
  if (Result r = result(cudaDriverGetVersion(&driver), "cudaDriverGetVersion")) return r;
  *info = {static_cast<int64_t>(total),
           static_cast<int64_t>(free),
           properties.major,
           properties.minor,
           properties.multiProcessorCount,
           static_cast<int>(properties.sharedMemPerBlockOptin),
           driver,
           properties.name};
  return {0, ""};
}

Result shared_bytes(int device, int* bytes) {
  return result(cudaDeviceGetAttribute(bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                "cudaDeviceGetAttribute");
}

Result has_warpgroups(int device, bool* has) {
#if defined(MLA_HAS_SM_90A)
  constexpr bool kCompiled = true;
#else
  constexpr bool kCompiled = false;
#endif
  int major = 0;
  const Result r = result(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
                          "cudaDeviceGetAttribute");
  *has = kCompiled && major == 9;
  return r;
}

Result use_device(int device) { return result(cudaSetDevice(device), "cudaSetDevice"); }

Result allocate(int64_t bytes, void** memory) {
  return result(cudaMalloc(memory, static_cast<size_t>(bytes)), "cudaMalloc");
}
Result release(void* memory) { return result(cudaFree(memory), "cudaFree"); }
Result allocate_host(int64_t bytes, void** memory) {
  return result(cudaMallocHost(memory, static_cast<size_t>(bytes)), "cudaMallocHost");
}
Result release_host(void* memory) { return result(cudaFreeHost(memory), "cudaFreeHost"); }

Result create_stream(void** stream) {
  cudaStream_t s = nullptr;
  const Result r = result(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "cudaStreamCreate");
  *stream = s;
  return r;
}
Result destroy_stream(void* stream) {
  return result(cudaStreamDestroy(static_cast<cudaStream_t>(stream)), "cudaStreamDestroy");
}
Result synchronize(void* stream) {
  return result(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "cudaStreamSynchronize");
}
Result create_event(void** event) {
  cudaEvent_t e = nullptr;
  const Result r = result(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreate");
  *event = e;
  return r;
}
Result destroy_event(void* event) {
  return result(cudaEventDestroy(static_cast<cudaEvent_t>(event)), "cudaEventDestroy");
}
Result record(void* event, void* stream) {
  return result(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)),
                "cudaEventRecord");
}
Result wait(void* stream, void* event) {
  return result(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), static_cast<cudaEvent_t>(event), 0),
                "cudaStreamWaitEvent");
}
Result synchronize_event(void* event) {
  return result(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize");
}
Result copy(void* to, const void* from, int64_t bytes, void* stream) {
  return result(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault,
                                static_cast<cudaStream_t>(stream)),
                "cudaMemcpyAsync");
}
Result fill(void* memory, int value, int64_t bytes, void* stream) {
  return result(cudaMemsetAsync(memory, value, static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream)),
                "cudaMemsetAsync");
}

}  // namespace mla::cuda
