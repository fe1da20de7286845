// linear, head_linear and grouped_linear of a device against double precision, with the bounds of the processor's kernels; the same bits for any
// number of rows, and for an expert's rows.
#include <gtest/gtest.h>

#include "cuda/device.h"
#include "cuda/step.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

mla_linear_params params_of(int rows, int k, int n, int type, int compute) {
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.weight_type = type;
  p.rows = rows;
  p.k = k;
  p.n = n;
  p.x_stride = k;
  p.weight_stride = k;
  p.y_stride = n;
  return p;
}

std::vector<uint8_t> stored(const Matrix& m) { return {m.bytes.data(), m.bytes.data() + m.bytes.bytes()}; }

std::vector<float> run(const mla_linear_params& p, const std::vector<float>& x, const Matrix& weight,
                       const std::vector<float>& bias) {
  DeviceArray<float> from(x), b(bias), y(span(p.rows, p.n, p.y_stride));
  DeviceArray<uint8_t> w(stored(weight));
  DEVICE_CALL(linear, stream(), &p, from.data(), w.data(), bias.empty() ? nullptr : b.data(), y.data());
  return y.get();
}

TEST(DeviceLinear, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(50, [&](Random& random) {
    mla_linear_params p =
        params_of(random.of({0, 1, 1, 2, 5, 8, 9, 16, 31, 33, 40, 65}), 1, random.in(1, 140),
                  random.in(MLA_TYPE_F32, MLA_TYPE_BF16), random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16));
    p.k = random.of({8, 16, 64, 128, 256, 520, random.in(1, 300)});
    p.x_stride = p.k + random.of({0, 3});
    p.weight_stride = p.k + random.of({0, 8, 3});
    p.y_stride = p.n + random.of({0, 2});
    SCOPED_TRACE("rows " + std::to_string(p.rows) + " k " + std::to_string(p.k) + " n " +
                 std::to_string(p.n) + " type " + std::to_string(p.weight_type) + " compute " +
                 std::to_string(p.compute));
    std::vector<float> x(span(p.rows, p.k, p.x_stride), std::nanf(""));
    for (int i = 0; i < p.rows; i++) {
      for (int j = 0; j < p.k; j++) x[i * p.x_stride + j] = random.real(-1, 1);
    }
    const Matrix weight(random, p.weight_type, p.n, p.k, p.weight_stride);
    const std::vector<float> bias = random.coin() ? random.reals(p.n) : std::vector<float>();
    const std::vector<float> y = run(p, x, weight, bias);
    SumTolerance tolerance(p.k);
    std::vector<double> expected;
    for (int i = 0; i < p.rows; i++) {
      for (int j = 0; j < p.n; j++) {
        Sum s;
        for (int c = 0; c < p.k; c++) s.add(operand(x[i * p.x_stride + c], p.compute), weight.at(j, c));
        if (!bias.empty()) s.add(1, bias[j]);
        tolerance.see(s);
        expected.push_back(s.value);
      }
    }
    for (int i = 0; i < p.rows; i++) {
      for (int j = 0; j < p.n; j++)
        ASSERT_NEAR(y[i * p.y_stride + j], expected[i * p.n + j], tolerance.bound())
            << "row " << i << " output " << j;
      for (int64_t j = p.n; j < p.y_stride && i + 1 < p.rows; j++)
        ASSERT_TRUE(is_poison(y[i * p.y_stride + j]));
    }
  });
}

