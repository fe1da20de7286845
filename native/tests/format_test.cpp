// A storage format with blocks, which the library does not know: what its kernels do with one, against the same weights in float32. The
// kernels' headers stand alone, so that a test can instantiate them for a format of its own.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cpu/formats/formats.h"
#include "cpu/head_linear.h"
#include "cpu/isa/generic.h"
#include "cpu/linear.h"
#include "cpu/stored_rows.h"

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

// Rows of blocks, `columns` elements of each, and the same rows in float32.
StoredRows<Generic> toy_rows(const std::vector<Toy::Block>& weight, int stride) {
  return {-1,
          (const char*)weight.data(),
          stride / 32 * (int64_t)sizeof(Toy::Block),
          {32, (int)sizeof(Toy::Block)},
          widen<Generic, Toy>,
          {}};
}
StoredRows<Generic> float_rows(const std::vector<float>& weight, int stride) {
  return StoredRows<Generic>::of(MLA_TYPE_F32, weight.data(), stride, {});
}

TEST(BlockFormat, LinearIsThatOfTheWidenedWeights) {
  for (int rows : {1, 3, 4, 7, 8, 9, 130}) {
    for (int k : {32, 50, 1024, 1107, 1120}) {
      const int n = 53, stride = round_up(k, 32);
      const std::vector<Toy::Block> weight = blocks((int64_t)n * stride);
      const std::vector<float> plain = widened(weight), x = activations((size_t)rows * k),
                               bias = activations(n);
      mla_linear_params p{sizeof p, MLA_COMPUTE_BF16, MLA_TYPE_F32, rows, k, n, k, stride, n, 0, 0, 0, 0};
      std::vector<float> packed((size_t)packed_bytes<Generic>(&p) / 4 + 16);
      float* aligned = packed.data() + (-(uintptr_t)packed.data() & 63) / 4;
      pack_rows<Generic, false>(p, x.data(), nullptr, 0, rows, aligned);
      std::vector<float> expected((size_t)rows * n), y((size_t)rows * n);
      multiply<Generic>(p, aligned, float_rows(plain, stride), bias.data(), 0, n, expected.data());
      multiply<Generic>(p, aligned, toy_rows(weight, stride), bias.data(), 0, n, y.data());
      expect_same(expected, y);
    }
  }
}

TEST(BlockFormat, HeadLinearIsThatOfTheWidenedWeights) {
  for (int transposed : {0, 1}) {
    for (int tokens : {1, 4, 6, 17}) {
      for (int cut : {0, 13}) {
        const int in = transposed ? 40 : 96 - cut, out = transposed ? 96 - cut : 40;
        const int rows = transposed ? in : out, stride = 96;
        const std::vector<Toy::Block> weight = blocks((int64_t)rows * stride);
        const std::vector<float> plain = widened(weight), x = activations((size_t)tokens * in);
        mla_head_linear_params p{};
        p.compute = MLA_COMPUTE_F32;
        p.tokens = tokens;
        p.in = in;
        p.out = out;
        p.transposed = transposed;
        p.x_token_stride = in;
        p.y_token_stride = out;
        std::vector<float> expected((size_t)tokens * out), y(expected.size());
        one_head<Generic>(p, x.data(), float_rows(plain, stride), 0, tokens, expected.data());
        one_head<Generic>(p, x.data(), toy_rows(weight, stride), 0, tokens, y.data());
        expect_same(expected, y);
      }
    }
  }
}

TEST(BlockFormat, ARunOfARowIsWidenedFromItsBlocksAndScaled) {
  const std::vector<Toy::Block> weight = blocks(2 * 128);
  const std::vector<float> plain = widened(weight), values = activations(2 * 3);
  StoredRows<Generic> rows = toy_rows(weight, 128);
  rows.scales = {values.data(), MLA_TYPE_F32, 3, 50, 3, 2};  // rows 2, 3 of the plane's matrix
  for (int row = 0; row < 2; row++) {
    for (int k : {0, 32, 96}) {
      for (int n = 1; k + n <= 128; n++) {
        std::vector<float> run((size_t)n), expected((size_t)n);
        rows.read(row, k, n, run.data());
        for (int i = 0; i < n; i++)
          expected[(size_t)i] =
              plain[(size_t)(row * 128 + k + i)] * values[(size_t)((2 + row) / 3 * 3 + (k + i) / 50)];
        expect_same(expected, run);
      }
    }
  }
}

}  // namespace
}  // namespace mla
