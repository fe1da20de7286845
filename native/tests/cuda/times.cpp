// mla_cuda_times LIBRARY [CALL...]: how long operations of DeepSeek-V3's shape take on the device of a library (libmla4j_cuda.so), and what that
// is in TFLOP/s and TB/s. Each is launched over and over and waited for once, so that a launch costs nothing but where the device is done
// sooner than the host; medians of several such runs. Weights and caches are rotated, so that no second-level cache has all of them.
//
//   attend:HEADS,SEQUENCES,TOKENS[,QUERIES]   absorbed attention over a bf16 cache of rows of 512 + 64
//   prefill:HEADS,TOKENS,QUERIES              decompressed attention of one sequence, its keys and values rebuilt
//   linear:ROWS,K,N                           bf16 weights
//   experts:TOKENS,K,N                        8 of 256, bf16 weights
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "mla/mla.h"
#include "support/random.h"

namespace {

const mla_device_kernels* table;
mla_device_info info{};
void* stream;

#define CALL(function, ...)                                             \
  do {                                                                  \
    char error_[512] = "";                                              \
    if (table->function(__VA_ARGS__, error_, sizeof error_) != MLA_OK)  \
      throw std::runtime_error(std::string(#function) + ": " + error_); \
  } while (0)

// Memory of the device: `bytes` of a pattern that repeats, or of the values.
class Memory {
 public:
  explicit Memory(int64_t bytes) { CALL(allocate, 0, std::max<int64_t>(bytes, 256), &at_); }
  template <class T>
  explicit Memory(const std::vector<T>& values) : Memory(static_cast<int64_t>(values.size() * sizeof(T))) {
    put(0, values.data(), static_cast<int64_t>(values.size() * sizeof(T)));
  }
  template <class T>
  Memory(int64_t bytes, const std::vector<T>& pattern) : Memory(bytes) {
    const auto size = static_cast<int64_t>(pattern.size() * sizeof(T));
    for (int64_t at = 0; at < bytes; at += size) put(at, pattern.data(), std::min(size, bytes - at));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { table->release(0, at_, nullptr, 0); }
  template <class T>
  T* as(int64_t offset = 0) const {
    return reinterpret_cast<T*>(static_cast<uint8_t*>(at_) + offset);
  }

 private:
  void put(int64_t at, const void* from, int64_t bytes) {
    CALL(copy, stream, as<uint8_t>(at), from, bytes);
    CALL(synchronize, stream);
  }
  void* at_ = nullptr;
};

std::vector<float> floats() {
  mla::test::Random random(1);
  return random.reals(1 << 20);
}
std::vector<uint16_t> halves(float scale) {
  std::vector<uint16_t> values;
  for (const float x : floats()) {
    const float scaled = x * scale;
    uint32_t bits;
    std::memcpy(&bits, &scaled, 4);
    values.push_back(static_cast<uint16_t>(bits >> 16));
  }
  return values;
}
Memory activations(int64_t count) { return {count * 4, floats()}; }

constexpr int64_t kRotated = 256 << 20;
int copies_of(int64_t bytes) { return static_cast<int>(std::clamp<int64_t>(kRotated / bytes, 1, 64)); }

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
// Of one operation: the median of seven runs of about 10 ms.
double time_of(const std::function<void()>& operation) {
  const auto run = [&](int count) {
    const double begin = seconds();
    for (int i = 0; i < count; i++) operation();
    CALL(synchronize, stream);
    return (seconds() - begin) / count;
  };
  run(3);
  const int count = static_cast<int>(std::clamp(0.01 / run(1), 3., 300.));
  std::vector<double> times;
  for (int i = 0; i < 7; i++) times.push_back(run(count));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void tell(const std::string& call, const std::function<void()>& operation, double flop, double bytes) {
  const double time = time_of(operation);
  std::printf("| %-24s | %9.1f us | %6.1f TFLOP/s | %5.2f TB/s |\n", call.c_str(), time * 1e6,
              flop / time * 1e-12, bytes / time * 1e-12);
}

constexpr int kLatent = 512, kRope = 64, kRow = kLatent + kRope, kPage = 64, kNope = 128, kValue = 128;

mla_cache_params cache_of(int sequences, int tokens) {
  mla_cache_params c{};
  c.struct_size = sizeof c;
  c.cache_type = MLA_TYPE_BF16;
  c.latent = kLatent;
  c.rope = kRope;
  c.rope_offset = kLatent;
  c.page_size = kPage;
  c.page_count = sequences * ((tokens + kPage - 1) / kPage);
  c.row_stride_bytes = kRow * 2;
  c.page_stride_bytes = kPage * c.row_stride_bytes;
  return c;
}

mla_step_params step_of(int heads, int sequences, int tokens, int queries, int query_width, int out_width) {
  mla_step_params p{};
  p.struct_size = sizeof p;
  p.compute = MLA_COMPUTE_BF16;
  p.heads = heads;
  p.causal = 1;
  p.max_sequences = sequences;
  p.max_tokens = sequences * queries;
  p.max_queries = queries;
  p.page_table_stride = (tokens + kPage - 1) / kPage;
  p.multiprocessors = info.multiprocessors;
  p.shared_bytes = info.shared_bytes;
  p.scale = 0.07f;
  p.q_head_stride = query_width;
  p.q_token_stride = int64_t{1} * heads * query_width;
  p.out_head_stride = out_width;
  p.out_token_stride = int64_t{1} * heads * out_width;
  p.lse_head_stride = 1;
  p.lse_token_stride = heads;
  p.max_splits = 65535;
  p.max_splits = sequences * table->splits(&p, queries, tokens);
  return p;
}

Memory plan_of(const mla_step_params& p, int tokens) {
  std::vector<int32_t> begin(p.max_sequences + 1), all(p.max_sequences, tokens);
  for (int i = 0; i <= p.max_sequences; i++) begin[i] = i * p.max_queries;
  std::vector<uint8_t> plan(static_cast<size_t>(table->plan_bytes(&p)));
  CALL(make_plan, &p, p.max_sequences, begin.data(), all.data(), plan.data(),
       static_cast<int64_t>(plan.size()));
  return Memory(plan);
}

// Pages in no order.
Memory pages_of(const mla_cache_params& c) {
  std::vector<int32_t> pages(c.page_count);
  for (int i = 0; i < c.page_count; i++)
    pages[i] = static_cast<int32_t>(int64_t{1} * i * 7919 % c.page_count);
  return Memory(pages);
}

// What `queries` new tokens see of `tokens`, together.
double seen(int queries, int tokens) { return queries * (tokens - (queries - 1) / 2.); }

void attend(const std::string& call, int heads, int sequences, int tokens, int queries) {
  const mla_cache_params c = cache_of(sequences, tokens);
  const mla_step_params p = step_of(heads, sequences, tokens, queries, kRow, kLatent);
  const Memory plan = plan_of(p, tokens), pages = pages_of(c),
               q = activations(p.max_tokens * p.q_token_stride),
               cache(c.page_count * c.page_stride_bytes, halves(1)),
               out(p.max_tokens * p.out_token_stride * 4);
  const int64_t bytes = table->attention_workspace(&p, &c);
  const Memory workspace(bytes);
  tell(
      call,
      [&] {
        CALL(attend_absorbed, stream, &p, &c, plan.as<void>(), q.as<float>(), cache.as<void>(),
             pages.as<int32_t>(), nullptr, out.as<float>(), nullptr, workspace.as<void>(), bytes);
      },
      2. * sequences * heads * seen(queries, tokens) * (kRow + kLatent), 2. * sequences * tokens * kRow);
}

void prefill(const std::string& call, int heads, int tokens, int queries) {
  const mla_cache_params c = cache_of(1, tokens);
  const mla_step_params p = step_of(heads, 1, tokens, queries, kNope + kRope, kValue);
  const mla_rebuild_params r{sizeof r, kNope, kValue, MLA_TYPE_BF16, (kNope + kValue) * kLatent, kLatent};
  const Memory plan = plan_of(p, tokens), pages = pages_of(c),
               q = activations(p.max_tokens * p.q_token_stride),
               cache(c.page_count * c.page_stride_bytes, halves(1)),
               out(p.max_tokens * p.out_token_stride * 4),
               up(heads * r.weight_head_stride * 2, halves(0.05f));
  const int64_t bytes = table->decompressed_workspace(&p, &r, &c);
  const Memory workspace(bytes);
  tell(
      call,
      [&] {
        CALL(attend_decompressed, stream, &p, &r, &c, plan.as<void>(), tokens, q.as<float>(), up.as<void>(),
             cache.as<void>(), pages.as<int32_t>(), nullptr, out.as<float>(), nullptr, workspace.as<void>(),
             bytes);
      },
      2. * heads *
          (tokens * 1. * kLatent * (kNope + kValue) + seen(queries, tokens) * (kNope + kRope + kValue)),
      2. * tokens * kRow + 2. * heads * kLatent * (kNope + kValue));
}

mla_linear_params linear_of(int rows, int k, int n) {
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = MLA_COMPUTE_BF16;
  p.weight_type = MLA_TYPE_BF16;
  p.rows = rows;
  p.k = k;
  p.n = n;
  p.x_stride = p.weight_stride = k;
  p.y_stride = n;
  return p;
}

void linear(const std::string& call, int rows, int k, int n) {
  const mla_linear_params p = linear_of(rows, k, n);
  const int64_t bytes = int64_t{2} * k * n;
  const int copies = copies_of(bytes);
  const Memory x = activations(int64_t{1} * rows * k), weight(copies * bytes, halves(0.05f)),
               y(int64_t{4} * rows * n);
  int next = 0;
  tell(
      call,
      [&] {
        CALL(linear, stream, &p, x.as<float>(), weight.as<void>(next++ % copies * bytes), nullptr,
             y.as<float>());
      },
      2. * rows * k * n, static_cast<double>(bytes));
}

void experts(const std::string& call, int tokens, int k, int n) {
  constexpr int kExperts = 256, kChosen = 8;
  const int slots = tokens * kChosen;
  std::vector<int32_t> chosen(slots);
  for (int i = 0; i < slots; i++)
    chosen[i] = (i / kChosen * 37 + i % kChosen * (kExperts / kChosen) + i / kChosen % 5) % kExperts;
  const int64_t group_bytes = table->group_bytes(slots, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16);
  const Memory of_token(chosen), token_of(slots * 4), slot_of(slots * 4), groups(group_bytes);
  CALL(group, stream, of_token.as<int32_t>(), tokens, kChosen, kExperts, MLA_TYPE_BF16, MLA_COMPUTE_BF16,
       token_of.as<int32_t>(), slot_of.as<int32_t>(), groups.as<void>(), group_bytes);
  std::sort(chosen.begin(), chosen.end());
  const auto used = std::unique(chosen.begin(), chosen.end()) - chosen.begin();
  const mla_linear_params p = linear_of(slots, k, n);
  const Memory x = activations(int64_t{1} * tokens * k), weight(int64_t{2} * kExperts * k * n, halves(0.05f)),
               y(int64_t{4} * slots * n);
  tell(
      call,
      [&] {
        CALL(grouped_linear, stream, &p, kExperts, int64_t{1} * k * n, x.as<float>(), token_of.as<int32_t>(),
             groups.as<void>(), weight.as<void>(), y.as<float>());
      },
      2. * slots * k * n, 2. * used * k * n);
}

void run(const std::string& call) {
  const size_t colon = std::min(call.find(':'), call.size() - 1);
  const std::string what = call.substr(0, colon);
  int n[4] = {};
  const int count = std::sscanf(call.c_str() + colon + 1, "%d,%d,%d,%d", n, n + 1, n + 2, n + 3);
  if (what == "attend" && count >= 3)
    attend(call, n[0], n[1], n[2], count == 4 ? n[3] : 1);
  else if (what == "prefill" && count == 3)
    prefill(call, n[0], n[1], n[2]);
  else if (what == "linear" && count == 3)
    linear(call, n[0], n[1], n[2]);
  else if (what == "experts" && count == 3)
    experts(call, n[0], n[1], n[2]);
  else
    throw std::runtime_error(call + " is no call: see the begin of times.cpp");
  std::fflush(stdout);
}

const std::vector<std::string> kCalls = {
    "attend:16,1,16384",     "attend:128,1,4096",      "attend:128,1,16384",    "attend:16,32,4096",
    "attend:128,32,4096",    "attend:128,128,4096",    "attend:128,1,4096,256", "prefill:16,2048,2048",
    "prefill:128,2048,2048", "prefill:128,8192,512",   "prefill:128,8192,8192", "linear:1,7168,18432",
    "linear:1,7168,7168",    "linear:8,7168,18432",    "linear:16,7168,18432",  "linear:64,7168,18432",
    "linear:512,7168,18432", "linear:2048,7168,18432", "experts:1,7168,2048",   "experts:32,7168,2048",
    "experts:2048,7168,2048"};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("mla_cuda_times LIBRARY [CALL...]");
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<mla_get_device_kernels_fn>(dlsym(library, "mla_get_device_kernels"));
  table = entry == nullptr ? nullptr : entry(MLA_ABI_VERSION);
  if (table == nullptr) throw std::runtime_error(std::string(argv[1]) + " has no kernels of this version");
  char name[256] = "";
  info.struct_size = sizeof info;
  CALL(info, 0, &info, name, sizeof name);
  CALL(create_stream, 0, &stream);
  std::printf("%s\n\n| call | time | arithmetic | weights, or cache |\n|---|---|---|---|\n", name);
  std::vector<std::string> calls(argv + 2, argv + argc);
  for (const std::string& call : calls.empty() ? kCalls : calls) run(call);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "mla_cuda_times: %s\n", e.what());
  return 1;
}
