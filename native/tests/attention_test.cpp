// Both forms of attention and merge against softmax in double precision: shuffled pages, NaN in unused slots, cuts of heads, queries and keys.
#include <gtest/gtest.h>

#include "support/cache.h"
#include "support/emulated_kernels.h"
#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"
#include "support/references.h"

namespace mla::test {
namespace {

struct Shape {
  int heads, queries, tokens, latent, rope, page_size;
  int cache_type, compute;
  bool causal, alibi;
  int nope = 0, value = 0, weight_type = MLA_TYPE_F32;  // decompressed form only
  bool split = false;     // decompressed form only: keys and values apart, keys transposed
  bool own_keys = false;  // absorbed form only: rope is the key
  int query_width() const { return own_keys ? rope : latent + rope; }
  bool rounds() const { return compute == MLA_COMPUTE_BF16 && cache_type == MLA_TYPE_BF16; }
};

std::string text(const Shape& s) {
  return "heads " + std::to_string(s.heads) + " queries " + std::to_string(s.queries) + " tokens " +
         std::to_string(s.tokens) + " latent " + std::to_string(s.latent) + " rope " +
         std::to_string(s.rope) + " page " + std::to_string(s.page_size) + " cache " +
         std::to_string(s.cache_type) + " compute " + std::to_string(s.compute) + " causal " +
         std::to_string(s.causal) + " alibi " + std::to_string(s.alibi) + " own keys " +
         std::to_string(s.own_keys);
}

// One sequence with its queries; `width` numbers of a query, `out_width` of a result.
struct Sequence {
  Sequence(Random& random, const Shape& s, int width, int out_width)
      : s(s),
        width(width),
        out_width(out_width),
        cache(random, s.cache_type, s.latent, s.rope, s.page_size, s.tokens),
        q_gap(random.of({0, 3})),
        out_gap(random.of({0, 2})),
        q(span(s.queries * s.heads, width, width + q_gap)),
        slopes(s.alibi ? s.heads : 0) {
    cache.fill(random, s.tokens);
    fill_rows(random, q, s.queries * s.heads, width, width + q_gap);
    for (size_t h = 0; h < slopes.size(); h++) slopes[h] = random.real(0, 0.5f);
    p.struct_size = sizeof p;
    p.probability_bits = 8;
    p.compute = s.compute;
    p.heads = s.heads;
    p.query_tokens = s.queries;
    p.kv_tokens = s.tokens;
    p.causal = s.causal;
    p.nope = s.nope;
    p.value = s.value;
    p.scale = 1 / std::sqrt(static_cast<float>(width));
    p.key_offset = s.own_keys ? cache.params().rope_offset : 0;
    p.q_head_stride = width + q_gap;
    p.q_token_stride = p.q_head_stride * s.heads;
    p.out_head_stride = out_width + out_gap;
    p.out_token_stride = p.out_head_stride * s.heads;
    p.lse_head_stride = s.queries;  // as FlashMLA has it: heads outside
    p.lse_token_stride = 1;
    for (mla_head_linear_params* up : {&keys, &values}) {
      up->struct_size = sizeof keys;
      up->compute = s.compute;
      up->weight_type = s.weight_type;
      up->heads = s.heads;
      up->in = s.latent;
      up->out = up == &keys ? s.nope : s.value;
      up->weight_stride = s.latent;
      up->weight_head_stride = (s.nope + s.value) * up->weight_stride;
    }
    if (s.split) {
      keys.transposed = 1;
      keys.weight_stride = s.nope;
      keys.weight_head_stride = s.latent * s.nope;
      values.weight_head_stride = s.value * s.latent;
    }
  }
  size_t out_size() const { return span(s.queries * s.heads, out_width, p.out_head_stride); }
  size_t lse_size() const { return s.queries * s.heads; }
  const float* slope_data() const { return slopes.size() ? slopes.data() : nullptr; }
  double query(int t, int h, int i) const {
    return operand(q[t * p.q_token_stride + h * p.q_head_stride + i],
                   s.rounds() ? MLA_COMPUTE_BF16 : MLA_COMPUTE_F32);
  }

