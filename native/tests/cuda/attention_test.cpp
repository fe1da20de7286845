// Absorbed attention, its plan and merge on a device, against softmax in double precision: batches of sequences of different lengths,
// shuffled pages, NaN in unused slots; the same bits alone and in a batch, with more or less shared memory.
#include <gtest/gtest.h>

#include <map>

#include "cuda/device.h"
#include "support/cache.h"
#include "support/numbers.h"
#include "support/random.h"
#include "support/references.h"

namespace mla::test {
namespace {

constexpr int kSmall = 101376, kLarge = 166912;  // shared memory of a block on sm_89 and on sm_80

struct Shape {
  int heads, latent, rope, page_size, cache_type, compute;
  bool causal, alibi;
  std::vector<int> queries, tokens;  // of each sequence, the new tokens included
  int multiprocessors = 1;
  int shared_bytes = kSmall;
  bool rounds() const { return compute == MLA_COMPUTE_BF16 && cache_type == MLA_TYPE_BF16; }
};

std::string text(const Shape& s) {
  std::string t = "heads " + std::to_string(s.heads) + " latent " + std::to_string(s.latent) + " rope " +
                  std::to_string(s.rope) + " page " + std::to_string(s.page_size) + " cache " +
                  std::to_string(s.cache_type) + " compute " + std::to_string(s.compute) + " causal " +
                  std::to_string(s.causal) + " alibi " + std::to_string(s.alibi) + " sequences";
  for (size_t i = 0; i < s.queries.size(); i++)
    t += " " + std::to_string(s.queries[i]) + "/" + std::to_string(s.tokens[i]);
  return t;
}

// A pool with all sequences of a step, its queries, and the operation's outputs.
struct Step {
  Step(Random& random, const Shape& s) : s(s), width(s.latent + s.rope) {
    c.struct_size = sizeof c;
    c.cache_type = s.cache_type;
    c.latent = s.latent;
    c.rope = s.rope;
    c.rope_offset = (s.latent + 15) / 16 * 16;
    c.page_size = s.page_size;
    const int size = type_size(s.cache_type), used = (c.rope_offset + (s.rope + 15) / 16 * 16) * size;
    c.row_stride_bytes = (used + 63) / 64 * 64 + random.of({0, 64});
    c.page_stride_bytes = c.row_stride_bytes * s.page_size + random.of({0, 64});
    int pages = 0, longest = 0;
    for (const int tokens : s.tokens) {
      pages += (tokens + s.page_size - 1) / s.page_size;
      longest = std::max(longest, (tokens + s.page_size - 1) / s.page_size);
    }
    c.page_count = pages + 2;
    p.struct_size = sizeof p;
    p.compute = s.compute;
    p.heads = s.heads;
    p.causal = s.causal;
    p.max_sequences = static_cast<int>(s.queries.size());
    p.page_table_stride = longest;
    p.multiprocessors = s.multiprocessors;
    p.shared_bytes = limit_shared(s.shared_bytes);
    p.scale = 1 / std::sqrt(static_cast<float>(width));
    begin.push_back(0);
    for (const int queries : s.queries) {
      begin.push_back(begin.back() + queries);
      p.max_queries = std::max(p.max_queries, queries);
    }
    p.max_tokens = begin.back();
    p.q_head_stride = width + random.of({0, 3});
    p.q_token_stride = p.q_head_stride * s.heads;
    p.out_head_stride = s.latent + random.of({0, 2});
    p.out_token_stride = p.out_head_stride * s.heads;
    p.lse_head_stride = p.max_tokens;
    p.lse_token_stride = 1;
    for (size_t i = 0; i < s.queries.size(); i++)
      p.max_splits += device().splits(&p, s.queries[i], s.tokens[i]);
    p.max_splits += 1;  // the grid is larger than the plan

    std::vector<int32_t> ids(c.page_count);
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), random.engine());
    table.assign(static_cast<size_t>(p.max_sequences) * longest, 1 << 30);
    pool.assign((c.page_count - 1) * c.page_stride_bytes + s.page_size * c.row_stride_bytes, 0xff);
    size_t next = 0;
    for (size_t i = 0; i < s.tokens.size(); i++) {
      for (int page = 0; page * s.page_size < s.tokens[i]; page++) table[i * longest + page] = ids[next++];
      for (int t = 0; t < s.tokens[i]; t++) {
        uint8_t* row = pool.data() + table[i * longest + t / s.page_size] * c.page_stride_bytes +
                       t % s.page_size * c.row_stride_bytes;
        std::memset(row, 0, c.row_stride_bytes);
        for (int d = 0; d < width; d++) {
          const float x = random.real(-1, 1);
          const uint16_t half = to_bf16(x);
          uint8_t* at = row + (d < s.latent ? d : c.rope_offset + d - s.latent) * size;
          std::memcpy(at, size == 4 ? static_cast<const void*>(&x) : &half, size);
          values.push_back(size == 4 ? x : bf16_value(half));
        }
      }
    }
    q.assign(span(p.max_tokens * s.heads, width, p.q_head_stride), std::nanf(""));
    for (int i = 0; i < p.max_tokens * s.heads; i++) {
      for (int d = 0; d < width; d++) q[i * p.q_head_stride + d] = random.real(-1, 1);
    }
    if (s.alibi) slopes = random.reals(s.heads, 0, 0.5f);
  }

