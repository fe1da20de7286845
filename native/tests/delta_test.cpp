// attend_delta against its equations in double precision, over widths with each vector tail; tokens at once, in chunks and head by head.
// Inputs and taps are positive, so that no convolution cancels; java/testkit's DeltaCase draws those that do, with bounds for each.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/random.h"

namespace mla::test {
namespace {

constexpr int kTaps = 4, kPast = kTaps - 1;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// A sequence of tokens through the heads' states.
struct Case {
  mla_delta_params p{};
  int all, state_size;
  std::vector<float> queries, keys, values, decays, betas, gates, taps, rates, bias, norm, state;

  Case(Random& random, int width) {
    p.struct_size = sizeof p;
    p.tokens = random.in(1, 11);
    p.heads = random.in(1, 3);
    p.width = width;
    p.decay = random.coin() ? MLA_DECAY_BOUNDED : MLA_DECAY_SOFTPLUS;
    p.decay_bound = -1.5f;
    p.eps = 1e-5f;
    all = p.heads * width;
    p.query_stride = p.key_stride = p.value_stride = p.decay_stride = p.gate_stride = p.out_stride = all;
    p.beta_stride = p.heads;
    state_size = width * (width + 3 * kPast);
    p.state_head_stride = state_size;
    const size_t n = (size_t)(p.tokens * all);
    queries = random.reals(n, 0.1f, 1);
    keys = random.reals(n, 0.1f, 1);
    values = random.reals(n, 0.1f, 1);
    decays = random.reals(n, -1, 1);
    gates = random.reals(n, -2, 2);
    betas = random.reals((size_t)(p.tokens * p.heads), -2, 2);
    taps = random.reals((size_t)(3 * kTaps * all), 0.1f, 1);
    rates = random.reals((size_t)p.heads, 0.1f, 1);
    bias = random.reals((size_t)all, -1, 1);
    norm = random.reals((size_t)width);
    state = random.reals((size_t)(p.heads * state_size), 0.1f, 1);
  }

  // Tokens from `first` on, heads begin to end, from a state or from nothing.
  void run(const mla_kernels& kernels, int first, int tokens, int head_begin, int head_end,
           const std::vector<float>* from, std::vector<float>& to, std::vector<float>& out) const {
    mla_delta_params part = p;
    part.tokens = tokens;
    const size_t at = (size_t)(first * all);
    Guarded<float> written(
        std::vector<float>(out.begin() + (int64_t)at, out.begin() + (first + tokens) * all));
    Guarded<float> after(to);
    MLA_CALL(kernels.attend_delta, &part, queries.data() + at, keys.data() + at, values.data() + at,
             decays.data() + at, betas.data() + first * p.heads, gates.data() + at, taps.data(), rates.data(),
             bias.data(), norm.data(), from ? from->data() : nullptr, head_begin, head_end, after.data(),
             written.data());
    std::copy(written.data(), written.data() + written.size(), out.begin() + (int64_t)at);
    std::copy(after.data(), after.data() + after.size(), to.begin());
  }

  double convolved(const std::vector<float>& x, int which, int h, int t, int i, bool fresh) const {
    double sum = 0;
    for (int j = 0; j < kTaps; j++) {
      const int token = t - kPast + j;
      const float* past = state.data() + h * state_size + p.width * p.width + which * kPast * p.width;
      const double input = token >= 0 ? x[(size_t)(token * all + h * p.width + i)]
                           : fresh    ? 0
                                      : past[(kPast + token) * p.width + i];
      sum += input * taps[(size_t)((which * kTaps + j) * all + h * p.width + i)];
    }
    return sum * sigmoid(sum);
  }