  Shape s;
  int width, out_width;
  Cache cache;
  int q_gap, out_gap;
  Guarded<float> q;
  Guarded<float> slopes;
  mla_attention_params p{};
  mla_head_linear_params keys{}, values{};
};

struct Result {
  explicit Result(const Sequence& sequence) : out(sequence.out_size()), lse(sequence.lse_size()) {}
  Guarded<float> out;
  Guarded<float> lse;
};

// Aligned memory of exactly the size that a call asks for.
struct Workspace {
  Workspace(const mla_kernels& kernels, const Sequence& s, bool decompressed)
      : size(kernels.attention_workspace(&s.p, &s.cache.params(), decompressed ? &s.keys : nullptr,
                                         decompressed ? &s.values : nullptr)),
        memory(static_cast<size_t>(std::max<int64_t>(size, 0))) {
    EXPECT_EQ(size % 64, 0);
  }
  int64_t size;
  Guarded<uint8_t> memory;  // ends at a page, so a multiple of 64 begins aligned
};

void absorbed(const mla_kernels& kernels, const Sequence& s, int head_begin, int head_end, int query_begin,
              int query_end, int kv_begin, int kv_end, float* out, float* lse) {
  Workspace w(kernels, s, false);
  MLA_CALL(kernels.attend_absorbed, &s.p, &s.cache.params(), s.q.data(), s.cache.data(), s.cache.pages(),
           s.slope_data(), head_begin, head_end, query_begin, query_end, kv_begin, kv_end, out, lse,
           w.memory.data(), w.size);
}

// key(token, head, i), value(token, head, i) in double; the expected result against `r`.
template <class Key, class Value>
void expect_reference(const Sequence& s, int key_width, const Result& r, double lse_bound, Key key,
                      Value value) {
  const Shape& shape = s.s;
  std::vector<Sum> expected;
  std::vector<double> lse;
  SumTolerance tolerance(std::max(shape.tokens, key_width));
  double dot = 0, squares = 0;
  for (int t = 0; t < shape.queries; t++) {
    const int position = shape.tokens - shape.queries + t;
    const int visible = shape.causal ? position + 1 : shape.tokens;
    for (int h = 0; h < shape.heads; h++) {
      std::vector<double> score(visible);
      double max = -INFINITY, sum = 0;
      for (int k = 0; k < visible; k++) {
        for (int i = 0; i < key_width; i++) score[k] += s.query(t, h, i) * key(k, h, i);
        score[k] = score[k] * s.p.scale - (shape.alibi ? s.slopes[h] * (position - k) : 0.0);
        max = std::max(max, score[k]);
      }
      for (double& x : score) sum += x = std::exp(x - max);
      lse.push_back(visible ? max + std::log(sum) : -INFINITY);
      for (int i = 0; i < s.out_width; i++) {
        Sum& e = expected.emplace_back();
        for (int k = 0; k < visible; k++) e.add(score[k] / sum, value(k, h, i));
        tolerance.see(e);
      }
    }
  }
  size_t next = 0;
  for (int t = 0; t < shape.queries; t++) {
    for (int h = 0; h < shape.heads; h++) {
      const double l = lse[t * shape.heads + h],
                   got = r.lse[t * s.p.lse_token_stride + h * s.p.lse_head_stride];
      if (std::isinf(l)) {
        ASSERT_EQ(got, l);
      } else {
        ASSERT_NEAR(got, l, lse_bound * std::max(1.0, std::fabs(l))) << "lse of query " << t << " head " << h;
      }
      const int64_t at = t * s.p.out_token_stride + h * s.p.out_head_stride;
      for (int i = 0; i < s.out_width; i++, next++) {
        const double e = expected[next].value, o = r.out[at + i];
        // rounding p to bf16 moves each term by 2^-8 of itself at most
        ASSERT_NEAR(o, e, tolerance.bound() + (shape.rounds() ? 0x1.08p-8 * expected[next].sizes : 0))
            << "query " << t << " head " << h << " column " << i;
        dot += o * e;
        squares += o * o + e * e;
      }
      for (int64_t i = s.out_width; i < s.p.out_head_stride && at + i < static_cast<int64_t>(r.out.size());
           i++)
        ASSERT_TRUE(r.out.is_poison(at + i)) << "written behind query " << t << " head " << h;
    }
  }
  if (expected.size() >= 32 && squares > 0) {
    ASSERT_LE(1 - 2 * dot / squares, 5e-6) << "cosine distance";
  }
}

void expect_absorbed_reference(const Sequence& s, const Result& r) {
  const int latent = s.s.own_keys ? 0 : s.s.latent;
  expect_reference(
      s, s.s.query_width(), r, 2e-6,
      [&](int k, int, int i) { return i < latent ? s.cache.latent(k, i) : s.cache.key(k, i - latent); },
      [&](int k, int, int i) { return s.cache.latent(k, i); });
}

Shape draw(Random& random) {
  Shape s{};
  s.heads = random.of({1, 2, 3, 5, 9, 16, 19, 20, 36, 40, 63, 64, 65, 84});
  s.queries = random.of({1, 1, 1, 2, 3, 8});
  s.tokens = std::max(s.queries, random.of({1, 2, 7, 20, 47, 48, 49, 64, 65, 97, 140, 300}));
  s.latent = random.of({16, 17, 32, 48, 100, 128});
  s.rope = random.of({0, 2, 16, 18, 64});
  s.page_size = random.of({1, 3, 16, 64, 128});
  s.cache_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
  s.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
  s.causal = random.in(0, 4) > 0;
  s.alibi = random.in(0, 3) == 0;
  s.own_keys = s.rope > 0 && random.in(0, 3) == 0;
  if (static_cast<int64_t>(s.heads) * s.queries * s.tokens > 20000)
    s.heads = random.in(1, 17), s.queries = random.in(1, 3);
  return s;
}

class Attend : public KernelTest {};

TEST_P(Attend, AbsorbedAgreesWithTheReferenceOverRandomShapes) {
  for_seeds(200, [&](Random& random) {
    const Shape shape = draw(random);
    SCOPED_TRACE(text(shape));
    const Sequence s(random, shape, shape.query_width(), shape.latent);
    Result r(s);
    const std::vector<int> heads = random.cuts(shape.heads), queries = random.cuts(shape.queries);
    for (size_t i = 0; i + 1 < heads.size(); i++) {
      for (size_t j = 0; j + 1 < queries.size(); j++)
        absorbed(kernels(), s, heads[i], heads[i + 1], queries[j], queries[j + 1], 0, shape.tokens,
                 r.out.data(), r.lse.data());
    }
    expect_absorbed_reference(s, r);
  });
}

TEST_P(Attend, TheCommonShape) {
  for (int cache_type : {MLA_TYPE_F32, MLA_TYPE_BF16}) {
    for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
      Random random(5);
      const Shape shape{24, 2, 131, 512, 64, 64, cache_type, compute, true, false};
      SCOPED_TRACE(text(shape));
      const Sequence s(random, shape, 576, 512);
      Result r(s);
      absorbed(kernels(), s, 0, 24, 0, 2, 0, 131, r.out.data(), r.lse.data());
      expect_absorbed_reference(s, r);
    }
  }
}

// Multi-query attention, groups of heads and single heads: rows hold a value and a key of their own.
TEST_P(Attend, KeysOfTheirOwn) {
  for (int cache_type : {MLA_TYPE_F32, MLA_TYPE_BF16}) {
    for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
      for (int heads : {1, 2, 8, 16, 64}) {
        Random random(11);
        Shape shape{heads, 2, 131, 128, 128, 64, cache_type, compute, true, false};
        shape.own_keys = true;
        SCOPED_TRACE(text(shape));
        const Sequence s(random, shape, 128, 128);
        Result r(s);
        absorbed(kernels(), s, 0, heads, 0, 2, 0, 131, r.out.data(), r.lse.data());
        expect_absorbed_reference(s, r);
      }
    }
  }
}

