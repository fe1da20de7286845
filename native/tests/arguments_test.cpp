// Every bad argument gives its status and a text that names it; whatever is wrong, no function crashes.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/kernels.h"
#include "support/memory.h"

namespace mla::test {
namespace {

constexpr int64_t kHuge = INT64_MAX / 2;

// A change that makes the valid call C bad, the status it gets, and what the text must contain. A pointer, so that a table of them is data: of
// std::function each entry is code to build and to destroy it.
template <class C>
struct Bad {
  void (*change)(C&);
  int32_t status;
  const char* names;
};

template <class C>
void expect_refused(const mla_kernels& kernels, const std::vector<Bad<C>>& cases) {
  C valid;
  char error[200] = "untouched";
  ASSERT_EQ(valid(kernels, error, sizeof error), MLA_OK) << error;
  for (const Bad<C>& bad : cases) {
    C call;
    bad.change(call);
    error[0] = 0;
    EXPECT_EQ(call(kernels, error, sizeof error), bad.status) << bad.names << ": " << error;
    EXPECT_NE(std::string(error).find(bad.names), std::string::npos)
        << "no '" << bad.names << "' in: " << error;
  }
}

class Arguments : public KernelTest {};

struct Pack {
  mla_linear_params params{
      sizeof(mla_linear_params), MLA_COMPUTE_F32, MLA_TYPE_BF16, 20, 8, 4, 8, 8, 4, 0, 0, 0, 0};
  const mla_linear_params* p = &params;
  Guarded<float> x{std::vector<float>(160, 1.f)};
  Guarded<uint8_t> packed{4096};
  const float* x_data = x.data();
  Guarded<int32_t> indices{std::vector<int32_t>(20, 0)};
  const int32_t* index_data = nullptr;
  int begin = 0, end = 20;
  void* to = packed.data();
  int64_t bytes = 4096;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.pack(p, x_data, index_data, begin, end, to, bytes, error, size);
  }
};

TEST_P(Arguments, OfPack) {
  expect_refused<Pack>(
      kernels(), {
                     {[](Pack& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
                     {[](Pack& c) { c.params.struct_size = 8; }, MLA_INVALID_ARGUMENT, "struct_size"},
                     {[](Pack& c) { c.params.compute = 3; }, MLA_INVALID_ARGUMENT, "compute"},
                     {[](Pack& c) { c.params.weight_type = -1; }, MLA_INVALID_ARGUMENT, "weight_type"},
                     {[](Pack& c) { c.params.weight_type = -2; }, MLA_INVALID_ARGUMENT, "weight_type"},
                     {[](Pack& c) { c.params.rows = -1; }, MLA_INVALID_ARGUMENT, "rows"},
                     {[](Pack& c) { c.params.rows = INT32_MAX; }, MLA_INVALID_ARGUMENT, "rows"},
                     {[](Pack& c) { c.params.k = 0; }, MLA_INVALID_ARGUMENT, "k is 0"},
                     {[](Pack& c) { c.params.k = INT32_MAX; }, MLA_INVALID_ARGUMENT, "k is"},
                     {[](Pack& c) { c.params.n = -1; }, MLA_INVALID_ARGUMENT, "n is -1"},
                     {[](Pack& c) { c.params.x_stride = -1; }, MLA_INVALID_ARGUMENT, "x_stride"},
                     {[](Pack& c) { c.params.x_stride = kHuge; }, MLA_INVALID_ARGUMENT, "x_stride"},
                     {[](Pack& c) { c.params.weight_stride = 7; }, MLA_INVALID_ARGUMENT, "weight_stride"},
                     {[](Pack& c) { c.params.weight_stride = kHuge; }, MLA_INVALID_ARGUMENT, "weight_stride"},
                     {[](Pack& c) { c.params.y_stride = 3; }, MLA_INVALID_ARGUMENT, "y_stride"},
                     {[](Pack& c) { c.params.y_stride = kHuge; }, MLA_INVALID_ARGUMENT, "y_stride"},
                     {[](Pack& c) { c.begin = -16; }, MLA_INVALID_ARGUMENT, "row range is -16..20"},
                     {[](Pack& c) { c.end = 21; }, MLA_INVALID_ARGUMENT, "row range is 0..21"},
                     {[](Pack& c) { c.begin = 16, c.end = 0; }, MLA_INVALID_ARGUMENT, "row range is 16..0"},
                     {[](Pack& c) { c.begin = 4; }, MLA_INVALID_ARGUMENT, "row_begin"},
                     {[](Pack& c) { c.end = 10; }, MLA_INVALID_ARGUMENT, "row_end"},
                     {[](Pack& c) { c.x_data = nullptr; }, MLA_INVALID_ARGUMENT, "x is NULL"},
                     {[](Pack& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "packed is NULL"},
                     {[](Pack& c) { c.bytes = 64; }, MLA_WORKSPACE_TOO_SMALL, "packed has 64 bytes"},
                     {[](Pack& c) { c.index_data = c.indices.data(), c.indices[7] = -1; },
                      MLA_INVALID_ARGUMENT, "indices[7] is -1"},
                 });
  mla_linear_params p = Pack().params;
  p.k = 0;
  EXPECT_EQ(kernels().packed_bytes(&p), -1);
  EXPECT_EQ(kernels().packed_bytes(nullptr), -1);
}

struct Linear {
  mla_linear_params params{
      sizeof(mla_linear_params), MLA_COMPUTE_F32, MLA_TYPE_BF16, 2, 8, 4, 8, 8, 4, 0, 0, 0, 0};
  const mla_linear_params* p = &params;
  Guarded<uint8_t> packed{4096}, weight{64};
  Guarded<float> y{8};
  const void* packed_data = packed.data();
  const void* weight_data = weight.data();
  const void* scale_data = nullptr;
  float* to = y.data();
  int begin = 0, end = 4;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.linear(p, packed_data, weight_data, scale_data, nullptr, begin, end, to, error, size);
  }
};

TEST_P(Arguments, OfLinear) {
  expect_refused<Linear>(
      kernels(),
      {
          {[](Linear& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
          {[](Linear& c) { c.params.k = -1; }, MLA_INVALID_ARGUMENT, "k is -1"},
          {[](Linear& c) { c.begin = -1; }, MLA_INVALID_ARGUMENT, "n range is -1..4"},
          {[](Linear& c) { c.end = 5; }, MLA_INVALID_ARGUMENT, "n range is 0..5"},
          {[](Linear& c) { c.packed_data = nullptr; }, MLA_INVALID_ARGUMENT, "packed is NULL"},
          {[](Linear& c) { c.weight_data = nullptr; }, MLA_INVALID_ARGUMENT, "weight is NULL"},
          {[](Linear& c) { c.scale_data = c.weight_data; }, MLA_INVALID_ARGUMENT, "scales is given"},
          {[](Linear& c) { c.params.scale_rows = -1; }, MLA_INVALID_ARGUMENT, "scale_rows is -1"},
          {[](Linear& c) { c.params.scale_rows = 1; }, MLA_INVALID_ARGUMENT, "scale_columns is 0"},
          {[](Linear& c) { c.params.scale_rows = 1, c.params.scale_columns = 8; }, MLA_INVALID_ARGUMENT,
           "scale_stride is 0"},
          {[](Linear& c) { c.params.scale_rows = c.params.scale_columns = 1, c.params.scale_type = -1; },
           MLA_INVALID_ARGUMENT, "scale_type is -1"},
          {[](Linear& c) { c.params.scale_rows = 1, c.params.scale_columns = 8, c.params.scale_stride = 1; },
           MLA_INVALID_ARGUMENT, "scales is NULL"},
          {[](Linear& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
      });
}

struct HeadLinear {
  mla_head_linear_params params{sizeof(mla_head_linear_params),
                                MLA_COMPUTE_F32,
                                MLA_TYPE_F32,
                                2,
                                2,
                                3,
                                4,
                                0,
                                6,
                                3,
                                8,
                                4,
                                12,
                                3,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0};
  const mla_head_linear_params* p = &params;
  Guarded<float> x{12}, weight{24}, y{16};
  const float* x_data = x.data();
  const void* weight_data = weight.data();
  float* to = y.data();
  int head_begin = 0, head_end = 2, token_begin = 0, token_end = 2;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.head_linear(p, x_data, weight_data, nullptr, head_begin, head_end, token_begin, token_end, to,
                         error, size);
  }
};

TEST_P(Arguments, OfHeadLinear) {
  using C = HeadLinear;
  expect_refused<C>(
      kernels(),
      {
          {[](C& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
          {[](C& c) { c.params.struct_size = 0; }, MLA_INVALID_ARGUMENT, "struct_size"},
          {[](C& c) { c.params.compute = -1; }, MLA_INVALID_ARGUMENT, "compute"},
          {[](C& c) { c.params.weight_type = -7; }, MLA_INVALID_ARGUMENT, "weight_type"},
          {[](C& c) { c.params.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
          {[](C& c) { c.params.heads = 0; }, MLA_INVALID_ARGUMENT, "heads"},
          {[](C& c) { c.params.in = 0; }, MLA_INVALID_ARGUMENT, "in is 0"},
          {[](C& c) { c.params.out = 0; }, MLA_INVALID_ARGUMENT, "out is 0"},
          {[](C& c) { c.params.transposed = 2; }, MLA_INVALID_ARGUMENT, "transposed"},
          {[](C& c) { c.params.x_token_stride = -1; }, MLA_INVALID_ARGUMENT, "x_token_stride"},
          {[](C& c) { c.params.x_head_stride = kHuge; }, MLA_INVALID_ARGUMENT, "x_head_stride"},
          {[](C& c) { c.params.y_token_stride = 3; }, MLA_INVALID_ARGUMENT, "y_token_stride"},
          {[](C& c) { c.params.y_head_stride = 3; }, MLA_INVALID_ARGUMENT, "y_head_stride"},
          {[](C& c) { c.params.weight_head_stride = -1; }, MLA_INVALID_ARGUMENT, "weight_head_stride"},
          {[](C& c) { c.params.weight_stride = 2; }, MLA_INVALID_ARGUMENT, "weight_stride"},
          {[](C& c) { c.params.transposed = 1; }, MLA_INVALID_ARGUMENT, "weight_stride"},
          {[](C& c) { c.head_end = 3; }, MLA_INVALID_ARGUMENT, "head range is 0..3"},
          {[](C& c) { c.token_begin = -1; }, MLA_INVALID_ARGUMENT, "token range is -1..2"},
          {[](C& c) { c.x_data = nullptr; }, MLA_INVALID_ARGUMENT, "x is NULL"},
          {[](C& c) { c.weight_data = nullptr; }, MLA_INVALID_ARGUMENT, "weight is NULL"},
          {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
      });
}

// Two heads, two queries over five cached tokens in pages of two; latent 4, rope 2.
struct Attend {
  mla_attention_params params{};
  mla_cache_params cache_params{};
  mla_head_linear_params keys{}, values{};
  Guarded<float> q{std::vector<float>(24, 0.5f)}, cache{std::vector<float>(36, 0.25f)},
      weight{std::vector<float>(40, 0.f)}, out{16}, lse{4};
  Guarded<int32_t> pages{std::vector<int32_t>{2, 0, 1}};
  std::vector<uint8_t> memory;
  const mla_attention_params* p = &params;
  const mla_cache_params* c = &cache_params;
  const float* q_data = q.data();
  const void* cache_data = cache.data();
  const void* weight_data = weight.data();
  const int32_t* page_table = pages.data();
  int head_begin = 0, head_end = 2, query_begin = 0, query_end = 2, kv_begin = 0, kv_end = 5;
  float* out_data = out.data();
  float* lse_data = lse.data();
  void* workspace;
  int64_t workspace_bytes = 1 << 20;

  Attend() : memory((1 << 20) + 64) {
    workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    params.struct_size = sizeof params;
    params.heads = 2;
    params.query_tokens = 2;
    params.kv_tokens = 5;
    params.causal = 1;
    params.scale = 0.5f;
    params.probability_bits = 8;
    params.nope = 3;
    params.value = 2;
    params.q_head_stride = 6;
    params.q_token_stride = 12;
    params.out_head_stride = 4;
    params.out_token_stride = 8;
    params.lse_head_stride = 1;
    params.lse_token_stride = 2;
    keys = {sizeof keys, MLA_COMPUTE_F32, MLA_TYPE_F32, 0, 2, 4, 3, 0, 0, 0, 0, 0, 20, 4, 0, 0, 0, 0, 0, 0};
    values = keys;
    values.out = 2;
    cache_params = {sizeof cache_params, MLA_TYPE_F32, 4, 2, 4, 2, 3, 0, 0, 0, 0, 24, 48};
  }
};

// The same rows under scales.
mla_cache_params& scale(mla_cache_params& c) {
  c.cache_type = MLA_TYPE_I8;
  c.rope_type = MLA_TYPE_BF16;
  c.scale_type = MLA_TYPE_F32;
  c.scale_columns = 32;
  c.rope_offset = 32;
  c.row_stride_bytes = 36;
  c.page_stride_bytes = 2 * (36 + 4);
  return c;
}

struct Absorbed : Attend {
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.attend_absorbed(p, c, q_data, cache_data, page_table, nullptr, head_begin, head_end, query_begin,
                             query_end, kv_begin, kv_end, out_data, lse_data, workspace, workspace_bytes,
                             error, size);
  }
};

struct Decompressed : Attend {
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.attend_decompressed(p, c, &keys, &values, q_data, weight_data, nullptr, weight_data, nullptr,
                                 cache_data, page_table, nullptr, head_begin, head_end, query_begin,
                                 query_end, out_data, lse_data, workspace, workspace_bytes, error, size);
  }
};

// What both forms refuse.
template <class C>
std::vector<Bad<C>> bad_attention() {
  return {
      {[](C& a) { a.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
      {[](C& a) { a.params.struct_size++; }, MLA_INVALID_ARGUMENT, "struct_size"},
      {[](C& a) { a.params.compute = 3; }, MLA_INVALID_ARGUMENT, "compute"},
      {[](C& a) { a.params.heads = 0; }, MLA_INVALID_ARGUMENT, "heads"},
      {[](C& a) { a.params.query_tokens = -1; }, MLA_INVALID_ARGUMENT, "query_tokens"},
      {[](C& a) { a.params.kv_tokens = 1; }, MLA_INVALID_ARGUMENT, "kv_tokens"},
      {[](C& a) { a.params.heads = 1 << 16, a.params.query_tokens = a.params.kv_tokens = 1 << 24; },
       MLA_INVALID_ARGUMENT, "heads * query_tokens"},
      {[](C& a) { a.params.causal = 2; }, MLA_INVALID_ARGUMENT, "causal"},
      {[](C& a) { a.params.key_offset = 2; }, MLA_INVALID_ARGUMENT, "key_offset is 2"},
      {[](C& a) { a.params.scale = 0; }, MLA_INVALID_ARGUMENT, "scale"},
      {[](C& a) { a.params.scale = __builtin_nanf(""); }, MLA_INVALID_ARGUMENT, "scale"},
      {[](C& a) { a.params.scale = __builtin_inff(); }, MLA_INVALID_ARGUMENT, "scale"},
      {[](C& a) { a.params.q_token_stride = -1; }, MLA_INVALID_ARGUMENT, "q_token_stride"},
      {[](C& a) { a.params.q_head_stride = kHuge; }, MLA_INVALID_ARGUMENT, "q_head_stride"},
      {[](C& a) { a.params.out_token_stride = -1; }, MLA_INVALID_ARGUMENT, "out_token_stride"},
      {[](C& a) { a.params.out_head_stride = kHuge; }, MLA_INVALID_ARGUMENT, "out_head_stride"},
      {[](C& a) { a.params.lse_token_stride = 0; }, MLA_INVALID_ARGUMENT, "lse_token_stride"},
      {[](C& a) { a.params.lse_head_stride = 0; }, MLA_INVALID_ARGUMENT, "lse_head_stride"},
      {[](C& a) { a.c = nullptr; }, MLA_INVALID_ARGUMENT, "cache_params is NULL"},
      {[](C& a) { a.cache_params.struct_size = 4; }, MLA_INVALID_ARGUMENT, "cache_params->struct_size"},
      {[](C& a) { a.cache_params.cache_type = MLA_TYPE_F16; }, MLA_UNSUPPORTED, "cache_type"},
      {[](C& a) { a.cache_params.cache_type = MLA_TYPE_Q8_0; }, MLA_UNSUPPORTED, "cache_type"},
      {[](C& a) { a.cache_params.cache_type = 99; }, MLA_INVALID_ARGUMENT, "cache_type"},
      {[](C& a) { a.cache_params.latent = 0; }, MLA_INVALID_ARGUMENT, "latent"},
      {[](C& a) { a.cache_params.latent = 4097; }, MLA_INVALID_ARGUMENT, "latent"},
      {[](C& a) { a.cache_params.rope = 1; }, MLA_INVALID_ARGUMENT, "rope"},
      {[](C& a) { a.cache_params.rope_offset = 3; }, MLA_INVALID_ARGUMENT, "rope_offset"},
      {[](C& a) { a.cache_params.page_size = 0; }, MLA_INVALID_ARGUMENT, "page_size"},
      {[](C& a) { a.cache_params.page_count = -1; }, MLA_INVALID_ARGUMENT, "page_count"},
      {[](C& a) { a.cache_params.row_stride_bytes = 20; }, MLA_INVALID_ARGUMENT, "row_stride_bytes"},
      {[](C& a) { a.cache_params.row_stride_bytes = 26; }, MLA_INVALID_ARGUMENT, "row_stride_bytes"},
      {[](C& a) { a.cache_params.page_stride_bytes = 47; }, MLA_INVALID_ARGUMENT, "page_stride_bytes"},
      {[](C& a) { a.cache_params.table_of_rows = 2; }, MLA_INVALID_ARGUMENT, "table_of_rows"},
      {[](C& a) { a.cache_params.scale_columns = 128; }, MLA_UNSUPPORTED, "cache_type is 0, but must be a"},
      {[](C& a) { scale(a.cache_params).scale_columns = -32; }, MLA_INVALID_ARGUMENT, "scale_columns"},
      {[](C& a) { scale(a.cache_params).scale_columns = 48; }, MLA_INVALID_ARGUMENT, "scale_columns"},
      {[](C& a) { scale(a.cache_params).scale_type = MLA_TYPE_E8M0; }, MLA_INVALID_ARGUMENT, "scale_type"},
      {[](C& a) { scale(a.cache_params).rope_type = MLA_TYPE_I8; }, MLA_INVALID_ARGUMENT, "rope_type"},
      {[](C& a) { scale(a.cache_params).rope_offset = 16; }, MLA_INVALID_ARGUMENT, "rope_offset"},
      {[](C& a) { scale(a.cache_params).page_stride_bytes = 79; }, MLA_INVALID_ARGUMENT, "page_stride_bytes"},
      {[](C& a) { scale(a.cache_params).page_stride_bytes = 82; }, MLA_INVALID_ARGUMENT,
       "page_stride_bytes is 82"},
      {[](C& a) { scale(a.cache_params).row_stride_bytes = 38; }, MLA_INVALID_ARGUMENT,
       "row_stride_bytes is 38"},
      {[](C& a) { a.cache_params.page_stride_bytes = 49; }, MLA_INVALID_ARGUMENT, "page_stride_bytes is 49"},
      {[](C& a) { a.cache_params.page_stride_bytes = kHuge; }, MLA_INVALID_ARGUMENT, "page_stride_bytes"},
      {[](C& a) { a.head_end = 3; }, MLA_INVALID_ARGUMENT, "head range is 0..3"},
      {[](C& a) { a.query_begin = -1; }, MLA_INVALID_ARGUMENT, "query range is -1..2"},
      {[](C& a) { a.q_data = nullptr; }, MLA_INVALID_ARGUMENT, "q is NULL"},
      {[](C& a) { a.cache_data = nullptr; }, MLA_INVALID_ARGUMENT, "cache is NULL"},
      {[](C& a) { a.page_table = nullptr; }, MLA_INVALID_ARGUMENT, "page_table is NULL"},
      {[](C& a) { a.pages[1] = 3; }, MLA_INVALID_ARGUMENT, "page_table[1] is 3"},
      {[](C& a) { a.pages[2] = -1; }, MLA_INVALID_ARGUMENT, "page_table[2] is -1"},
      {[](C& a) { a.out_data = nullptr; }, MLA_INVALID_ARGUMENT, "out is NULL"},
      {[](C& a) { a.lse_data = nullptr; }, MLA_INVALID_ARGUMENT, "lse is NULL"},
      {[](C& a) { a.workspace_bytes = 100; }, MLA_WORKSPACE_TOO_SMALL, "workspace has 100 bytes"},
      {[](C& a) { a.workspace = nullptr; }, MLA_INVALID_ARGUMENT, "workspace is NULL"},
      {[](C& a) { a.workspace = static_cast<char*>(a.workspace) + 32, a.workspace_bytes -= 64; },
       MLA_INVALID_ARGUMENT, "aligned"},
  };
}

TEST_P(Arguments, OfAttendAbsorbed) {
  std::vector<Bad<Absorbed>> bad = bad_attention<Absorbed>();
  bad.push_back({[](Absorbed& a) { a.params.key_offset = 4, a.cache_params.rope = 0; }, MLA_INVALID_ARGUMENT,
                 "rope is 0"});
  bad.push_back({[](Absorbed& a) { a.kv_end = 6; }, MLA_INVALID_ARGUMENT, "kv range is 0..6"});
  bad.push_back({[](Absorbed& a) { a.kv_begin = -1; }, MLA_INVALID_ARGUMENT, "kv range is -1..5"});
  expect_refused<Absorbed>(kernels(), bad);
}

TEST_P(Arguments, OfAttendDecompressed) {
  using C = Decompressed;
  std::vector<Bad<C>> bad = bad_attention<C>();
  bad.push_back({[](C& a) { a.params.key_offset = 4; }, MLA_INVALID_ARGUMENT, "key_offset is 4"});
  bad.push_back({[](C& a) { a.params.nope = 0; }, MLA_INVALID_ARGUMENT, "nope"});
  bad.push_back({[](C& a) { a.params.value = 0; }, MLA_INVALID_ARGUMENT, "value"});
  bad.push_back({[](C& a) { a.keys.weight_type = -5; }, MLA_INVALID_ARGUMENT, "weight_type"});
  bad.push_back({[](C& a) { a.keys.weight_stride = 3; }, MLA_INVALID_ARGUMENT, "weight_stride"});
  bad.push_back(
      {[](C& a) { a.values.weight_head_stride = -20; }, MLA_INVALID_ARGUMENT, "weight_head_stride"});
  bad.push_back({[](C& a) { a.keys.out = 2; }, MLA_INVALID_ARGUMENT, "keys->out is 2"});
  bad.push_back({[](C& a) { a.values.in = 5; }, MLA_INVALID_ARGUMENT, "values->in is 5"});
  bad.push_back({[](C& a) { a.values.heads = 1; }, MLA_INVALID_ARGUMENT, "values->heads is 1"});
  bad.push_back({[](C& a) { a.values.transposed = 1; }, MLA_INVALID_ARGUMENT, "values->transposed is 1"});
  bad.push_back({[](C& a) { a.weight_data = nullptr; }, MLA_INVALID_ARGUMENT, "key_weight is NULL"});
  expect_refused<C>(kernels(), bad);
}

TEST_P(Arguments, OfAttentionWorkspace) {
  Attend a;
  EXPECT_GT(kernels().attention_workspace(a.p, a.c, nullptr, nullptr), 0);
  EXPECT_GT(kernels().attention_workspace(a.p, a.c, &a.keys, &a.values), 0);
  EXPECT_EQ(kernels().attention_workspace(a.p, a.c, &a.keys, nullptr), -1);
  EXPECT_EQ(kernels().attention_workspace(nullptr, a.c, nullptr, nullptr), -1);
  EXPECT_EQ(kernels().attention_workspace(a.p, nullptr, nullptr, nullptr), -1);
  a.params.nope = 0;
  EXPECT_GT(kernels().attention_workspace(a.p, a.c, nullptr, nullptr), 0) << "nope belongs to the other form";
  EXPECT_EQ(kernels().attention_workspace(a.p, a.c, &a.keys, &a.values), -1);
}

struct Merge {
  mla_merge_params params{sizeof(mla_merge_params), 2, 2, 2, 3, 12, 6, 3, 4, 2, 1, 6, 3, 2, 1};
  const mla_merge_params* p = &params;
  Guarded<float> partial_out{std::vector<float>(24, 1.f)}, partial_lse{std::vector<float>(8, 0.f)}, out{12},
      lse{4};
  const float* parts = partial_out.data();
  const float* lses = partial_lse.data();
  float* to = out.data();
  float* lse_data = lse.data();
  int token_begin = 0, token_end = 2, head_begin = 0, head_end = 2;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.merge(p, parts, lses, token_begin, token_end, head_begin, head_end, to, lse_data, error, size);
  }
};

TEST_P(Arguments, OfMerge) {
  using C = Merge;
  expect_refused<C>(
      kernels(),
      {
          {[](C& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
          {[](C& c) { c.params.struct_size = 1; }, MLA_INVALID_ARGUMENT, "struct_size"},
          {[](C& c) { c.params.parts = 0; }, MLA_INVALID_ARGUMENT, "parts"},
          {[](C& c) { c.params.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
          {[](C& c) { c.params.heads = 0; }, MLA_INVALID_ARGUMENT, "heads"},
          {[](C& c) { c.params.width = 0; }, MLA_INVALID_ARGUMENT, "width"},
          {[](C& c) { c.params.part_stride = -1; }, MLA_INVALID_ARGUMENT, "part_stride"},
          {[](C& c) { c.params.part_token_stride = kHuge; }, MLA_INVALID_ARGUMENT, "part_token_stride"},
          {[](C& c) { c.params.part_head_stride = kHuge; }, MLA_INVALID_ARGUMENT, "part_head_stride"},
          {[](C& c) { c.params.part_lse_stride = kHuge; }, MLA_INVALID_ARGUMENT, "part_lse_stride"},
          {[](C& c) { c.params.part_lse_token_stride = -1; }, MLA_INVALID_ARGUMENT, "part_lse_token_stride"},
          {[](C& c) { c.params.part_lse_head_stride = -1; }, MLA_INVALID_ARGUMENT, "part_lse_head_stride"},
          {[](C& c) { c.params.out_token_stride = 2; }, MLA_INVALID_ARGUMENT, "out_token_stride"},
          {[](C& c) { c.params.out_head_stride = 2; }, MLA_INVALID_ARGUMENT, "out_head_stride"},
          {[](C& c) { c.params.lse_token_stride = 0; }, MLA_INVALID_ARGUMENT, "lse_token_stride"},
          {[](C& c) { c.params.lse_head_stride = 0; }, MLA_INVALID_ARGUMENT, "lse_head_stride"},
          {[](C& c) { c.token_end = 3; }, MLA_INVALID_ARGUMENT, "token range is 0..3"},
          {[](C& c) { c.head_end = 3; }, MLA_INVALID_ARGUMENT, "head range is 0..3"},
          {[](C& c) { c.parts = nullptr; }, MLA_INVALID_ARGUMENT, "partial_out is NULL"},
          {[](C& c) { c.lses = nullptr; }, MLA_INVALID_ARGUMENT, "partial_lse is NULL"},
          {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "out is NULL"},
      });
  Merge without_lse;
  without_lse.lse_data = nullptr;
  without_lse.params.lse_token_stride = 0;
  EXPECT_EQ(without_lse(kernels(), nullptr, 0), MLA_OK);
}

struct Append {
  mla_append_params params{sizeof(mla_append_params), 2, 3, MLA_ROPE_PAIRS, 1e-6f, 6};
  mla_cache_params cache_params{sizeof(mla_cache_params), MLA_TYPE_F32, 4, 2, 4, 2, 3, 0, 0, 0, 0, 24, 48};
  const mla_append_params* p = &params;
  const mla_cache_params* c = &cache_params;
  Guarded<float> latent_and_key{std::vector<float>(12, 1.f)}, weight{std::vector<float>(4, 1.f)},
      cosines{std::vector<float>(2, 1.f)}, sines{std::vector<float>(2, 0.f)}, cache{36};
  Guarded<int32_t> pages{std::vector<int32_t>{-1, 0, 1}};  // the first page is not touched
  const float* latent_and_key_data = latent_and_key.data();
  const float* cosine_data = cosines.data();
  const float* sine_data = sines.data();
  const int32_t* page_table = pages.data();
  void* cache_data = cache.data();
  int begin = 0, end = 2;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.append(p, c, latent_and_key_data, weight.data(), cosine_data, sine_data, page_table, begin, end,
                    cache_data, error, size);
  }
};

TEST_P(Arguments, OfAppend) {
  using C = Append;
  expect_refused<C>(
      kernels(),
      {
          {[](C& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
          {[](C& c) { c.params.struct_size = 1; }, MLA_INVALID_ARGUMENT, "struct_size"},
          {[](C& c) { c.c = nullptr; }, MLA_INVALID_ARGUMENT, "cache_params is NULL"},
          {[](C& c) { c.cache_params.latent = -1; }, MLA_INVALID_ARGUMENT, "latent"},
          {[](C& c) { c.params.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
          {[](C& c) { c.params.position = -1; }, MLA_INVALID_ARGUMENT, "position"},
          {[](C& c) { c.params.position = INT32_MAX; }, MLA_INVALID_ARGUMENT, "position"},
          {[](C& c) { c.params.rope_layout = 2; }, MLA_INVALID_ARGUMENT, "rope_layout"},
          {[](C& c) { c.params.eps = -1; }, MLA_INVALID_ARGUMENT, "eps"},
          {[](C& c) { c.params.eps = __builtin_nanf(""); }, MLA_INVALID_ARGUMENT, "eps"},
          {[](C& c) { c.params.latent_and_key_stride = -1; }, MLA_INVALID_ARGUMENT, "latent_and_key_stride"},
          {[](C& c) { c.end = 3; }, MLA_INVALID_ARGUMENT, "token range is 0..3"},
          {[](C& c) { c.latent_and_key_data = nullptr; }, MLA_INVALID_ARGUMENT, "latent_and_key is NULL"},
          {[](C& c) { c.cosine_data = nullptr; }, MLA_INVALID_ARGUMENT, "cosines is NULL"},
          {[](C& c) { c.sine_data = nullptr; }, MLA_INVALID_ARGUMENT, "sines is NULL"},
          {[](C& c) { c.page_table = nullptr; }, MLA_INVALID_ARGUMENT, "page_table is NULL"},
          {[](C& c) { c.pages[2] = 3; }, MLA_INVALID_ARGUMENT, "page_table[2] is 3"},
          {[](C& c) { c.cache_data = nullptr; }, MLA_INVALID_ARGUMENT, "cache is NULL"},
      });
}

struct Rope {
  mla_rope_params params{sizeof(mla_rope_params), 2, 2, 6, 4, MLA_ROPE_HALVES, 12, 6, 12, 6};
  const mla_rope_params* p = &params;
  Guarded<float> x{std::vector<float>(24, 1.f)}, table{std::vector<float>(4, 1.f)}, y{24};
  const float* x_data = x.data();
  const float* cosines = table.data();
  const float* sines = table.data();
  float* to = y.data();
  int begin = 0, end = 2;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.rope(p, x_data, cosines, sines, begin, end, to, error, size);
  }
};

TEST_P(Arguments, OfRope) {
  using C = Rope;
  expect_refused<C>(kernels(),
                    {
                        {[](C& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
                        {[](C& c) { c.params.struct_size = 1; }, MLA_INVALID_ARGUMENT, "struct_size"},
                        {[](C& c) { c.params.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
                        {[](C& c) { c.params.heads = 0; }, MLA_INVALID_ARGUMENT, "heads"},
                        {[](C& c) { c.params.width = 0; }, MLA_INVALID_ARGUMENT, "width"},
                        {[](C& c) { c.params.rope = 8; }, MLA_INVALID_ARGUMENT, "rope"},
                        {[](C& c) { c.params.rope = 3; }, MLA_INVALID_ARGUMENT, "rope"},
                        {[](C& c) { c.params.rope_layout = -1; }, MLA_INVALID_ARGUMENT, "rope_layout"},
                        {[](C& c) { c.params.x_token_stride = -1; }, MLA_INVALID_ARGUMENT, "x_token_stride"},
                        {[](C& c) { c.params.x_head_stride = kHuge; }, MLA_INVALID_ARGUMENT, "x_head_stride"},
                        {[](C& c) { c.params.y_token_stride = 5; }, MLA_INVALID_ARGUMENT, "y_token_stride"},
                        {[](C& c) { c.params.y_head_stride = 5; }, MLA_INVALID_ARGUMENT, "y_head_stride"},
                        {[](C& c) { c.end = 3; }, MLA_INVALID_ARGUMENT, "token range is 0..3"},
                        {[](C& c) { c.x_data = nullptr; }, MLA_INVALID_ARGUMENT, "x is NULL"},
                        {[](C& c) { c.cosines = nullptr; }, MLA_INVALID_ARGUMENT, "cosines is NULL"},
                        {[](C& c) { c.sines = nullptr; }, MLA_INVALID_ARGUMENT, "sines is NULL"},
                        {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
                    });
}

// rms_norm, swiglu, gate and add take rows in the same way: two inputs and an output.
struct Rows {
  Guarded<float> x{std::vector<float>(6, 1.f)}, second{std::vector<float>(6, 1.f)}, y{6};
  const float* x_data = x.data();
  const float* second_data = second.data();
  float* to = y.data();
  int64_t x_stride = 3, second_stride = 3, y_stride = 3;
  float eps = 1e-6f;
  int rows = 2, width = 3;
};
struct RmsNorm : Rows {
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.rms_norm(x_data, x_stride, second_data, eps, rows, width, to, y_stride, error, size);
  }
};
struct Swiglu : Rows {
  float limit = 7;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.swiglu(x_data, x_stride, second_data, second_stride, limit, rows, width, to, y_stride, error,
                    size);
  }
};
struct Add : Rows {
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.add(x_data, x_stride, second_data, second_stride, 1, rows, width, to, y_stride, error, size);
  }
};

struct Gate : Rows {
  int count = 3, function = MLA_GATE_SIGMOID;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.gate(x_data, x_stride, second_data, second_stride, rows, width, count, function, to, y_stride,
                  error, size);
  }
};

template <class C>
std::vector<Bad<C>> bad_rows(const char* x_null, const char* x_stride, const char* second_null) {
  return {
      {[](C& c) { c.rows = -1; }, MLA_INVALID_ARGUMENT, "rows is -1"},
      {[](C& c) { c.width = 0; }, MLA_INVALID_ARGUMENT, "width is 0"},
      {[](C& c) { c.x_stride = -3; }, MLA_INVALID_ARGUMENT, x_stride},
      {[](C& c) { c.x_stride = kHuge; }, MLA_INVALID_ARGUMENT, x_stride},
      {[](C& c) { c.y_stride = 2; }, MLA_INVALID_ARGUMENT, "y_stride"},
      {[](C& c) { c.x_data = nullptr; }, MLA_INVALID_ARGUMENT, x_null},
      {[](C& c) { c.second_data = nullptr; }, MLA_INVALID_ARGUMENT, second_null},
      {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
  };
}

TEST_P(Arguments, OfRmsNorm) {
  auto bad = bad_rows<RmsNorm>("x is NULL", "x_stride", "weight is NULL");
  bad.push_back({[](RmsNorm& c) { c.eps = -1e-6f; }, MLA_INVALID_ARGUMENT, "eps"});
  expect_refused<RmsNorm>(kernels(), bad);
}
TEST_P(Arguments, OfSwiglu) {
  auto bad = bad_rows<Swiglu>("gate is NULL", "gate_stride", "up is NULL");
  bad.push_back({[](Swiglu& c) { c.second_stride = -1; }, MLA_INVALID_ARGUMENT, "up_stride"});
  bad.push_back({[](Swiglu& c) { c.limit = 0; }, MLA_INVALID_ARGUMENT, "limit is 0"});
  bad.push_back({[](Swiglu& c) { c.limit = NAN; }, MLA_INVALID_ARGUMENT, "limit is nan"});
  expect_refused<Swiglu>(kernels(), bad);
}
TEST_P(Arguments, OfGate) {
  auto bad = bad_rows<Gate>("x is NULL", "x_stride", "gates is NULL");
  bad.push_back({[](Gate& c) { c.second_stride = -1; }, MLA_INVALID_ARGUMENT, "gates_stride"});
  bad.push_back({[](Gate& c) { c.count = 0; }, MLA_INVALID_ARGUMENT, "count is 0"});
  bad.push_back({[](Gate& c) { c.count = 4; }, MLA_INVALID_ARGUMENT, "count is 4"});
  bad.push_back({[](Gate& c) { c.count = 2; }, MLA_INVALID_ARGUMENT, "width % count is 1"});
  bad.push_back({[](Gate& c) { c.function = 3; }, MLA_INVALID_ARGUMENT, "function is 3"});
  expect_refused<Gate>(kernels(), bad);
}
TEST_P(Arguments, OfAdd) {
  auto bad = bad_rows<Add>("x is NULL", "x_stride", "residual is NULL");
  bad.push_back({[](Add& c) { c.second_stride = -1; }, MLA_INVALID_ARGUMENT, "residual_stride"});
  expect_refused<Add>(kernels(), bad);
}

struct Embed {
  Guarded<float> table{std::vector<float>(12, 1.f)}, y{8};
  Guarded<int32_t> ids{std::vector<int32_t>{0, 2}};
  mla_embed_params params{sizeof(mla_embed_params), MLA_TYPE_F32, 3, 4, 1, 4, 4, 0, 0, 0, 0};
  int count = 2;
  const void* table_data = table.data();
  const int32_t* id_data = ids.data();
  float* to = y.data();
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.embed(&params, table_data, nullptr, id_data, count, to, error, size);
  }
};

TEST_P(Arguments, OfEmbed) {
  using C = Embed;
  expect_refused<C>(kernels(),
                    {
                        {[](C& c) { c.params.table_type = -3; }, MLA_INVALID_ARGUMENT, "table_type"},
                        {[](C& c) { c.params.vocabulary = 0; }, MLA_INVALID_ARGUMENT, "vocabulary"},
                        {[](C& c) { c.count = -1; }, MLA_INVALID_ARGUMENT, "count"},
                        {[](C& c) { c.params.width = 0; }, MLA_INVALID_ARGUMENT, "width"},
                        {[](C& c) { c.params.table_stride = 3; }, MLA_INVALID_ARGUMENT, "table_stride"},
                        {[](C& c) { c.params.table_stride = kHuge; }, MLA_INVALID_ARGUMENT, "table_stride"},
                        {[](C& c) { c.params.y_stride = 3; }, MLA_INVALID_ARGUMENT, "y_stride"},
                        {[](C& c) { c.ids[1] = 3; }, MLA_INVALID_ARGUMENT, "ids[1] is 3"},
                        {[](C& c) { c.ids[0] = -1; }, MLA_INVALID_ARGUMENT, "ids[0] is -1"},
                        {[](C& c) { c.table_data = nullptr; }, MLA_INVALID_ARGUMENT, "table is NULL"},
                        {[](C& c) { c.id_data = nullptr; }, MLA_INVALID_ARGUMENT, "ids is NULL"},
                        {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
                    });
}

struct Route {
  mla_route_params params{sizeof(mla_route_params), 2, 8,   2,
                          MLA_SCORE_SIGMOID,        4, 2,   MLA_GROUP_SCORE_TOP2_SUM,
                          MLA_GROUP_MASK_ZERO,      1, 1.f, 8};
  const mla_route_params* p = &params;
  Guarded<float> logits{std::vector<float>(16, 1.f)}, weights{4};
  Guarded<int32_t> experts{4};
  const float* logit_data = logits.data();
  int32_t* expert_data = experts.data();
  float* weight_data = weights.data();
  int begin = 0, end = 2;
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.route(p, logit_data, nullptr, begin, end, expert_data, weight_data, error, size);
  }
};

TEST_P(Arguments, OfRoute) {
  using C = Route;
  expect_refused<C>(kernels(),
                    {
                        {[](C& c) { c.p = nullptr; }, MLA_INVALID_ARGUMENT, "params is NULL"},
                        {[](C& c) { c.params.struct_size = 1; }, MLA_INVALID_ARGUMENT, "struct_size"},
                        {[](C& c) { c.params.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
                        {[](C& c) { c.params.experts = 0; }, MLA_INVALID_ARGUMENT, "experts"},
                        {[](C& c) { c.params.experts = 1 << 20; }, MLA_INVALID_ARGUMENT, "experts"},
                        {[](C& c) { c.params.top_k = 0; }, MLA_INVALID_ARGUMENT, "top_k"},
                        {[](C& c) { c.params.top_k = 9; }, MLA_INVALID_ARGUMENT, "top_k"},
                        {[](C& c) { c.params.top_k = 5; }, MLA_INVALID_ARGUMENT, "top_k"},
                        {[](C& c) { c.params.score = 2; }, MLA_INVALID_ARGUMENT, "score"},
                        {[](C& c) { c.params.groups = 0; }, MLA_INVALID_ARGUMENT, "groups"},
                        {[](C& c) { c.params.groups = 3; }, MLA_INVALID_ARGUMENT, "groups"},
                        {[](C& c) { c.params.groups = 8; }, MLA_INVALID_ARGUMENT,
                         "groups is 8, but must be at most half of experts"},
                        {[](C& c) { c.params.kept_groups = 5; }, MLA_INVALID_ARGUMENT, "kept_groups"},
                        {[](C& c) { c.params.kept_groups = 0; }, MLA_INVALID_ARGUMENT, "kept_groups"},
                        {[](C& c) { c.params.group_score = 2; }, MLA_INVALID_ARGUMENT, "group_score"},
                        {[](C& c) { c.params.group_mask = 2; }, MLA_INVALID_ARGUMENT, "group_mask"},
                        {[](C& c) { c.params.renormalize = 2; }, MLA_INVALID_ARGUMENT, "renormalize"},
                        {[](C& c) { c.params.logits_stride = -8; }, MLA_INVALID_ARGUMENT, "logits_stride"},
                        {[](C& c) { c.end = 3; }, MLA_INVALID_ARGUMENT, "token range is 0..3"},
                        {[](C& c) { c.logit_data = nullptr; }, MLA_INVALID_ARGUMENT, "logits is NULL"},
                        {[](C& c) { c.expert_data = nullptr; }, MLA_INVALID_ARGUMENT, "experts_out is NULL"},
                        {[](C& c) { c.weight_data = nullptr; }, MLA_INVALID_ARGUMENT, "weights_out is NULL"},
                    });
}

struct Combine {
  Guarded<float> expert_out{std::vector<float>(12, 1.f)}, weights{std::vector<float>(4, 0.5f)},
      shared{std::vector<float>(6, 1.f)}, y{6};
  Guarded<int32_t> slots{std::vector<int32_t>{0, 3, 1, 2}};
  int64_t expert_stride = 3, shared_stride = 3, y_stride = 3;
  int slot_count = 4, tokens = 2, top_k = 2, width = 3;
  const float* expert_data = expert_out.data();
  const int32_t* slot_data = slots.data();
  const float* weight_data = weights.data();
  float* to = y.data();
  int32_t operator()(const mla_kernels& k, char* error, int32_t size) {
    return k.combine(expert_data, expert_stride, slot_count, slot_data, weight_data, shared.data(),
                     shared_stride, tokens, top_k, width, to, y_stride, error, size);
  }
};

TEST_P(Arguments, OfCombine) {
  using C = Combine;
  expect_refused<C>(kernels(),
                    {
                        {[](C& c) { c.tokens = -1; }, MLA_INVALID_ARGUMENT, "tokens"},
                        {[](C& c) { c.top_k = -1; }, MLA_INVALID_ARGUMENT, "top_k"},
                        {[](C& c) { c.width = 0; }, MLA_INVALID_ARGUMENT, "width"},
                        {[](C& c) { c.slot_count = 3; }, MLA_INVALID_ARGUMENT, "slots[0, 1] is 3"},
                        {[](C& c) { c.slots[2] = -1; }, MLA_INVALID_ARGUMENT, "slots[1, 0] is -1"},
                        {[](C& c) { c.expert_stride = -1; }, MLA_INVALID_ARGUMENT, "expert_out_stride"},
                        {[](C& c) { c.shared_stride = kHuge; }, MLA_INVALID_ARGUMENT, "shared_stride"},
                        {[](C& c) { c.y_stride = 2; }, MLA_INVALID_ARGUMENT, "y_stride"},
                        {[](C& c) { c.expert_data = nullptr; }, MLA_INVALID_ARGUMENT, "expert_out is NULL"},
                        {[](C& c) { c.slot_data = nullptr; }, MLA_INVALID_ARGUMENT, "slots is NULL"},
                        {[](C& c) { c.weight_data = nullptr; }, MLA_INVALID_ARGUMENT, "weights is NULL"},
                        {[](C& c) { c.to = nullptr; }, MLA_INVALID_ARGUMENT, "y is NULL"},
                    });
}

TEST_P(Arguments, TheErrorTextFitsItsBuffer) {
  Linear call;
  call.p = nullptr;
  EXPECT_EQ(call(kernels(), nullptr, 0), MLA_INVALID_ARGUMENT);
  EXPECT_EQ(call(kernels(), nullptr, 100), MLA_INVALID_ARGUMENT);
  char text[8] = "abcdefg";
  EXPECT_EQ(call(kernels(), text, 0), MLA_INVALID_ARGUMENT);
  EXPECT_EQ(call(kernels(), text, -5), MLA_INVALID_ARGUMENT);
  EXPECT_STREQ(text, "abcdefg");
  EXPECT_EQ(call(kernels(), text, 4), MLA_INVALID_ARGUMENT);
  EXPECT_STREQ(text, "par");
  EXPECT_EQ(text[4], 'e');
}

MLA_TEST_ALL_KERNELS(Arguments);

}  // namespace
}  // namespace mla::test
