// Absorbed attention, its plan and merge on a device, against softmax in double precision: batches of sequences of different lengths,
// shuffled pages, NaN in unused slots; the same bits alone and in a batch, with more or less shared memory.
#include <gtest/gtest.h>

#include "cuda/device.h"
#include "cuda/step.h"
#include "support/references.h"

namespace mla::test {
namespace {

struct Absorbed : Step {
  using Step::Step;
  Result run() const {
    DeviceArray<uint8_t> workspace(static_cast<size_t>(device().attention_workspace(&p, &c)));
    return Step::run([&](const void* plan, const float* queries, const void* cache, const int32_t* pages,
                         const float* alibi, float* out, float* lse) {
      DEVICE_CALL(attend_absorbed, stream(), &p, &c, plan, queries, cache, pages, alibi, out, lse,
                  workspace.data(), workspace.bytes());
    });
  }
  void expect_correct() const {
    const auto at = [&](int token, int, int d) { return values[static_cast<size_t>(token) * width + d]; };
    expect_reference(run(), 2e-6, at, at);
  }
};

void expect_correct(Random& random, const Shape& s) {
  SCOPED_TRACE(text(s));
  Absorbed(random, s).expect_correct();
}

Shape draw(Random& random) {
  Shape s{};
  s.heads = random.of({1, 2, 3, 5, 8, 16, 17, 20, 40});
  s.latent = random.of({16, 17, 32, 64, 100, 128});
  s.rope = random.of({0, 2, 16, 18, 64});
  s.page_size = random.of({1, 3, 16, 64, 128});
  s.cache_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  s.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
  s.causal = random.in(0, 4) > 0;
  s.alibi = random.in(0, 3) == 0;
  s.multiprocessors = random.of({1, 4, 16});
  s.shared_bytes = random.of({kSmall, kLarge, kLargest});
  const int sequences = random.in(1, 3);
  for (int i = 0; i < sequences; i++) {
    s.queries.push_back(random.of({0, 1, 1, 1, 2, 3, 8}));
    s.tokens.push_back(std::max(s.queries[i], random.of({0, 1, 2, 20, 31, 32, 33, 64, 65, 140, 300})));
  }
  return s;
}

TEST(DeviceAttend, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(40, [&](Random& random) { expect_correct(random, draw(random)); });
}

TEST(DeviceAttend, TheCommonShape) {
  for (const int shared_bytes : {kSmall, kLarge, kLargest}) {
    Random random(5);
    Shape s{16, 512, 64, 64, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {1, 2}, {70, 131}};
    s.shared_bytes = shared_bytes;
    expect_correct(random, s);
  }
}

// Rows of 512 are what sm_90 has a kernel of its own for.
TEST(DeviceAttend, RowsOf512OverRandomShapes) {
  for_seeds(8, [&](Random& random) {
    Shape s = draw(random);
    s.latent = 512;
    s.rope = random.of({0, 2, 18, 64});
    s.cache_type = MLA_TYPE_BF16;
    s.compute = MLA_COMPUTE_BF16;
    s.shared_bytes = kLargest;
    expect_correct(random, s);
  });
}

TEST(DeviceAttend, TheCommonShapeInFloat32) {
  Random random(5);
  expect_correct(random, {5, 512, 64, 64, MLA_TYPE_BF16, MLA_COMPUTE_F32, true, false, {2}, {131}});
}

TEST(DeviceAttend, SplitsOfLongSequences) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(6);
    Shape s{3, 32, 16, 16, MLA_TYPE_BF16, compute, true, true, {2, 1, 3}, {700, 20, 515}};
    s.multiprocessors = 3;
    expect_correct(random, s);
  }
}

TEST(DeviceAttend, OneHundredAndTwentyEightHeads) {
  Random random(7);
  Shape s{128, 64, 16, 16, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {1, 1}, {40, 5}};
  for (const int shared_bytes : {kLarge, kLargest}) {
    s.shared_bytes = shared_bytes;
    expect_correct(random, s);
  }
}