// Up to four rows are attended to where they lie.
TEST_P(Attend, FewRowsAgreeWithTheReferenceOverRandomShapes) {
  for_seeds(300, [&](Random& random) {
    Shape s{};
    s.heads = random.in(1, 4);
    s.queries = random.in(1, 4 / s.heads);
    s.tokens = std::max(s.queries, random.of({1, 2, 3, 15, 16, 17, 31, 33, 64, 130, 300}));
    s.latent = random.of({16, 17, 40, 63, 128, 200, 512});
    s.rope = random.of({2, 16, 18, 34, 64, 128});
    s.page_size = random.of({1, 2, 3, 5, 16, 37, 64});
    s.cache_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
    s.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
    s.causal = random.in(0, 4) > 0;
    s.alibi = random.in(0, 2) == 0;
    s.own_keys = random.in(0, 3) > 0;
    SCOPED_TRACE(text(s));
    const Sequence sequence(random, s, s.query_width(), s.latent);
    Result r(sequence);
    absorbed(kernels(), sequence, 0, s.heads, 0, s.queries, 0, s.tokens, r.out.data(), r.lse.data());
    expect_absorbed_reference(sequence, r);
  });
}

TEST_P(Attend, FewRowsHaveTheSameBitsInAnyCall) {
  for (int cache_type : {MLA_TYPE_F32, MLA_TYPE_BF16}) {
    for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
      for (int heads : {1, 2, 3, 4}) {
        Random random(12);
        Shape shape{heads, 4 / heads, 131, 100, 66, 3, cache_type, compute, true, true};
        shape.own_keys = true;
        SCOPED_TRACE(text(shape));
        const Sequence s(random, shape, 66, 100);
        Result whole(s), cut(s);
        absorbed(kernels(), s, 0, heads, 0, shape.queries, 0, 131, whole.out.data(), whole.lse.data());
        for (int h = 0; h < heads; h++) {
          for (int t = 0; t < shape.queries; t++)
            absorbed(kernels(), s, h, h + 1, t, t + 1, 0, 131, cut.out.data(), cut.lse.data());
        }
        EXPECT_EQ(std::memcmp(whole.out.data(), cut.out.data(), cut.out.bytes()), 0);
        EXPECT_EQ(std::memcmp(whole.lse.data(), cut.lse.data(), cut.lse.bytes()), 0);
      }
    }
  }
}