// Of each kind of block, and with as many segments of k as there can be; 24 blocks of outputs and 128 rows fill a large device.
TEST(DeviceLinear, ARowHasTheSameBitsInAnyNumberOfRows) {
  struct Weight {
    int type, compute, rows, k, n;
  };
  for (const auto& [type, compute, rows, k, n] : {Weight{MLA_TYPE_F32, MLA_COMPUTE_F32, 41, 300, 50},
                                                  Weight{MLA_TYPE_F32, MLA_COMPUTE_BF16, 41, 300, 50},
                                                  Weight{MLA_TYPE_BF16, MLA_COMPUTE_F32, 41, 300, 50},
                                                  Weight{MLA_TYPE_BF16, MLA_COMPUTE_BF16, 70, 300, 50},
                                                  Weight{MLA_TYPE_BF16, MLA_COMPUTE_BF16, 40, 2100, 20},
                                                  Weight{MLA_TYPE_BF16, MLA_COMPUTE_BF16, 70, 1100, 20},
                                                  Weight{MLA_TYPE_BF16, MLA_COMPUTE_BF16, 130, 40, 12200}}) {
    SCOPED_TRACE("type " + std::to_string(type) + " compute " + std::to_string(compute) + " k " +
                 std::to_string(k) + " n " + std::to_string(n));
    limit_shared(kLargest);
    Random random(2);
    const mla_linear_params p = params_of(rows, k, n, type, compute);
    const std::vector<float> x = random.reals(static_cast<size_t>(rows) * k);
    const Matrix weight(random, type, n, k, k);
    const std::vector<float> all = run(p, x, weight, {});
    for (const int few_rows : {1, 7, 9, 33}) {
      mla_linear_params few = p;
      few.rows = few_rows;
      const std::vector<float> y =
          run(few, std::vector<float>(x.begin() + 3 * k, x.begin() + (3 + few_rows) * k), weight, {});
      ASSERT_EQ(std::memcmp(y.data(), all.data() + 3 * n, y.size() * sizeof(float)), 0)
          << "rows " << few_rows;
    }
    SumTolerance tolerance(k);
    std::vector<double> expected;
    for (int j = 0; j < n; j++) {
      Sum s;
      for (int c = 0; c < k; c++) s.add(operand(x[(rows - 1) * k + c], compute), weight.at(j, c));
      tolerance.see(s);
      expected.push_back(s.value);
    }
    for (int j = 0; j < n; j++)
      ASSERT_NEAR(all[static_cast<size_t>(rows - 1) * n + j], expected[j], tolerance.bound())
          << "output " << j;
  }
}

TEST(DeviceHeadLinear, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(30, [&](Random& random) {
    mla_head_linear_params p{};
    p.struct_size = sizeof p;
    p.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
    p.weight_type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16);
    p.tokens = random.of({0, 1, 3, 9});
    p.heads = random.in(1, 4);
    p.in = random.of({8, 16, 128, random.in(1, 200)});
    p.out = random.of({8, 64, 100, random.in(1, 150)});
    p.transposed = random.in(0, 1);
    const int rows = p.transposed ? p.in : p.out, columns = p.transposed ? p.out : p.in,
              skipped = random.of({0, 16});
    p.weight_stride = columns + random.of({0, 8, 1});
    p.weight_head_stride = (rows + skipped) * p.weight_stride;
    p.x_head_stride = p.in + random.of({0, 4});
    p.x_token_stride = p.x_head_stride * p.heads;
    p.y_head_stride = p.out + random.of({0, 1});
    p.y_token_stride = p.y_head_stride * p.heads;
    SCOPED_TRACE("tokens " + std::to_string(p.tokens) + " heads " + std::to_string(p.heads) + " in " +
                 std::to_string(p.in) + " out " + std::to_string(p.out) + " transposed " +
                 std::to_string(p.transposed) + " type " + std::to_string(p.weight_type) + " compute " +
                 std::to_string(p.compute));
    const Matrix weight(random, p.weight_type, (rows + skipped) * (p.heads - 1) + rows, columns,
                        p.weight_stride);
    std::vector<float> x(span(p.tokens * p.heads, p.in, p.x_head_stride), std::nanf(""));
    for (int i = 0; i < p.tokens * p.heads; i++) {
      for (int j = 0; j < p.in; j++) x[i * p.x_head_stride + j] = random.real(-1, 1);
    }
    DeviceArray<float> from(x), out(span(p.tokens * p.heads, p.out, p.y_head_stride));
    DeviceArray<uint8_t> w(stored(weight));
    DEVICE_CALL(head_linear, stream(), &p, from.data(), w.data(), out.data());
    const std::vector<float> y = out.get();
    SumTolerance tolerance(p.in);
    std::vector<double> expected;
    for (int t = 0; t < p.tokens; t++) {
      for (int h = 0; h < p.heads; h++) {
        for (int j = 0; j < p.out; j++) {
          Sum s;
          const int first = h * (rows + skipped);
          for (int c = 0; c < p.in; c++)
            s.add(operand(x[t * p.x_token_stride + h * p.x_head_stride + c], p.compute),
                  p.transposed ? weight.at(first + c, j) : weight.at(first + j, c));
          tolerance.see(s);
          expected.push_back(s.value);
        }
      }
    }
    size_t next = 0;
    for (int t = 0; t < p.tokens; t++) {
      for (int h = 0; h < p.heads; h++) {
        for (int j = 0; j < p.out; j++)
          ASSERT_NEAR(y[t * p.y_token_stride + h * p.y_head_stride + j], expected[next++], tolerance.bound())
              << "token " << t << " head " << h << " output " << j;
      }
    }
  });
}

