// Every access of an emulated thread: plain ones through the calls that g++ -fsanitize=thread puts before them, the wrappers' own.
// Shared memory has, for each two bytes, the last writer, the last reader of each warp and the copy on its way; device memory has bounds.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include "cuda_emulator/machine.h"

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

namespace mla::emulator {
namespace {

// The line of an instruction of this library, by binutils; only reports ask.
std::string source_line(const void* instruction) {
  Dl_info info{};
  if (dladdr(instruction, &info) == 0) return "an unknown place";
  char command[4096], line[512] = "";
  // The call returns behind the access: one byte before lies in the call.
  std::snprintf(command, sizeof command, "addr2line -s -e '%s' %#zx 2>/dev/null", info.dli_fname,
                static_cast<size_t>(static_cast<const char*>(instruction) - 1 -
                                    static_cast<const char*>(info.dli_fbase)));
  if (FILE* out = popen(command, "r")) {
    if (std::fgets(line, sizeof line, out)) line[std::strcspn(line, " \n")] = 0;
    pclose(out);
  }
  return *line ? line : info.dli_fname;
}

bool inside(const void* p, const void* begin, size_t size) {
  return reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(begin) < size;
}

}  // namespace

std::string Origin::text() const {
  const int line = static_cast<int>(code_ >> 48);
  const auto* address = reinterpret_cast<const char*>(code_ & 0xffffffffffff);
  if (line == 0) return source_line(address);
  const std::string file = address;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(line);
}

inline bool Machine::ordered(const Access& before, int warp) const {
  if (before.stamp < first_clock_ || before.thread == position_.thread) return true;
  return warp * kLanes <= position_.thread && position_.thread < (warp + 1) * kLanes
             ? before.stamp < warps_[warp].clock
             : before.stamp <= warps_[position_.thread / kLanes].seen[warp];
}

void Machine::report_race(const char* what, const Access& before, const char* kind, size_t offset, int warp,
                          Origin origin) {
  report(std::string("race: ") + what + " of shared memory at " + std::to_string(offset) + " at " +
         origin.text() + ", and no barrier since the " + kind + " by " +
         (before.thread == kSeveral ? "lanes of warp " + std::to_string(warp)
                                    : "thread " + std::to_string(before.thread)) +
         " at " + before.origin.text());
}

// arrives: a copy's bytes.
void Machine::shared_access(size_t offset, int size, bool write, Origin origin, bool arrives) {
  if (offset + size > static_cast<size_t>(shape_.shared))
    report(std::string(write ? "write" : "read") + " of shared memory at " + std::to_string(offset) + " of " +
           std::to_string(shape_.shared) + " bytes at " + origin.text());
  const size_t warps = warps_.size(), mine = static_cast<size_t>(position_.thread / kLanes);
  const uint32_t now = warps_[mine].clock;
  const Access access{now, static_cast<uint16_t>(position_.thread), origin};
  for (size_t cell = offset / kCell; cell <= (offset + size - 1) / kCell; cell++) {
    if (arriving_[cell] != 0 && !arrives)
      report(std::string(write ? "write" : "read") + " of shared memory at " + std::to_string(cell * kCell) +
             " at " + origin.text() + ", where a copy of thread " + std::to_string(arriving_[cell] - 1) +
             " is under way");
    Access& writer = writers_[cell];
    Access* readers = &readers_[cell * warps];
    const int writer_warp = writer.thread / kLanes;
    if (!write && writer.stamp < first_clock_)
      report("read of shared memory at " + std::to_string(cell * kCell) + " at " + origin.text() +
             ", never written");
    if (!ordered(writer, writer_warp))
      report_race(write ? "write" : "read", writer, "write", cell * kCell, writer_warp, origin);
    if (write) {
      for (size_t w = 0; w < warps; w++) {
        if (!ordered(readers[w], static_cast<int>(w)))
          report_race("write", readers[w], "read", cell * kCell, static_cast<int>(w), origin);
      }
      writer = access;
    } else {
      const bool several = readers[mine].stamp == now && readers[mine].thread != access.thread;
      readers[mine] = access;
      if (several) readers[mine].thread = kSeveral;
    }
  }
}

void Machine::access(const void* p, int size, bool write, Origin origin) {
  if (inside(p, stacks_ + position_.thread * kStackBytes, kStackBytes)) return;
  if (inside(p, shared_, kLargestShared)) {
    shared_access(static_cast<const uint8_t*>(p) - shared_, size, write, origin, false);
    return;
  }
  if (is_device_memory(p, size)) return;
  if (!write && (inside(p, call_, call_->size) || inside(p, __ehdr_start, _end - __ehdr_start))) return;
  char address[32];
  std::snprintf(address, sizeof address, "%p", p);
  report(std::string(write ? "write" : "read") + " of " + std::to_string(size) +
         " bytes outside of device memory, " + address + ", at " + origin.text());
}

void Machine::copy(uint8_t* to, const uint8_t* from, int bytes, Place place) {
  const Origin origin(place);
  if (!inside(to, shared_, kLargestShared) || reinterpret_cast<uintptr_t>(to) % 16 != 0)
    report("a copy to where is no shared memory, or not aligned to 16, at " + origin.text());
  if (bytes < 0 || bytes > 16 || reinterpret_cast<uintptr_t>(from) % 16 != 0)
    report("a copy of " + std::to_string(bytes) + " bytes, or not aligned to 16, at " + origin.text());
  if (bytes > 0) access(from, bytes, false, origin);
  const size_t offset = to - shared_;
  shared_access(offset, 16, true, origin, false);
  std::memset(to, 0xff, 16);
  for (size_t cell = offset / kCell; cell < (offset + 16) / kCell; cell++)
    arriving_[cell] = static_cast<uint16_t>(position_.thread + 1);
  threads_[position_.thread].open.push_back({to, from, bytes, place});
}

void Machine::close_copies() {
  Thread& t = threads_[position_.thread];
  t.groups.push_back(std::move(t.open));
  t.open.clear();
}

void Machine::wait_for_copies(size_t pending) {
  Thread& t = threads_[position_.thread];
  for (; t.groups.size() > pending; t.groups.pop_front()) {
    for (const Thread::Copy& copy : t.groups.front()) {
      const size_t offset = copy.to - shared_;
      shared_access(offset, 16, true, Origin(copy.place), true);
      std::memset(copy.to, 0, 16);
      std::memcpy(copy.to, copy.from, copy.bytes);
      for (size_t cell = offset / kCell; cell < (offset + 16) / kCell; cell++) arriving_[cell] = 0;
    }
  }
}

}  // namespace mla::emulator

// What g++ -fsanitize=thread calls before each access that is not provably a thread's own.
namespace {
inline void watch(const void* p, size_t size, bool write, const void* caller) {
  mla::emulator::Machine& m = mla::emulator::machine();
  if (m.running()) m.access(p, static_cast<int>(size), write, mla::emulator::Origin(caller));
}
}  // namespace

#define HOOKS(size)                                                                                       \
  void __tsan_read##size(const void* p) { watch(p, size, false, __builtin_return_address(0)); }           \
  void __tsan_write##size(void* p) { watch(p, size, true, __builtin_return_address(0)); }                 \
  void __tsan_unaligned_read##size(const void* p) { watch(p, size, false, __builtin_return_address(0)); } \
  void __tsan_unaligned_write##size(void* p) { watch(p, size, true, __builtin_return_address(0)); }

extern "C" {
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_read_range(const void* p, size_t size) { watch(p, size, false, __builtin_return_address(0)); }
void __tsan_write_range(void* p, size_t size) { watch(p, size, true, __builtin_return_address(0)); }
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_init() {}
}
