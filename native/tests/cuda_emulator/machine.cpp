// Blocks, fibers and meetings.
#include "cuda_emulator/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "cuda_emulator/control.h"
#include "cuda_emulator/fiber.h"

namespace mla::emulator {
namespace {

bool same(Place a, Place b) { return a.file == b.file && a.line == b.line; }

std::string text(Place place) {
  const std::string file = place.file;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(place.line);
}

// Places that can be left out. A barrier, wait or bound asks here whether it is the one.
struct Omissions {
  bool collecting = false;
  std::map<std::pair<std::string, int>, Omission> seen;
  Place left_out{};
  bool asks(const char* what, Place place) {
    if (collecting) seen.try_emplace({place.file, place.line}, Omission{what, place.file, place.line});
    return same(left_out, place);
  }
} omissions;

uint8_t* reserve(size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<uint8_t*>(memory);
}

}  // namespace

Machine& machine() {
  static Machine instance;
  return instance;
}

Machine::Machine() : stacks_(reserve(kMaxThreads * kStackBytes)), shared_(reserve(kLargestShared)) {}

uint64_t Machine::random(uint64_t count) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  // a product instead of a remainder: it is drawn whenever a thread goes on
  return (random_ >> 32) * count >> 32;
}

bool Machine::run(const char* name, const Shape& shape, const Call& call, uint64_t seed) {
  name_ = name;
  shape_ = shape;
  call_ = &call;
  random_ = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
  failed_ = false;
  const int warps = shape.threads / kLanes;
  const size_t cells = (static_cast<size_t>(shape.shared) + kCell - 1) / kCell;
  threads_.resize(shape.threads);
  warps_.resize(warps);
  // Longer than before: filled with stamp 0, which is of an earlier block. What is already there has the stamps of earlier blocks.
  if (writers_.size() < cells) writers_.resize(cells);
  if (readers_.size() < cells * warps) readers_.resize(cells * warps);
  arriving_.resize(cells);

  const int64_t blocks = int64_t{shape.grid[0]} * shape.grid[1] * shape.grid[2];
  std::vector<int64_t> order(blocks);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = blocks - 1; i > 0; i--) std::swap(order[i], order[random(i + 1)]);
  for (const int64_t block : order) {
    position_.threads = shape.threads;
    position_.block[0] = static_cast<int>(block % shape.grid[0]);
    position_.block[1] = static_cast<int>(block / shape.grid[0] % shape.grid[1]);
    position_.block[2] = static_cast<int>(block / shape.grid[0] / shape.grid[1]);
    run_block(call);
    if (failed_) return false;
  }
  return true;
}

void Machine::run_block(const Call&) {
  std::memset(shared_, 0xff, shape_.shared);
  std::fill(arriving_.begin(), arriving_.end(), 0);
  arrived_.clear();
  ready_.clear();
  for (Warp& w : warps_) {
    w.clock = first_clock_;
    w.seen.assign(warps_.size(), 0);
    w.arrived = 0;
  }
  for (int i = 0; i < shape_.threads; i++) {
    threads_[i].begin(new_fiber(stacks_ + (i + 1) * kStackBytes, enter));
    ready_.push_back(i);
  }
  running_ = true;
  while (!ready_.empty() && !failed_) {
    std::swap(ready_[random(ready_.size())], ready_.back());
    const int next = ready_.back();
    ready_.pop_back();
    switch_to(next);
  }
  running_ = false;
  if (!failed_) deadlock();
  for (const Warp& w : warps_) first_clock_ = std::max(first_clock_, w.clock + 1);
}

void Machine::switch_to(int thread) {
  position_.thread = thread;
  mla_emulator_switch(&scheduler_, threads_[thread].saved);
}

// Back to the scheduler; returns when this thread is chosen again.
void Machine::stop() { mla_emulator_switch(&threads_[position_.thread].saved, scheduler_); }

void Machine::enter() {
  Machine& m = machine();
  m.call_->run();
  Thread& t = m.threads_[m.position_.thread];
  if (!t.open.empty() ||
      std::any_of(t.groups.begin(), t.groups.end(), [](const auto& g) { return !g.empty(); }))
    m.report("the thread ends before it has waited for its copies");
  t.state = Thread::kDone;
  m.stop();
}

void Machine::wait_for(const char* what, Place place) {
  Thread& t = threads_[position_.thread];
  t.state = Thread::kWaiting;
  t.what = what;
  t.place = place;
  stop();
}

void Machine::make_ready(int thread) {
  threads_[thread].state = Thread::kReady;
  ready_.push_back(thread);
}

void Machine::report(const std::string& text) {
  add_report(name_ + ", block (" + std::to_string(position_.block[0]) + ", " +
             std::to_string(position_.block[1]) + ", " + std::to_string(position_.block[2]) + "), thread " +
             std::to_string(position_.thread) + ": " + text);
  failed_ = true;
  stop();
  __builtin_unreachable();
}

