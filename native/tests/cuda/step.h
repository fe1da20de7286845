// A step of attention for tests of both forms: sequences of different lengths in a pool of shuffled pages with NaN in unused slots, their queries,
// and what softmax in double precision makes of them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cuda/device.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {

constexpr int kSmall = 101376, kLarge = 166912,
              kLargest = 232448;  // shared memory of a block on sm_89, sm_80 and sm_90

struct Shape {
  int heads, latent, rope, page_size, cache_type, compute;
  bool causal, alibi;
  std::vector<int> queries, tokens;  // of each sequence, the new tokens included
  int multiprocessors = 1;
  int shared_bytes = kSmall;
  int nope = 0, value = 0, weight_type = MLA_TYPE_F32;  // decompressed form only
  bool decompresses() const { return value > 0; }
  int query_width() const { return (decompresses() ? nope : latent) + rope; }
  int out_width() const { return decompresses() ? value : latent; }
  bool rounds() const { return compute == MLA_COMPUTE_BF16 && cache_type == MLA_TYPE_BF16; }
};

inline std::string text(const Shape& s) {
  std::string t = "heads " + std::to_string(s.heads) + " latent " + std::to_string(s.latent) + " rope " +
                  std::to_string(s.rope) + " page " + std::to_string(s.page_size) + " cache " +
                  std::to_string(s.cache_type) + " compute " + std::to_string(s.compute) + " causal " +
                  std::to_string(s.causal) + " alibi " + std::to_string(s.alibi) + " nope " +
                  std::to_string(s.nope) + " value " + std::to_string(s.value) + " weight " +
                  std::to_string(s.weight_type) + " shared " + std::to_string(s.shared_bytes) + " sequences";
  for (size_t i = 0; i < s.queries.size(); i++)
    t += " " + std::to_string(s.queries[i]) + "/" + std::to_string(s.tokens[i]);
  return t;
}

// A pool with all sequences of a step and its queries.
struct Step {
  Step(Random& random, const Shape& s) : s(s), width(s.latent + s.rope), query_width(s.query_width()) {
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
    p.scale = 1 / std::sqrt(static_cast<float>(query_width));
    begin.push_back(0);
    for (const int queries : s.queries) {
      begin.push_back(begin.back() + queries);
      p.max_queries = std::max(p.max_queries, queries);
    }
    p.max_tokens = begin.back();
    p.q_head_stride = query_width + random.of({0, 3});
    p.q_token_stride = p.q_head_stride * s.heads;
    p.out_head_stride = s.out_width() + random.of({0, 2});
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
    q.assign(span(p.max_tokens * s.heads, query_width, p.q_head_stride), std::nanf(""));
    for (int i = 0; i < p.max_tokens * s.heads; i++) {
      for (int d = 0; d < query_width; d++) q[i * p.q_head_stride + d] = random.real(-1, 1);
    }
    if (s.alibi) slopes = random.reals(s.heads, 0, 0.5f);
  }

  struct Result {
    std::vector<float> out, lse;
  };
  // launch(plan, q, cache, page table, slopes, out, lse): the operation under test, on arrays of the device.
  template <class Launch>
  Result run(Launch launch) const {
    limit_shared(p.shared_bytes);
    std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
    DEVICE_CALL(make_plan, &p, p.max_sequences, begin.data(), s.tokens.data(), plan.data(),
                static_cast<int64_t>(plan.size()));
    DeviceArray<uint8_t> device_plan(plan), cache(pool);
    DeviceArray<float> queries(q), device_slopes(slopes),
        out(span(p.max_tokens * s.heads, s.out_width(), p.out_head_stride)),
        lse(static_cast<size_t>(p.max_tokens) * s.heads);
    DeviceArray<int32_t> pages(table);
    launch(device_plan.data(), queries.data(), cache.data(), pages.data(),
           s.alibi ? device_slopes.data() : nullptr, out.data(), lse.data());
    return {out.get(), lse.get()};
  }

