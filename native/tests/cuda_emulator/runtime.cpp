// The functions of src/cuda/common/runtime.h on an emulated device. Streams run late: only when something waits for them, and then in an
// order drawn from the seed.
#include "cuda/common/runtime.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>

#include "cuda_emulator/control.h"
#include "cuda_emulator/machine.h"

namespace mla::emulator {
namespace {

constexpr int kInvalidValue = 1, kInvalidHandle = 400, kUnavailable = 46, kLaunchResources = 701,
              kLaunchFailure = 719;

struct Event {
  struct Queue* queue = nullptr;  // that recorded it last
  uint64_t recorded = 0, reached = 0;
};

struct Work {
  std::function<int()> run;  // a launch, copy, fill: returns a code
  Event* record = nullptr;   // or the event that is reached, or waited for
  Event* wait = nullptr;
  uint64_t version = 0;
};

struct Queue {
  std::deque<Work> work;
};

// The number of a variable of the environment, or -1.
int64_t fault(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return -1;
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(text, &end, 10);
  if (end == text || *end != 0 || errno != 0 || number < 0)
    throw std::runtime_error(std::string(variable) + " is '" + text + "', but must be a number from 0");
  return number;
}

struct Device {
  std::recursive_mutex lock;
  std::map<uintptr_t, size_t> memory, pinned;  // begin and size of live allocations
  std::set<void*> handles;
  std::set<Queue*> queues;
  std::vector<std::string> reports;
  uint64_t seed = 1, random = 1, runs = 0;
  int shared_limit = 101376;
  int64_t memory_limit = int64_t{8} << 30;
  int64_t allocations = 0, launches = 0;
  int64_t failing_allocation = fault("MLA4J_EMULATOR_FAIL_ALLOCATION"),
          failing_launch = fault("MLA4J_EMULATOR_FAIL_LAUNCH"),
          losing_launch = fault("MLA4J_EMULATOR_LOSE_DEVICE");  // -1: none
  int error = 0;                                                // all calls fail with it
  bool recording = false;
  std::vector<Launch> recorded;
};

Device& device() {
  static Device instance;
  return instance;
}

using Lock = std::lock_guard<std::recursive_mutex>;

uint64_t draw() {
  Device& d = device();
  d.random = d.random * 6364136223846793005u + 1442695040888963407u;
  return d.random >> 33;
}

void step(Queue& queue) {
  Device& d = device();
  const Work work = queue.work.front();
  queue.work.pop_front();
  if (work.wait != nullptr) {
    Event& e = *work.wait;
    while (e.reached < work.version && d.queues.count(e.queue) != 0 && !e.queue->work.empty()) step(*e.queue);
  } else if (work.record != nullptr) {
    work.record->reached = std::max(work.record->reached, work.version);
  } else if (d.error == 0) {
    d.error = work.run();
  }
}

// Runs a queue to its end, and now and then a step of another one before.
int drain(Queue& queue) {
  Device& d = device();
  while (!queue.work.empty()) {
    if (draw() % 4 == 0) {
      auto other = d.queues.begin();
      std::advance(other, static_cast<long>(draw() % d.queues.size()));
      if (!(*other)->work.empty()) step(**other);
    } else {
      step(queue);
    }
  }
  return d.error;
}

int submit(Queue& queue, Work work) {
  if (device().error != 0) return device().error;
  queue.work.push_back(std::move(work));
  return 0;
}

Queue* queue_of(void* stream) {
  auto* queue = static_cast<Queue*>(stream);
  return device().queues.count(queue) != 0 ? queue : nullptr;
}

bool contains(const std::map<uintptr_t, size_t>& all, const void* p, size_t size) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  auto next = all.upper_bound(at);
  if (next == all.begin()) return false;
  --next;
  return at + size <= next->first + next->second;
}

int allocate_in(std::map<uintptr_t, size_t>& all, int64_t bytes, void** memory) {
  Device& d = device();
  Lock lock(d.lock);
  if (d.error != 0) return d.error;
  if (bytes < 0) return kInvalidValue;
  int64_t used = bytes;
  for (const auto& [begin, size] : all) used += static_cast<int64_t>(size);
  if (d.failing_allocation == d.allocations++ || used > d.memory_limit) return cuda::kOutOfMemory;
  const size_t size = std::max<size_t>(static_cast<size_t>(bytes), 1);
  void* p = std::aligned_alloc(256, (size + 255) / 256 * 256);
  if (p == nullptr) return cuda::kOutOfMemory;
  std::memset(p, 0xff, size);
  all[reinterpret_cast<uintptr_t>(p)] = static_cast<size_t>(bytes);
  *memory = p;
  return 0;
}

// Freeing waits for all that runs.
int release_from(std::map<uintptr_t, size_t>& all, void* memory) {
  Device& d = device();
  Lock lock(d.lock);
  if (memory == nullptr) return 0;
  for (Queue* queue : d.queues) drain(*queue);
  if (all.erase(reinterpret_cast<uintptr_t>(memory)) == 0) return kInvalidValue;
  std::free(memory);
  return d.error;
}

template <class T>
int create(void** handle) {
  Device& d = device();
  Lock lock(d.lock);
  if (d.error != 0) return d.error;
  auto* made = new T;
  d.handles.insert(made);
  *handle = made;
  return 0;
}
template <class T>
int destroy(void* handle) {
  Device& d = device();
  Lock lock(d.lock);
  if (d.handles.erase(handle) == 0) return kInvalidHandle;
  delete static_cast<T*>(handle);
  return d.error;
}

}  // namespace

