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
  p.a_stride = 168;
  DeviceArray<float> a(random.reals(4 * 168)), weight(random.reals(150)), cosines(random.reals(36)),
      sines(random.reals(36));
  DeviceArray<int32_t> slots(std::vector<int32_t>{5, -1, 6, 2});  // 6 is a page behind the pool
  DeviceArray<uint8_t> cache(6 * 384);
  DEVICE_CALL(append, stream(), &p, &c, a.data(), weight.data(), cosines.data(), sines.data(), slots.data(),
              cache.data());
  return bytes_of(cache);
}

// Three sequences over pages of one token: with two splits, with a page outside of the pool, and without a token. The grid is larger than the
// plan, and all arrays end where the last row does. The splits are shorter than those that the library would make.
std::vector<uint8_t> run_attend(int compute, int heads, int shared_bytes) {
  emulator::set_shared_limit(shared_bytes);
  Random random(1);
  constexpr int kLatent = 23, kRope = 6, kTokens[] = {100, 20}, kSplit = 96;
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = MLA_TYPE_BF16;
  c.latent = kLatent;
  c.rope = kRope;
  c.rope_offset = 32;
  c.page_size = 1;
  c.page_count = kTokens[0] + kTokens[1] - 1;
  c.row_stride_bytes = c.page_stride_bytes = 80;
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.heads = heads;
  p.causal = 1;
  p.max_sequences = 3;
  p.max_tokens = 3;
  p.max_queries = 2;
  p.max_splits = 4;
  p.page_table_stride = kTokens[0];
  p.multiprocessors = 2;
  p.shared_bytes = shared_bytes;
  p.scale = 0.2f;
  p.q_head_stride = kLatent + kRope;
  p.q_token_stride = heads * p.q_head_stride;
  p.out_head_stride = kLatent;
  p.out_token_stride = heads * p.out_head_stride;
  p.lse_head_stride = 1;
  p.lse_token_stride = heads;

  const std::vector<int32_t> begin{0, 2, 3, 3}, tokens{kTokens[0], kTokens[1], 0};
  std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
  DEVICE_CALL(make_plan, &p, 3, begin.data(), tokens.data(), plan.data(), static_cast<int64_t>(plan.size()));
  auto* ints = reinterpret_cast<int32_t*>(plan.data());
  const cuda::PlanLayout layout = cuda::plan_layout(p);
  auto* sequences = reinterpret_cast<cuda::PlannedSequence*>(ints + layout.sequences);
  auto* splits = reinterpret_cast<cuda::PlannedSplit*>(ints + layout.splits);
  sequences[0].split_length = kSplit;
  sequences[0].splits = 2;
  ints[1] = 3;
  splits[0] = {0, 0};
  splits[1] = {0, 1};
  splits[2] = {1, 0};

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
      {"attend_16", [] { return run_attend(MLA_COMPUTE_BF16, 5, 101376); }},
      {"attend_64", [] { return run_attend(MLA_COMPUTE_BF16, 9, 166912); }},
      {"attend_f32", [] { return run_attend(MLA_COMPUTE_F32, 2, 101376); }},
      {"merge", run_merge}};
  return kCases;
}

}  // namespace mla::test
