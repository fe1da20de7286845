// The table of a device library: every call checks its arguments, makes the stream's device the current one, launches, and turns a
// failure into a status and a text.
#include <cstring>

#include "abi/checks.h"
#include "abi/layout.h"
#include "cuda/common/runtime.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/plan.h"
#include "cuda/kernels/rebuild_task.h"
#include "mla/mla.h"

namespace mla {
namespace {

using cuda::Result;
using cuda::Stream;

// A grid has at most this many blocks in its first dimension, and 65535 in the others.
constexpr int kMaxBlocks = INT_MAX, kMaxOtherBlocks = 65535;

void require_done(const Result& result) {
  if (!result) return;
  const int32_t status = result.code == cuda::kOutOfMemory ? MLA_OUT_OF_MEMORY
                         : result.code == cuda::kNoDriver || result.code == cuda::kNoDevice ? MLA_NO_DEVICE
                         : cuda::is_lost(result.code)                                       ? MLA_DEVICE_LOST
                                                      : MLA_DEVICE_ERROR;
  const std::string text = cuda::error_text(result.code);
  fail(status, status == MLA_NO_DEVICE ? text : std::string(result.what) + ": " + text);
}

void use(int32_t device) {
  require_range("device", device, 0, 1023);
  require_done(cuda::use_device(device));
}

// Frees memory of the device, also after it was lost: both calls are tried.
void free_on(int32_t device, Result (*release)(void*), void* memory) {
  require_range("device", device, 0, 1023);
  const Result used = cuda::use_device(device), freed = release(memory);
  require_done(used);
  require_done(freed);
}

// The stream of a handle, its device current.
Stream& enter(void* stream) {
  require_pointer("stream", stream);
  Stream& s = *static_cast<Stream*>(stream);
  require_done(cuda::use_device(s.device));
  return s;
}

void require_width(int32_t rows, int32_t width) {
  require_range("rows", rows, 0, kMaxBlocks);
  require_range("width", width, 0, 65535 * 256);
}

void require_cuda_type(const char* name, int32_t type) {
  if (type == MLA_TYPE_F16)
    fail(MLA_UNSUPPORTED,
         std::string(name) + " is MLA_TYPE_F16, but devices compute with F32 and BF16: convert it first");
  require_type(name, type);
}

int32_t describe(int32_t subject, char* text, int32_t size) {
  try {
    std::string s;
    int count = 0;
    switch (subject) {
      case MLA_DESCRIBE_VERSION:
        s = kVersion;
        break;
      case MLA_DESCRIBE_ISA:
        s = "cuda";
        break;
      case MLA_DESCRIBE_REASON:
        if (const Result r = cuda::count_devices(&count)) s = cuda::error_text(r.code);
        break;
      case MLA_DESCRIBE_LAYOUT:
        s = layout_text();
        break;
      default:
        return -1;
    }
    if (text != nullptr && size > 0) std::snprintf(text, static_cast<size_t>(size), "%s", s.c_str());
    return static_cast<int32_t>(s.size());
  } catch (...) {
    return -1;
  }
}

int32_t count(int32_t* count, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("count", count);
    require_done(cuda::count_devices(count));
  });
}

int32_t info(int32_t device, mla_device_info* info, char* name, int32_t name_size, char* error,
             int32_t error_size) {
  return guard(error, error_size, [&] {
    require_struct("info", info);
    int devices = 0;
    require_done(cuda::count_devices(&devices));
    require_range("device", device, 0, devices - 1);
    cuda::DeviceInfo found;
    require_done(cuda::device_info(device, &found));
    info->major = found.major;
    info->minor = found.minor;
    info->multiprocessors = found.multiprocessors;
    info->shared_bytes = found.shared_bytes;
    info->driver = found.driver;
    info->total_memory = found.total_memory;
    info->free_memory = found.free_memory;
    if (name != nullptr && name_size > 0)
      std::snprintf(name, static_cast<size_t>(name_size), "%s", found.name.c_str());
  });
}

int32_t allocate(int32_t device, int64_t bytes, void** memory, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("memory", memory);
    require_range("bytes", bytes, 1, int64_t{1} << 45);
    use(device);
    const Result result = cuda::allocate(bytes, memory);
    if (result.code == cuda::kOutOfMemory)
      fail(MLA_OUT_OF_MEMORY, "the device has not " + std::to_string(bytes) + " bytes left");
    require_done(result);
  });
}

int32_t release(int32_t device, void* memory, char* error, int32_t error_size) {
  return guard(error, error_size, [&] { free_on(device, cuda::release, memory); });
}

int32_t allocate_host(int32_t device, int64_t bytes, void** memory, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("memory", memory);
    require_range("bytes", bytes, 1, int64_t{1} << 45);
    use(device);
    const Result result = cuda::allocate_host(bytes, memory);
    if (result.code == cuda::kOutOfMemory)
      fail(MLA_OUT_OF_MEMORY, "the host has not " + std::to_string(bytes) + " bytes to pin left");
    require_done(result);
  });
}