bool is_device_memory(const void* p, size_t size) {
  // The allocations that this launch touched last: kernels go to and fro between a few.
  static struct {
    uintptr_t begin;
    size_t bytes;
  } seen[4] = {};
  static uint64_t run = 0;
  static unsigned oldest = 0;
  Device& d = device();
  const auto at = reinterpret_cast<uintptr_t>(p);
  if (run != d.runs) {
    for (auto& s : seen) s = {};
    run = d.runs;
  }
  for (const auto& s : seen)
    if (at - s.begin < s.bytes) return size <= s.bytes - (at - s.begin);
  auto next = d.memory.upper_bound(at);
  if (next == d.memory.begin()) return false;
  --next;
  const uintptr_t begin = next->first;
  const size_t bytes = next->second;
  seen[oldest++ % 4] = {begin, bytes};
  return at - begin < bytes && size <= bytes - (at - begin);
}

void add_report(const std::string& text) { device().reports.push_back(text); }

int enqueue(const char* name, Shape shape, std::unique_ptr<Call> call, void* stream) {
  Device& d = device();
  Lock lock(d.lock);
  Queue* queue = queue_of(stream);
  if (queue == nullptr) return kInvalidHandle;
  if (d.error != 0) return d.error;
  if (shape.threads < 1 || shape.threads > kMaxThreads || shape.threads % kLanes != 0 ||
      shape.shared > d.shared_limit || shape.grid[1] > 65535 || shape.grid[2] > 65535)
    return kInvalidValue;
  const int64_t number = d.launches++;
  if (d.losing_launch == number) return d.error = kUnavailable;
  if (d.failing_launch == number) return kLaunchResources;
  if (d.recording) {
    d.recorded.push_back(
        {call->code, {shape.grid[0], shape.grid[1], shape.grid[2]}, shape.threads, shape.shared});
    return 0;
  }
  const std::shared_ptr<Call> kept = std::move(call);
  return submit(*queue, {[name, shape, kept] {
    Device& now = device();
    return machine().run(name, shape, *kept, now.seed + now.runs++) ? 0 : kLaunchFailure;
  }});
}

