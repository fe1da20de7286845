// What the kernels have to do at least, for scripts/cuda_rooflines.py: rooflines MULTIPROCESSORS SHARED_BYTES. Operations of DeepSeek-V3's
// shape are launched as on a device of that size, recorded instead of run, so that kernels, blocks, threads and shared memory are those of the
// code itself. Here stands what cannot be read from it: the operations of a kernel (a multiply-add is two) and the bytes that it must move, each
// number read or written once.
//
// A line for each launch, fields divided by tabs: call, offset of the kernel in the library, blocks, threads, dynamic shared bytes, unit (bf16:
// tensor cores, or f32), operations, bytes, and the bytes that all blocks load together where that is more, else 0.
#include <dlfcn.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_emulator/control.h"
#include "mla/mla.h"

namespace {

constexpr int kHeads = 128, kLatent = 512, kRope = 64, kNope = 128, kValue = 128, kHidden = 7168,
              kDense = 18432, kExpert = 2048, kExperts = 256, kTopK = 8, kVocabulary = 129280;
constexpr int kRow = kLatent + kRope;
constexpr int kRowBytes = kRow * 2;

int multiprocessors, shared_bytes;
void* stream;

struct Cost {
  const char* unit;
  double operations, bytes;
  double loaded = 0;
};

const mla_device_kernels& device() { return *mla_get_device_kernels(MLA_ABI_VERSION); }

#define CALL(function, ...)                                              \
  do {                                                                   \
    char error_[512] = "";                                               \
    if (device().function(__VA_ARGS__, error_, sizeof error_) != MLA_OK) \
      throw std::runtime_error(std::string(#function) + ": " + error_);  \
  } while (0)

// Device memory that nobody reads.
template <class T = float>
T* somewhere() {
  return reinterpret_cast<T*>(uintptr_t{1} << 32);
}

// costs: of the launches, in their order.
void call(const std::string& text, const std::function<void()>& launch,
          const std::function<std::vector<Cost>(const std::vector<mla::emulator::Launch>&)>& costs) {
  mla::emulator::begin_recording();
  launch();
  const std::vector<mla::emulator::Launch> launches = mla::emulator::end_recording();
  const std::vector<Cost> all = costs(launches);
  if (launches.size() != all.size())
    throw std::runtime_error(text + " makes " + std::to_string(launches.size()) + " launches");
  for (size_t i = 0; i < launches.size(); i++) {
    const mla::emulator::Launch& l = launches[i];
    Dl_info library;
    if (dladdr(l.code, &library) == 0) throw std::runtime_error(text + ": a kernel of no library");
    std::printf("%s\t%" PRIxPTR "\t%" PRId64 "\t%d\t%d\t%s\t%.0f\t%.0f\t%.0f\n", text.c_str(),
                reinterpret_cast<uintptr_t>(l.code) - reinterpret_cast<uintptr_t>(library.dli_fbase),
                int64_t{1} * l.grid[0] * l.grid[1] * l.grid[2], l.threads, l.shared, all[i].unit,
                all[i].operations, all[i].bytes, all[i].loaded);
  }
}
void call(const std::string& text, const std::function<void()>& launch, Cost cost) {
  call(text, launch, [cost](const auto&) { return std::vector{cost}; });
}

mla_cache_params cache_of(int type) {
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = type;
  c.latent = kLatent;
  c.rope = kRope;
  c.rope_offset = kLatent;
  c.page_size = 64;
  c.page_count = 1 << 20;
  c.row_stride_bytes = kRow * (type == MLA_TYPE_BF16 ? 2 : 4);
  c.page_stride_bytes = c.page_size * c.row_stride_bytes;
  return c;
}

std::string count(int n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

// `sequences` of one shape: `queries` new tokens each, behind which `tokens` are cached, all of them seen.
void attend(int compute, int type, int heads, int sequences, int queries, int tokens) {
  const mla_cache_params c = cache_of(type);
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.heads = heads;
  p.causal = queries == 1;
  p.max_sequences = sequences;
  p.max_tokens = sequences * queries;
  p.max_queries = queries;
  p.page_table_stride = (tokens + c.page_size - 1) / c.page_size;
  p.multiprocessors = multiprocessors;
  p.shared_bytes = shared_bytes;
  p.scale = 1;
  p.q_head_stride = kRow;
  p.q_token_stride = heads * p.q_head_stride;
  p.out_head_stride = kLatent;
  p.out_token_stride = heads * p.out_head_stride;
  p.lse_head_stride = 1;
  p.lse_token_stride = heads;
  p.max_splits = 65535;
  const int splits = device().splits(&p, queries, tokens);
  p.max_splits = sequences * splits;
  std::vector<uint8_t> plan(static_cast<size_t>(device().plan_bytes(&p)));
  std::vector<int32_t> begin(sequences + 1), all(sequences, tokens);
  for (int i = 0; i <= sequences; i++) begin[i] = i * queries;
  CALL(make_plan, &p, sequences, begin.data(), all.data(), plan.data(), static_cast<int64_t>(plan.size()));
  const double rows = 1. * sequences * queries * heads, row_bytes = c.row_stride_bytes;
  call(
      count(sequences, "sequence") + " of " + std::to_string(tokens) + " tokens, " +
          (queries == 1 ? "" : std::to_string(queries) + " queries, ") + std::to_string(heads) + " heads",
      [&] {
        CALL(attend_absorbed, stream, &p, &c, plan.data(), somewhere(), somewhere(), somewhere<int32_t>(),
             nullptr, somewhere(), somewhere(), somewhere(), device().attention_workspace(&p, &c));
      },
      [&](const auto& launches) {
        // every block reads the keys of its split, in float32 again as values
        const double blocks = 1. * launches[0].grid[0] * launches[0].grid[1] * launches[0].grid[2];
        const double out = rows * (kLatent + 1) * 4 * splits, passes = compute == MLA_COMPUTE_BF16 ? 1 : 2;
        std::vector<Cost> costs{{compute == MLA_COMPUTE_BF16 ? "bf16" : "f32",
                                 2 * rows * tokens * (kRow + kLatent),
                                 sequences * tokens * row_bytes + rows * kRow * 4 + out,
                                 passes * blocks / splits * tokens * row_bytes}};
        if (splits == 1)
          costs.push_back({"f32", 0, 0});
        else
          costs.push_back({"f32", 2 * rows * splits * kLatent, out + rows * (kLatent + 1) * 4});
        return costs;
      });
}

// The decompressed form of one sequence, all of whose tokens are new and seen by all; it is one piece.
void decompress(int compute, int tokens) {
  const mla_cache_params c = cache_of(MLA_TYPE_BF16);
  constexpr int kKey = kNope + kRope;
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.heads = kHeads;
  p.max_sequences = 1;
  p.max_tokens = p.max_queries = tokens;
  p.page_table_stride = (tokens + c.page_size - 1) / c.page_size;
  p.multiprocessors = multiprocessors;
  p.shared_bytes = shared_bytes;
  p.scale = 1;
  p.q_head_stride = kKey;
  p.q_token_stride = kHeads * kKey;
  p.out_head_stride = kValue;
  p.out_token_stride = kHeads * kValue;
  p.lse_head_stride = 1;
  p.lse_token_stride = kHeads;
  p.max_splits = device().splits(&p, tokens, tokens);
  const mla_rebuild_params r{sizeof r, kNope, kValue, MLA_TYPE_BF16, (kNope + kValue) * kLatent, kLatent};
  const bool tensor = compute == MLA_COMPUTE_BF16;
  const char* unit = tensor ? "bf16" : "f32";
  const double n = tokens, row = kNope + kValue, size = tensor ? 2 : 4, rebuilt = n * kHeads * row * size;
  const double queries = 4 * n * kHeads * (kKey + kValue + 1), keys = n * (kRow - kLatent) * 2;
  call(
      "1 sequence of " + std::to_string(tokens) + " tokens, all queries, 128 heads",
      [&] {
        CALL(attend_decompressed, stream, &p, &r, &c, somewhere(), tokens, somewhere(), somewhere(),
             somewhere(), somewhere<int32_t>(), nullptr, somewhere(), somewhere(), somewhere(),
             int64_t{1} << 30);
      },
      [&](const auto& launches) {
        const auto blocks = [&](int i) {
          return 1. * launches[i].grid[0] * launches[i].grid[1] * launches[i].grid[2];
        };
        return std::vector<Cost>{
            {unit, 2 * n * kHeads * kLatent * row, (n + kHeads * row) * kLatent * 2 + rebuilt,
             tensor ? blocks(0) * (128 + 128) * kLatent * 2 : 0},
            {unit, 2 * n * n * kHeads * (kKey + kValue), rebuilt + keys + queries,
             tensor ? blocks(1) * n * (kKey + kValue) * 2 : 0}};
      });
}

mla_linear_params linear_of(int compute, int type, int rows, int k, int n) {
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = compute;
  p.weight_type = type;
  p.rows = rows;
  p.k = k;
  p.n = n;
  p.x_stride = p.weight_stride = k;
  p.y_stride = n;
  return p;
}

// What the blocks of a linear load, `across` of the outputs and `down` of the rows: each takes its weights (bf16) and activations (float32).
double loaded(double rows, double k, double n, double across, double down) {
  return k * (2. * n * down + 4. * rows * across);
}

void linear(int compute, int type, int rows, int k, int n) {
  const mla_linear_params p = linear_of(compute, type, rows, k, n);
  const bool tensor = compute == MLA_COMPUTE_BF16 && type == MLA_TYPE_BF16;
  call(
      count(rows, "row") + ", " + std::to_string(k) + " to " + std::to_string(n),
      [&] { CALL(linear, stream, &p, somewhere(), somewhere(), nullptr, somewhere()); },
      [&](const auto& launches) {
        const auto& grid = launches[0].grid;
        return std::vector<Cost>{{tensor ? "bf16" : "f32", 2. * rows * k * n,
                                  1. * n * k * (type == MLA_TYPE_BF16 ? 2 : 4) + 4. * rows * (k + n),
                                  tensor ? loaded(rows, k, n, grid[0], grid[1]) : 0}};
      });
}

// The query into the latent space.
void absorb(int tokens) {
  mla_head_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = MLA_COMPUTE_BF16;
  p.weight_type = MLA_TYPE_BF16;
  p.tokens = tokens;
  p.heads = kHeads;
  p.in = kNope;
  p.out = kLatent;
  p.transposed = 1;
  p.x_head_stride = kNope + kRope;
  p.x_token_stride = kHeads * p.x_head_stride;
  p.y_head_stride = kRow;
  p.y_token_stride = kHeads * p.y_head_stride;
  p.weight_stride = kLatent;
  p.weight_head_stride = (kNope + kValue) * kLatent;
  call(
      count(tokens, "token") + ", 128 heads, 128 to 512",
      [&] { CALL(head_linear, stream, &p, somewhere(), somewhere(), somewhere()); },
      [&](const auto& launches) {
        const auto& grid = launches[0].grid;
        return std::vector<Cost>{{"bf16", 2. * tokens * kHeads * kNope * kLatent,
                                  kHeads * (2. * kNope * kLatent + 4. * tokens * (kNope + kLatent)),
                                  kHeads * loaded(tokens, kNope, kLatent, grid[0], grid[1])}};
      });
}

// Of one of the three matrices of each expert, all experts in use as far as the slots go.
void mixture(int compute, int type, int tokens) {
  const int slots = tokens * kTopK, used = slots < kExperts ? slots : kExperts;
  const mla_linear_params p = linear_of(compute, type, slots, kHidden, kExpert);
  const bool tensor = compute == MLA_COMPUTE_BF16;
  // An expert's rows, and how many tiles of launches.h's group_tile they are.
  const double own = 1. * slots / used;
  const int tile = own <= 8 ? 8 : own <= 16 ? 16 : 64;
  call(
      count(tokens, "token") + ", 8 of 256 experts, 7168 to 2048",
      [&] {
        CALL(grouped_linear, stream, &p, kExperts, int64_t{1} * kExpert * kHidden, somewhere(),
             somewhere<int32_t>(), somewhere(), somewhere(), somewhere());
      },
      [&](const auto& launches) {
        const double across = launches[0].grid[0], down = std::ceil(own / tile);
        return std::vector<Cost>{{tensor ? "bf16" : "f32", 2. * slots * kHidden * kExpert,
                                  1. * used * kHidden * kExpert * (type == MLA_TYPE_BF16 ? 2 : 4) +
                                      4. * tokens * kHidden + 4. * slots * kExpert,
                                  tensor ? used * loaded(own, kHidden, kExpert, across, down) : 0}};
      });
}

void append(int type, int tokens) {
  const mla_cache_params c = cache_of(type);
  mla_append_params p{};
  p.struct_size = sizeof p;
  p.tokens = tokens;
  p.eps = 1e-6f;
  p.latent_and_key_stride = kRow;
  call(
      count(tokens, "token"),
      [&] {
        CALL(append, stream, &p, &c, somewhere(), somewhere(), somewhere(), somewhere(), somewhere<int32_t>(),
             somewhere());
      },
      Cost{"f32", tokens * (5. * kLatent + 3 * kRope),
           tokens * (4. * kRow + 4 * kRope + 4 + 1. * c.row_stride_bytes) + 4. * kLatent});
}

void rows(int n) {
  const double d = n, wide = d * kHidden;
  const std::string text = count(n, "row") + " of 7168";
  call(
      text,
      [&] {
        CALL(rms_norm, stream, somewhere(), kHidden, somewhere(), 1e-6f, n, kHidden, somewhere(), kHidden);
      },
      Cost{"f32", 4 * wide, 8 * wide + 4 * kHidden});
  call(
      count(n, "row") + " of 18432",
      [&] { CALL(swiglu, stream, somewhere(), kDense, somewhere(), kDense, n, kDense, somewhere(), kDense); },
      Cost{"f32", 4 * d * kDense, 12 * d * kDense});
  call(
      text,
      [&] {
        CALL(add, stream, somewhere(), kHidden, somewhere(), kHidden, 1.f, n, kHidden, somewhere(), kHidden);
      },
      Cost{"f32", 2 * wide, 12 * wide});
  for (const int type : {MLA_TYPE_BF16, MLA_TYPE_F32})
    call(
        text,
        [&] {
          CALL(embed, stream, type, somewhere(), kHidden, kVocabulary, somewhere<int32_t>(), n, kHidden, 1.f,
               somewhere(), kHidden);
        },
        Cost{"f32", wide, wide * (4 + (type == MLA_TYPE_BF16 ? 2 : 4))});
  for (const int type : {MLA_TYPE_F16, MLA_TYPE_F32})
    call(
        "7168 x 7168",
        [&] { CALL(convert, stream, type, somewhere(), int64_t{1} * kHidden * kHidden, somewhere()); },
        Cost{"f32", 0, 1. * kHidden * kHidden * (2 + (type == MLA_TYPE_F16 ? 2 : 4))});
  mla_rope_params p{};
  p.struct_size = sizeof p;
  p.tokens = n;
  p.heads = kHeads;
  p.width = kNope + kRope;
  p.rope = kRope;
  p.x_head_stride = p.y_head_stride = p.width;
  p.x_token_stride = p.y_token_stride = kHeads * p.width;
  call(
      count(n, "row") + " of 128 heads of 192",
      [&] { CALL(rope, stream, &p, somewhere(), somewhere(), somewhere(), somewhere()); },
      Cost{"f32", d * kHeads * kRope * 3, d * (8. * kHeads * p.width + 4 * kRope)});

  mla_merge_params m{};
  m.struct_size = sizeof m;
  m.parts = 2;
  m.tokens = n;
  m.heads = kHeads;
  m.width = kLatent;
  m.part_head_stride = m.out_head_stride = kLatent;
  m.part_token_stride = m.out_token_stride = kHeads * kLatent;
  m.part_stride = n * m.out_token_stride;
  m.part_lse_head_stride = m.lse_head_stride = 1;
  m.part_lse_token_stride = m.lse_token_stride = kHeads;
  m.part_lse_stride = n * kHeads;
  call(
      count(n, "row") + " of 128 heads, 2 parts",
      [&] { CALL(merge, stream, &m, somewhere(), somewhere(), somewhere(), somewhere()); },
      Cost{"f32", 4 * d * kHeads * kLatent, 12 * d * kHeads * (kLatent + 1)});
}

void choices(int n) {
  const int slots = n * kTopK;
  mla_route_params r{};
  r.struct_size = sizeof r;
  r.tokens = n;
  r.experts = kExperts;
  r.top_k = kTopK;
  r.score = MLA_SCORE_SIGMOID;
  r.groups = 8;
  r.kept_groups = 4;
  r.group_score = MLA_GROUP_SCORE_TOP2_SUM;
  r.renormalize = 1;
  r.weight_scale = 2.5f;
  r.logits_stride = kExperts;
  const std::string text = count(n, "token") + ", 8 of 256 experts";
  call(
      text, [&] { CALL(route, stream, &r, somewhere(), somewhere(), somewhere<int32_t>(), somewhere()); },
      Cost{"f32", 4. * n * kExperts, 4. * n * kExperts + 8. * slots});
  const int64_t bytes = device().group_bytes(slots, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16);
  call(
      text,
      [&] {
        CALL(group, stream, somewhere<int32_t>(), n, kTopK, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16,
             somewhere<int32_t>(), somewhere<int32_t>(), somewhere(), bytes);
      },
      Cost{"f32", 0, 12. * slots + bytes});
  call(
      text,
      [&] {
        CALL(combine, stream, somewhere(), kHidden, slots, somewhere<int32_t>(), somewhere(), somewhere(),
             kHidden, n, kTopK, kHidden, somewhere(), kHidden);
      },
      Cost{"f32", 2. * n * kTopK * kHidden, 4. * n * kHidden * (kTopK + 2) + 8. * slots});
}

void samples(int n) {
  for (const int width : {kVocabulary, 8192}) {
    const std::string text = count(n, "row") + " of " + std::to_string(width);
    if (width == kVocabulary)
      call(
          text, [&] { CALL(argmax, stream, somewhere(), width, n, width, somewhere<int32_t>()); },
          Cost{"f32", 1. * n * width, 4. * n * width});
    // top-k and top-p find a number bit by bit: 32 passes each, and four more; all but the first are of what the caches hold
    call(
        text + ", top-k, top-p",
        [&] {
          CALL(sample, stream, somewhere(), width, n, width, 1.f, 40, 0.95f, somewhere(),
               somewhere<int32_t>());
        },
        Cost{"f32", 68. * n * width, 4. * n * width, 68. * 4 * n * width});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) throw std::runtime_error("rooflines MULTIPROCESSORS SHARED_BYTES");
  multiprocessors = std::atoi(argv[1]);
  shared_bytes = std::atoi(argv[2]);
  mla::emulator::set_shared_limit(shared_bytes);
  CALL(create_stream, 0, &stream);

  attend(MLA_COMPUTE_BF16, MLA_TYPE_BF16, 16, 32, 1, 4096);
  attend(MLA_COMPUTE_BF16, MLA_TYPE_BF16, kHeads, 32, 1, 4096);
  attend(MLA_COMPUTE_BF16, MLA_TYPE_BF16, kHeads, 1, 1, 32768);
  attend(MLA_COMPUTE_BF16, MLA_TYPE_BF16, kHeads, 1, 256, 4096);
  attend(MLA_COMPUTE_F32, MLA_TYPE_BF16, kHeads, 32, 1, 4096);
  attend(MLA_COMPUTE_F32, MLA_TYPE_F32, kHeads, 32, 1, 4096);
  for (const int compute : {MLA_COMPUTE_BF16, MLA_COMPUTE_F32}) decompress(compute, 1024);
  for (const int tokens : {1, 32, 2048}) linear(MLA_COMPUTE_BF16, MLA_TYPE_BF16, tokens, kHidden, kDense);
  for (const int tokens : {1, 2048}) absorb(tokens);
  for (const int tokens : {1, 2048}) linear(MLA_COMPUTE_F32, MLA_TYPE_F32, tokens, kHidden, kExperts);
  linear(MLA_COMPUTE_F32, MLA_TYPE_BF16, 1, kHidden, kDense);
  for (const int tokens : {1, 32, 2048}) mixture(MLA_COMPUTE_BF16, MLA_TYPE_BF16, tokens);
  for (const int type : {MLA_TYPE_BF16, MLA_TYPE_F32}) append(type, 2048);
  rows(2048);
  choices(2048);
  samples(32);
  std::fflush(stdout);
  std::_Exit(0);  // nothing that was launched can be run
}