TEST_P(Attend, FewRowsThatSeeNothingAreZero) {
  for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(13);
    Shape shape{1, 3, 70, 32, 16, 16, MLA_TYPE_BF16, compute, true, false};
    shape.own_keys = true;
    const Sequence s(random, shape, 16, 32);
    Result r(s);
    // keys 68 and 69 are not seen by the query at 67
    absorbed(kernels(), s, 0, 1, 0, 3, 68, 70, r.out.data(), r.lse.data());
    EXPECT_EQ(r.lse[0], -INFINITY);
    EXPECT_TRUE(std::isfinite(r.lse[1]) && std::isfinite(r.lse[2]));
    for (int i = 0; i < 32; i++) EXPECT_EQ(r.out[i], 0.f);
  }
}

TEST_P(Attend, MoreRowsThanABlockOfThem) {
  for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(10);
    const Shape shape{128, 9, 40, 16, 2, 16, MLA_TYPE_BF16, compute, true, true};
    const Sequence s(random, shape, 18, 16);
    Result r(s);
    absorbed(kernels(), s, 0, 128, 0, 9, 0, 40, r.out.data(), r.lse.data());
    expect_absorbed_reference(s, r);
  }
}

TEST_P(Attend, SplitsOfTheKeysMergeIntoTheWhole) {
  for_seeds(100, [&](Random& random) {
    const Shape shape = draw(random);
    SCOPED_TRACE(text(shape));
    const Sequence s(random, shape, shape.query_width(), shape.latent);
    const std::vector<int> kv = random.cuts(shape.tokens);
    const int parts = static_cast<int>(kv.size()) - 1;
    Guarded<float> out(parts * s.out_size()), lse(parts * s.lse_size());
    for (int i = 0; i < parts; i++)
      absorbed(kernels(), s, 0, shape.heads, 0, shape.queries, kv[i], kv[i + 1],
               out.data() + i * s.out_size(), lse.data() + i * s.lse_size());
    mla_merge_params m{};
    m.struct_size = sizeof m;
    m.parts = parts;
    m.tokens = shape.queries;
    m.heads = shape.heads;
    m.width = shape.latent;
    m.part_stride = static_cast<int64_t>(s.out_size());
    m.part_token_stride = m.out_token_stride = s.p.out_token_stride;
    m.part_head_stride = m.out_head_stride = s.p.out_head_stride;
    m.part_lse_stride = static_cast<int64_t>(s.lse_size());
    m.part_lse_token_stride = m.lse_token_stride = s.p.lse_token_stride;
    m.part_lse_head_stride = m.lse_head_stride = s.p.lse_head_stride;
    Result r(s);
    const std::vector<int> heads = random.cuts(shape.heads);
    for (size_t i = 0; i + 1 < heads.size(); i++)
      MLA_CALL(kernels().merge, &m, out.data(), lse.data(), 0, shape.queries, heads[i], heads[i + 1],
               r.out.data(), r.lse.data());
    expect_absorbed_reference(s, r);
  });
}

