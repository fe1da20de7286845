#include "cuda/cases.h"

#include <cmath>
#include <cstring>

#include "cuda/device.h"
#include "cuda/kernels/plan.h"
#include "cuda_emulator/control.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

template <class T>
std::vector<uint8_t> bytes_of(const DeviceArray<T>& array) {
  const std::vector<T> values = array.get();
  const auto* begin = reinterpret_cast<const uint8_t*>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

std::vector<uint8_t> run_convert() {
  Random random(1);
  DeviceArray<float> from(random.reals(300));
  DeviceArray<uint16_t> to(300);
  DEVICE_CALL(convert, stream(), MLA_TYPE_F32, from.data(), 300, to.data());
  return bytes_of(to);
}

std::vector<uint8_t> run_embed() {
  Random random(1);
  DeviceArray<float> table(random.reals(3 * 300)), y(4 * 300);
  DeviceArray<int32_t> ids(std::vector<int32_t>{2, 3, -1, 0});
  DEVICE_CALL(embed, stream(), MLA_TYPE_F32, table.data(), 300, 3, ids.data(), 4, 300, 1.f, y.data(), 300);
  return bytes_of(y);
}

std::vector<uint8_t> run_rms_norm() {
  Random random(1);
  DeviceArray<float> x(random.reals(2 * 300)), weight(random.reals(300)), y(2 * 300);
  DEVICE_CALL(rms_norm, stream(), x.data(), 300, weight.data(), 1e-6f, 2, 300, y.data(), 300);
  return bytes_of(y);
}

std::vector<uint8_t> run_swiglu() {
  Random random(1);
  DeviceArray<float> gate(random.reals(2 * 300)), up(random.reals(2 * 300)), y(2 * 300);
  DEVICE_CALL(swiglu, stream(), gate.data(), 300, up.data(), 300, 2, 300, y.data(), 300);
  return bytes_of(y);
}

std::vector<uint8_t> run_add() {
  Random random(1);
  DeviceArray<float> x(random.reals(2 * 300)), r(random.reals(2 * 300)), y(2 * 300);
  DEVICE_CALL(add, stream(), x.data(), 300, r.data(), 300, 0.5f, 2, 300, y.data(), 300);
  return bytes_of(y);
}

std::vector<uint8_t> run_rope() {
  Random random(1);
  mla_rope_params p{};
  p.struct_size = sizeof p;
  p.tokens = 3;
  p.heads = 2;
  p.width = 80;
  p.rope = 66;
  p.x_head_stride = p.y_head_stride = 80;
  p.x_token_stride = p.y_token_stride = 160;
  DeviceArray<float> x(random.reals(480)), cosines(random.reals(99)), sines(random.reals(99)), y(480);
  DEVICE_CALL(rope, stream(), &p, x.data(), cosines.data(), sines.data(), y.data());
  return bytes_of(y);
}

std::vector<uint8_t> run_append() {
  Random random(1);
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = MLA_TYPE_BF16;
  c.latent = 150;
  c.rope = 18;
  c.rope_offset = 160;
  c.page_size = 3;
  c.page_count = 2;
  c.row_stride_bytes = 384;
  c.page_stride_bytes = 3 * 384;
  mla_append_params p{};
  p.struct_size = sizeof p;
  p.tokens = 4;
  p.eps = 1e-6f;
  p.latent_and_key_stride = 168;
  DeviceArray<float> latent_and_key(random.reals(4 * 168)), weight(random.reals(150)),
      cosines(random.reals(36)), sines(random.reals(36));
  DeviceArray<int32_t> slots(std::vector<int32_t>{5, -1, 6, 2});  // 6 is a page behind the pool
  DeviceArray<uint8_t> cache(6 * 384);
  DEVICE_CALL(append, stream(), &p, &c, latent_and_key.data(), weight.data(), cosines.data(), sines.data(),
              slots.data(), cache.data());
  return bytes_of(cache);
}

// Three sequences over pages of one token: with two splits or one, with a page outside of the pool, and without a token. The grids are larger than the
// plan, and all arrays end where the last row does. The splits are shorter than those that the library would make.
std::vector<uint8_t> run_attend(int compute, int heads, int shared_bytes, int latent, int rope_offset,
                                int splits) {
  emulator::set_shared_limit(shared_bytes);
  Random random(1);
  constexpr int kRope = 6, kTokens[] = {140, 20};
  const int split_length = splits == 1 ? kTokens[0] : 136;
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = MLA_TYPE_BF16;
  c.latent = latent;
  c.rope = kRope;
  c.rope_offset = rope_offset;
  c.page_size = 1;
  c.page_count = kTokens[0] + kTokens[1] - 1;
  c.row_stride_bytes = c.page_stride_bytes = (rope_offset + 8) * 2;
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.heads = heads;
  p.causal = 1;
  p.max_sequences = 3;
  p.max_tokens = 4;
  p.max_queries = 2;
  p.max_splits = 4;
  p.page_table_stride = kTokens[0];
  p.multiprocessors = 2;
  p.shared_bytes = shared_bytes;
  p.scale = 0.2f;
  p.q_head_stride = latent + kRope;
  p.q_token_stride = heads * p.q_head_stride;
  p.out_head_stride = latent;
  p.out_token_stride = heads * p.out_head_stride;
  p.lse_head_stride = 1;
  p.lse_token_stride = heads;

  const std::vector<int32_t> begin{0, 2, 3, 3}, tokens{kTokens[0], kTokens[1], 0};
  std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
  DEVICE_CALL(make_plan, &p, 3, begin.data(), tokens.data(), plan.data(), static_cast<int64_t>(plan.size()));
  auto* ints = reinterpret_cast<int32_t*>(plan.data());
  const cuda::PlanLayout layout = cuda::plan_layout(p);
  auto* sequences = reinterpret_cast<cuda::PlannedSequence*>(ints + layout.sequences);
  auto* all_splits = reinterpret_cast<cuda::PlannedSplit*>(ints + layout.splits);
  sequences[0].split_length = split_length;
  sequences[0].splits = splits;
  ints[1] = splits + 1;
  all_splits[0] = {0, 0};
  if (splits == 2) all_splits[1] = {0, 1};
  all_splits[splits] = {1, 0};

  std::vector<int32_t> table(kTokens[0] + kTokens[1]);
  for (size_t i = 0; i < table.size(); i++)
    table[i] = c.page_count - static_cast<int>(i);  // the first one is outside
  std::swap(table[0], table[kTokens[0] + 7]);
  std::vector<uint16_t> rows(c.page_count * c.row_stride_bytes / 2);
  for (uint16_t& x : rows) x = to_bf16(random.real(-1, 1));
  DeviceArray<uint8_t> device_plan(plan),
      workspace(static_cast<size_t>(device().attention_workspace(&p, &c)));
  DeviceArray<uint16_t> cache(rows);
  DeviceArray<int32_t> pages(table);
  DeviceArray<float> q(random.reals(3 * p.q_token_stride)), slopes(random.reals(heads, 0, 0.1f)),
      out(3 * p.out_token_stride), lse(3 * heads);
  DEVICE_CALL(attend_absorbed, stream(), &p, &c, device_plan.data(), q.data(), cache.data(), pages.data(),
              slopes.data(), out.data(), lse.data(), workspace.data(), workspace.bytes());
  std::vector<uint8_t> all = bytes_of(out), more = bytes_of(lse);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// As much of the latent as fills the stages of the tensor core kernel. Three sequences over pages of one token: one whose piece is not full, without a token, and with two pieces, with a page outside of the pool. All
// arrays end where the last row does, the workspace with the last sequence's piece.
std::vector<uint8_t> run_decompressed(int compute, int nope, int value, int latent, int shared_bytes,
                                      int piece_tiles) {
  emulator::set_shared_limit(shared_bytes);
  Random random(1);
  constexpr int kHeads = 1, kRope = 6;
  const int lengths[] = {35, piece_tiles * 64 + 6}, stride = lengths[1];
  const int width = nope + kRope, row = (nope + 7) / 8 * 8 + (value + 7) / 8 * 8,
            size = compute == MLA_COMPUTE_BF16 ? 2 : 4;
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = MLA_TYPE_BF16;
  c.latent = latent;
  c.rope = kRope;
  c.rope_offset = 144;
  c.page_size = 1;
  c.page_count = lengths[0] + lengths[1] - 1;
  c.row_stride_bytes = c.page_stride_bytes = 304;
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.heads = kHeads;
  p.causal = 1;
  p.max_sequences = 3;
  p.max_tokens = 3;
  p.max_queries = 2;
  p.max_splits = 3;
  p.page_table_stride = stride;
  p.multiprocessors = 2;
  p.shared_bytes = shared_bytes;
  p.scale = 0.2f;
  p.q_head_stride = width;
  p.q_token_stride = kHeads * width;
  p.out_head_stride = value;
  p.out_token_stride = kHeads * value;
  p.lse_head_stride = 1;
  p.lse_token_stride = kHeads;
  const mla_rebuild_params r{sizeof r, nope, value, MLA_TYPE_BF16, (nope + value) * latent, latent};

  const std::vector<int32_t> begin{0, 2, 2, 3}, tokens{lengths[0], 0, lengths[1]};
  std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
  DEVICE_CALL(make_plan, &p, 3, begin.data(), tokens.data(), plan.data(), static_cast<int64_t>(plan.size()));
  std::vector<int32_t> table(3 * stride, 1 << 30);
  for (int i = 0; i < lengths[0]; i++) table[i] = i;
  for (int i = 0; i < lengths[1]; i++) table[2 * stride + i] = lengths[0] + lengths[1] - 1 - i;
  std::vector<uint16_t> rows(c.page_count * c.row_stride_bytes / 2);
  for (uint16_t& x : rows) x = to_bf16(random.real(-1, 1));
  const Matrix latent_up(random, MLA_TYPE_BF16, kHeads * (nope + value), latent, latent);
  DeviceArray<uint8_t> device_plan(plan), workspace(256 + 3 * piece_tiles * 64 * kHeads * row * size),
      weight(std::vector<uint8_t>(latent_up.bytes.data(), latent_up.bytes.data() + latent_up.bytes.bytes()));
  DeviceArray<uint16_t> cache(rows);
  DeviceArray<int32_t> pages(table);
  DeviceArray<float> q(random.reals(3 * p.q_token_stride)), slopes(random.reals(kHeads, 0, 0.1f)),
      out(3 * p.out_token_stride), lse(3 * kHeads);
  DEVICE_CALL(attend_decompressed, stream(), &p, &r, &c, device_plan.data(), lengths[1], q.data(),
              weight.data(), cache.data(), pages.data(), slopes.data(), out.data(), lse.data(),
              workspace.data(), workspace.bytes());
  std::vector<uint8_t> all = bytes_of(out), more = bytes_of(lse);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<uint8_t> run_merge() {
  Random random(1);
  mla_merge_params m{};
  m.struct_size = sizeof m;
  m.parts = 3;
  m.tokens = 3;
  m.heads = 2;
  m.width = 40;
  m.part_head_stride = m.out_head_stride = 40;
  m.part_token_stride = m.out_token_stride = 80;
  m.part_stride = 240;
  m.part_lse_head_stride = m.lse_head_stride = 1;
  m.part_lse_token_stride = m.lse_token_stride = 2;
  m.part_lse_stride = 6;
  DeviceArray<float> partial(random.reals(3 * 240)), partial_lse(random.reals(3 * 6)), out(240), lse(6);
  DEVICE_CALL(merge, stream(), &m, partial.data(), partial_lse.data(), out.data(), lse.data());
  return bytes_of(out);
}

// More steps of k than there are stages, the last one where the sums go; ends of k, outputs and rows inside of a tile. Odd `gap` between weight
// rows: they are not aligned.
std::vector<uint8_t> run_linear(int rows, int type, int compute, int gap, int transposed) {
  Random random(1);
  constexpr int kN = 37;
  const bool many = rows > 8;  // transposed: in a block of its own, with two stages instead of four
  const bool tensor = type == MLA_TYPE_BF16;
  const int k = !tensor ? 70 : !transposed ? 1100 : many ? 300 : 600, heads = many || gap > 0 ? 1 : 2;
  mla_head_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.weight_type = type;
  p.tokens = rows;
  p.heads = heads;
  p.in = k;
  p.out = kN;
  p.transposed = transposed;
  p.weight_stride = (transposed ? 40 : (k + 15) / 8 * 8) + gap;
  p.weight_head_stride = (transposed ? k : kN) * p.weight_stride;
  p.x_head_stride = k;
  p.x_token_stride = heads * k;
  p.y_head_stride = kN;
  p.y_token_stride = heads * kN;
  const Matrix weight(random, type, heads * (transposed ? k : kN), transposed ? kN : k, p.weight_stride);
  DeviceArray<float> x(random.reals(rows * p.x_token_stride)), y(rows * p.y_token_stride);
  DeviceArray<uint8_t> w(
      std::vector<uint8_t>(weight.bytes.data(), weight.bytes.data() + weight.bytes.bytes()));
  DEVICE_CALL(head_linear, stream(), &p, x.data(), w.data(), y.data());
  return bytes_of(y);
}

std::vector<uint8_t> run_grouped_linear(int type, int compute) {
  Random random(1);
  constexpr int kTokens = 5, kTopK = 2, kExperts = 3, kK = 40, kN = 21, kSlots = kTokens * kTopK;
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.weight_type = type;
  p.rows = kSlots;
  p.k = kK;
  p.n = kN;
  p.x_stride = p.weight_stride = kK;
  p.y_stride = kN;
  const Matrix weight(random, type, kExperts * kN, kK, kK);
  DeviceArray<float> x(random.reals(kTokens * kK)), y(kSlots * kN);
  DeviceArray<uint8_t> w(
      std::vector<uint8_t>(weight.bytes.data(), weight.bytes.data() + weight.bytes.bytes()));
  DeviceArray<int32_t> chosen(std::vector<int32_t>{0, 2, 2, 0, 0, 1, 2, 1, 0, 0}), token_of(kSlots),
      slot_of(kSlots);
  DeviceArray<uint8_t> groups(static_cast<size_t>(device().group_bytes(kSlots, kExperts, type, compute)));
  DEVICE_CALL(group, stream(), chosen.data(), kTokens, kTopK, kExperts, type, compute, token_of.data(),
              slot_of.data(), groups.data(), groups.bytes());
  DEVICE_CALL(grouped_linear, stream(), &p, kExperts, kN * kK, x.data(), token_of.data(), groups.data(),
              w.data(), y.data());
  return bytes_of(y);
}

std::vector<uint8_t> run_route() {
  Random random(1);
  mla_route_params p{};
  p.struct_size = sizeof p;
  p.tokens = 5;
  p.experts = 40;
  p.top_k = 3;
  p.score = MLA_SCORE_SOFTMAX;
  p.groups = 4;
  p.kept_groups = 2;
  p.group_score = MLA_GROUP_SCORE_TOP2_SUM;
  p.renormalize = 1;
  p.weight_scale = 2;
  p.logits_stride = 40;
  DeviceArray<float> logits(random.reals(200)), bias(random.reals(40)), weights(15);
  DeviceArray<int32_t> experts(15);
  DEVICE_CALL(route, stream(), &p, logits.data(), bias.data(), experts.data(), weights.data());
  std::vector<uint8_t> all = bytes_of(weights), more = bytes_of(experts);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<uint8_t> run_combine() {
  Random random(1);
  DeviceArray<float> out(random.reals(4 * 300)), weights(random.reals(6)), shared(random.reals(2 * 300)),
      y(2 * 300);
  DeviceArray<int32_t> slots(std::vector<int32_t>{0, 3, -1, 4, 1, 2});
  DEVICE_CALL(combine, stream(), out.data(), 300, 4, slots.data(), weights.data(), shared.data(), 300, 2, 3,
              300, y.data(), 300);
  return bytes_of(y);
}

std::vector<uint8_t> run_argmax() {
  Random random(1);
  DeviceArray<float> logits(random.reals(2 * 1000));
  DeviceArray<int32_t> ids(2);
  DEVICE_CALL(argmax, stream(), logits.data(), 1000, 2, 1000, ids.data());
  return bytes_of(ids);
}

std::vector<uint8_t> run_sample() {
  Random random(1);
  DeviceArray<float> logits(random.reals(300)), uniform(std::vector<float>{0.6f});
  DeviceArray<int32_t> ids(1);
  DEVICE_CALL(sample, stream(), logits.data(), 300, 1, 300, 0.7f, 20, 0.8f, uniform.data(), ids.data());
  return bytes_of(ids);
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"convert", run_convert},
      {"embed", run_embed},
      {"rms_norm", run_rms_norm},
      {"swiglu", run_swiglu},
      {"add", run_add},
      {"rope", run_rope},
      {"append", run_append},
      {"attend_16", [] { return run_attend(MLA_COMPUTE_BF16, 5, 101376, 23, 32, 2); }},
      {"attend_32", [] { return run_attend(MLA_COMPUTE_BF16, 9, 166912, 23, 32, 2); }},
      {"attend_64", [] { return run_attend(MLA_COMPUTE_BF16, 17, 232448, 23, 32, 2); }},
      {"attend_warpgroup", [] { return run_attend(MLA_COMPUTE_BF16, 2, 232448, 512, 512, 1); }},
      {"attend_f32", [] { return run_attend(MLA_COMPUTE_F32, 2, 101376, 23, 32, 2); }},
      {"decompressed", [] { return run_decompressed(MLA_COMPUTE_BF16, 16, 24, 136, 101376, 1); }},
      {"decompressed_warpgroup", [] { return run_decompressed(MLA_COMPUTE_BF16, 16, 24, 136, 232448, 3); }},
      {"decompressed_f32", [] { return run_decompressed(MLA_COMPUTE_F32, 3, 4, 35, 101376, 1); }},
      {"merge", run_merge},
      {"linear_few", [] { return run_linear(3, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 0, 0); }},
      {"linear_16", [] { return run_linear(13, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 0, 0); }},
      {"linear_many", [] { return run_linear(21, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 0, 0); }},
      {"linear_unaligned", [] { return run_linear(3, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 1, 0); }, "wait"},
      {"linear_many_unaligned", [] { return run_linear(21, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 1, 0); }},
      {"linear_transposed_few", [] { return run_linear(3, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 0, 1); }},
      {"linear_transposed_many", [] { return run_linear(13, MLA_TYPE_BF16, MLA_COMPUTE_BF16, 0, 1); }},
      {"linear_f32", [] { return run_linear(5, MLA_TYPE_F32, MLA_COMPUTE_F32, 0, 0); }},
      {"grouped_linear", [] { return run_grouped_linear(MLA_TYPE_BF16, MLA_COMPUTE_BF16); }},
      {"grouped_linear_f32", [] { return run_grouped_linear(MLA_TYPE_F32, MLA_COMPUTE_F32); }},
      {"route", run_route},
      {"combine", run_combine},
      {"argmax", run_argmax},
      {"sample", run_sample}};
  return kCases;
}

}  // namespace mla::test
