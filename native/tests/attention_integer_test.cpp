// The absorbed form of attention over latents of I8 with MLA_COMPUTE_INT8 against its definition in mla.h, and in emulated matrix registers
// bit for bit against the processor's where no operation rounds.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "support/emulated_kernels.h"
#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

struct Shape {
  int heads, queries, tokens, latent, rope, scale_columns, page_size, bits;
  bool causal = true, alibi = false;
  bool own_keys = false;  // the rotated part alone is the key
  bool of_rows = false;   // the page table is one of rows

  int groups() const { return (latent + scale_columns - 1) / scale_columns; }
  int query_width() const { return own_keys ? rope : latent + rope; }
};

std::string text(const Shape& s) {
  return "heads " + std::to_string(s.heads) + " queries " + std::to_string(s.queries) + " tokens " +
         std::to_string(s.tokens) + " latent " + std::to_string(s.latent) + " rope " +
         std::to_string(s.rope) + " groups of " + std::to_string(s.scale_columns) + " page " +
         std::to_string(s.page_size) + " bits " + std::to_string(s.bits) + " causal " +
         std::to_string(s.causal) + " alibi " + std::to_string(s.alibi) + " own keys " +
         std::to_string(s.own_keys) + " of rows " + std::to_string(s.of_rows);
}

