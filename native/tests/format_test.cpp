// A storage format with blocks, which the library does not know: what its kernels do with one, against the same weights in float32. The
// kernels' headers stand alone, so that a test can give them a format of its own.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cpu/formats/formats.h"
#include "cpu/head_linear.h"
#include "cpu/isa/generic.h"
#include "cpu/linear.h"

namespace mla {
namespace {

// 32 elements: a scale and signed bytes.
struct Toy {
  static constexpr int kElements = 32;
  struct Block {
    float scale;
    int8_t elements[32];
  };

  template <class Isa>
  static void widen(const Block* block, float* to) {
    for (int i = 0; i < kElements; i++) to[i] = block->scale * block->elements[i];
  }
};

std::vector<Toy::Block> blocks(int64_t elements) {
  std::vector<Toy::Block> made((size_t)(elements / Toy::kElements));
  uint32_t state = 1;
  for (Toy::Block& block : made) {
    for (int8_t& element : block.elements) {
      state = state * 1664525u + 1013904223u;
      element = (int8_t)(state >> 24);
    }
    block.scale = (float)(state >> 20 & 0xff) / 4096;
  }
  return made;
}

std::vector<float> widened(const std::vector<Toy::Block>& from) {
  std::vector<float> to(from.size() * Toy::kElements);
  widen<Generic, Toy>(from.data(), (int)to.size(), to.data());
  return to;
}

// `columns` elements a row.
StoredRows<Generic> rows_of(const std::vector<Toy::Block>& from, int columns) {
  return {(const char*)from.data(),
          (int64_t)(columns / Toy::kElements * sizeof(Toy::Block)),
          {Toy::kElements, sizeof(Toy::Block)},
          widen<Generic, Toy>};
}

std::vector<float> activations(size_t count) {
  std::vector<float> made(count);
  uint32_t state = 7;
  for (float& x : made) {
    state = state * 1664525u + 1013904223u;
    x = (float)(int32_t)state / 2147483648.f;
  }
  return made;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

TEST(BlockFormat, LinearIsThatOfTheWidenedWeights) {
  for (int rows : {1, 3, 4, 7, 8, 9, 130}) {
    for (int k : {32, 1024, 1120}) {
      const int n = 53;
      const std::vector<Toy::Block> weight = blocks((int64_t)n * k);
      const std::vector<float> plain = widened(weight), x = activations((size_t)rows * k),
                               bias = activations(n);
      mla_linear_params p{sizeof p, MLA_COMPUTE_BF16, MLA_TYPE_F32, rows, k, n, k, k, n};
      std::vector<float> packed((size_t)packed_bytes<Generic>(&p) / 4 + 16);
      float* aligned = packed.data() + (-(uintptr_t)packed.data() & 63) / 4;
      pack_rows<Generic>(p, x.data(), nullptr, 0, rows, aligned);
      std::vector<float> expected((size_t)rows * n), y((size_t)rows * n);
      linear_of<Widened<Generic, F32>>({p, aligned, {plain.data(), k}, bias.data(), false, expected.data()},
                                       0, n);
      linear_of<Stored<Generic>>({p, aligned, rows_of(weight, k), bias.data(), false, y.data()}, 0, n);
      expect_same(expected, y);
    }
  }
}

TEST(BlockFormat, HeadLinearIsThatOfTheWidenedWeights) {
  for (int transposed : {0, 1}) {
    for (int tokens : {1, 4, 6, 17}) {
      const int heads = 2, in = transposed ? 40 : 96, out = transposed ? 96 : 40;
      const int rows = transposed ? in : out, columns = transposed ? out : in;
      const std::vector<Toy::Block> weight = blocks((int64_t)heads * rows * columns);
      const std::vector<float> plain = widened(weight), x = activations((size_t)tokens * heads * in);
      mla_head_linear_params p{};
      p.compute = MLA_COMPUTE_F32;
      p.weight_type = MLA_TYPE_F32;
      p.tokens = tokens;
      p.heads = heads;
      p.in = in;
      p.out = out;
      p.transposed = transposed;
      p.x_token_stride = heads * in;
      p.x_head_stride = in;
      p.y_token_stride = heads * out;
      p.y_head_stride = out;
      p.weight_head_stride = (int64_t)rows * columns;
      p.weight_stride = columns;
      std::vector<float> expected((size_t)tokens * heads * out), y(expected.size());
      const HeadRange range{0, heads, 0, tokens};
      head_linear_of<Widened<Generic, F32>>(p, x.data(), {plain.data(), columns}, range, expected.data());
      head_linear_of<Stored<Generic>>(p, x.data(), rows_of(weight, columns), range, y.data());
      expect_same(expected, y);
    }
  }
}

TEST(BlockFormat, ARowMayEndWithinABlock) {
  const std::vector<Toy::Block> row = blocks(96);
  const std::vector<float> plain = widened(row);
  for (int n : {1, 31, 32, 33, 95}) {
    std::vector<float> y((size_t)n + 1, 7);
    rows_of(row, 96).read(0, 0, n, y.data());
    EXPECT_EQ(std::memcmp(y.data(), plain.data(), (size_t)n * sizeof(float)), 0);
    EXPECT_EQ(y[(size_t)n], 7);
  }
}

}  // namespace
}  // namespace mla