// No thread can go on: fine where all are done.
void Machine::deadlock() {
  std::map<std::string, int> where;
  bool waits = false;
  for (const Thread& t : threads_) {
    waits |= t.state == Thread::kWaiting;
    where[t.state == Thread::kDone ? "the end of the kernel" : t.what + (" at " + text(t.place))]++;
  }
  if (!waits) return;
  std::string all;
  for (const auto& [place, count] : where)
    all += (all.empty() ? "" : ", ") + std::to_string(count) + " threads at " + place;
  add_report(name_ + ": threads wait for each other at different places: " + all);
  failed_ = true;
}

void Machine::barrier(Place place) {
  if (!arrived_.empty() && !same(barrier_place_, place))
    report("is at the barrier at " + text(place) + ", others at the one at " + text(barrier_place_));
  barrier_place_ = place;
  if (static_cast<int>(arrived_.size()) + 1 < shape_.threads) {
    arrived_.push_back(position_.thread);
    wait_for("the barrier", place);
    return;
  }
  std::vector<uint32_t> joint;
  for (const Warp& w : warps_) joint.push_back(w.clock);
  for (Warp& w : warps_) {
    w.seen = joint;
    w.clock++;
  }
  for (const int thread : arrived_) make_ready(thread);
  arrived_.clear();
}

void Machine::meet(const char* what, Place place, void* operand,
                   const std::function<void(void* const*)>& resolve) {
  const int warp = position_.thread / kLanes, lane = position_.thread % kLanes;
  Warp& w = warps_[warp];
  if (w.arrived > 0 && (w.what != what || !same(w.place, place)))
    report(std::string("is at the ") + what + " at " + text(place) + ", other lanes of its warp at the " +
           w.what + " at " + text(w.place));
  w.what = what;
  w.place = place;
  w.operands[lane] = operand;
  if (++w.arrived < kLanes) {
    wait_for(what, place);
    return;
  }
  w.arrived = 0;
  resolve(w.operands);
  for (int i = 0; i < kLanes; i++) {
    if (i != lane) make_ready(warp * kLanes + i);
  }
}

void Machine::order_warp() { warps_[position_.thread / kLanes].clock++; }

const Position& position() { return machine().position(); }
uint8_t* shared_memory() { return machine().shared(); }

bool bound(Place place) { return omissions.asks("bound", place); }

void block_barrier(Place place) {
  if (!omissions.asks("block barrier", place)) machine().barrier(place);
}

void warp_barrier(Place place) {
  if (omissions.asks("warp barrier", place)) return;
  machine().meet("warp barrier", place, nullptr, [](void* const*) { machine().order_warp(); });
}

namespace {

template <class T>
T exchange_any(T value, int from, Place place) {
  struct Lane {
    T value;
    int from;
    T result;
  } mine{value, from, {}};
  machine().meet("exchange", place, &mine, [](void* const* lanes) {
    for (int i = 0; i < kLanes; i++) {
      Lane& lane = *static_cast<Lane*>(lanes[i]);
      if (lane.from < 0 || lane.from >= kLanes)
        machine().report("exchanges with lane " + std::to_string(lane.from));
      lane.result = static_cast<Lane*>(lanes[lane.from])->value;
    }
  });
  return mine.result;
}

}  // namespace

float exchange(float value, int from, Place place) { return exchange_any(value, from, place); }
int exchange(int value, int from, Place place) { return exchange_any(value, from, place); }

uint32_t vote(bool condition, Place place) {
  struct Lane {
    bool condition;
    uint32_t result;
  } mine{condition, 0};
  machine().meet("vote", place, &mine, [](void* const* lanes) {
    uint32_t all = 0;
    for (int i = 0; i < kLanes; i++)
      all |= static_cast<uint32_t>(static_cast<Lane*>(lanes[i])->condition) << i;
    for (int i = 0; i < kLanes; i++) static_cast<Lane*>(lanes[i])->result = all;
  });
  return mine.result;
}

void copy_async(void* shared, const void* global, int bytes, Place place) {
  machine().copy(static_cast<uint8_t*>(shared), static_cast<const uint8_t*>(global), bytes, place);
}
void copy_async_close() { machine().close_copies(); }
void copy_async_wait(int pending, Place place) {
  if (!omissions.asks("wait", place)) machine().wait_for_copies(static_cast<size_t>(pending));
}

void begin_collecting() {
  omissions.seen.clear();
  omissions.collecting = true;
}
std::vector<Omission> end_collecting() {
  omissions.collecting = false;
  std::vector<Omission> all;
  for (const auto& [key, omission] : omissions.seen) all.push_back(omission);
  return all;
}
void leave_out(const Omission& place) { omissions.left_out = {place.file, place.line}; }
void restore() { omissions.left_out = {}; }

}  // namespace mla::emulator