void set_seed(uint64_t seed) {
  Lock lock(device().lock);
  device().seed = seed;
  device().random = seed;
}
void set_shared_limit(int bytes) { device().shared_limit = bytes; }
void set_memory_limit(int64_t bytes) {
  Lock lock(device().lock);
  device().memory_limit = bytes;
}
void begin_recording() {
  Lock lock(device().lock);
  device().recording = true;
}
std::vector<Launch> end_recording() {
  Lock lock(device().lock);
  device().recording = false;
  std::vector<Launch> recorded;
  recorded.swap(device().recorded);
  return recorded;
}
std::vector<std::string> reports() {
  Lock lock(device().lock);
  return device().reports;
}
std::vector<std::string> take_reports() {
  Lock lock(device().lock);
  std::vector<std::string> reports;
  reports.swap(device().reports);
  return reports;
}
void fail_allocation(int64_t count) {
  device().failing_allocation = count < 0 ? -1 : device().allocations + count;
}
void fail_launch(int64_t count) { device().failing_launch = count < 0 ? -1 : device().launches + count; }
void lose_device() { device().error = kUnavailable; }
void lose_device_at(int64_t count) { device().losing_launch = count < 0 ? -1 : device().launches + count; }
void reset() {
  Device& d = device();
  Lock lock(d.lock);
  d.error = 0;
  d.failing_allocation = d.failing_launch = d.losing_launch = -1;
  for (Queue* queue : d.queues) queue->work.clear();
  d.reports.clear();
}
Counters counters() {
  Device& d = device();
  Lock lock(d.lock);
  return {d.allocations, d.launches, static_cast<int64_t>(d.memory.size() + d.pinned.size()),
          static_cast<int64_t>(d.handles.size())};
}

}  // namespace mla::emulator

