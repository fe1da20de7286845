// append of a device against double precision: padding is zero, other rows are not touched, slot -1 writes nothing.
#include <gtest/gtest.h>

#include "cuda/device.h"
#include "support/cache.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

TEST(DeviceAppend, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(40, [&](Random& random) {
    const int type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16),
              latent = random.of({1, 16, 17, 100, 128, 130, 512}), rope = 2 * random.in(0, 33);
    const int tokens = random.in(1, 9), all = tokens + random.in(0, 9);
    const bool norms = random.in(0, 3) > 0;
    SCOPED_TRACE("type " + std::to_string(type) + " latent " + std::to_string(latent) + " rope " +
                 std::to_string(rope) + (norms ? " normed" : ""));
    Cache cache(random, type, latent, rope, random.of({1, 3, 16, 64}), all);
    const mla_cache_params& c = cache.params();
    mla_append_params p{};
    p.struct_size = sizeof p;
    p.tokens = tokens;
    p.rope_layout = random.in(MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
    p.eps = 1e-6f;
    p.latent_and_key_stride = latent + rope + random.of({0, 3});
    std::vector<float> latent_and_key(span(tokens, latent + rope, p.latent_and_key_stride), std::nanf(""));
    for (int t = 0; t < tokens; t++) {
      for (int i = 0; i < latent + rope; i++)
        latent_and_key[t * p.latent_and_key_stride + i] = random.real(-1, 1);
    }
    const std::vector<float> weight = random.reals(latent);
    const int pairs = rope / 2;
    std::vector<float> cosines, sines;
    for (int i = 0; i < tokens * pairs; i++) {
      const double angle = random.real(0, 1000);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
    // token t of the call is a token of the cache, or none
    std::vector<int> token_of(all);
    std::iota(token_of.begin(), token_of.end(), 0);
    std::shuffle(token_of.begin(), token_of.end(), random.engine());
    std::vector<int32_t> slots;
    for (int t = 0; t < tokens; t++) {
      if (random.in(0, 4) == 0) token_of[t] = -1;
      slots.push_back(token_of[t] < 0 ? -1
                                      : cache.pages()[token_of[t] / c.page_size] * c.page_size +
                                            token_of[t] % c.page_size);
    }
    DeviceArray<uint8_t> pool(static_cast<size_t>(cache.bytes().bytes()));
    DeviceArray<float> from(latent_and_key), w(weight), cos(cosines), sin(sines);
    DeviceArray<int32_t> device_slots(slots);
    DEVICE_CALL(append, stream(), &p, &c, from.data(), norms ? w.data() : nullptr, cos.data(), sin.data(),
                device_slots.data(), pool.data());
    const std::vector<uint8_t> written = pool.get();
    std::memcpy(cache.bytes().data(), written.data(), written.size());

    const double relative = type == MLA_TYPE_BF16 ? 0x1p-8 + 1e-6 : 1e-6;
    std::vector<bool> is_written(all);
    for (int t = 0; t < tokens; t++) {
      if (token_of[t] < 0) continue;
      is_written[token_of[t]] = true;
      const float* row = latent_and_key.data() + t * p.latent_and_key_stride;
      double squares = 0;
      for (int i = 0; i < latent; i++) squares += static_cast<double>(row[i]) * row[i];
      const double factor = norms ? 1 / std::sqrt(squares / latent + p.eps) : 1;
      for (int i = 0; i < latent; i++) {
        const double expected = norms ? row[i] * factor * weight[i] : row[i];
        ASSERT_NEAR(cache.latent(token_of[t], i), expected, relative * std::fabs(expected)) << "latent " << i;
      }
      for (int i = latent; i < c.rope_offset; i++) ASSERT_EQ(cache.get(token_of[t], i), 0.f) << "padding";
      for (int64_t i = (c.rope_offset + rope) * type_size(type); i < c.row_stride_bytes; i++)
        ASSERT_EQ(cache.row(token_of[t])[i], 0) << "behind the key";
      for (int i = 0; i < pairs; i++) {
        const int first = p.rope_layout == MLA_ROPE_PAIRS ? 2 * i : i;
        const int second = p.rope_layout == MLA_ROPE_PAIRS ? 2 * i + 1 : i + pairs;
        const double x = row[latent + first], y = row[latent + second];
        const double cosine = cosines[t * pairs + i], sine = sines[t * pairs + i];
        ASSERT_NEAR(cache.key(token_of[t], first), x * cosine - y * sine, relative) << "pair " << i;
        ASSERT_NEAR(cache.key(token_of[t], second), y * cosine + x * sine, relative) << "pair " << i;
      }
    }
    for (int s = 0; s < all; s++) {
      for (int i = 0; i < c.rope_offset + c.rope && !is_written[s]; i++)
        ASSERT_TRUE(std::isnan(cache.get(s, i))) << "token " << s;
    }
  });
}

}  // namespace
}  // namespace mla::test