// The slots of a choice, and the linear of each slot's expert: equal to that of the expert alone, bit for bit.
TEST(DeviceGroupedLinear, IsTheLinearOfEachExpert) {
  for_seeds(12, [&](Random& random) {
    const int tokens = random.of({1, 3, 20}), top_k = random.in(1, 4), experts = random.in(top_k, 9),
              slots = tokens * top_k;
    const int k = random.of({16, 40, 130}), n = random.in(1, 70),
              type = random.in(MLA_TYPE_F32, MLA_TYPE_BF16),
              compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
    SCOPED_TRACE("tokens " + std::to_string(tokens) + " top_k " + std::to_string(top_k) + " experts " +
                 std::to_string(experts) + " k " + std::to_string(k) + " n " + std::to_string(n) + " type " +
                 std::to_string(type) + " compute " + std::to_string(compute));
    std::vector<int32_t> chosen;
    for (int t = 0; t < tokens; t++) {
      std::vector<int32_t> all(experts);
      std::iota(all.begin(), all.end(), 0);
      std::shuffle(all.begin(), all.end(), random.engine());
      chosen.insert(chosen.end(), all.begin(), all.begin() + top_k);
    }
    const std::vector<float> x = random.reals(tokens * k);
    const Matrix weight(random, type, experts * n, k, k);
    DeviceArray<int32_t> device_chosen(chosen), token_of(slots), slot_of(slots);
    DeviceArray<uint8_t> groups(static_cast<size_t>(device().group_bytes(slots, experts, type, compute)));
    DEVICE_CALL(group, stream(), device_chosen.data(), tokens, top_k, experts, type, compute, token_of.data(),
                slot_of.data(), groups.data(), groups.bytes());
    const std::vector<int32_t> of_slot = token_of.get(), of_choice = slot_of.get();
    int next = 0;
    for (int e = 0; e < experts; e++) {
      for (int i = 0; i < slots; i++) {
        if (chosen[i] != e) continue;
        ASSERT_EQ(of_choice[i], next);
        ASSERT_EQ(of_slot[next++], i / top_k);
      }
    }
    const mla_linear_params p = params_of(slots, k, n, type, compute);
    DeviceArray<float> from(x), y(static_cast<size_t>(slots) * n);
    DeviceArray<uint8_t> w(stored(weight));
    DEVICE_CALL(grouped_linear, stream(), &p, experts, static_cast<int64_t>(n) * k, from.data(),
                token_of.data(), groups.data(), w.data(), y.data());
    const std::vector<float> got = y.get();
    DeviceArray<float> alone(static_cast<size_t>(tokens) * n);
    mla_linear_params q = p;
    q.rows = tokens;
    for (int e = 0; e < experts; e++) {
      DEVICE_CALL(linear, stream(), &q, from.data(),
                  w.data() + static_cast<int64_t>(e) * n * k * type_size(type), nullptr, alone.data());
      const std::vector<float> expected = alone.get();
      for (int i = 0; i < slots; i++) {
        if (chosen[i] == e) {
          ASSERT_EQ(std::memcmp(&got[of_choice[i] * n], &expected[i / top_k * n], n * sizeof(float)), 0)
              << "expert " << e << " choice " << i;
        }
      }
    }
  });
}

}  // namespace
}  // namespace mla::test
