// The emulated multiprocessor: one block at a time, its threads as fibers of the calling thread in an order drawn from a seed.
// machine.cpp schedules and lets threads meet; shared_memory.cpp watches accesses; matrix.cpp is the tensor core.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "cuda_emulator/device.h"

// Called for every access: directly, not through the table of what a library exports.
#pragma GCC visibility push(hidden)
namespace mla::emulator {

constexpr int kLanes = 32;
constexpr int kMaxThreads = 1024;
// No multiple of 4096: the ends of all stacks, which lanes write in turn, would share a few lines of the processor's first cache.
constexpr size_t kStackBytes = 64 * 1024 + 5 * 64;
constexpr int kLargestShared = 256 * 1024;
// A device whose blocks can have so much is one of sm_90.
constexpr int kSharedOfSm90 = 227 * 1024;

// Where an access comes from: the address of an instruction, or a place in the source.
class Origin {
 public:
  Origin() = default;
  explicit Origin(const void* instruction) : code_(reinterpret_cast<uintptr_t>(instruction)) {}
  explicit Origin(Place place)
      : code_(reinterpret_cast<uintptr_t>(place.file) | static_cast<uint64_t>(place.line) << 48) {}
  std::string text() const;

 private:
  uint64_t code_ = 0;
};

// Who met whom last. A warp's clock counts its meetings that order memory; seen[v] is the clock of warp v up to which everything that v did
// is ordered before what this warp does now.
struct Warp {
  uint32_t clock;
  std::vector<uint32_t> seen;
  // The meeting under way.
  const char* what;
  Place place;
  int arrived;
  void* operands[kLanes];
};

struct Thread {
  enum State { kReady, kWaiting, kDone } state;
  void* saved;
  const char* what;  // it waits for
  Place place;
  struct Copy {
    uint8_t* to;
    const uint8_t* from;
    int bytes;
    Place place;
  };
  std::vector<Copy> open;                // copies of the group that is not closed yet
  std::deque<std::vector<Copy>> groups;  // closed and not waited for, oldest first

  // A block later; what a report cut off is forgotten, and memory stays.
  void begin(void* fiber) {
    state = kReady;
    saved = fiber;
    what = nullptr;
    place = {};
    open.clear();
    groups.clear();
  }
};

class Machine {
 public:
  Machine();
  // Runs all blocks; false after a report.
  bool run(const char* name, const Shape& shape, const Call& call, uint64_t seed);

  // Called by the thread that runs.
  void barrier(Place place);
  // Waits until all lanes of the warp are here; the last one calls resolve with what the lanes brought.
  void meet(const char* what, Place place, void* operand, const std::function<void(void* const*)>& resolve);
  void order_warp();
  void copy(uint8_t* to, const uint8_t* from, int bytes, Place place);
  void close_copies();
  void wait_for_copies(size_t pending);
  void access(const void* p, int size, bool write, Origin origin);
  // Ends the launch: the thread that runs is never continued.
  [[noreturn]] void report(const std::string& text);

  bool running() const { return running_; }
  const Position& position() const { return position_; }
  uint8_t* shared() { return shared_; }

 private:
  struct Access {
    uint32_t stamp;
    uint16_t thread;
    Origin origin;
  };
  static constexpr uint16_t kSeveral = 0xffff;  // lanes of the warp
  static constexpr int kCell = 2;               // bytes that one Access stands for

  static void enter();
  void run_block(const Call& call);
  void switch_to(int thread);
  void stop();
  void wait_for(const char* what, Place place);
  void make_ready(int thread);
  void deadlock();
  bool ordered(const Access& before, int warp) const;
  void shared_access(size_t offset, int size, bool write, Origin origin, bool arrives);
  [[noreturn]] void report_race(const char* what, const Access& before, const char* kind, size_t offset,
                                int warp, Origin origin);
  // One of 0 .. count - 1; fewer than 2^32.
  uint64_t random(uint64_t count);

  std::string name_;
  Shape shape_{};
  const Call* call_ = nullptr;
  Position position_{};
  bool running_ = false, failed_ = false;
  uint64_t random_ = 1;
  uint8_t* stacks_;
  uint8_t* shared_;
  void* scheduler_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<int> ready_;
  std::vector<int> arrived_;  // at the block's barrier
  Place barrier_place_{};
  uint32_t first_clock_ = 1;  // stamps below are of earlier blocks
  std::vector<Access> writers_;
  std::vector<Access> readers_;     // of cell and warp
  std::vector<uint16_t> arriving_;  // 1 + the thread whose copy is under way to a cell
};

Machine& machine();
// Whether [p, p + size) lies in one live allocation of the device.
bool is_device_memory(const void* p, size_t size);
void add_report(const std::string& text);

}  // namespace mla::emulator
#pragma GCC visibility pop
