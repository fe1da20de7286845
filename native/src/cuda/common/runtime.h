// The part of the CUDA runtime that mla4j uses, as functions that return its codes: 0 or an error, and what failed. runtime.cu calls CUDA;
// the emulator has a device of its own behind the same functions.
#pragma once
#include <cstdint>
#include <string>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#endif

namespace mla::cuda {

// Codes that are handled by themselves, as the CUDA runtime numbers them.
constexpr int kOutOfMemory = 2;
constexpr int kNoDriver = 35;  // no driver, or one that is too old
constexpr int kNoDevice = 100;

// Whether a device does not answer any more: by the documentation of the CUDA runtime all later work returns the same error, and
// a new process is needed (700 to 721, 226, 911), or the device itself failed or went away (46, 214, 220, 999).
constexpr bool is_lost(int code) {
  switch (code) {
    case 46:   // cudaErrorDevicesUnavailable
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 226:  // cudaErrorContained
    case 700:  // cudaErrorIllegalAddress
    case 702:  // cudaErrorLaunchTimeout
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case 719:  // cudaErrorLaunchFailure
    case 721:  // cudaErrorTensorMemoryLeak
    case 911:  // cudaErrorExternalDevice
    case 999:  // cudaErrorUnknown
      return true;
    default:
      return false;
  }
}

struct Result {
  int code;
  const char* what;  // the kernel or the function that failed
  explicit operator bool() const { return code != 0; }
};

// A stream of a device. All calls for it are made with its device as the current one.
struct Stream {
  int device;
  void* handle;
};

struct DeviceInfo {
  int64_t total_memory;
  int64_t free_memory;
  int major, minor;  // compute capability
  int multiprocessors;
  int shared_bytes;  // that a block can have
  int driver;        // 1000 major + 10 minor of the CUDA version that the driver supports
  std::string name;
};

std::string error_text(int code);
Result count_devices(int* count);
Result device_info(int device, DeviceInfo* info);
// What a block can have of shared memory; quick enough for every launch.
Result shared_bytes(int device, int* bytes);
// Whether it has the instructions of warpgroup.h, and this library the code for them.
Result has_warpgroups(int device, bool* has);
Result use_device(int device);

Result allocate(int64_t bytes, void** memory);
Result release(void* memory);
Result allocate_host(int64_t bytes, void** memory);  // pinned
Result release_host(void* memory);

Result create_stream(void** stream);
Result destroy_stream(void* stream);
Result synchronize(void* stream);
Result create_event(void** event);
Result destroy_event(void* event);
Result record(void* event, void* stream);
Result wait(void* stream, void* event);
Result synchronize_event(void* event);
Result copy(void* to, const void* from, int64_t bytes, void* stream);
Result fill(void* memory, int value, int64_t bytes, void* stream);

}  // namespace mla::cuda
