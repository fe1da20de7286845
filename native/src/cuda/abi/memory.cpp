// Devices, their memory, streams, events and copies.
#include "cuda/abi/device.h"

namespace mla::device {
namespace {

void use(int32_t device) {
  require_range("device", device, 0, 1023);
  require_done(cuda::use_device(device));
}

// Frees memory of the device, also after it was lost: both calls are tried.
void free_on(int32_t device, Result (*release)(void*), void* memory) {
  require_range("device", device, 0, 1023);
  const Result used = cuda::use_device(device), freed = release(memory);
  require_done(used);
  require_done(freed);
}

void count(int32_t* count) {
  require_pointer("count", count);
  require_done(cuda::count_devices(count));
}

void info(int32_t device, mla_device_info* info, char* name, int32_t name_size) {
  require_struct("info", info);
  int devices = 0;
  require_done(cuda::count_devices(&devices));
  require_range("device", device, 0, devices - 1);
  cuda::DeviceInfo found;
  require_done(cuda::device_info(device, &found));
  info->major = found.major;
  info->minor = found.minor;
  info->multiprocessors = found.multiprocessors;
  info->shared_bytes = found.shared_bytes;
  info->driver = found.driver;
  info->total_memory = found.total_memory;
  info->free_memory = found.free_memory;
  if (name != nullptr && name_size > 0)
    std::snprintf(name, static_cast<size_t>(name_size), "%s", found.name.c_str());
}

void allocate(int32_t device, int64_t bytes, void** memory) {
  require_pointer("memory", memory);
  require_range("bytes", bytes, 1, int64_t{1} << 45);
  use(device);
  const Result result = cuda::allocate(bytes, memory);
  if (result.code == cuda::kOutOfMemory)
    fail(MLA_OUT_OF_MEMORY, "the device has not " + std::to_string(bytes) + " bytes left");
  require_done(result);
}

void release(int32_t device, void* memory) { free_on(device, cuda::release, memory); }

void allocate_host(int32_t device, int64_t bytes, void** memory) {
  require_pointer("memory", memory);
  require_range("bytes", bytes, 1, int64_t{1} << 45);
  use(device);
  const Result result = cuda::allocate_host(bytes, memory);
  if (result.code == cuda::kOutOfMemory)
    fail(MLA_OUT_OF_MEMORY, "the host has not " + std::to_string(bytes) + " bytes to pin left");
  require_done(result);
}

void release_host(int32_t device, void* memory) { free_on(device, cuda::release_host, memory); }

void create_stream(int32_t device, void** stream) {
  require_pointer("stream", stream);
  use(device);
  void* handle = nullptr;
  require_done(cuda::create_stream(&handle));
  *stream = new Stream{device, handle};
}

void destroy_stream(void* stream) {
  if (stream == nullptr) return;
  const Stream s = *static_cast<Stream*>(stream);
  delete static_cast<Stream*>(stream);
  // Also after the device was lost: both are tried.
  const Result ran = cuda::synchronize(s.handle);
  require_done(cuda::destroy_stream(s.handle));
  require_done(ran);
}

void synchronize(void* stream) { require_done(cuda::synchronize(enter(stream).handle)); }

void create_event(int32_t device, void** event) {
  require_pointer("event", event);
  use(device);
  require_done(cuda::create_event(event));
}

void destroy_event(int32_t device, void* event) {
  require_range("device", device, 0, 1023);
  if (event != nullptr) require_done(cuda::destroy_event(event));
}

void record_event(void* stream, void* event) {
  require_pointer("event", event);
  require_done(cuda::record(event, enter(stream).handle));
}

void await_event(void* stream, void* event) {
  require_pointer("event", event);
  require_done(cuda::wait(enter(stream).handle, event));
}

void synchronize_event(int32_t device, void* event) {
  require_pointer("event", event);
  use(device);
  require_done(cuda::synchronize_event(event));
}

void copy(void* stream, void* to, const void* from, int64_t bytes) {
  require_range("bytes", bytes, 0, int64_t{1} << 45);
  const Stream& s = enter(stream);
  if (bytes == 0) return;
  require_pointer("to", to);
  require_pointer("from", from);
  require_done(cuda::copy(to, from, bytes, s.handle));
}

void fill(void* stream, void* memory, int32_t value, int64_t bytes) {
  require_range("bytes", bytes, 0, int64_t{1} << 45);
  require_range("value", value, 0, 255);
  const Stream& s = enter(stream);
  if (bytes == 0) return;
  require_pointer("memory", memory);
  require_done(cuda::fill(memory, value, bytes, s.handle));
}

}  // namespace

void add_memory(mla_device_kernels& table) {
  table.count = Call<count>::run;
  table.info = Call<info>::run;
  table.allocate = Call<allocate>::run;
  table.release = Call<release>::run;
  table.allocate_host = Call<allocate_host>::run;
  table.release_host = Call<release_host>::run;
  table.create_stream = Call<create_stream>::run;
  table.destroy_stream = Call<destroy_stream>::run;
  table.synchronize = Call<synchronize>::run;
  table.create_event = Call<create_event>::run;
  table.destroy_event = Call<destroy_event>::run;
  table.record_event = Call<record_event>::run;
  table.await_event = Call<await_event>::run;
  table.synchronize_event = Call<synchronize_event>::run;
  table.copy = Call<copy>::run;
  table.fill = Call<fill>::run;
}

}  // namespace mla::device