TEST_P(Attend, ARowThatSeesNothingIsZero) {
  for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(6);
    const Shape shape{17, 3, 70, 32, 16, 16, MLA_TYPE_BF16, compute, true, false};
    const Sequence s(random, shape, 48, 32);
    Result r(s);
    // keys 68 and 69 are seen by the queries at 68 and 69, not by the one at 67; 40 .. 40 is no key at all
    absorbed(kernels(), s, 0, 17, 0, 3, 68, 70, r.out.data(), r.lse.data());
    for (int h = 0; h < 17; h++) {
      EXPECT_EQ(r.lse[h * 3], -INFINITY);
      EXPECT_TRUE(std::isfinite(r.lse[h * 3 + 1]));
      for (int i = 0; i < 32; i++) EXPECT_EQ(r.out[h * s.p.out_head_stride + i], 0.f);
    }
    absorbed(kernels(), s, 0, 17, 0, 3, 40, 40, r.out.data(), r.lse.data());
    for (size_t i = 0; i < r.lse.size(); i++) EXPECT_EQ(r.lse[i], -INFINITY);
  }
}

TEST_P(Attend, LargeScoresStayFinite) {
  for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
    Random random(7);
    const Shape shape{3, 1, 60, 16, 0, 16, MLA_TYPE_F32, compute, true, false};
    Sequence s(random, shape, 16, 16);
    s.p.scale = 1e4f;
    Result r(s);
    absorbed(kernels(), s, 0, 3, 0, 1, 0, 60, r.out.data(), r.lse.data());
    for (int h = 0; h < 3; h++) {
      EXPECT_TRUE(std::isfinite(r.lse[h]));
      for (int i = 0; i < 16; i++) EXPECT_TRUE(std::isfinite(r.out[h * s.p.out_head_stride + i]));
    }
  }
}