  // key(token, head, d) and value(token, head, d): of all sequences' tokens, one after the other.
  template <class Key, class Value>
  void expect_reference(const Result& r, double lse_bound, Key key_of, Value value_of) const {
    int first = 0;
    for (size_t i = 0; i < s.queries.size(); first += s.tokens[i], i++) {
      for (int t = 0; t < s.queries[i]; t++) {
        const int position = s.tokens[i] - s.queries[i] + t, visible = s.causal ? position + 1 : s.tokens[i];
        for (int h = 0; h < s.heads; h++) {
          SCOPED_TRACE("sequence " + std::to_string(i) + " query " + std::to_string(t) + " head " +
                       std::to_string(h));
          const float* query = q.data() + (begin[i] + t) * p.q_token_stride + h * p.q_head_stride;
          std::vector<double> score(visible);
          double max = -INFINITY, sum = 0, dot = 0, squares = 0;
          for (int k = 0; k < visible; k++) {
            for (int d = 0; d < query_width; d++)
              score[k] += operand(query[d], s.rounds() ? MLA_COMPUTE_BF16 : MLA_COMPUTE_F32) *
                          key_of(first + k, h, d);
            score[k] = score[k] * p.scale - (s.alibi ? slopes[h] * (position - k) : 0.0);
            max = std::max(max, score[k]);
          }
          for (double& x : score) sum += x = std::exp(x - max);
          const double lse = visible ? max + std::log(sum) : -INFINITY;
          const float got = r.lse[(begin[i] + t) * p.lse_token_stride + h * p.lse_head_stride];
          if (visible == 0)
            ASSERT_EQ(got, -INFINITY);
          else
            ASSERT_NEAR(got, lse, lse_bound * std::max(1.0, std::fabs(lse)));
          std::vector<Sum> expected(s.out_width());
          SumTolerance tolerance(std::max(s.tokens[i], query_width));
          for (int d = 0; d < s.out_width(); d++) {
            for (int k = 0; k < visible; k++) expected[d].add(score[k] / sum, value_of(first + k, h, d));
            tolerance.see(expected[d]);
          }
          const float* out = r.out.data() + (begin[i] + t) * p.out_token_stride + h * p.out_head_stride;
          for (int d = 0; d < s.out_width(); d++) {
            const double e = expected[d].value;
            // rounding p to bf16 moves each term by 2^-8 of itself at most
            ASSERT_NEAR(out[d], e, tolerance.bound() + (s.rounds() ? 0x1.08p-8 * expected[d].sizes : 0))
                << "column " << d;
            dot += out[d] * e;
            squares += out[d] * out[d] + e * e;
          }
          if (s.out_width() >= 32 && squares > 0) {
            ASSERT_LE(1 - 2 * dot / squares, 5e-6) << "cosine distance";
          }
          if (out + p.out_head_stride < r.out.data() + r.out.size()) {
            for (int64_t d = s.out_width(); d < p.out_head_stride; d++)
              ASSERT_TRUE(is_poison(out[d])) << "written behind";
          }
        }
      }
    }
  }

  Shape s;
  int width;  // of a row of the cache without padding
  int query_width;
  mla_cache_params c{};
  mla_step_params p{};
  std::vector<int32_t> begin, table;
  std::vector<uint8_t> pool;
  std::vector<double> values;
  std::vector<float> q, slopes;
};

// Rows of one sequence in `a` and in `b`, which has the same sequence at another place.
inline void expect_same_bits(const Step& a, const Step::Result& ra, int first_a, const Step& b,
                             const Step::Result& rb, int first_b, int queries) {
  for (int t = 0; t < queries; t++) {
    for (int h = 0; h < a.s.heads; h++) {
      ASSERT_EQ(std::memcmp(&ra.out[(first_a + t) * a.p.out_token_stride + h * a.p.out_head_stride],
                            &rb.out[(first_b + t) * b.p.out_token_stride + h * b.p.out_head_stride],
                            a.s.out_width() * sizeof(float)),
                0)
          << "query " << t << " head " << h;
      ASSERT_EQ(bits(ra.lse[(first_a + t) * a.p.lse_token_stride + h * a.p.lse_head_stride]),
                bits(rb.lse[(first_b + t) * b.p.lse_token_stride + h * b.p.lse_head_stride]));
    }
  }
}

}  // namespace mla::test