// The draws of a sequence alone, put behind another one of a batch that has more queries and other pages.
TEST(DeviceAttend, HasTheSameBitsAloneAndInABatch) {
  struct Kind {
    int compute, shared_bytes, latent;
  };
  for (const auto& [compute, shared_bytes, latent] :
       {Kind{MLA_COMPUTE_F32, kSmall, 48}, Kind{MLA_COMPUTE_BF16, kSmall, 48},
        Kind{MLA_COMPUTE_BF16, kLarge, 48}, Kind{MLA_COMPUTE_BF16, kLargest, 48},
        Kind{MLA_COMPUTE_BF16, kLargest, 512}}) {
    SCOPED_TRACE("compute " + std::to_string(compute) + " shared " + std::to_string(shared_bytes) +
                 " latent " + std::to_string(latent));
    Random random(8);
    Shape alone{5, latent, 16, 16, MLA_TYPE_BF16, compute, true, true, {2}, {300}};
    alone.multiprocessors = 4;
    alone.shared_bytes = shared_bytes;
    Shape batch = alone;
    batch.queries = {8, 2};
    batch.tokens = {90, 300};
    batch.page_size = 7;
    Absorbed b(random, batch), a(random, alone);
    a.slopes = b.slopes;
    for (int i = 0; i < 2 * 5; i++)
      std::copy_n(b.q.begin() + (8 * 5 + i) * b.p.q_head_stride, a.width,
                  a.q.begin() + i * a.p.q_head_stride);
    for (int t = 0; t < 300; t++) {
      const uint8_t* from = b.pool.data() + b.table[b.p.page_table_stride + t / 7] * b.c.page_stride_bytes +
                            t % 7 * b.c.row_stride_bytes;
      uint8_t* to = a.pool.data() + a.table[t / 16] * a.c.page_stride_bytes + t % 16 * a.c.row_stride_bytes;
      std::memcpy(to, from, static_cast<size_t>((latent + 16) * 2));
    }
    expect_same_bits(a, a.run(), 0, b, b.run(), 8, 2);
  }
}

TEST(DeviceAttend, LargeScoresStayFinite) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(9);
    Absorbed step(random, {3, 16, 0, 16, MLA_TYPE_BF16, compute, true, false, {1}, {60}});
    step.p.scale = 1e4f;
    const Absorbed::Result r = step.run();
    for (int h = 0; h < 3; h++) {
      EXPECT_TRUE(std::isfinite(r.lse[h]));
      for (int d = 0; d < 16; d++) EXPECT_TRUE(std::isfinite(r.out[h * step.p.out_head_stride + d]));
    }
  }
}

TEST(DeviceAttend, APageOutsideOfThePoolCountsAsZeros) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(10);
    Absorbed step(random, {2, 16, 0, 4, MLA_TYPE_BF16, compute, true, false, {1}, {20}});
    step.table[1] = -1;
    step.table[3] = step.c.page_count;
    const Absorbed::Result r = step.run();
    for (int h = 0; h < 2; h++) EXPECT_TRUE(std::isfinite(r.lse[h]));
  }
}

TEST(DeviceAttend, RefusesWhatItCannotCompute) {
  Random random(11);
  Absorbed step(random, {2, 16, 0, 4, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {1}, {20}});
  DeviceArray<uint8_t> memory(1 << 16);
  const auto failure = [&](const mla_step_params& p, const mla_cache_params& c, int64_t workspace) {
    char error[256] = "";
    EXPECT_NE(device().attend_absorbed(
                  stream(), &p, &c, memory.data(), reinterpret_cast<float*>(memory.data()), memory.data(),
                  reinterpret_cast<int32_t*>(memory.data()), nullptr, reinterpret_cast<float*>(memory.data()),
                  nullptr, memory.data(), workspace, error, sizeof error),
              MLA_OK);
    return std::string(error);
  };
  EXPECT_EQ(failure(step.p, step.c, 0).find("workspace has 0 bytes, but needs "), 0u);
  mla_cache_params wide = step.c;
  wide.latent = 1024;
  wide.rope_offset = 1024;
  wide.row_stride_bytes = 2048;
  wide.page_stride_bytes = 2048 * 4;
  EXPECT_EQ(failure(step.p, wide, 1 << 30).find("rows of 1024 + 0 do not fit the tensor core kernel"), 0u);
  mla_cache_params odd = step.c;
  odd.row_stride_bytes += 8;
  odd.page_stride_bytes += 128;
  EXPECT_EQ(failure(step.p, odd, 1 << 30).find("row_stride_bytes is "), 0u);
  mla_step_params bad = step.p;
  bad.scale = 0;
  EXPECT_EQ(failure(bad, step.c, 1 << 30), "scale is 0.000000, but must be finite and positive");
}