// Calls of a multiple of 16 rows give the same bits, whatever the pages and addresses.
TEST_P(Attend, BlocksOfSixteenRowsHaveTheSameBitsInAnyCall) {
  for (int cache_type : {MLA_TYPE_F32, MLA_TYPE_BF16}) {
    for (int compute : {MLA_COMPUTE_F32, MLA_COMPUTE_BF16}) {
      Random random(8);
      const Shape shape{48, 5, 130, 64, 16, 16, cache_type, compute, true, true};
      SCOPED_TRACE(text(shape));
      const Sequence s(random, shape, 80, 64);
      Result whole(s), cut(s), paged(s);
      absorbed(kernels(), s, 0, 48, 0, 5, 0, 130, whole.out.data(), whole.lse.data());
      for (int h = 0; h < 48; h += 16) {
        for (int t = 0; t < 5; t++)
          absorbed(kernels(), s, h, h + 16, t, t + 1, 0, 130, cut.out.data(), cut.lse.data());
      }
      EXPECT_EQ(std::memcmp(whole.out.data(), cut.out.data(), cut.out.bytes()), 0);
      EXPECT_EQ(std::memcmp(whole.lse.data(), cut.lse.data(), cut.lse.bytes()), 0);
      Cache copy(random, cache_type, 64, 16, 7, 130);
      for (int k = 0; k < 130; k++) {
        for (int i = 0; i < 80; i++) copy.set(k, i, s.cache.get(k, i));
      }
      Workspace w(kernels(), s, false);
      MLA_CALL(kernels().attend_absorbed, &s.p, &copy.params(), s.q.data(), copy.data(), copy.pages(),
               s.slope_data(), 0, 48, 0, 5, 0, 130, paged.out.data(), paged.lse.data(), w.memory.data(),
               w.size);
      EXPECT_EQ(std::memcmp(whole.out.data(), paged.out.data(), paged.out.bytes()), 0) << "other pages";
    }
  }
}

TEST_P(Attend, DecompressedAgreesWithTheReferenceOverRandomShapes) {
  for_seeds(200, [&](Random& random) {
    Shape shape = draw(random);
    shape.own_keys = false;
    shape.heads = random.in(1, 5);
    shape.queries = std::min(shape.tokens, random.of({1, 2, 5, 16, 17, 33, 70}));
    shape.latent = random.of({16, 17, 32, 48});
    if (shape.tokens > 150) shape.tokens = 150;
    shape.nope = random.of({1, 8, 15, 32});
    shape.value = random.of({1, 8, 17, 40});
    shape.weight_type = random.of({MLA_TYPE_F32, MLA_TYPE_BF16, MLA_TYPE_F16});
    shape.split = random.coin();
    SCOPED_TRACE(text(shape) + " nope " + std::to_string(shape.nope) + " value " +
                 std::to_string(shape.value) + " weight type " + std::to_string(shape.weight_type));
    const Sequence s(random, shape, shape.nope + shape.rope, shape.value);
    const Matrix latent_up(random, shape.weight_type,
                           shape.split ? 0 : shape.heads * (shape.nope + shape.value), shape.latent,
                           shape.latent);
    const Matrix key_up(random, shape.weight_type, shape.split ? shape.heads * shape.latent : 0, shape.nope,
                        shape.nope);
    const Matrix value_up(random, shape.weight_type, shape.split ? shape.heads * shape.value : 0,
                          shape.latent, shape.latent);
    const uint8_t* key_weight = shape.split ? key_up.bytes.data() : latent_up.bytes.data();
    const uint8_t* value_weight =
        shape.split ? value_up.bytes.data()
                    : latent_up.bytes.data() + shape.nope * shape.latent * type_size(shape.weight_type);
    const auto up = [&](int head, int i, int j) {
      if (!shape.split) return latent_up.at(head * (shape.nope + shape.value) + i, j);
      return i < shape.nope ? key_up.at(head * shape.latent + j, i)
                            : value_up.at(head * shape.value + i - shape.nope, j);
    };
    Result r(s);
    Workspace w(kernels(), s, true);
    const std::vector<int> heads = random.cuts(shape.heads), queries = random.cuts(shape.queries);
    for (size_t i = 0; i + 1 < heads.size(); i++) {
      for (size_t j = 0; j + 1 < queries.size(); j++)
        MLA_CALL(kernels().attend_decompressed, &s.p, &s.cache.params(), &s.keys, &s.values, s.q.data(),
                 key_weight, nullptr, value_weight, nullptr, s.cache.data(), s.cache.pages(), s.slope_data(),
                 heads[i], heads[i + 1], queries[j], queries[j + 1], r.out.data(), r.lse.data(),
                 w.memory.data(), w.size);
    }
    // [token][head][nope + value], as the kernel rounds it
    std::vector<double> rebuilt;
    for (int k = 0; k < shape.tokens; k++) {
      for (int row = 0; row < shape.heads * (shape.nope + shape.value); row++) {
        double x = 0;
        const int width = shape.nope + shape.value;
        for (int i = 0; i < shape.latent; i++) x += up(row / width, row % width, i) * s.cache.latent(k, i);
        rebuilt.push_back(shape.rounds() ? bf16_value(to_bf16(static_cast<float>(x))) : x);
      }
    }
    const auto at = [&](int k, int h, int i) {
      return rebuilt[(static_cast<size_t>(k) * shape.heads + h) * (shape.nope + shape.value) + i];
    };
    // a rebuilt key at the middle of two bf16 numbers may be rounded to either
    expect_reference(
        s, shape.nope + shape.rope, r, shape.rounds() ? 1e-3 : 4e-6,
        [&](int k, int h, int i) { return i < shape.nope ? at(k, h, i) : s.cache.key(k, i - shape.nope); },
        [&](int k, int h, int i) { return at(k, h, shape.nope + i); });
  });
}