int32_t release_host(int32_t device, void* memory, char* error, int32_t error_size) {
  return guard(error, error_size, [&] { free_on(device, cuda::release_host, memory); });
}

int32_t create_stream(int32_t device, void** stream, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("stream", stream);
    use(device);
    void* handle = nullptr;
    require_done(cuda::create_stream(&handle));
    *stream = new Stream{device, handle};
  });
}

int32_t destroy_stream(void* stream, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    if (stream == nullptr) return;
    const Stream s = *static_cast<Stream*>(stream);
    delete static_cast<Stream*>(stream);
    // Also after the device was lost: both are tried.
    const Result ran = cuda::synchronize(s.handle);
    require_done(cuda::destroy_stream(s.handle));
    require_done(ran);
  });
}

int32_t synchronize(void* stream, char* error, int32_t error_size) {
  return guard(error, error_size, [&] { require_done(cuda::synchronize(enter(stream).handle)); });
}

int32_t create_event(int32_t device, void** event, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("event", event);
    use(device);
    require_done(cuda::create_event(event));
  });
}

int32_t destroy_event(int32_t device, void* event, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("device", device, 0, 1023);
    if (event != nullptr) require_done(cuda::destroy_event(event));
  });
}

int32_t record_event(void* stream, void* event, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("event", event);
    require_done(cuda::record(event, enter(stream).handle));
  });
}

int32_t await_event(void* stream, void* event, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("event", event);
    require_done(cuda::wait(enter(stream).handle, event));
  });
}

int32_t synchronize_event(int32_t device, void* event, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("event", event);
    use(device);
    require_done(cuda::synchronize_event(event));
  });
}

int32_t copy(void* stream, void* to, const void* from, int64_t bytes, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("bytes", bytes, 0, int64_t{1} << 45);
    const Stream& s = enter(stream);
    if (bytes == 0) return;
    require_pointer("to", to);
    require_pointer("from", from);
    require_done(cuda::copy(to, from, bytes, s.handle));
  });
}

int32_t fill(void* stream, void* memory, int32_t value, int64_t bytes, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("bytes", bytes, 0, int64_t{1} << 45);
    require_range("value", value, 0, 255);
    const Stream& s = enter(stream);
    if (bytes == 0) return;
    require_pointer("memory", memory);
    require_done(cuda::fill(memory, value, bytes, s.handle));
  });
}

int32_t begin_capture(void* stream, char* error, int32_t error_size) {
  return guard(error, error_size, [&] { require_done(cuda::begin_capture(enter(stream).handle)); });
}

int32_t end_capture(void* stream, void** graph, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("graph", graph);
    require_done(cuda::end_capture(enter(stream).handle, graph));
  });
}

int32_t launch_graph(void* stream, void* graph, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_pointer("graph", graph);
    require_done(cuda::launch_graph(graph, enter(stream).handle));
  });
}

int32_t destroy_graph(int32_t device, void* graph, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("device", device, 0, 1023);
    if (graph != nullptr) require_done(cuda::destroy_graph(graph));
  });
}

int32_t convert(void* stream, int32_t from_type, const void* from, int64_t count, void* to, char* error,
                int32_t error_size) {
  return guard(error, error_size, [&] {
    if (from_type != MLA_TYPE_F32 && from_type != MLA_TYPE_F16)
      fail(MLA_INVALID_ARGUMENT,
           "from_type is " + std::to_string(from_type) + ", but must be MLA_TYPE_F32 or MLA_TYPE_F16");
    require_range("count", count, 0, int64_t{kMaxBlocks} * 256);
    const Stream& s = enter(stream);
    if (count == 0) return;
    require_pointer("from", from);
    require_pointer("to", to);
    require_done(cuda::convert(s, from_type, from, count, to));
  });
}

int32_t embed(void* stream, int32_t table_type, const void* table, int64_t table_stride, int32_t vocabulary,
              const int32_t* ids, int32_t count, int32_t width, float scale, float* y, int64_t y_stride,
              char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_cuda_type("table_type", table_type);
    require_range("vocabulary", vocabulary, 1, INT_MAX);
    require_width(count, width);
    require_stride("table_stride", table_stride, vocabulary, width);
    require_stride("y_stride", y_stride, count, width);
    const Stream& s = enter(stream);
    if (count == 0 || width == 0) return;
    require_pointer("table", table);
    require_pointer("ids", ids);
    require_pointer("y", y);
    require_done(
        cuda::embed(s, table_type, table, table_stride, vocabulary, ids, count, width, scale, y, y_stride));
  });
}

int32_t rms_norm(void* stream, const float* x, int64_t x_stride, const float* weight, float eps, int32_t rows,
                 int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_eps(eps);
    require_width(rows, width);
    require_stride("x_stride", x_stride, rows, width);
    require_stride("y_stride", y_stride, rows, width);
    const Stream& s = enter(stream);
    if (rows == 0 || width == 0) return;
    require_pointer("x", x);
    require_pointer("weight", weight);
    require_pointer("y", y);
    require_done(cuda::rms_norm(s, x, x_stride, weight, eps, rows, width, y, y_stride));
  });
}

