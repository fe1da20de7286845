// Decode steps of a small whole model (a dense layer and a mixture) while ids, positions, lengths, page tables and slots change in device
// memory: a step has the same bits whatever steps were before.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "cuda/device.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

constexpr int kSequences = 3, kVocabulary = 50, kHidden = 64, kHeads = 2, kLatent = 32, kRope = 16,
              kNope = 16, kValue = 16, kLayers = 2, kDense = 96, kExperts = 6, kTopK = 2, kExpert = 32;
constexpr int kQuery = kNope + kRope, kKey = kLatent + kRope, kSlots = kSequences * kTopK;
constexpr int kPage = 16, kPages = 64, kPagesOfSequence = 24, kRow = 128, kSharedBytes = 101376;

std::vector<uint16_t> weights(Random& random, int rows, int columns) {
  std::vector<uint16_t> all(static_cast<size_t>(rows) * columns);
  const float largest = 1.5f / std::sqrt(static_cast<float>(columns));
  for (uint16_t& x : all) x = to_bf16(random.real(-largest, largest));
  return all;
}

struct Linear {
  Linear(Random& random, int out, int in) : out(out), in(in), weight(weights(random, out, in)) {}
  int out, in;
  DeviceArray<uint16_t> weight;
};

struct Layer {
  Layer(Random& random, bool dense)
      : attention_norm(random.reals(kHidden, 0.5f, 1.5f)),
        latent_norm(random.reals(kLatent, 0.5f, 1.5f)),
        ffn_norm(random.reals(kHidden, 0.5f, 1.5f)),
        q(random, kHeads * kQuery, kHidden),
        kv_a(random, kKey, kHidden),
        latent_up(random, kHeads * (kNope + kValue), kLatent),
        o(random, kHidden, kHeads * kValue),
        gate(random, dense ? kDense : kExpert, kHidden),
        up(random, dense ? kDense : kExpert, kHidden),
        down(random, kHidden, dense ? kDense : kExpert),
        router(random, dense ? 1 : kExperts, kHidden),
        expert_gate(random, dense ? 1 : kExperts * kExpert, kHidden),
        expert_up(random, dense ? 1 : kExperts * kExpert, kHidden),
        expert_down(random, dense ? 1 : kExperts * kHidden, kExpert),
        dense(dense) {}
  DeviceArray<float> attention_norm, latent_norm, ffn_norm;
  Linear q, kv_a, latent_up, o, gate, up, down;  // gate, up and down of a mixture: of the shared expert
  Linear router, expert_gate, expert_up, expert_down;
  bool dense;
};

// What changes from step to step.
struct Input {
  std::vector<int32_t> ids, tokens, slots, table;
  std::vector<float> cosines, sines;
  std::vector<uint8_t> plan;
};

class Model {
 public:
  explicit Model(Random& random)
      : embedding(weights(random, kVocabulary, kHidden)),
        norm(random.reals(kHidden, 0.5f, 1.5f)),
        head(random, kVocabulary, kHidden) {
    layers.emplace_back(std::make_unique<Layer>(random, true));
    layers.emplace_back(std::make_unique<Layer>(random, false));
    c.struct_size = sizeof c;
    c.cache_type = MLA_TYPE_BF16;
    c.latent = c.rope_offset = kLatent;
    c.rope = kRope;
    c.page_size = kPage;
    c.page_count = kPages;
    c.row_stride_bytes = kRow;
    c.page_stride_bytes = kPage * kRow;
    p.struct_size = sizeof p;
    p.compute = MLA_COMPUTE_BF16;
    p.heads = kHeads;
    p.causal = 1;
    p.max_sequences = p.max_tokens = kSequences;
    p.max_queries = 1;
    p.max_splits = 4 * kSequences;
    p.page_table_stride = kPagesOfSequence;
    p.multiprocessors = 4;
    p.shared_bytes = limit_shared(kSharedBytes);
    p.scale = 1 / std::sqrt(static_cast<float>(kQuery));
    p.q_head_stride = kKey;
    p.q_token_stride = kHeads * kKey;
    p.out_head_stride = kLatent;
    p.out_token_stride = kHeads * kLatent;
    plan = std::make_unique<DeviceArray<uint8_t>>(static_cast<size_t>(device().plan_bytes(&p)));
    workspace =
        std::make_unique<DeviceArray<uint8_t>>(static_cast<size_t>(device().attention_workspace(&p, &c)));
    groups = std::make_unique<DeviceArray<uint8_t>>(
        static_cast<size_t>(device().group_bytes(kSlots, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16)));
  }

