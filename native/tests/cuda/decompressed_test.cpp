// Decompressed attention on a device against softmax in double precision over keys and values that are rebuilt in double precision too; the same bits
// alone and in a batch, with any workspace, and with more or less shared memory.
#include <gtest/gtest.h>

#include "cuda/step.h"

namespace mla::test {
namespace {

struct Decompressed : Step {
  Decompressed(Random& random, const Shape& s, int64_t weight_gap = 0)
      : Step(random, s),
        r{sizeof r,
          s.nope,
          s.value,
          s.weight_type,
          (s.nope + s.value) * (s.latent + weight_gap),
          s.latent + weight_gap},
        latent_up(random, s.weight_type, s.heads * (s.nope + s.value), s.latent, r.weight_stride) {}

  int64_t workspace() const { return device().decompressed_workspace(&p, &r, &c); }
  int longest() const { return *std::max_element(s.tokens.begin(), s.tokens.end()); }
  // The workspace for pieces of so many tiles of every sequence.
  int64_t workspace_of(int tiles) const {
    const int64_t states = int64_t{(s.value + 127) / 128} * p.max_tokens * s.heads * 8;
    return (states + 255) / 256 * 256 + int64_t{tiles} * 64 * p.max_sequences * s.heads *
                                            ((s.nope + 7) / 8 * 8 + (s.value + 7) / 8 * 8) *
                                            (s.rounds() ? 2 : 4);
  }
  Result run(int64_t bytes, int max_kv_tokens) const {
    DeviceArray<uint8_t> memory(static_cast<size_t>(bytes)),
        weight(
            std::vector<uint8_t>(latent_up.bytes.data(), latent_up.bytes.data() + latent_up.bytes.bytes()));
    return Step::run([&](const void* plan, const float* queries, const void* cache, const int32_t* pages,
                         const float* alibi, float* out, float* lse) {
      DEVICE_CALL(attend_decompressed, stream(), &p, &r, &c, plan, max_kv_tokens, queries, weight.data(),
                  cache, pages, alibi, out, lse, memory.data(), memory.bytes());
    });
  }
  Result run() const { return run(workspace(), longest()); }

  void expect_correct(const Result& result) const {
    const int rows = s.heads * (s.nope + s.value);
    std::vector<double> rebuilt;
    for (size_t token = 0; token < values.size() / width; token++) {
      for (int row = 0; row < rows; row++) {
        double x = 0;
        for (int k = 0; k < s.latent; k++) x += latent_up.at(row, k) * values[token * width + k];
        rebuilt.push_back(s.rounds() ? bf16_value(to_bf16(static_cast<float>(x))) : x);
      }
    }
    const auto at = [&](int token, int h, int i) {
      return rebuilt[(static_cast<size_t>(token) * s.heads + h) * (s.nope + s.value) + i];
    };
    // a rebuilt key at the middle of two bf16 numbers may be rounded to either
    expect_reference(
        result, s.rounds() ? 1e-3 : 4e-6,
        [&](int token, int h, int i) {
          return i < s.nope ? at(token, h, i)
                            : values[static_cast<size_t>(token) * width + s.latent + i - s.nope];
        },
        [&](int token, int h, int i) { return at(token, h, s.nope + i); });
  }