namespace mla::cuda {

using namespace mla::emulator;

std::string error_text(int code) {
  static const std::map<int, const char*> kTexts = {
      {kInvalidValue, "invalid argument"},
      {kOutOfMemory, "out of memory"},
      {kUnavailable, "CUDA-capable device is unavailable"},
      {kInvalidHandle, "invalid resource handle"},
      {kLaunchResources, "too many resources requested for launch"},
      {kLaunchFailure, "unspecified launch failure"}};
  const auto found = kTexts.find(code);
  return (found == kTexts.end() ? "unknown error" : found->second) + (" (" + std::to_string(code) + ")");
}

Result count_devices(int* count) {
  *count = 1;
  return {0, "count_devices"};
}
Result device_info(int, DeviceInfo* info) {
  Device& d = device();
  Lock lock(d.lock);
  if (d.error != 0) return {d.error, "device_info"};
  int64_t used = 0;
  for (const auto& [begin, size] : d.memory) used += static_cast<int64_t>(size);
  *info = {d.memory_limit,   std::max<int64_t>(0, d.memory_limit - used), 8, 9, 4, d.shared_limit, 13000,
           "emulated device"};
  return {0, "device_info"};
}
Result shared_bytes(int, int* bytes) {
  *bytes = device().shared_limit;
  return {0, "shared_bytes"};
}
Result has_warpgroups(int, bool* has) {
  *has = device().shared_limit >= kSharedOfSm90;
  return {0, "has_warpgroups"};
}
Result use_device(int number) { return {number == 0 ? device().error : 101, "use_device"}; }

Result allocate(int64_t bytes, void** memory) {
  return {allocate_in(device().memory, bytes, memory), "allocate"};
}
Result release(void* memory) { return {release_from(device().memory, memory), "release"}; }
Result allocate_host(int64_t bytes, void** memory) {
  return {allocate_in(device().pinned, bytes, memory), "allocate_host"};
}
Result release_host(void* memory) { return {release_from(device().pinned, memory), "release_host"}; }

Result create_stream(void** stream) {
  const int code = create<Queue>(stream);
  if (code == 0) device().queues.insert(static_cast<Queue*>(*stream));
  return {code, "create_stream"};
}
Result destroy_stream(void* stream) {
  Lock lock(device().lock);
  if (Queue* queue = queue_of(stream)) drain(*queue);
  device().queues.erase(static_cast<Queue*>(stream));
  return {destroy<Queue>(stream), "destroy_stream"};
}
Result synchronize(void* stream) {
  Lock lock(device().lock);
  Queue* queue = queue_of(stream);
  if (queue == nullptr) return {kInvalidHandle, "synchronize"};
  return {drain(*queue), "synchronize"};
}
Result create_event(void** event) { return {create<Event>(event), "create_event"}; }
Result destroy_event(void* event) {
  Lock lock(device().lock);
  for (Queue* queue : device().queues) drain(*queue);
  return {destroy<Event>(event), "destroy_event"};
}
Result record(void* event, void* stream) {
  Lock lock(device().lock);
  Queue* queue = queue_of(stream);
  if (queue == nullptr || device().handles.count(event) == 0) return {kInvalidHandle, "record"};
  auto* e = static_cast<Event*>(event);
  e->queue = queue;
  e->recorded++;
  return {submit(*queue, {{}, e, nullptr, e->recorded}), "record"};
}
Result wait(void* stream, void* event) {
  Lock lock(device().lock);
  Queue* queue = queue_of(stream);
  if (queue == nullptr || device().handles.count(event) == 0) return {kInvalidHandle, "wait"};
  auto* e = static_cast<Event*>(event);
  return {submit(*queue, {{}, nullptr, e, e->recorded}), "wait"};
}
Result synchronize_event(void* event) {
  Lock lock(device().lock);
  if (device().handles.count(event) == 0) return {kInvalidHandle, "synchronize_event"};
  auto* e = static_cast<Event*>(event);
  while (e->reached < e->recorded && queue_of(e->queue) && !e->queue->work.empty()) step(*e->queue);
  return {device().error, "synchronize_event"};
}

// As CUDA does it: memory that is not pinned is read before the call returns, and written before it returns.
Result copy(void* to, const void* from, int64_t bytes, void* stream) {
  Device& d = device();
  Lock lock(d.lock);
  Queue* queue = queue_of(stream);
  const auto size = static_cast<size_t>(bytes);
  if (queue == nullptr) return {kInvalidHandle, "copy"};
  if (bytes == 0) return {d.error, "copy"};
  const bool from_device = contains(d.memory, from, size), to_device = contains(d.memory, to, size);
  const bool from_host = !from_device && !contains(d.pinned, from, size);
  const bool to_host = !to_device && !contains(d.pinned, to, size);
  if (from_host && to_host) return {kInvalidValue, "copy"};
  std::shared_ptr<std::vector<uint8_t>> staged;
  if (from_host) {
    const auto* begin = static_cast<const uint8_t*>(from);
    staged = std::make_shared<std::vector<uint8_t>>(begin, begin + size);
  }
  const int code = submit(*queue, {[=] {
    Device& now = device();
    // freed in between: CUDA would touch other memory
    if ((from_device && !contains(now.memory, from, size)) ||
        (to_device && !contains(now.memory, to, size))) {
      add_report("copy: memory that was freed before the copy ran");
      return kLaunchFailure;
    }
    std::memmove(to, staged ? staged->data() : from, size);
    return 0;
  }});
  return {code == 0 && to_host ? drain(*queue) : code, "copy"};
}

Result fill(void* memory, int value, int64_t bytes, void* stream) {
  Lock lock(device().lock);
  Queue* queue = queue_of(stream);
  const auto size = static_cast<size_t>(bytes);
  if (queue == nullptr) return {kInvalidHandle, "fill"};
  if (bytes > 0 && !contains(device().memory, memory, size)) return {kInvalidValue, "fill"};
  return {submit(*queue, {[=] {
            std::memset(memory, value, size);
            return 0;
          }}),
          "fill"};
}

}  // namespace mla::cuda
