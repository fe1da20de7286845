// How tests steer the emulated device: schedules, what is left out, faults, and what was reported.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mla::emulator {

// A source place that can be left out: "block barrier", "warp barrier", "wait", "bound".
struct Omission {
  std::string what;
  const char* file;
  int line;
};

struct Counters {
  int64_t allocations;       // made so far, on the device and pinned
  int64_t launches;          // of kernels, made so far
  int64_t live_allocations;  // not yet freed
  int64_t live_handles;      // streams and events not yet destroyed
};

// The seed of the order of blocks, threads and streams of all that runs from now on.
void set_seed(uint64_t seed);
// The bytes of shared memory that a block can have: 101376 (sm_89, sm_120) at first, 166912 on sm_80, 232448 on sm_90.
void set_shared_limit(int bytes);
// The bytes of device memory, and of pinned memory: 8 GiB at first.
void set_memory_limit(int64_t bytes);

// A launch: where the kernel's code begins, its blocks, and what each of them has.
struct Launch {
  const void* code;
  int grid[3];
  int threads, shared;
};
// Launches between begin and end are recorded instead of run, so that nothing need lie where their arguments point.
void begin_recording();
std::vector<Launch> end_recording();

// Places are collected between begin and end.
void begin_collecting();
std::vector<Omission> end_collecting();
// Leaves one place out until restore().
void leave_out(const Omission& place);
void restore();

// What the emulator found wrong since the last take_reports() or reset(), one text each. A launch with a finding loses the device, as it would a real one.
std::vector<std::string> reports();
std::vector<std::string> take_reports();

// The allocation, or the launch, that comes after `count` others fails; -1: none.
void fail_allocation(int64_t count);
void fail_launch(int64_t count);
// Everything fails from now on, or from the launch on that comes after `count` others (-1: none), until reset().
void lose_device();
void lose_device_at(int64_t count);
// Forgets errors and faults.
void reset();
Counters counters();

}  // namespace mla::emulator

// The same for callers that look functions up by name. Three faults can also come from the environment of a process, where the device is
// used for the first time: MLA4J_EMULATOR_FAIL_ALLOCATION, _FAIL_LAUNCH and _LOSE_DEVICE=<allocations or launches before it>.
extern "C" {
void mla_emulator_set_seed(uint64_t seed);
void mla_emulator_set_shared_limit(int32_t bytes);
void mla_emulator_set_memory_limit(int64_t bytes);
void mla_emulator_fail_allocation(int64_t count);
void mla_emulator_fail_launch(int64_t count);
void mla_emulator_lose_device();
void mla_emulator_lose_device_at(int64_t count);
void mla_emulator_reset();
// allocations, launches, live_allocations, live_handles
void mla_emulator_counters(int64_t counters[4]);
// The reports as lines that end in '\n', truncated to size with its NUL; returns the full length without NUL. They are forgotten where `text`
// has room for all of them.
int64_t mla_emulator_take_reports(char* text, int64_t size);
}