  mla_rebuild_params r;
  Matrix latent_up;
};

Shape draw(Random& random) {
  Shape s{};
  s.heads = random.of({1, 2, 3});
  s.latent = random.of({16, 17, 32, 64, 100});
  s.rope = random.of({0, 2, 16, 18});
  s.nope = random.of({1, 8, 15, 16, 32, 48});
  s.value = random.of({1, 8, 16, 17, 64, 130});
  s.page_size = random.of({1, 3, 16, 64});
  s.cache_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  s.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
  s.weight_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  s.causal = random.in(0, 4) > 0;
  s.alibi = random.in(0, 3) == 0;
  s.shared_bytes = random.of({kSmall, kLarge, kLargest});
  const int sequences = random.in(1, 3);
  for (int i = 0; i < sequences; i++) {
    s.queries.push_back(random.of({0, 1, 2, 15, 17, 33}));
    s.tokens.push_back(std::max(s.queries[i], random.of({0, 1, 20, 63, 64, 65, 140})));
  }
  return s;
}

TEST(DeviceDecompressed, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(20, [&](Random& random) {
    const Shape s = draw(random);
    SCOPED_TRACE(text(s));
    const Decompressed step(random, s, random.of({0, 0, 4, 8}));
    step.expect_correct(step.run(step.workspace_of(random.in(1, 3)), step.longest()));
  });
}

TEST(DeviceDecompressed, TheCommonShape) {
  for (const int shared_bytes : {kSmall, kLarge, kLargest}) {
    Random random(5);
    Shape s{2, 512, 64, 64, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {70, 20}, {131, 20}};
    s.nope = s.value = 128;
    s.weight_type = MLA_TYPE_BF16;
    s.shared_bytes = shared_bytes;
    const Decompressed step(random, s);
    step.expect_correct(step.run());
  }
}

// 192 + 64 and 256, which take two blocks of columns, and on the smaller device blocks of 64 queries.
TEST(DeviceDecompressed, AWiderShape) {
  for (const int shared_bytes : {kSmall, kLarge, kLargest}) {
    Random random(6);
    Shape s{1, 64, 64, 16, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, true, {66}, {140}};
    s.nope = 192;
    s.value = 256;
    s.weight_type = MLA_TYPE_BF16;
    s.shared_bytes = shared_bytes;
    const Decompressed step(random, s);
    step.expect_correct(step.run(step.workspace_of(1), 140));
  }
}

Shape small_shape(int compute) {
  // float32 takes a block for each query
  const bool many = compute == MLA_COMPUTE_BF16;
  Shape s{2, 48, 16, 16, MLA_TYPE_BF16, compute, true, true, {many ? 70 : 30}, {many ? 300 : 150}};
  s.nope = 16;
  s.value = 24;
  s.weight_type = MLA_TYPE_BF16;
  return s;
}

TEST(DeviceDecompressed, HasTheSameBitsWithAnyWorkspace) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(7);
    const Decompressed step(random, small_shape(compute));
    const Step::Result all = step.run();
    for (const int tiles : {1, 2, 3})
      expect_same_bits(step, all, 0, step, step.run(step.workspace_of(tiles), step.longest()), 0,
                       step.s.queries[0]);
  }
}

// The draws of a sequence alone, put behind another one of a batch with other pages; its queries also in two steps.
TEST(DeviceDecompressed, HasTheSameBitsAloneInABatchAndInTwoSteps) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    SCOPED_TRACE("compute " + std::to_string(compute));
    Random random(8);
    Shape batch = small_shape(compute);
    const int queries = batch.queries[0], tokens = batch.tokens[0], before = queries / 2;
    batch.queries = {8, queries};
    batch.tokens = {tokens / 2, tokens};
    batch.page_size = 7;
    batch.shared_bytes = kLarge;
    Shape first = small_shape(compute);
    first.queries = {before};
    first.tokens = {tokens - queries + before};
    Decompressed b(random, batch), a(random, small_shape(compute)), early(random, first);
    for (Decompressed* other : {&a, &early}) {
      other->slopes = b.slopes;
      std::copy_n(b.latent_up.bytes.data(), b.latent_up.bytes.bytes(), other->latent_up.bytes.data());
      for (int i = 0; i < other->s.queries[0] * 2; i++)
        std::copy_n(b.q.begin() + (8 * 2 + i) * b.p.q_head_stride, a.query_width,
                    other->q.begin() + i * other->p.q_head_stride);
      for (int t = 0; t < other->s.tokens[0]; t++) {
        const uint8_t* from = b.pool.data() + b.table[b.p.page_table_stride + t / 7] * b.c.page_stride_bytes +
                              t % 7 * b.c.row_stride_bytes;
        uint8_t* to = other->pool.data() + other->table[t / 16] * other->c.page_stride_bytes +
                      t % 16 * other->c.row_stride_bytes;
        std::memcpy(to, from, static_cast<size_t>((48 + 16) * 2));
      }
    }
    const Step::Result in_batch = b.run(b.workspace_of(1), tokens);
    expect_same_bits(a, a.run(), 0, b, in_batch, 8, queries);
    expect_same_bits(early, early.run(), 0, b, in_batch, 8, before);
  }
}