  // Sequences of these lengths, the new token included, in pages that are drawn.
  Input input(Random& random, const std::vector<int32_t>& tokens) const {
    Input in;
    in.tokens = tokens;
    std::vector<int32_t> pages(kPages), begin{0};
    for (int i = 0; i < kPages; i++) pages[i] = i;
    std::shuffle(pages.begin(), pages.end(), random.engine());
    in.table.assign(kSequences * kPagesOfSequence, 1 << 30);
    size_t next = 0;
    for (int s = 0; s < kSequences; s++) {
      for (int i = 0; i * kPage < tokens[s]; i++) in.table[s * kPagesOfSequence + i] = pages[next++];
      const int at = tokens[s] - 1;
      in.slots.push_back(in.table[s * kPagesOfSequence + at / kPage] * kPage + at % kPage);
      in.ids.push_back(random.in(0, kVocabulary - 1));
      begin.push_back(s + 1);
      for (int i = 0; i < kRope / 2; i++) {
        const double angle = at * std::pow(1e4, -2.0 * i / kRope);
        in.cosines.push_back(static_cast<float>(std::cos(angle)));
        in.sines.push_back(static_cast<float>(std::sin(angle)));
      }
    }
    in.plan.resize(plan->size());
    DEVICE_CALL(make_plan, &p, kSequences, begin.data(), tokens.data(), in.plan.data(), plan->bytes());
    return in;
  }

  void upload(const Input& in, const std::vector<uint8_t>& rows) {
    ids.set(in.ids);
    slots.set(in.slots);
    table.set(in.table);
    cosines.set(in.cosines);
    sines.set(in.sines);
    plan->set(in.plan);
    cache.set(rows);
    logits.set(std::vector<float>(logits.size(), std::nanf("")));
    next.set(std::vector<int32_t>(kSequences, -1));
    DEVICE_CALL(synchronize, stream());
  }

  // Launches a step; waits for nothing.
  void step() {
    DEVICE_CALL(embed, stream(), MLA_TYPE_BF16, embedding.data(), kHidden, kVocabulary, ids.data(),
                kSequences, kHidden, 1.f, x.data(), kHidden);
    for (int i = 0; i < kLayers; i++) {
      attention(*layers[i], cache.data() + static_cast<size_t>(i) * kPages * kPage * kRow);
      DEVICE_CALL(rms_norm, stream(), x.data(), kHidden, layers[i]->ffn_norm.data(), 1e-6f, kSequences,
                  kHidden, normed.data(), kHidden);
      swiglu_mlp(*layers[i]);
      layers[i]->dense ? residual(out.data()) : mixture(*layers[i]);
    }
    DEVICE_CALL(rms_norm, stream(), x.data(), kHidden, norm.data(), 1e-6f, kSequences, kHidden, normed.data(),
                kHidden);
    linear(head, normed.data(), logits.data());
    DEVICE_CALL(argmax, stream(), logits.data(), kVocabulary, kSequences, kVocabulary, next.data());
  }

  // Logits, next ids and the cache, as bytes.
  std::vector<uint8_t> results() const {
    std::vector<uint8_t> all = cache.get();
    const auto append = [&](const auto& values) {
      const auto* begin = reinterpret_cast<const uint8_t*>(values.data());
      all.insert(all.end(), begin, begin + values.size() * sizeof values[0]);
    };
    append(logits.get());
    append(next.get());
    return all;
  }

  DeviceArray<uint8_t> cache{static_cast<size_t>(kLayers) * kPages * kPage * kRow};
  DeviceArray<float> logits{static_cast<size_t>(kSequences) * kVocabulary};
  DeviceArray<int32_t> next{kSequences};

