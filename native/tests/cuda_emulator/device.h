// What the host bodies of the wrappers in src/cuda/common call: the emulated thread that runs now, and the events that it can cause.
// Every event carries the place in the source that caused it, for reports and for leaving it out (control.h).
#pragma once
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>

namespace mla::emulator {

struct Place {
  const char* file;
  int line;
};
// The last parameters of a wrapper: the place that calls it.
#define MLA_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

struct Position {
  int thread, threads;
  int block[3];
};
const Position& position();
uint8_t* shared_memory();

// True where this check of a bound is left out.
bool bound(Place place);

void block_barrier(Place place);
void warp_barrier(Place place);
float exchange(float value, int from, Place place);
int exchange(int value, int from, Place place);
uint32_t vote(bool condition, Place place);

void copy_async(void* shared, const void* global, int bytes, Place place);
void copy_async_close();
void copy_async_wait(int pending, Place place);

struct Tiles {
  uint32_t tile[4];
};
Tiles load_matrix(const void* row, bool transposed, Place place);
struct Product {
  float d[4];
  uint32_t a[4];
  uint32_t b[2];
};
Product multiply_add(const Product& operands, Place place);
// See warpgroup.h: a warp's part of d (64 x width) += a b^T, or with stride > 0 d += a b.
void warpgroup_multiply(float* d, int width, const uint8_t* a, const uint8_t* b, int stride, Place place);
void warpgroup_multiply(float* d, int width, const uint32_t (&a)[4], const uint8_t* b, int stride,
                        Place place);
void warpgroup_wait(Place place);

struct Shape {
  int grid[3];
  int threads;
  int shared;
};
// A kernel with its arguments, called once by each thread. The object itself is the memory of the arguments, which threads may read.
struct Call {
  virtual ~Call() = default;
  virtual void run() const = 0;
  size_t size = 0;
  const void* code = nullptr;
};
template <class... Parameters>
struct KernelCall : Call {
  KernelCall(void (*kernel)(Parameters...), const Parameters&... arguments)
      : kernel(kernel), arguments(arguments...) {
    size = sizeof *this;
    code = reinterpret_cast<const void*>(kernel);
  }
  void run() const override { std::apply(kernel, arguments); }
  void (*kernel)(Parameters...);
  std::tuple<Parameters...> arguments;
};

int enqueue(const char* name, Shape shape, std::unique_ptr<Call> call, void* stream);

template <class... Parameters>
int launch(const char* name, void (*kernel)(Parameters...), Shape shape, void* stream,
           std::type_identity_t<Parameters>... arguments) {
  return enqueue(name, shape, std::make_unique<KernelCall<Parameters...>>(kernel, arguments...), stream);
}

}  // namespace mla::emulator
