// append: norm, rotation and rounding against double precision; padding is zero, other rows are not touched.
#include <gtest/gtest.h>

#include "support/cache.h"
#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

class Append : public KernelTest {};

TEST_P(Append, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(240, [&](Random& random) {
    const int type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16), latent = random.in(1, 130),
              rope = 2 * random.in(0, 33);
    const int position = random.in(0, 40), tokens = random.in(1, 9),
              all = position + tokens + random.in(0, 9);
    const bool norms = random.in(0, 3) > 0;
    SCOPED_TRACE("type " + std::to_string(type) + " latent " + std::to_string(latent) + " rope " +
                 std::to_string(rope) + (norms ? " normed" : ""));
    Cache cache(random, type, latent, rope, random.of({1, 3, 16, 64}), all);
    const mla_cache_params& c = cache.params();
    mla_append_params p{};
    p.struct_size = sizeof p;
    p.tokens = tokens;
    p.position = position;
    p.rope_layout = random.in(MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
    p.eps = 1e-6f;
    p.latent_and_key_stride = latent + rope + random.of({0, 3});
    Guarded<float> latent_and_key(span(tokens, latent + rope, p.latent_and_key_stride)),
        weight(random.reals(latent));
    fill_rows(random, latent_and_key, tokens, latent + rope, p.latent_and_key_stride);
    const int pairs = rope / 2;
    Guarded<float> cosines(tokens * pairs), sines(tokens * pairs);
    for (size_t i = 0; i < cosines.size(); i++) {
      const double angle = random.real(0, 1000);
      cosines[i] = static_cast<float>(std::cos(angle));
      sines[i] = static_cast<float>(std::sin(angle));
    }
    const std::vector<int> cuts = random.cuts(tokens);
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      MLA_CALL(kernels().append, &p, &c, latent_and_key.data(), norms ? weight.data() : nullptr,
               cosines.data(), sines.data(), cache.pages(), cuts[i], cuts[i + 1], cache.bytes().data());

    // half a bf16 step of a number below 2, or a few roundings of float32
    const double relative = type == MLA_TYPE_BF16 ? 0x1p-8 + 1e-6 : 1e-6;
    for (int t = 0; t < tokens; t++) {
      const float* row = latent_and_key.data() + t * p.latent_and_key_stride;
      double squares = 0;
      for (int i = 0; i < latent; i++) squares += static_cast<double>(row[i]) * row[i];
      const double factor = 1 / std::sqrt(squares / latent + p.eps);
      for (int i = 0; i < latent; i++) {
        const double expected = norms ? row[i] * factor * weight[i] : row[i];
        ASSERT_NEAR(cache.latent(position + t, i), expected, relative * std::fabs(expected))
            << "latent " << i;
        if (!norms) {
          ASSERT_EQ(cache.get(position + t, i), type == MLA_TYPE_BF16 ? bf16_value(to_bf16(row[i])) : row[i]);
        }
      }
      for (int i = latent; i < c.rope_offset; i++) ASSERT_EQ(cache.get(position + t, i), 0.f) << "padding";
      for (int64_t i = (c.rope_offset + rope) * type_size(type); i < c.row_stride_bytes; i++)
        ASSERT_EQ(cache.row(position + t)[i], 0) << "behind the key";
      for (int i = 0; i < pairs; i++) {
        const int first = p.rope_layout == MLA_ROPE_PAIRS ? 2 * i : i;
        const int second = p.rope_layout == MLA_ROPE_PAIRS ? 2 * i + 1 : i + pairs;
        const double x = row[latent + first], y = row[latent + second];
        const double cosine = cosines[t * pairs + i], sine = sines[t * pairs + i];
        ASSERT_NEAR(cache.key(position + t, first), x * cosine - y * sine, relative) << "pair " << i;
        ASSERT_NEAR(cache.key(position + t, second), y * cosine + x * sine, relative) << "pair " << i;
      }
    }
    for (int s = 0; s < all; s++) {
      if (s >= position && s < position + tokens) continue;
      for (int i = 0; i < c.rope_offset + rope; i++)
        ASSERT_TRUE(std::isnan(cache.get(s, i))) << "token " << s;
    }
  });
}

// Rounding to bf16 in the cache: to nearest even, NaN stays NaN, overflow becomes infinity.
TEST_P(Append, RoundsToNearestEven) {
  Random random(1);
  Guarded<float> from(4096);
  for (size_t i = 0; i < from.size(); i++) from[i] = from_bits(static_cast<uint32_t>(random.engine()()));
  from[0] = NAN;
  from[1] = from_bits(0x7f800001);  // a NaN whose upper half alone would be infinity
  from[2] = from_bits(0x7f7fffff);
  from[3] = INFINITY;
  from[4] = from_bits(0x3f808000);
  from[5] = from_bits(0x3f818000);
  Cache cache(random, MLA_TYPE_BF16, 4096, 0, 1, 1);
  mla_append_params p{};
  p.struct_size = sizeof p;
  p.tokens = 1;
  p.latent_and_key_stride = 4096;
  MLA_CALL(kernels().append, &p, &cache.params(), from.data(), nullptr, nullptr, nullptr, cache.pages(), 0, 1,
           cache.bytes().data());
  for (int i = 0; i < 4096; i++) {
    if (std::isnan(from[i])) {
      ASSERT_TRUE(std::isnan(cache.get(0, i))) << i;
    } else {
      ASSERT_EQ(bits(cache.get(0, i)), static_cast<uint32_t>(to_bf16(from[i])) << 16) << from[i];
    }
  }
}

MLA_TEST_ALL_KERNELS(Append);

}  // namespace
}  // namespace mla::test