int32_t swiglu(void* stream, const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
               int32_t rows, int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_width(rows, width);
    require_stride("gate_stride", gate_stride, rows, width);
    require_stride("up_stride", up_stride, rows, width);
    require_stride("y_stride", y_stride, rows, width);
    const Stream& s = enter(stream);
    if (rows == 0 || width == 0) return;
    require_pointer("gate", gate);
    require_pointer("up", up);
    require_pointer("y", y);
    require_done(cuda::swiglu(s, gate, gate_stride, up, up_stride, rows, width, y, y_stride));
  });
}

int32_t add(void* stream, const float* x, int64_t x_stride, const float* r, int64_t r_stride, float scale,
            int32_t rows, int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_width(rows, width);
    require_stride("x_stride", x_stride, rows, width);
    require_stride("r_stride", r_stride, rows, width);
    require_stride("y_stride", y_stride, rows, width);
    const Stream& s = enter(stream);
    if (rows == 0 || width == 0) return;
    require_pointer("x", x);
    require_pointer("r", r);
    require_pointer("y", y);
    require_done(cuda::add(s, x, x_stride, r, r_stride, scale, rows, width, y, y_stride));
  });
}

int32_t rope(void* stream, const mla_rope_params* p, const float* x, const float* cosines, const float* sines,
             float* y, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p);
    const Stream& s = enter(stream);
    if (p->tokens == 0) return;
    require_pointer("x", x);
    require_pointer("y", y);
    if (p->rope > 0) {
      require_pointer("cosines", cosines);
      require_pointer("sines", sines);
    }
    require_done(cuda::rope(s, *p, x, cosines, sines, y));
  });
}

int32_t append(void* stream, const mla_append_params* p, const mla_cache_params* c, const float* a,
               const float* norm_weight, const float* cosines, const float* sines, const int32_t* slots,
               void* cache, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p, c);
    const Stream& s = enter(stream);
    if (p->tokens == 0) return;
    require_pointer("a", a);
    require_pointer("slots", slots);
    require_pointer("cache", cache);
    if (c->rope > 0) {
      require_pointer("cosines", cosines);
      require_pointer("sines", sines);
    }
    require_done(cuda::append(s, *p, *c, a, norm_weight, cosines, sines, slots, cache));
  });
}

void check_step(const mla_step_params* p) {
  require_struct("params", p);
  require_compute(p->compute);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("causal", p->causal, 0, 1);
  require_range("max_sequences", p->max_sequences, 0, 1 << 20);
  require_range("max_tokens", p->max_tokens, 0, 1 << 24);
  require_range("max_queries", p->max_queries, 0, p->max_tokens);
  require(static_cast<int64_t>(p->max_queries) * p->heads <= kMaxBlocks, "max_queries * heads",
          static_cast<int64_t>(p->max_queries) * p->heads, "at most 2147483647");
  require_range("max_splits", p->max_splits, 0, kMaxOtherBlocks);
  require_range("page_table_stride", p->page_table_stride, 0, 1 << 24);
  require_range("multiprocessors", p->multiprocessors, 1, 1 << 16);
  require_range("shared_bytes", p->shared_bytes, 48 * 1024, 1 << 20);
  if (!(p->scale > 0) || p->scale > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "scale is " + std::to_string(p->scale) + ", but must be finite and positive");
  require_stride("q_token_stride", p->q_token_stride, p->max_tokens, 0);
  require_stride("q_head_stride", p->q_head_stride, p->heads, 0);
  require_stride("out_token_stride", p->out_token_stride, p->max_tokens, 1);
  require_stride("out_head_stride", p->out_head_stride, p->heads, 1);
}

int64_t plan_bytes(const mla_step_params* p) {
  const int32_t status = guard(nullptr, 0, [&] { check_step(p); });
  return status == MLA_OK ? cuda::plan_layout(*p).end * 4 : -1;
}

int splits_of(const mla_step_params& p, int queries, int kv_tokens) {
  if (queries == 0) return 0;
  const int length = cuda::split_length(p, queries, kv_tokens);
  return std::max(1, (kv_tokens + length - 1) / length);
}

int32_t splits(const mla_step_params* p, int32_t queries, int32_t kv_tokens) {
  int count = -1;
  guard(nullptr, 0, [&] {
    check_step(p);
    require_range("queries", queries, 0, p->max_queries);
    require_range("kv_tokens", kv_tokens, queries, 1 << 24);
    count = splits_of(*p, queries, kv_tokens);
  });
  return count;
}