 private:
  static mla_linear_params params(const Linear& l, int rows) {
    mla_linear_params lp{};
    lp.struct_size = sizeof lp;
    lp.compute = MLA_COMPUTE_BF16;
    lp.weight_type = MLA_TYPE_BF16;
    lp.rows = rows;
    lp.k = l.in;
    lp.n = l.out;
    lp.x_stride = lp.weight_stride = l.in;
    lp.y_stride = l.out;
    return lp;
  }
  static void linear(const Linear& l, const float* from, float* to) {
    const mla_linear_params lp = params(l, kSequences);
    DEVICE_CALL(linear, stream(), &lp, from, l.weight.data(), nullptr, to);
  }
  // For each head: from (sequences, heads, in) times its rows of latent_up, from `row` on.
  static void head_linear(const Layer& l, int row, int in, int from_head, int out, int to_head,
                          int transposed, const float* from, float* to) {
    mla_head_linear_params hp{};
    hp.struct_size = sizeof hp;
    hp.compute = MLA_COMPUTE_BF16;
    hp.weight_type = MLA_TYPE_BF16;
    hp.tokens = kSequences;
    hp.heads = kHeads;
    hp.in = in;
    hp.out = out;
    hp.transposed = transposed;
    hp.x_head_stride = from_head;
    hp.x_token_stride = kHeads * from_head;
    hp.y_head_stride = to_head;
    hp.y_token_stride = kHeads * to_head;
    hp.weight_stride = kLatent;
    hp.weight_head_stride = (kNope + kValue) * kLatent;
    DEVICE_CALL(head_linear, stream(), &hp, from, l.latent_up.weight.data() + row * kLatent, to);
  }
  void rotate(int width, int rope, int from_head, int to_head, const float* from, float* to) {
    mla_rope_params rp{};
    rp.struct_size = sizeof rp;
    rp.tokens = kSequences;
    rp.heads = kHeads;
    rp.width = width;
    rp.rope = rope;
    rp.x_head_stride = from_head;
    rp.x_token_stride = kHeads * from_head;
    rp.y_head_stride = to_head;
    rp.y_token_stride = kHeads * to_head;
    DEVICE_CALL(rope, stream(), &rp, from, cosines.data(), sines.data(), to);
  }
  void residual(const float* r) {
    DEVICE_CALL(add, stream(), x.data(), kHidden, r, kHidden, 1.f, kSequences, kHidden, x.data(), kHidden);
  }

  void attention(const Layer& l, uint8_t* rows) {
    DEVICE_CALL(rms_norm, stream(), x.data(), kHidden, l.attention_norm.data(), 1e-6f, kSequences, kHidden,
                normed.data(), kHidden);
    linear(l.q, normed.data(), q.data());
    linear(l.kv_a, normed.data(), a.data());
    mla_append_params ap{};
    ap.struct_size = sizeof ap;
    ap.tokens = kSequences;
    ap.eps = 1e-6f;
    ap.latent_and_key_stride = kKey;
    DEVICE_CALL(append, stream(), &ap, &c, a.data(), l.latent_norm.data(), cosines.data(), sines.data(),
                slots.data(), rows);
    head_linear(l, 0, kNope, kQuery, kLatent, kKey, 1, q.data(), absorbed.data());
    rotate(kRope, kRope, kQuery, kKey, q.data() + kNope, absorbed.data() + kLatent);
    DEVICE_CALL(attend_absorbed, stream(), &p, &c, plan->data(), absorbed.data(), rows, table.data(), nullptr,
                latents.data(), nullptr, workspace->data(), workspace->bytes());
    head_linear(l, kNope, kLatent, kLatent, kValue, kValue, 0, latents.data(), values.data());
    linear(l.o, values.data(), out.data());
    residual(out.data());
  }

  // out = the dense layer's, or the shared expert's.
  void swiglu_mlp(const Layer& l) {
    linear(l.gate, normed.data(), gate.data());
    linear(l.up, normed.data(), up.data());
    const int width = l.gate.out;
    DEVICE_CALL(swiglu, stream(), gate.data(), width, up.data(), width, kSequences, width, gate.data(),
                width);
    linear(l.down, gate.data(), out.data());
  }

