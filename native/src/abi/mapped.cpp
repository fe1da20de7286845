// Reading memory that is mapped from a file which somebody shortens or writes anew meanwhile.
//
// The kernel answers such a read with SIGBUS, and the JVM answers that with its end when native code has read. Here the signal of a
// watched range is taken instead: what the file has lost becomes zeros, from the page that was asked for to the range's end, and the
// range's flag says that results are worthless. Nothing jumps and no call pays for it; every other SIGBUS goes to who had the signal
// before, which is how the JVM keeps its own (it needs SIGBUS for reads of Java code). mmap is no function that POSIX lists for
// handlers; on Linux it is a system call and takes no lock of this process.

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define MLA_EXPORT extern "C" __declspec(dllexport)
#else
#define MLA_EXPORT extern "C" __attribute__((visibility("default")))
#endif

#if defined(__linux__)
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace {

struct Range {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<int32_t> lost{0};
};

constexpr int kRanges = 4096;
Range ranges[kRanges];
std::atomic<int> used{0};
std::mutex mutex;
struct sigaction previous;
bool installed = false;
uintptr_t page_size;

bool replace(uintptr_t address) {
  for (int i = 0; i < used.load(std::memory_order_acquire); i++) {
    const uintptr_t begin = ranges[i].begin.load(std::memory_order_acquire);
    const uintptr_t end = ranges[i].end.load(std::memory_order_relaxed);
    if (begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page = address & ~(page_size - 1);
    void* zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) return false;
    ranges[i].lost.store(1, std::memory_order_release);
    return true;
  }
  return false;
}

void handle(int signal, siginfo_t* info, void* context) {
  if (info->si_code == BUS_ADRERR && replace(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    sigaction(signal, &previous, nullptr);  // the read is repeated and has its way
  }
}

bool install() {
  if (installed) return true;
  page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  if (sigaction(SIGBUS, nullptr, &previous) != 0) return false;
  struct sigaction action = previous;  // its mask and its stack, so that it finds what it asked for
  action.sa_sigaction = handle;
  action.sa_flags |= SA_SIGINFO;
  installed = sigaction(SIGBUS, &action, nullptr) == 0;
  return installed;
}

}  // namespace

// Watches [address, address + bytes), which starts a page. Returns the range's flag, an int32_t that is 0 until something was lost, or
// NULL where nothing can be watched.
MLA_EXPORT void* mla_watch_mapped(size_t address, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (address == 0 || bytes == 0 || !install()) return nullptr;
  for (int i = 0; i < kRanges; i++) {
    if (ranges[i].begin.load(std::memory_order_relaxed) != 0) continue;
    ranges[i].lost.store(0, std::memory_order_relaxed);
    ranges[i].end.store(address + bytes, std::memory_order_relaxed);
    ranges[i].begin.store(address, std::memory_order_release);
    if (i >= used.load(std::memory_order_relaxed)) used.store(i + 1, std::memory_order_release);
    return &ranges[i].lost;
  }
  return nullptr;
}

// Ends what mla_watch_mapped began, before the memory is unmapped.
MLA_EXPORT void mla_unwatch_mapped(void* flag) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (int i = 0; i < used.load(std::memory_order_relaxed); i++) {
    if (&ranges[i].lost == flag) ranges[i].begin.store(0, std::memory_order_release);
  }
}

#else

MLA_EXPORT void* mla_watch_mapped(size_t, size_t) { return nullptr; }
MLA_EXPORT void mla_unwatch_mapped(void*) {}

#endif