int32_t make_plan(const mla_step_params* p, int32_t sequences, const int32_t* query_begin,
                  const int32_t* kv_tokens, void* plan, int64_t bytes, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check_step(p);
    require_range("sequences", sequences, 0, p->max_sequences);
    require_pointer("plan", plan);
    const cuda::PlanLayout layout = cuda::plan_layout(*p);
    if (bytes < layout.end * 4)
      fail(MLA_WORKSPACE_TOO_SMALL,
           "plan has " + std::to_string(bytes) + " bytes, but needs " + std::to_string(layout.end * 4));
    auto* ints = static_cast<int32_t*>(plan);
    std::fill(ints, ints + layout.end, -1);
    auto* planned = reinterpret_cast<cuda::PlannedSequence*>(ints + layout.sequences);
    auto* all_splits = reinterpret_cast<cuda::PlannedSplit*>(ints + layout.splits);
    int64_t count = 0, partial_rows = 0;
    if (sequences > 0) {
      require_pointer("query_begin", query_begin);
      require_pointer("kv_tokens", kv_tokens);
      require_range("query_begin[0]", query_begin[0], 0, 0);
    }
    for (int32_t i = 0; i < sequences; i++) {
      const std::string index = "[" + std::to_string(i) + "]";
      require_range(("query_begin" + index + " to the next").c_str(),
                    int64_t{query_begin[i + 1]} - query_begin[i], 0, p->max_queries);
      const int queries = query_begin[i + 1] - query_begin[i];
      require_range(("query_begin[" + std::to_string(i + 1) + "]").c_str(), query_begin[i + 1], 0,
                    p->max_tokens);
      require_range(("kv_tokens" + index).c_str(), kv_tokens[i], queries, 1 << 24);
      const int parts = splits_of(*p, queries, kv_tokens[i]);
      require(count + parts <= p->max_splits, "max_splits", p->max_splits,
              "at least the splits of all sequences, which are more");
      planned[i] = {query_begin[i], queries,
                    kv_tokens[i],   queries == 0 ? 1 : cuda::split_length(*p, queries, kv_tokens[i]),
                    parts,          static_cast<int32_t>(partial_rows),
                    {0, 0}};
      for (int s = 0; s < parts; s++) all_splits[count++] = {i, s};
      if (parts > 1) partial_rows += static_cast<int64_t>(parts) * queries * p->heads;
      require(partial_rows <= INT_MAX, "splits * queries * heads", partial_rows, "at most 2147483647");
      std::fill_n(ints + layout.tokens + query_begin[i], queries, i);
    }
    ints[0] = sequences;
    ints[1] = static_cast<int32_t>(count);
    ints[2] = sequences == 0 ? 0 : query_begin[sequences];
  });
}

int64_t attention_workspace(const mla_step_params* p, const mla_cache_params* c) {
  const int32_t status = guard(nullptr, 0, [&] {
    check_step(p);
    check(c);
  });
  return status == MLA_OK ? (cuda::partial_rows(*p) * (c->latent + 1) * 4 + 255) / 256 * 256 : -1;
}

bool is_aligned(const void* weight, int64_t stride) {
  return reinterpret_cast<uintptr_t>(weight) % 16 == 0 && stride % 8 == 0;
}

void require_tensor_rows(const mla_cache_params& c) {
  require(c.row_stride_bytes % 16 == 0, "row_stride_bytes", c.row_stride_bytes,
          "a multiple of 16 for tensor cores");
  require(c.page_stride_bytes % 16 == 0, "page_stride_bytes", c.page_stride_bytes,
          "a multiple of 16 for tensor cores");
  require(c.rope_offset % 16 == 0, "rope_offset", c.rope_offset, "a multiple of 16 for tensor cores");
}

int32_t attend_absorbed(void* stream, const mla_step_params* p, const mla_cache_params* c, const void* plan,
                        const float* q, const void* cache, const int32_t* page_table, const float* slopes,
                        float* out, float* lse, void* workspace, int64_t workspace_bytes, char* error,
                        int32_t error_size) {
  return guard(error, error_size, [&] {
    check_step(p);
    check(c);
    if (lse != nullptr) {
      require_stride("lse_token_stride", p->lse_token_stride, p->max_tokens, 1);
      require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
    }
    const int64_t needed = attention_workspace(p, c);
    if (workspace_bytes < needed)
      fail(MLA_WORKSPACE_TOO_SMALL, "workspace has " + std::to_string(workspace_bytes) +
                                        " bytes, but needs " + std::to_string(needed));
    const Stream& s = enter(stream);
    if (p->max_tokens == 0 || p->max_splits == 0) return;
    require_pointer("plan", plan);
    require_pointer("q", q);
    require_pointer("cache", cache);
    require_pointer("page_table", page_table);
    require_pointer("out", out);
    require_pointer("workspace", workspace);
    auto* partial_out = static_cast<float*>(workspace);
    float* partial_lse = partial_out + cuda::partial_rows(*p) * c->latent;
    const auto* ints = static_cast<const int32_t*>(plan);
    // The rounding of the query and the probabilities is that of a bf16 cache: see the conventions.
    const bool rounds = p->compute == MLA_COMPUTE_BF16 && c->cache_type == MLA_TYPE_BF16;
    if (rounds) {
      require_tensor_rows(*c);
      if (!cuda::can_attend(*p, *c))
        fail(MLA_UNSUPPORTED, "rows of " + std::to_string(c->latent) + " + " + std::to_string(c->rope) +
                                  " do not fit the tensor core kernel on a device with " +
                                  std::to_string(p->shared_bytes) +
                                  " bytes of shared memory: use MLA_COMPUTE_F32");
    }
    require_done((rounds ? cuda::attend : cuda::attend_f32)(s, *p, *c, ints, q, cache, page_table, slopes,
                                                            out, lse, partial_out, partial_lse));
    require_done(cuda::merge_splits(s, *p, c->latent, ints, partial_out, partial_lse, out, lse));
  });
}