// A sequence of queries and of cached rows, in pages that lie in any order; everything else is NaN, or -1 as a code.
struct Sequence {
  Sequence(Random& random, const Shape& shape)
      : s(shape),
        row_bytes(((s.latent + 31) / 32 * 32 + 2 * s.rope + 63) / 64 * 64 + random.of({0, 64})),
        page_bytes((int64_t)s.page_size * (row_bytes + 4 * s.groups())),
        pages((s.tokens + s.page_size - 1) / s.page_size),
        cache((size_t)(page_bytes * pages)),
        table((size_t)(s.of_rows ? s.tokens : pages)),
        q((size_t)s.queries * s.heads * s.query_width()),
        slopes(s.alibi ? (size_t)s.heads : 0) {
    std::vector<int> order(table.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = (int)i;
    std::shuffle(order.begin(), order.end(), random.engine());
    for (size_t i = 0; i < order.size(); i++) table[i] = order[i];
    c.struct_size = sizeof c;
    c.cache_type = MLA_TYPE_I8;
    c.latent = s.latent;
    c.rope = s.rope;
    c.rope_offset = (s.latent + 31) / 32 * 32;
    c.page_size = s.page_size;
    c.page_count = pages;
    c.row_stride_bytes = row_bytes;
    c.page_stride_bytes = page_bytes;
    c.rope_type = MLA_TYPE_BF16;
    c.scale_type = MLA_TYPE_F32;
    c.scale_columns = s.scale_columns;
    c.table_of_rows = s.of_rows;
    p.struct_size = sizeof p;
    p.compute = MLA_COMPUTE_INT8;
    p.heads = s.heads;
    p.query_tokens = s.queries;
    p.kv_tokens = s.tokens;
    p.causal = s.causal;
    p.scale = 1;
    p.key_offset = s.own_keys ? c.rope_offset : 0;
    p.probability_bits = s.bits;
    p.q_head_stride = s.query_width();
    p.q_token_stride = p.q_head_stride * s.heads;
    p.out_head_stride = s.latent;
    p.out_token_stride = p.out_head_stride * s.heads;
    p.lse_head_stride = 1;
    p.lse_token_stride = s.heads;
  }

  // Numbers as they come.
  void fill(Random& random) {
    for (size_t i = 0; i < q.size(); i++) q[i] = random.real(-1, 1);
    for (size_t i = 0; i < slopes.size(); i++) slopes[i] = random.real(0, 0.5f);
    p.scale = random.real(0.2f, 2) / std::sqrt((float)s.query_width());
    for (int t = 0; t < s.tokens; t++) {
      for (int g = 0; g < s.groups(); g++) set_scale(t, g, random.real(0.004f, 0.02f));
      for (int i = 0; i < s.latent; i++) set_code(t, i, random.in(-127, 127));
      for (int i = 0; i < s.rope; i++) set_rope(t, i, random.real(-1, 1));
    }
  }

  uint8_t* row(int token) {
    const int entry = table[(size_t)(s.of_rows ? token : token / s.page_size)];
    const int page = s.of_rows ? entry / s.page_size : entry,
              slot = (s.of_rows ? entry : token) % s.page_size;
    return cache.data() + page * page_bytes + (int64_t)slot * row_bytes;
  }
  uint8_t* scale_at(int token, int group) {
    const int64_t of_page = (row(token) - cache.data()) % page_bytes;
    return row(token) - of_page + s.page_size * row_bytes + of_page / row_bytes * 4 * s.groups() + 4 * group;
  }
  void set_code(int token, int i, int code) { row(token)[i] = (uint8_t)code; }
  void set_scale(int token, int group, float scale) { std::memcpy(scale_at(token, group), &scale, 4); }
  void set_rope(int token, int i, float x) {
    const uint16_t b = to_bf16(x);
    std::memcpy(row(token) + c.rope_offset + 2 * i, &b, 2);
  }
  int code(int token, int i) {
    const int byte = row(token)[i];
    return byte < 128 ? byte : byte - 256;
  }
  float scale(int token, int group) {
    float x;
    std::memcpy(&x, scale_at(token, group), 4);
    return x;
  }
  float rope(int token, int i) {
    uint16_t b;
    std::memcpy(&b, row(token) + c.rope_offset + 2 * i, 2);
    return bf16_value(b);
  }
  const float* query(int t, int h) const { return q.data() + t * p.q_token_stride + h * p.q_head_stride; }
  const float* slope_data() const { return slopes.size() ? slopes.data() : nullptr; }

  Shape s;
  int64_t row_bytes, page_bytes;
  int pages;
  Guarded<uint8_t> cache;
  Guarded<int32_t> table;
  Guarded<float> q, slopes;
  mla_cache_params c{};
  mla_attention_params p{};
};

struct Result {
  explicit Result(const Sequence& x)
      : out((size_t)x.s.queries * x.s.heads * x.s.latent), lse((size_t)x.s.queries * x.s.heads) {}
  Guarded<float> out, lse;
};

void attend(const mla_kernels& kernels, Sequence& x, int head_begin, int head_end, int query_begin,
            int query_end, int kv_begin, int kv_end, Result& r) {
  const int64_t size = kernels.attention_workspace(&x.p, &x.c, nullptr, nullptr);
  Guarded<uint8_t> workspace((size_t)size);
  MLA_CALL(kernels.attend_absorbed, &x.p, &x.c, x.q.data(), x.cache.data(), x.table.data(), x.slope_data(),
           head_begin, head_end, query_begin, query_end, kv_begin, kv_end, r.out.data(), r.lse.data(),
           workspace.data(), size);
}

// A query as the definition has it: codes under scales, or where the latent is no part of the key none; the rotated part.
struct Rounded {
  Rounded(const Shape& s, const float* q) : codes((size_t)s.latent), scales((size_t)s.groups()) {
    for (int g = 0; g < s.groups() && !s.own_keys; g++) {
      const int begin = g * s.scale_columns, end = std::min(s.latent, begin + s.scale_columns);
      float largest = 0;
      for (int i = begin; i < end; i++) largest = std::max(largest, std::fabs(q[i]));
      scales[(size_t)g] = largest / 127;
      for (int i = begin; i < end && largest > 0; i++)
        codes[(size_t)i] = (int)std::nearbyint(q[i] / scales[(size_t)g]);
    }
    for (int i = 0; i < s.rope; i++)
      rope.push_back(operand(q[(s.own_keys ? 0 : s.latent) + i], MLA_COMPUTE_BF16));
  }
  std::vector<int> codes;
  std::vector<float> scales;
  std::vector<double> rope;
};

// The definition in double over tokens [begin, end). An integer may be another one where an exponential is hardly different: two of a block's may.
void expect_definition(Sequence& x, int begin, int end, const Result& r) {
  const Shape& s = x.s;
  const double largest = std::pow(2, s.bits) - 1;
  for (int t = 0; t < s.queries; t++) {
    const int position = s.tokens - s.queries + t, visible = s.causal ? std::min(end, position + 1) : end;
    for (int h = 0; h < s.heads; h++) {
      const Rounded q(s, x.query(t, h));
      std::vector<double> score((size_t)std::max(visible, 0));
      double most = -INFINITY;
      for (int k = begin; k < visible; k++) {
        double& sum = score[(size_t)k];
        for (int i = 0; i < s.rope; i++) sum += q.rope[(size_t)i] * x.rope(k, i);
        for (int g = 0; g < s.groups() && !s.own_keys; g++) {
          int dot = 0;
          for (int i = g * s.scale_columns; i < std::min(s.latent, (g + 1) * s.scale_columns); i++)
            dot += q.codes[(size_t)i] * x.code(k, i);
          sum += (double)q.scales[(size_t)g] * dot * x.scale(k, g);
        }
        sum = sum * x.p.scale - (s.alibi ? x.slopes[(size_t)h] * (position - k) : 0.0);
        most = std::max(most, sum);
      }
      double divisor = 0;
      std::vector<double> out((size_t)s.latent), slack((size_t)s.latent);
      for (int block = begin / 128 * 128; block < visible; block += 128) {
        const int first = std::max(block, begin), last = std::min(block + 128, visible);
        double b = -INFINITY;
        for (int k = first; k < last; k++) b = std::max(b, score[(size_t)k]);
        const double share = std::exp(b - most);
        for (int k = first; k < last; k++) divisor += share * std::exp(score[(size_t)k] - b);
        for (int g = 0; g < s.groups(); g++) {
          double peak = 0;
          for (int k = first; k < last; k++)
            if (std::isfinite(x.scale(k, g))) peak = std::max(peak, (double)x.scale(k, g));
          if (peak <= 1e-30) continue;
          for (int k = first; k < last; k++) {
            const double scale = std::isfinite(x.scale(k, g)) ? x.scale(k, g) : 0;
            const double integer = std::nearbyint(std::exp(score[(size_t)k] - b) * scale * (largest / peak));
            for (int i = g * s.scale_columns; i < std::min(s.latent, (g + 1) * s.scale_columns); i++)
              out[(size_t)i] += share * peak / largest * integer * x.code(k, i);
          }
          for (int i = g * s.scale_columns; i < std::min(s.latent, (g + 1) * s.scale_columns); i++)
            slack[(size_t)i] += share * peak / largest * 127 * 2;
        }
      }
      const size_t at = (size_t)(t * s.heads + h);
      if (divisor == 0) {
        ASSERT_EQ(r.lse[at], -INFINITY);
        for (int i = 0; i < s.latent; i++) ASSERT_EQ(r.out[at * (size_t)s.latent + (size_t)i], 0.f);
        continue;
      }
      const double lse = most + std::log(divisor);
      ASSERT_NEAR(r.lse[at], lse, 4e-6 * std::max(1.0, std::fabs(lse))) << "query " << t << " head " << h;
      for (int i = 0; i < s.latent; i++)
        ASSERT_NEAR(r.out[at * (size_t)s.latent + (size_t)i], out[(size_t)i] / divisor,
                    slack[(size_t)i] / divisor + 1e-5)
            << "query " << t << " head " << h << " column " << i;
    }
  }
}

Shape draw(Random& random) {
  Shape s{};
  s.heads = random.of({1, 2, 3, 7, 16, 17, 20, 32, 33, 48, 70});
  s.queries = random.of({1, 1, 1, 2, 3});
  s.tokens = std::max(s.queries, random.of({1, 2, 7, 15, 16, 17, 33, 64, 65, 100, 127, 128, 129, 200, 300}));
  s.latent = random.of({16, 48, 64, 100, 128, 192, 300});
  s.rope = random.of({0, 2, 18, 32, 64, 96});
  s.scale_columns = random.of({64, 128, 256});
  s.page_size = random.of({1, 3, 16, 64, 128});
  s.bits = random.of({8, 15});
  s.causal = random.in(0, 4) > 0;
  s.alibi = random.in(0, 3) == 0;
  s.own_keys = s.rope > 0 && random.in(0, 3) == 0;
  s.of_rows = random.in(0, 4) == 0;
  if ((int64_t)s.heads * s.queries * s.tokens > 6000) s.heads = random.in(1, 18), s.queries = 1;
  return s;
}

class AttendIntegers : public KernelTest {};

TEST_P(AttendIntegers, AgreesWithTheDefinition) {
  for_seeds(25, [&](Random& random) {
    const Shape shape = draw(random);
    SCOPED_TRACE(text(shape));
    Sequence x(random, shape);
    x.fill(random);
    Result r(x);
    const std::vector<int> heads = random.cuts(shape.heads), queries = random.cuts(shape.queries);
    const int begin = random.in(0, 3) ? 0 : random.in(0, shape.tokens);
    for (size_t i = 0; i + 1 < heads.size(); i++)
      for (size_t j = 0; j + 1 < queries.size(); j++)
        attend(kernels(), x, heads[i], heads[i + 1], queries[j], queries[j + 1], begin, shape.tokens, r);
    expect_definition(x, begin, shape.tokens, r);
  });
}

TEST_P(AttendIntegers, TheCommonShape) {
  for (int bits : {8, 15}) {
    Random random(3);
    Sequence x(random, {40, 2, 300, 512, 64, 128, 64, bits});
    x.fill(random);
    Result r(x);
    attend(kernels(), x, 0, 40, 0, 2, 0, 300, r);
    expect_definition(x, 0, 300, r);
  }
}

TEST_P(AttendIntegers, ScalesThatAreNotFiniteOrSmallCountAsZero) {
  for (float scale : {INFINITY, NAN, 1e-31f, 0.f}) {
    Random random(4);
    // keys of their own, so that scores are finite all the same
    Shape shape{17, 1, 140, 128, 32, 64, 64, 8};
    shape.own_keys = true;
    Sequence x(random, shape);
    x.fill(random);
    for (int t : {0, 5, 127, 128, 139}) x.set_scale(t, 1, scale);
    Result r(x);
    attend(kernels(), x, 0, 17, 0, 1, 0, 140, r);
    expect_definition(x, 0, 140, r);
  }
}

// Probabilities, and what blocks add to one another, down to zero.
TEST_P(AttendIntegers, ScoresFarApart) {
  for (float spread : {20.f, 200.f, 2000.f}) {
    Random random(5);
    Sequence x(random, {17, 1, 520, 64, 32, 64, 64, 8});
    x.fill(random);
    x.p.scale = spread / 8;
    Result r(x);
    attend(kernels(), x, 0, 17, 0, 1, 0, 520, r);
    for (size_t i = 0; i < r.lse.size(); i++) ASSERT_TRUE(std::isfinite(r.lse[i]));
    for (size_t i = 0; i < r.out.size(); i++) ASSERT_LE(std::fabs(r.out[i]), 127 * 0.02f * 1.001f);
  }
}

TEST_P(AttendIntegers, SixteenRowsHaveTheSameBitsInAnyCall) {
  for (int bits : {8, 15}) {
    Random random(6);
    Sequence x(random, {48, 3, 200, 128, 64, 64, 16, bits});
    x.fill(random);
    Result whole(x), cut(x);
    attend(kernels(), x, 0, 48, 0, 3, 0, 200, whole);
    for (int h = 0; h < 48; h += 16)
      for (int t = 0; t < 3; t++) attend(kernels(), x, h, h + 16, t, t + 1, 0, 200, cut);
    EXPECT_EQ(std::memcmp(whole.out.data(), cut.out.data(), (size_t)whole.out.bytes()), 0);
    EXPECT_EQ(std::memcmp(whole.lse.data(), cut.lse.data(), (size_t)whole.lse.bytes()), 0);
  }
}

// Numbers of which no product is rounded: codes of queries are their numbers, scales powers of two. The score of a single token is its LSE;
// scores that all are zero leave weighted sums of integers.
TEST_P(AttendIntegers, HasTheBitsOfTheGenericTable) {
  constexpr float kLn2 = 0.693147182f;
  ASSERT_EQ(kLn2 * 1.44269504f, 1.f) << "what scores are multiplied by";
  for_seeds(30, [&](Random& random) {
    Shape shape = draw(random);
    shape.alibi = false;
    shape.queries = 1;
    const bool is_single = random.coin();
    shape.tokens = is_single ? 1 : std::min(shape.tokens, 128);  // a block
    SCOPED_TRACE(text(shape));
    Sequence x(random, shape);
    x.fill(random);
    x.p.scale = kLn2;
    for (size_t i = 0; i < x.q.size(); i++) x.q[i] = is_single ? (float)random.in(-126, 126) : 0;
    for (int h = 0; h < shape.heads && is_single && !shape.own_keys; h++)
      for (int i = 0; i < shape.latent; i += shape.scale_columns)
        x.q[(size_t)(h * x.p.q_head_stride + i)] = random.coin() ? 127 : -127;
    for (int t = 0; t < shape.tokens; t++) {
      for (int g = 0; g < shape.groups(); g++) x.set_scale(t, g, std::ldexp(1.f, random.in(-3, 0)));
      for (int i = 0; i < shape.rope; i++) x.set_rope(t, i, (float)random.in(-8, 8));
    }
    Result expected(x), r(x);
    attend(*mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_GENERIC), x, 0, shape.heads, 0, 1, 0, shape.tokens,
           expected);
    attend(kernels(), x, 0, shape.heads, 0, 1, 0, shape.tokens, r);
    ASSERT_EQ(std::memcmp(expected.lse.data(), r.lse.data(), (size_t)r.lse.bytes()), 0);
    ASSERT_EQ(std::memcmp(expected.out.data(), r.out.data(), (size_t)r.out.bytes()), 0);
  });
}

std::vector<const mla_kernels*> all_attention() {
  std::vector<const mla_kernels*> tables = all_kernels();
  tables.push_back(emulated_matrix_kernels());
  return tables;
}

INSTANTIATE_TEST_SUITE_P(, AttendIntegers, testing::ValuesIn(all_attention()),
                         [](const auto& i) { return describe(i.param, MLA_DESCRIBE_ISA); });

}  // namespace
}  // namespace mla::test