  // The results of a head, and its matrix.
  void expect(int h, bool fresh, std::vector<double>& out, std::vector<double>& s) const {
    const int n = p.width;
    s.assign((size_t)(n * n), 0);
    if (!fresh) std::copy_n(state.begin() + h * state_size, n * n, s.begin());
    std::vector<double> q((size_t)n), k(q), v(q), o(q);
    for (int t = 0; t < p.tokens; t++) {
      double q_squares = 1e-6, k_squares = 1e-6;
      for (int i = 0; i < n; i++) {
        q[i] = convolved(queries, 0, h, t, i, fresh);
        k[i] = convolved(keys, 1, h, t, i, fresh);
        v[i] = convolved(values, 2, h, t, i, fresh);
        q_squares += q[i] * q[i];
        k_squares += k[i] * k[i];
      }
      const double beta = sigmoid(betas[(size_t)(t * p.heads + h)]);
      for (int i = 0; i < n; i++) {
        q[i] /= std::sqrt(q_squares * n);
        k[i] /= std::sqrt(k_squares);
        const double z = (double)decays[(size_t)(t * all + h * n + i)] + bias[(size_t)(h * n + i)];
        const double rate = rates[(size_t)h];
        const double decay = p.decay == MLA_DECAY_BOUNDED ? std::exp(p.decay_bound * sigmoid(rate * z))
                                                          : std::exp(-rate * std::log1p(std::exp(z)));
        for (int j = 0; j < n; j++) s[i * n + j] *= decay;
      }
      double squares = 0;
      for (int j = 0; j < n; j++) {
        double seen = 0;
        for (int i = 0; i < n; i++) seen += k[i] * s[i * n + j];
        o[j] = 0;
        for (int i = 0; i < n; i++) {
          s[i * n + j] += k[i] * beta * (v[j] - seen);
          o[j] += q[i] * s[i * n + j];
        }
        squares += o[j] * o[j];
      }
      for (int j = 0; j < n; j++) {
        const size_t at = (size_t)(t * all + h * n + j);
        out[at] = o[j] / std::sqrt(squares / n + p.eps) * norm[(size_t)j] * sigmoid(gates[at]);
      }
    }
  }
};

class Delta : public KernelTest {};

TEST_P(Delta, AgreesWithItsEquations) {
  Random random(5);
  for (int width : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 128, 256}) {
    for (bool fresh : {true, false}) {
      const Case c(random, width);
      SCOPED_TRACE("width " + std::to_string(width) + ", tokens " + std::to_string(c.p.tokens) + ", heads " +
                   std::to_string(c.p.heads) + (fresh ? ", fresh" : ""));
      std::vector<float> out((size_t)(c.p.tokens * c.all)), after(c.state.size());
      c.run(kernels(), 0, c.p.tokens, 0, c.p.heads, fresh ? nullptr : &c.state, after, out);
      std::vector<double> expected(out.size()), s;
      for (int h = 0; h < c.p.heads; h++) {
        c.expect(h, fresh, expected, s);
        for (int i = 0; i < width * width; i++)
          ASSERT_NEAR(after[(size_t)(h * c.state_size + i)], s[(size_t)i], 4e-6)
              << "state " << i << " of head " << h;
      }
      for (size_t i = 0; i < out.size(); i++) ASSERT_NEAR(out[i], expected[i], 2e-5) << i;
    }
  }
}

// The inputs that the next convolution needs are kept as they were, and only heads that were asked for are written.
TEST_P(Delta, ChunksAndHeadsHaveTheSameBits) {
  Random random(6);
  for (int width : {1, 7, 16, 33, 64, 128}) {
    const Case c(random, width);
    const std::vector<float> nothing(c.state.size(), -7.f);
    std::vector<float> out((size_t)(c.p.tokens * c.all)), after = nothing;
    c.run(kernels(), 0, c.p.tokens, 0, c.p.heads, &c.state, after, out);
    for (int chunk : {1, 2, 5}) {
      std::vector<float> pieces(out.size()), before = c.state, next = nothing;
      for (int first = 0; first < c.p.tokens; first += chunk) {
        const int tokens = std::min(chunk, c.p.tokens - first);
        next = nothing;
        for (int h = c.p.heads - 1; h >= 0; h--) {
          const std::vector<float> untouched = next;
          c.run(kernels(), first, tokens, h, h + 1, &before, next, pieces);
          for (int i = 0; i < h * c.state_size; i++) ASSERT_EQ(next[(size_t)i], untouched[(size_t)i]);
        }
        before = next;
      }
      ASSERT_EQ(std::memcmp(pieces.data(), out.data(), out.size() * sizeof(float)), 0)
          << "chunks of " << chunk;
      ASSERT_EQ(std::memcmp(next.data(), after.data(), after.size() * sizeof(float)), 0)
          << "chunks of " << chunk;
    }
    const float* kept = after.data() + width * width;
    const int last = std::min(kPast, c.p.tokens);
    for (int i = 0; i < last * width; i++)
      ASSERT_EQ(kept[(kPast - last) * width + i],
                c.queries[(size_t)((c.p.tokens - last + i / width) * c.all + i % width)]);
  }
}

TEST_P(Delta, BadArgumentsAreNamed) {
  Random random(7);
  Case c(random, 16);
  std::vector<float> out((size_t)(c.p.tokens * c.all)), after(c.state.size());
  const auto error = [&](const mla_delta_params& p, const float* from, int head_end) {
    char text[256] = "";
    const int32_t status = kernels().attend_delta(
        &p, c.queries.data(), c.keys.data(), c.values.data(), c.decays.data(), c.betas.data(), c.gates.data(),
        c.taps.data(), c.rates.data(), c.bias.data(), c.norm.data(), from, 0, head_end, after.data(),
        out.data(), text, (int32_t)sizeof text);
    EXPECT_EQ(status, MLA_INVALID_ARGUMENT);
    return std::string(text);
  };
  EXPECT_NE(error(c.p, after.data(), c.p.heads).find("state_in is state_out"), std::string::npos);
  EXPECT_NE(error(c.p, nullptr, c.p.heads + 1).find("head"), std::string::npos);
  mla_delta_params wide = c.p;
  wide.width = 257;
  EXPECT_NE(error(wide, nullptr, c.p.heads).find("width"), std::string::npos);
  mla_delta_params rising = c.p;
  rising.decay_bound = 1;
  EXPECT_NE(error(rising, nullptr, c.p.heads).find("decay_bound"), std::string::npos);
}

MLA_TEST_ALL_KERNELS(Delta);

}  // namespace
}  // namespace mla::test