TEST_P(Attend, MergeIgnoresWhatEmptyPartsHold) {
  for (int width = 1; width <= 68; width++) {
    Random random(9);
    const int parts = 3, rows = 4;
    mla_merge_params m{};
    m.struct_size = sizeof m;
    m.parts = parts;
    m.tokens = rows;
    m.heads = 1;
    m.width = width;
    m.part_token_stride = m.out_token_stride = width;
    m.part_head_stride = m.out_head_stride = width;
    m.part_stride = rows * width;
    m.part_lse_token_stride = m.lse_token_stride = 1;
    m.part_lse_head_stride = m.lse_head_stride = 1;
    m.part_lse_stride = rows;
    Guarded<float> out(parts * rows * width), lse(parts * rows), merged(rows * width), merged_lse(rows);
    for (int i = 0; i < parts; i++) {
      for (int t = 0; t < rows; t++) {
        // row 0: all parts; row 1: the first is empty; row 2: one alone; row 3: none
        const bool empty = (t == 1 && i == 0) || (t == 2 && i != 1) || t == 3;
        lse[i * rows + t] = empty ? -INFINITY : random.real(-40, 40);
        for (int j = 0; j < width && !empty; j++) out[(i * rows + t) * width + j] = random.real(-1, 1);
      }
    }
    MLA_CALL(kernels().merge, &m, out.data(), lse.data(), 0, rows, 0, 1, merged.data(), merged_lse.data());
    expect_merged(parts, width, out.data(), lse.data(), merged.data(), merged_lse.data());
  }
}

std::vector<const mla_kernels*> all_attention() {
  std::vector<const mla_kernels*> tables = all_kernels();
  tables.push_back(emulated_matrix_kernels());
  return tables;
}

INSTANTIATE_TEST_SUITE_P(, Attend, testing::ValuesIn(all_attention()),
                         [](const auto& i) { return describe(i.param, MLA_DESCRIBE_ISA); });

}  // namespace
}  // namespace mla::test