TEST(DeviceDecompressed, RowsThatSeeMoreKeysThanWasSaidAreNan) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(9);
    const Decompressed step(random, small_shape(compute));
    const int queries = step.s.queries[0], seen = step.longest() / 64 * 64,
              right_rows = queries - step.longest() % 64;
    const Step::Result r = step.run(step.workspace(), seen), right = step.run();
    for (int t = 0; t < queries; t++) {
      const int64_t at = t * step.p.out_token_stride;
      // in bf16 a block's queries see what its last one sees
      if (t >= right_rows) {
        EXPECT_TRUE(std::isnan(r.out[at])) << t;
      } else if (compute == MLA_COMPUTE_F32) {
        EXPECT_EQ(bits(r.out[at]), bits(right.out[at])) << t;
      }
    }
  }
}

TEST(DeviceDecompressed, APageOutsideOfThePoolCountsAsZeros) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(10);
    Decompressed step(random, small_shape(compute));
    step.table[1] = -1;
    step.table[3] = step.c.page_count;
    for (const float x : step.run().lse) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST(DeviceDecompressed, HasABoundedWorkspace) {
  Random random(11);
  Decompressed step(random, small_shape(MLA_COMPUTE_BF16));
  EXPECT_EQ(step.workspace(), step.workspace_of(5));
  step.p.page_table_stride = 1 << 24;
  EXPECT_LE(step.workspace(), (int64_t{64} << 20) + 4096);
  EXPECT_GE(step.workspace(), int64_t{63} << 20);
  step.r.nope = 0;
  EXPECT_EQ(step.workspace(), -1);
}

TEST(DeviceDecompressed, RefusesWhatItCannotCompute) {
  Random random(12);
  const Decompressed step(random, small_shape(MLA_COMPUTE_BF16));
  DeviceArray<uint8_t> memory(1 << 16);
  const auto failure = [&](const mla_step_params& p, const mla_rebuild_params& r, int max_kv_tokens,
                           int64_t workspace) {
    char error[256] = "";
    auto* floats = reinterpret_cast<float*>(memory.data());
    EXPECT_NE(
        device().attend_decompressed(stream(), &p, &r, &step.c, memory.data(), max_kv_tokens, floats,
                                     memory.data(), memory.data(), reinterpret_cast<int32_t*>(memory.data()),
                                     nullptr, floats, nullptr, memory.data(), workspace, error, sizeof error),
        MLA_OK);
    return std::string(error);
  };
  EXPECT_EQ(failure(step.p, step.r, 300, 100),
            "workspace has 100 bytes, but needs " + std::to_string(step.workspace_of(1)));
  EXPECT_EQ(failure(step.p, step.r, 305, 1 << 20), "max_kv_tokens is 305, but must be in 0..304");
  mla_rebuild_params r = step.r;
  r.weight_type = MLA_TYPE_F16;
  EXPECT_EQ(failure(step.p, r, 300, 1 << 20).find("weight_type is MLA_TYPE_F16"), 0u);
  r = step.r;
  r.weight_stride = 47;
  EXPECT_EQ(failure(step.p, r, 300, 1 << 20).find("weight_stride is 47, but must be in 48.."), 0u);
  r = step.r;
  r.nope = 1024;
  EXPECT_EQ(failure(step.p, r, 300, 1 << 30).find("keys of 1024 + 16 do not fit the tensor core kernel"), 0u);
  r = step.r;
  r.value = 1 << 15;
  mla_step_params p = step.p;
  p.compute = MLA_COMPUTE_F32;
  EXPECT_EQ(failure(p, r, 300, 1 << 30).find("keys of 16 + 16 and values of 32768 do not fit"), 0u);
}

}  // namespace
}  // namespace mla::test