  // The experts' weighted sum and the shared one's, which is there already.
  void mixture(const Layer& l) {
    linear(l.router, normed.data(), scores.data());
    mla_route_params rp{};
    rp.struct_size = sizeof rp;
    rp.tokens = kSequences;
    rp.experts = kExperts;
    rp.top_k = kTopK;
    rp.groups = rp.kept_groups = 1;
    rp.weight_scale = 1;
    rp.logits_stride = kExperts;
    DEVICE_CALL(route, stream(), &rp, scores.data(), nullptr, chosen.data(), chosen_weights.data());
    DEVICE_CALL(group, stream(), chosen.data(), kSequences, kTopK, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16,
                token_of.data(), slot_of.data(), groups->data(), groups->bytes());
    const auto grouped = [&](const Linear& w, const float* from, const int32_t* indices, float* to) {
      mla_linear_params lp = params(w, kSlots);
      lp.n = w.out / kExperts;
      lp.y_stride = lp.n;
      DEVICE_CALL(grouped_linear, stream(), &lp, kExperts, static_cast<int64_t>(lp.n) * w.in, from, indices,
                  groups->data(), w.weight.data(), to);
    };
    grouped(l.expert_gate, normed.data(), token_of.data(), expert_gate.data());
    grouped(l.expert_up, normed.data(), token_of.data(), expert_up.data());
    DEVICE_CALL(swiglu, stream(), expert_gate.data(), kExpert, expert_up.data(), kExpert, kSlots, kExpert,
                expert_gate.data(), kExpert);
    grouped(l.expert_down, expert_gate.data(), nullptr, expert_out.data());
    DEVICE_CALL(combine, stream(), expert_out.data(), kHidden, kSlots, slot_of.data(), chosen_weights.data(),
                out.data(), kHidden, kSequences, kTopK, kHidden, combined.data(), kHidden);
    residual(combined.data());
  }

  mla_cache_params c{};
  mla_step_params p{};
  std::vector<std::unique_ptr<Layer>> layers;
  DeviceArray<uint16_t> embedding;
  DeviceArray<float> norm;
  Linear head;
  DeviceArray<int32_t> ids{kSequences}, slots{kSequences}, table{kSequences * kPagesOfSequence},
      chosen{kSlots}, token_of{kSlots}, slot_of{kSlots};
  DeviceArray<float> cosines{kSequences * kRope / 2}, sines{kSequences * kRope / 2};
  DeviceArray<float> x{kSequences * kHidden}, normed{kSequences * kHidden}, out{kSequences * kHidden},
      combined{kSequences * kHidden};
  DeviceArray<float> q{kSequences * kHeads * kQuery}, a{kSequences * kKey},
      absorbed{kSequences * kHeads * kKey}, latents{kSequences * kHeads * kLatent},
      values{kSequences * kHeads * kValue};
  DeviceArray<float> gate{kSequences * kDense}, up{kSequences * kDense}, scores{kSequences * kExperts},
      chosen_weights{kSlots}, expert_gate{kSlots * kExpert}, expert_up{kSlots * kExpert},
      expert_out{kSlots * kHidden};
  std::unique_ptr<DeviceArray<uint8_t>> plan, workspace, groups;
};

TEST(DeviceModel, AStepHasItsBitsAfterOthers) {
  Random random(1);
  Model model(random);
  std::vector<uint16_t> halves(model.cache.size() / 2);
  for (uint16_t& h : halves) h = to_bf16(random.real(-1, 1));
  std::vector<uint8_t> rows(model.cache.size());
  std::memcpy(rows.data(), halves.data(), rows.size());
  // one split of each sequence, then two of one; other ids, pages and slots each time
  const std::vector<Input> inputs = {model.input(random, {5, 40, 17}), model.input(random, {330, 1, 64}),
                                     model.input(random, {6, 300, 18})};

  std::vector<std::vector<uint8_t>> expected;
  for (const Input& in : inputs) {
    model.upload(in, rows);
    model.step();
    expected.push_back(model.results());
    for (const float logit : model.logits.get()) ASSERT_TRUE(std::isfinite(logit));
    for (const int32_t id : model.next.get()) ASSERT_TRUE(id >= 0 && id < kVocabulary);
    for (size_t i = 0; i + 1 < expected.size(); i++) EXPECT_NE(expected[i], expected.back());
  }

  // Plans of other splits lie where those of the step before lay.
  for (const size_t i : {0, 1, 2, 1, 0}) {
    model.upload(inputs[i], rows);
    model.step();
    EXPECT_EQ(model.results(), expected[i]) << "input " << i;
  }
}

}  // namespace
}  // namespace mla::test