  struct Result {
    std::vector<float> out, lse;
  };
  Result run() const {
    limit_shared(p.shared_bytes);
    std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
    DEVICE_CALL(make_plan, &p, p.max_sequences, begin.data(), s.tokens.data(), plan.data(),
                static_cast<int64_t>(plan.size()));
    DeviceArray<uint8_t> device_plan(plan), cache(pool),
        workspace(static_cast<size_t>(device().attention_workspace(&p, &c)));
    DeviceArray<float> queries(q), device_slopes(slopes),
        out(span(p.max_tokens * s.heads, s.latent, p.out_head_stride)),
        lse(static_cast<size_t>(p.max_tokens) * s.heads);
    DeviceArray<int32_t> pages(table);
    DEVICE_CALL(attend_absorbed, stream(), &p, &c, device_plan.data(), queries.data(), cache.data(),
                pages.data(), s.alibi ? device_slopes.data() : nullptr, out.data(), lse.data(),
                workspace.data(), workspace.bytes());
    return {out.get(), lse.get()};
  }

  void expect_reference(const Result& r) const {
    size_t first = 0;
    for (size_t i = 0; i < s.queries.size(); first += s.tokens[i] * width, i++) {
      const auto key = [&](int token, int d) { return values[first + token * width + d]; };
      for (int t = 0; t < s.queries[i]; t++) {
        const int position = s.tokens[i] - s.queries[i] + t, visible = s.causal ? position + 1 : s.tokens[i];
        for (int h = 0; h < s.heads; h++) {
          SCOPED_TRACE("sequence " + std::to_string(i) + " query " + std::to_string(t) + " head " +
                       std::to_string(h));
          const float* query = q.data() + (begin[i] + t) * p.q_token_stride + h * p.q_head_stride;
          std::vector<double> score(visible);
          double max = -INFINITY, sum = 0, largest = 0, dot = 0, squares = 0;
          for (int k = 0; k < visible; k++) {
            for (int d = 0; d < width; d++)
              score[k] += operand(query[d], s.rounds() ? MLA_COMPUTE_BF16 : MLA_COMPUTE_F32) * key(k, d);
            score[k] = score[k] * p.scale - (s.alibi ? slopes[h] * (position - k) : 0.0);
            max = std::max(max, score[k]);
          }
          for (double& x : score) sum += x = std::exp(x - max);
          const double lse = visible ? max + std::log(sum) : -INFINITY;
          const float got = r.lse[(begin[i] + t) * p.lse_token_stride + h * p.lse_head_stride];
          if (visible == 0)
            ASSERT_EQ(got, -INFINITY);
          else
            ASSERT_NEAR(got, lse, 2e-6 * std::max(1.0, std::fabs(lse)));
          std::vector<double> expected(s.latent), sizes(s.latent);
          for (int d = 0; d < s.latent; d++) {
            for (int k = 0; k < visible; k++) {
              const double term = score[k] / sum * key(k, d);
              expected[d] += term;
              sizes[d] += std::fabs(term);
            }
            largest = std::max(largest, std::fabs(expected[d]));
          }
          const float* out = r.out.data() + (begin[i] + t) * p.out_token_stride + h * p.out_head_stride;
          const double bound = 2e-6 * std::sqrt(std::max(s.tokens[i], width)) * largest;
          for (int d = 0; d < s.latent; d++) {
            // rounding p to bf16 moves each term by 2^-8 of itself at most
            ASSERT_NEAR(out[d], expected[d], bound + (s.rounds() ? 0x1.08p-8 * sizes[d] : 0))
                << "column " << d;
            dot += out[d] * expected[d];
            squares += out[d] * out[d] + expected[d] * expected[d];
          }
          if (s.latent >= 32 && squares > 0) {
            ASSERT_LE(1 - 2 * dot / squares, 5e-6) << "cosine distance";
          }
          if (out + p.out_head_stride < r.out.data() + r.out.size()) {
            for (int64_t d = s.latent; d < p.out_head_stride; d++)
              ASSERT_TRUE(is_poison(out[d])) << "written behind";
          }
        }
      }
    }
  }