// A workspace of this size holds enough for a product that fills a device, and not much more than its second-level cache.
constexpr int64_t kRebuiltBytes = int64_t{64} << 20;

// The rounding of the query, the rebuilt keys and values and the probabilities is that of a bf16 cache: see the conventions.
bool rounds_rebuilt(const mla_step_params& p, const mla_cache_params& c) {
  return p.compute == MLA_COMPUTE_BF16 && c.cache_type == MLA_TYPE_BF16;
}

// Where things lie in the workspace of attend_decompressed.
struct Rebuilt {
  cuda::RebuildTask task;  // but its piece
  int64_t states;          // bytes of the rows' states, at the begin
  int64_t tile;            // bytes of the shortest piece of all sequences
};

Rebuilt check_rebuild(const mla_step_params* p, const mla_rebuild_params* r, const mla_cache_params* c) {
  check_step(p);
  require_struct("rebuild", r);
  check(c);
  require_range("nope", r->nope, 1, 1 << 16);
  require_range("value", r->value, 1, 1 << 16);
  require_cuda_type("weight_type", r->weight_type);
  require_stride("weight_head_stride", r->weight_head_stride, p->heads, 0);
  require_stride("weight_stride", r->weight_stride, r->nope + r->value, c->latent);
  Rebuilt rebuilt{};
  cuda::RebuildTask& t = rebuilt.task;
  t.nope = r->nope;
  t.value = r->value;
  t.values_at = (r->nope + 7) / 8 * 8;
  t.row = t.values_at + (r->value + 7) / 8 * 8;
  t.weight_head_stride = r->weight_head_stride;
  t.weight_stride = r->weight_stride;
  const int columns = cuda::decompressed_states(t);
  rebuilt.states = (int64_t{columns} * p->max_tokens * p->heads * 8 + 255) / 256 * 256;
  rebuilt.tile =
      int64_t{cuda::kRebuiltTile} * p->max_sequences * p->heads * t.row * (rounds_rebuilt(*p, *c) ? 2 : 4);
  require(p->heads * (int64_t{t.row} + 8) / 4 <= kMaxOtherBlocks, "heads * (nope + value)",
          p->heads * (int64_t{r->nope} + r->value), "at most 262140");
  require(int64_t{p->max_sequences} * columns <= kMaxOtherBlocks, "max_sequences * blocks of 128 values",
          int64_t{p->max_sequences} * columns, "at most 65535");
  return rebuilt;
}

int64_t decompressed_workspace(const mla_step_params* p, const mla_rebuild_params* r,
                               const mla_cache_params* c) {
  int64_t bytes = -1;
  guard(nullptr, 0, [&] {
    const Rebuilt rebuilt = check_rebuild(p, r, c);
    const int64_t longest = int64_t{p->page_table_stride} * c->page_size;
    const int64_t all = (longest + cuda::kRebuiltTile - 1) / cuda::kRebuiltTile;
    const int64_t tiles = rebuilt.tile == 0 ? 0 : std::max<int64_t>(1, kRebuiltBytes / rebuilt.tile);
    bytes = rebuilt.states + std::min(tiles, all) * rebuilt.tile;
  });
  return bytes;
}