TEST(DevicePlan, DependsOnTheSequenceAlone) {
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.heads = 128;
  p.max_sequences = 4;
  p.max_tokens = 16;
  p.max_queries = 8;
  p.max_splits = 64;
  p.multiprocessors = 132;
  p.shared_bytes = kSmall;
  p.scale = 1;
  p.q_token_stride = p.q_head_stride = p.out_token_stride = p.out_head_stride = 1;
  EXPECT_EQ(device().splits(&p, 1, 1), 1);
  EXPECT_EQ(device().splits(&p, 0, 5), 0);
  EXPECT_EQ(device().splits(&p, 1, 512), 1);
  EXPECT_EQ(device().splits(&p, 1, 4096), 8);
  EXPECT_EQ(device().splits(&p, 8, 4096), 8);
  EXPECT_EQ(device().splits(&p, 9, 4096), -1);
  EXPECT_EQ(device().splits(&p, 1, 32768), 64)
      << "with two blocks of 64 rows each, one for each multiprocessor";
  p.max_splits = 2;
  const std::vector<int32_t> begin{0, 1, 2}, tokens{4096, 1};
  std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
  char error[256];
  EXPECT_EQ(device().make_plan(&p, 2, begin.data(), tokens.data(), plan.data(),
                               static_cast<int64_t>(plan.size()), error, sizeof error),
            MLA_INVALID_ARGUMENT);
  EXPECT_STREQ(error, "max_splits is 2, but must be at least the splits of all sequences, which are more");
}

TEST(DeviceMerge, IgnoresWhatEmptyPartsHold) {
  for (const int width : {1, 31, 32, 33, 100}) {
    Random random(9);
    const int parts = 3, rows = 4;
    mla_merge_params m{};
    m.struct_size = sizeof m;
    m.parts = parts;
    m.tokens = rows;
    m.heads = 1;
    m.width = width;
    m.part_token_stride = m.out_token_stride = m.part_head_stride = m.out_head_stride = width;
    m.part_stride = rows * width;
    m.part_lse_token_stride = m.lse_token_stride = m.part_lse_head_stride = m.lse_head_stride = 1;
    m.part_lse_stride = rows;
    std::vector<float> out(parts * rows * width, std::nanf("")), lse(parts * rows);
    for (int i = 0; i < parts; i++) {
      for (int t = 0; t < rows; t++) {
        // row 0: all parts; row 1: the first is empty; row 2: one alone; row 3: none
        const bool empty = (t == 1 && i == 0) || (t == 2 && i != 1) || t == 3;
        lse[i * rows + t] = empty ? -INFINITY : random.real(-40, 40);
        for (int j = 0; j < width && !empty; j++) out[(i * rows + t) * width + j] = random.real(-1, 1);
      }
    }
    DeviceArray<float> partial(out), partial_lse(lse), merged(rows * width), merged_lse(rows);
    DEVICE_CALL(merge, stream(), &m, partial.data(), partial_lse.data(), merged.data(), merged_lse.data());
    const std::vector<float> got = merged.get(), got_lse = merged_lse.get();
    expect_merged(parts, width, out.data(), lse.data(), got.data(), got_lse.data());
  }
}

}  // namespace
}  // namespace mla::test
