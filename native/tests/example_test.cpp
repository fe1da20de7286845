// The example library: its table is ours, and its attention gives what the generic kernels give.
#include <dlfcn.h>

#include <cstring>
#include <vector>

#include "support/kernels.h"

namespace mla::test {
namespace {

const mla_kernels* example() {
  static const mla_kernels* table = [] {
    void* library = dlopen(MLA_EXAMPLE, RTLD_NOW | RTLD_LOCAL);
    void* entry = library ? dlsym(library, "mla_get_kernels") : nullptr;
    return entry ? ((mla_get_kernels_fn)entry)(MLA_ABI_VERSION, MLA_ISA_AUTO) : nullptr;
  }();
  return table;
}

TEST(Example, HasOurTableAndOnlyAttention) {
  ASSERT_NE(example(), nullptr);
  EXPECT_EQ(example()->struct_size, (int32_t)sizeof(mla_kernels));
  EXPECT_EQ(example()->abi_version, MLA_ABI_VERSION);
  EXPECT_EQ(example()->describe, nullptr);
  EXPECT_NE(example()->attend_absorbed, nullptr);
  EXPECT_EQ(example()->linear, nullptr);
  EXPECT_EQ(example()->merge, nullptr);
}

TEST(Example, AttendsAsTheGenericKernelsDo) {
  ASSERT_NE(example(), nullptr);
  constexpr int kHeads = 3, kQueries = 2, kTokens = 21, kPage = 4, kWidth = 40 + 8;
  mla_cache_params cache{};
  cache.struct_size = sizeof cache;
  cache.cache_type = MLA_TYPE_BF16;
  cache.latent = 40;
  cache.rope = 8;
  cache.rope_offset = 48;
  cache.page_size = kPage;
  cache.page_count = 6;
  cache.row_stride_bytes = 128;
  cache.page_stride_bytes = kPage * 128;
  mla_attention_params params{};
  params.probability_bits = 8;
  params.struct_size = sizeof params;
  params.compute = MLA_COMPUTE_F32;
  params.heads = kHeads;
  params.query_tokens = kQueries;
  params.kv_tokens = kTokens;
  params.causal = 1;
  params.scale = 0.2f;
  params.q_token_stride = kHeads * kWidth;
  params.q_head_stride = kWidth;
  params.out_token_stride = kHeads * cache.latent;
  params.out_head_stride = cache.latent;
  params.lse_token_stride = kHeads;
  params.lse_head_stride = 1;
  const int32_t pages[] = {5, 2, 0, 4, 1, 3};
  std::vector<uint16_t> rows(6 * kPage * 64);
  uint32_t state = 1;
  auto next = [&state] {
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)state / 2147483648.0f;
  };
  for (uint16_t& number : rows) {
    const float value = next();
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    number = (uint16_t)(bits >> 16);
  }
  std::vector<float> q(kQueries * kHeads * kWidth);
  for (float& number : q) number = next();
  std::vector<float> out[2], lse[2];
  const mla_kernels* tables[] = {mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_GENERIC), example()};
  for (int i = 0; i < 2; i++) {
    out[i].resize(kQueries * kHeads * cache.latent);
    lse[i].resize(kQueries * kHeads);
    const int64_t bytes = tables[i]->attention_workspace(&params, &cache, nullptr, nullptr);
    std::vector<char> workspace(bytes + 64);
    char* aligned = workspace.data() + (-(uintptr_t)workspace.data() & 63);
    MLA_CALL(tables[i]->attend_absorbed, &params, &cache, q.data(), rows.data(), pages, nullptr, 0, kHeads, 0,
             kQueries, 0, kTokens, out[i].data(), lse[i].data(), aligned, bytes);
  }
  for (size_t i = 0; i < out[0].size(); i++) EXPECT_NEAR(out[0][i], out[1][i], 2e-6) << i;
  for (size_t i = 0; i < lse[0].size(); i++) EXPECT_NEAR(lse[0][i], lse[1][i], 2e-6) << i;
}

}  // namespace
}  // namespace mla::test