int32_t attend_decompressed(void* stream, const mla_step_params* p, const mla_rebuild_params* r,
                            const mla_cache_params* c, const void* plan, int32_t max_kv_tokens,
                            const float* q, const void* kv_b, const void* cache, const int32_t* page_table,
                            const float* slopes, float* out, float* lse, void* workspace,
                            int64_t workspace_bytes, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    const Rebuilt rebuilt = check_rebuild(p, r, c);
    cuda::RebuildTask t = rebuilt.task;
    if (lse != nullptr) {
      require_stride("lse_token_stride", p->lse_token_stride, p->max_tokens, 1);
      require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
    }
    require_range("max_kv_tokens", max_kv_tokens, 0, int64_t{p->page_table_stride} * c->page_size);
    const Stream& s = enter(stream);
    if (p->max_tokens == 0 || p->max_sequences == 0 || max_kv_tokens == 0) return;
    if (workspace_bytes < rebuilt.states + rebuilt.tile)
      fail(MLA_WORKSPACE_TOO_SMALL, "workspace has " + std::to_string(workspace_bytes) +
                                        " bytes, but needs " + std::to_string(rebuilt.states + rebuilt.tile) +
                                        " or more");
    require_pointer("plan", plan);
    require_pointer("q", q);
    require_pointer("kv_b", kv_b);
    require_pointer("cache", cache);
    require_pointer("page_table", page_table);
    require_pointer("out", out);
    require_pointer("workspace", workspace);
    require(reinterpret_cast<uintptr_t>(workspace) % 16 == 0, "workspace % 16",
            static_cast<int64_t>(reinterpret_cast<uintptr_t>(workspace) % 16), "0");
    const bool rounds = rounds_rebuilt(*p, *c);
    if (rounds) {
      require_tensor_rows(*c);
      if (!cuda::can_attend_decompressed(*p, *c, t))
        fail(MLA_UNSUPPORTED, "keys of " + std::to_string(t.nope) + " + " + std::to_string(c->rope) +
                                  " do not fit the tensor core kernel on a device with " +
                                  std::to_string(p->shared_bytes) +
                                  " bytes of shared memory: use MLA_COMPUTE_F32");
    } else if (cuda::decompressed_f32_shared(*c, t) > p->shared_bytes) {
      fail(MLA_UNSUPPORTED, "keys of " + std::to_string(t.nope) + " + " + std::to_string(c->rope) +
                                " and values of " + std::to_string(t.value) +
                                " do not fit the shared memory of " + std::to_string(p->shared_bytes) +
                                " bytes");
    }
    const bool tensor = rounds && r->weight_type == MLA_TYPE_BF16 && is_aligned(kv_b, r->weight_stride) &&
                        (p->heads == 1 || r->weight_head_stride % 8 == 0) && t.nope % 8 == 0 &&
                        t.value % 8 == 0 && c->latent % 8 == 0;
    const auto* ints = static_cast<const int32_t*>(plan);
    auto* states = static_cast<cuda::RowState*>(workspace);
    uint8_t* rows = static_cast<uint8_t*>(workspace) + rebuilt.states;
    const int64_t room = (workspace_bytes - rebuilt.states) / rebuilt.tile * cuda::kRebuiltTile;
    const int64_t all =
        (int64_t{max_kv_tokens} + cuda::kRebuiltTile - 1) / cuda::kRebuiltTile * cuda::kRebuiltTile;
    t.tokens = static_cast<int32_t>(std::min(room, all));
    for (int64_t first = 0; first < max_kv_tokens; first += t.tokens) {
      t.first = static_cast<int32_t>(first);
      t.last = first + t.tokens >= max_kv_tokens;
      require_done(
          tensor
              ? cuda::rebuild(s, *p, *c, t, ints, cache, page_table, static_cast<const cuda::Bf16*>(kv_b),
                              reinterpret_cast<cuda::Bf16*>(rows))
              : cuda::rebuild_f32(s, *p, *c, t, r->weight_type, rounds, ints, cache, page_table, kv_b, rows));
      require_done(
          rounds ? cuda::attend_decompressed(s, *p, *c, t, ints, q, reinterpret_cast<const cuda::Bf16*>(rows),
                                             cache, page_table, slopes, out, lse, states)
                 : cuda::attend_decompressed_f32(s, *p, *c, t, ints, q, reinterpret_cast<const float*>(rows),
                                                 cache, page_table, slopes, out, lse, states));
    }
  });
}

int32_t merge(void* stream, const mla_merge_params* p, const float* partial_out, const float* partial_lse,
              float* out, float* lse, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p, lse != nullptr);
    const Stream& s = enter(stream);
    if (p->tokens == 0) return;
    require_pointer("partial_out", partial_out);
    require_pointer("partial_lse", partial_lse);
    require_pointer("out", out);
    require_done(cuda::merge(s, *p, partial_out, partial_lse, out, lse));
  });
}

// Whether weights of this type are multiplied on tensor cores.
bool on_tensor_cores(int32_t weight_type, int32_t compute) {
  return weight_type == MLA_TYPE_BF16 && compute == MLA_COMPUTE_BF16;
}

cuda::LinearTask task_of(const mla_linear_params& p) {
  cuda::LinearTask t{};
  t.rows = p.rows;
  t.k = p.k;
  t.n = p.n;
  t.rounds = p.compute == MLA_COMPUTE_BF16;
  t.x_stride = p.x_stride;
  t.weight_stride = p.weight_stride;
  t.y_stride = p.y_stride;
  return t;
}

// Tiles of rows are a dimension of the grid.
void require_tiles(const char* name, int64_t tiles) { require(tiles <= 65535, name, tiles, "at most 65535"); }

void require_task(const Stream& s, const cuda::LinearTask& t, int heads, int32_t weight_type, int32_t compute,
                  const float* x, const void* weight, const float* bias, float* y) {
  require_pointer("x", x);
  require_pointer("weight", weight);
  require_pointer("y", y);
  const bool tensor = on_tensor_cores(weight_type, compute);
  const int tile = tensor ? cuda::linear_tile(t.rows) : cuda::linear_f32_tile();
  require_tiles("tiles of rows", (int64_t{t.rows} + tile - 1) / tile);
  require_tiles("heads", heads);
  require_done(tensor ? cuda::linear(s, t, heads, x, static_cast<const cuda::Bf16*>(weight), bias, y)
                      : cuda::linear_f32(s, t, heads, weight_type, x, weight, bias, y));
}

