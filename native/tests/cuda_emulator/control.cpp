#include "cuda_emulator/control.h"

#include <cstdio>

using namespace mla;

void mla_emulator_set_seed(uint64_t seed) { emulator::set_seed(seed); }
void mla_emulator_set_shared_limit(int32_t bytes) { emulator::set_shared_limit(bytes); }
void mla_emulator_set_memory_limit(int64_t bytes) { emulator::set_memory_limit(bytes); }
void mla_emulator_fail_allocation(int64_t count) { emulator::fail_allocation(count); }
void mla_emulator_fail_launch(int64_t count) { emulator::fail_launch(count); }
void mla_emulator_lose_device() { emulator::lose_device(); }
void mla_emulator_lose_device_at(int64_t count) { emulator::lose_device_at(count); }
void mla_emulator_reset() { emulator::reset(); }

void mla_emulator_counters(int64_t counters[4]) {
  const emulator::Counters c = emulator::counters();
  counters[0] = c.allocations;
  counters[1] = c.launches;
  counters[2] = c.live_allocations;
  counters[3] = c.live_handles;
}

int64_t mla_emulator_take_reports(char* text, int64_t size) {
  std::string all;
  for (const std::string& report : emulator::reports()) all += report + "\n";
  if (text != nullptr && size > 0) std::snprintf(text, static_cast<size_t>(size), "%s", all.c_str());
  const auto length = static_cast<int64_t>(all.size());
  if (length < size) emulator::take_reports();
  return length;
}