  Shape s;
  int width;
  mla_cache_params c{};
  mla_step_params p{};
  std::vector<int32_t> begin, table;
  std::vector<uint8_t> pool;
  std::vector<double> values;
  std::vector<float> q, slopes;
};

void expect_correct(Random& random, const Shape& s) {
  SCOPED_TRACE(text(s));
  const Step step(random, s);
  step.expect_reference(step.run());
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
  s.shared_bytes = random.of({kSmall, kLarge});
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
  for (const int shared_bytes : {kSmall, kLarge}) {
    Random random(5);
    Shape s{16, 512, 64, 64, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {1, 2}, {70, 131}};
    s.shared_bytes = shared_bytes;
    expect_correct(random, s);
  }
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
  s.shared_bytes = kLarge;
  expect_correct(random, s);
}

// Rows of one sequence in `a` and in `b`, which has the same sequence at another place.
void expect_same_bits(const Step& a, const Step::Result& ra, int first_a, const Step& b,
                      const Step::Result& rb, int first_b, int queries) {
  for (int t = 0; t < queries; t++) {
    for (int h = 0; h < a.s.heads; h++) {
      ASSERT_EQ(std::memcmp(&ra.out[(first_a + t) * a.p.out_token_stride + h * a.p.out_head_stride],
                            &rb.out[(first_b + t) * b.p.out_token_stride + h * b.p.out_head_stride],
                            a.s.latent * sizeof(float)),
                0)
          << "query " << t << " head " << h;
      ASSERT_EQ(bits(ra.lse[(first_a + t) * a.p.lse_token_stride + h * a.p.lse_head_stride]),
                bits(rb.lse[(first_b + t) * b.p.lse_token_stride + h * b.p.lse_head_stride]));
    }
  }
}

// The draws of a sequence alone, put behind another one of a batch that has more queries and other pages.
TEST(DeviceAttend, HasTheSameBitsAloneAndInABatch) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    for (const int shared_bytes : {kSmall, kLarge}) {
      SCOPED_TRACE("compute " + std::to_string(compute) + " shared " + std::to_string(shared_bytes));
      Random random(8);
      Shape alone{5, 48, 16, 16, MLA_TYPE_BF16, compute, true, true, {2}, {300}};
      alone.multiprocessors = 4;
      Shape batch = alone;
      batch.queries = {8, 2};
      batch.tokens = {90, 300};
      batch.page_size = 7;
      batch.shared_bytes = shared_bytes;
      Step b(random, batch), a(random, alone);
      a.slopes = b.slopes;
      for (int i = 0; i < 2 * 5; i++)
        std::copy_n(b.q.begin() + (8 * 5 + i) * b.p.q_head_stride, a.width,
                    a.q.begin() + i * a.p.q_head_stride);
      for (int t = 0; t < 300; t++) {
        const uint8_t* from = b.pool.data() + b.table[b.p.page_table_stride + t / 7] * b.c.page_stride_bytes +
                              t % 7 * b.c.row_stride_bytes;
        uint8_t* to = a.pool.data() + a.table[t / 16] * a.c.page_stride_bytes + t % 16 * a.c.row_stride_bytes;
        std::memcpy(to, from, static_cast<size_t>((48 + 16) * 2));
      }
      expect_same_bits(a, a.run(), 0, b, b.run(), 8, 2);
    }
  }
}

TEST(DeviceAttend, LargeScoresStayFinite) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(9);
    Step step(random, {3, 16, 0, 16, MLA_TYPE_BF16, compute, true, false, {1}, {60}});
    step.p.scale = 1e4f;
    const Step::Result r = step.run();
    for (int h = 0; h < 3; h++) {
      EXPECT_TRUE(std::isfinite(r.lse[h]));
      for (int d = 0; d < 16; d++) EXPECT_TRUE(std::isfinite(r.out[h * step.p.out_head_stride + d]));
    }
  }
}

TEST(DeviceAttend, APageOutsideOfThePoolCountsAsZeros) {
  for (const int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(10);
    Step step(random, {2, 16, 0, 4, MLA_TYPE_BF16, compute, true, false, {1}, {20}});
    step.table[1] = -1;
    step.table[3] = step.c.page_count;
    const Step::Result r = step.run();
    for (int h = 0; h < 2; h++) EXPECT_TRUE(std::isfinite(r.lse[h]));
  }
}

TEST(DeviceAttend, RefusesWhatItCannotCompute) {
  Random random(11);
  Step step(random, {2, 16, 0, 4, MLA_TYPE_BF16, MLA_COMPUTE_BF16, true, false, {1}, {20}});
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
  EXPECT_EQ(device().splits(&p, 1, 256), 1);
  EXPECT_EQ(device().splits(&p, 1, 4096), 16);
  EXPECT_EQ(device().splits(&p, 8, 4096), 8);
  EXPECT_EQ(device().splits(&p, 9, 4096), -1);
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