int32_t linear(void* stream, const mla_linear_params* p, const float* x, const void* weight,
               const float* bias, float* y, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p);
    require_cuda_type("weight_type", p->weight_type);
    const Stream& s = enter(stream);
    if (p->rows == 0 || p->n == 0) return;
    cuda::LinearTask t = task_of(*p);
    t.aligned = is_aligned(weight, p->weight_stride);
    require_task(s, t, 1, p->weight_type, p->compute, x, weight, bias, y);
  });
}

int32_t head_linear(void* stream, const mla_head_linear_params* p, const float* x, const void* weight,
                    float* y, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p);
    require_cuda_type("weight_type", p->weight_type);
    const Stream& s = enter(stream);
    if (p->tokens == 0) return;
    cuda::LinearTask t{};
    t.rows = p->tokens;
    t.k = p->in;
    t.n = p->out;
    t.in_out = p->transposed;
    t.rounds = p->compute == MLA_COMPUTE_BF16;
    t.aligned = is_aligned(weight, p->weight_stride) && (p->heads == 1 || p->weight_head_stride % 8 == 0);
    t.x_stride = p->x_token_stride;
    t.y_stride = p->y_token_stride;
    t.weight_stride = p->weight_stride;
    t.x_head_stride = p->x_head_stride;
    t.y_head_stride = p->y_head_stride;
    t.weight_head_stride = p->weight_head_stride;
    require_task(s, t, p->heads, p->weight_type, p->compute, x, weight, nullptr, y);
  });
}

int32_t route(void* stream, const mla_route_params* p, const float* logits, const float* bias,
              int32_t* experts_out, float* weights_out, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p);
    require_range("experts", p->experts, 1, 1024);
    const Stream& s = enter(stream);
    if (p->tokens == 0) return;
    require_pointer("logits", logits);
    require_pointer("experts_out", experts_out);
    require_pointer("weights_out", weights_out);
    require_done(cuda::route(s, *p, logits, bias, experts_out, weights_out));
  });
}

// Slots of a tile of grouped_linear: what an expert has on average.
int group_tile(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  return on_tensor_cores(weight_type, compute) ? cuda::linear_tile((slots + experts - 1) / experts)
                                               : cuda::linear_f32_tile();
}

int64_t max_tiles(int32_t slots, int32_t experts, int tile) {
  return (int64_t{slots} + tile - 1) / tile + experts;
}

void check_group(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  require_range("slots", slots, 0, 1 << 24);
  require_range("experts", experts, 1, 1024);
  require_compute(compute);
  require_cuda_type("weight_type", weight_type);
  require_tiles("tiles of slots",
                max_tiles(slots, experts, group_tile(slots, experts, weight_type, compute)));
}

int64_t group_bytes(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  const int32_t status = guard(nullptr, 0, [&] { check_group(slots, experts, weight_type, compute); });
  return status == MLA_OK
             ? (1 + 3 * max_tiles(slots, experts, group_tile(slots, experts, weight_type, compute))) * 4
             : -1;
}

void require_groups(int64_t bytes, int32_t slots, int32_t experts, int32_t weight_type, int32_t compute) {
  const int64_t needed = group_bytes(slots, experts, weight_type, compute);
  if (bytes < needed)
    fail(MLA_WORKSPACE_TOO_SMALL,
         "groups has " + std::to_string(bytes) + " bytes, but needs " + std::to_string(needed));
}

int32_t group(void* stream, const int32_t* chosen, int32_t tokens, int32_t top_k, int32_t experts,
              int32_t weight_type, int32_t compute, int32_t* token_of, int32_t* slot_of, void* groups,
              int64_t bytes, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("tokens", tokens, 0, 1 << 24);
    require_range("top_k", top_k, 1, 1024);
    require(int64_t{tokens} * top_k <= 1 << 24, "tokens * top_k", int64_t{tokens} * top_k,
            "at most 16777216");
    check_group(tokens * top_k, experts, weight_type, compute);
    require_groups(bytes, tokens * top_k, experts, weight_type, compute);
    const Stream& s = enter(stream);
    require_pointer("groups", groups);
    if (tokens > 0) {
      require_pointer("chosen", chosen);
      require_pointer("token_of", token_of);
      require_pointer("slot_of", slot_of);
    }
    require_done(cuda::group(s, chosen, tokens * top_k, top_k, experts,
                             group_tile(tokens * top_k, experts, weight_type, compute), token_of, slot_of,
                             static_cast<int32_t*>(groups)));
  });
}

int32_t grouped_linear(void* stream, const mla_linear_params* p, int32_t experts, int64_t expert_stride,
                       const float* x, const int32_t* indices, const void* groups, const void* weight,
                       float* y, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    check(p);
    check_group(p->rows, experts, p->weight_type, p->compute);
    require_stride("expert_stride", expert_stride, experts, 0);
    const Stream& s = enter(stream);
    if (p->rows == 0 || p->n == 0) return;
    require_pointer("x", x);
    require_pointer("groups", groups);
    require_pointer("weight", weight);
    require_pointer("y", y);
    cuda::LinearTask t = task_of(*p);
    t.aligned = is_aligned(weight, p->weight_stride) && expert_stride % 8 == 0;
    t.group_stride = expert_stride;
    const int tile = group_tile(p->rows, experts, p->weight_type, p->compute);
    const int tiles = static_cast<int>(max_tiles(p->rows, experts, tile));
    const auto* ints = static_cast<const int32_t*>(groups);
    require_done(on_tensor_cores(p->weight_type, p->compute)
                     ? cuda::grouped_linear(s, t, tile, tiles, x, indices, ints,
                                            static_cast<const cuda::Bf16*>(weight), y)
                     : cuda::grouped_linear_f32(s, t, tiles, p->weight_type, x, indices, ints, weight, y));
  });
}

int32_t combine(void* stream, const float* expert_out, int64_t expert_out_stride, int32_t slot_count,
                const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
                int32_t tokens, int32_t top_k, int32_t width, float* y, int64_t y_stride, char* error,
                int32_t error_size) {
  return guard(error, error_size, [&] {
    require_width(tokens, width);
    require_range("slot_count", slot_count, 0, INT_MAX);
    require_range("top_k", top_k, 0, 1024);
    require_stride("expert_out_stride", expert_out_stride, slot_count, width);
    require_stride("y_stride", y_stride, tokens, width);
    if (shared != nullptr) require_stride("shared_stride", shared_stride, tokens, width);
    const Stream& s = enter(stream);
    if (tokens == 0 || width == 0) return;
    if (top_k > 0) {
      require_pointer("slots", slots);
      require_pointer("weights", weights);
      if (slot_count > 0) require_pointer("expert_out", expert_out);
    }
    require_pointer("y", y);
    require_done(cuda::combine(s, expert_out, expert_out_stride, slot_count, slots, weights, shared,
                               shared_stride, tokens, top_k, width, y, y_stride));
  });
}

int32_t argmax(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
               int32_t* ids_out, char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("rows", rows, 0, kMaxBlocks);
    require_range("width", width, 1, 1 << 30);
    require_stride("logits_stride", logits_stride, rows, width);
    const Stream& s = enter(stream);
    if (rows == 0) return;
    require_pointer("logits", logits);
    require_pointer("ids_out", ids_out);
    require_done(cuda::argmax(s, logits, logits_stride, rows, width, ids_out));
  });
}

int32_t sample(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
               float temperature, int32_t top_k, float top_p, const float* uniform, int32_t* ids_out,
               char* error, int32_t error_size) {
  return guard(error, error_size, [&] {
    require_range("rows", rows, 0, kMaxBlocks);
    require_range("width", width, 1, 1 << 24);
    require_range("top_k", top_k, 0, INT_MAX);
    require_stride("logits_stride", logits_stride, rows, width);
    if (!(temperature > 0) || temperature > 3e38f)
      fail(MLA_INVALID_ARGUMENT, "temperature is " + std::to_string(temperature) +
                                     ", but must be finite and positive: 0 is argmax");
    if (!(top_p > 0 && top_p <= 1))
      fail(MLA_INVALID_ARGUMENT, "top_p is " + std::to_string(top_p) + ", but must be in (0, 1]");
    const Stream& s = enter(stream);
    if (rows == 0) return;
    require_pointer("logits", logits);
    require_pointer("uniform", uniform);
    require_pointer("ids_out", ids_out);
    require_done(
        cuda::sample(s, logits, logits_stride, rows, width, temperature, top_k, top_p, uniform, ids_out));
  });
}

constexpr mla_device_kernels kTable = {sizeof(mla_device_kernels),
                                       MLA_ABI_VERSION,
                                       describe,
                                       count,
                                       info,
                                       allocate,
                                       release,
                                       allocate_host,
                                       release_host,
                                       create_stream,
                                       destroy_stream,
                                       synchronize,
                                       create_event,
                                       destroy_event,
                                       record_event,
                                       await_event,
                                       synchronize_event,
                                       copy,
                                       fill,
                                       begin_capture,
                                       end_capture,
                                       launch_graph,
                                       destroy_graph,
                                       convert,
                                       embed,
                                       rms_norm,
                                       swiglu,
                                       add,
                                       rope,
                                       append,
                                       plan_bytes,
                                       splits,
                                       make_plan,
                                       attention_workspace,
                                       attend_absorbed,
                                       decompressed_workspace,
                                       attend_decompressed,
                                       merge,
                                       linear,
                                       head_linear,
                                       route,
                                       group_bytes,
                                       group,
                                       grouped_linear,
                                       combine,
                                       argmax,
                                       sample};

}  // namespace
}  // namespace mla

const mla_kernels* mla_get_kernels(int32_t, int32_t) { return nullptr; }

const mla_device_kernels* mla_get_device_kernels(int32_t abi_version) {
  return abi_version == MLA_ABI_VERSION ? &mla::kTable : nullptr;
}
