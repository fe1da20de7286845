// Operations on rows: each row by itself.
#include "cuda/abi/device.h"
#include "cuda/kernels/launches.h"

namespace mla::device {
namespace {

void convert(void* stream, int32_t from_type, const void* from, int64_t count, void* to) {
  if (from_type != MLA_TYPE_F32 && from_type != MLA_TYPE_F16)
    fail(MLA_INVALID_ARGUMENT,
         "from_type is " + std::to_string(from_type) + ", but must be MLA_TYPE_F32 or MLA_TYPE_F16");
  require_range("count", count, 0, int64_t{kMaxBlocks} * 256);
  const Stream& s = enter(stream);
  if (count == 0) return;
  require_pointer("from", from);
  require_pointer("to", to);
  require_done(cuda::convert(s, from_type, from, count, to));
}

void embed(void* stream, int32_t table_type, const void* table, int64_t table_stride, int32_t vocabulary,
           const int32_t* ids, int32_t count, int32_t width, float scale, float* y, int64_t y_stride) {
  require_cuda_type("table_type", table_type);
  require_range("vocabulary", vocabulary, 1, INT_MAX);
  require_stride("table_stride", table_stride, vocabulary, width);
  if (!check_rows(stream, count, width, {{"y", y, y_stride}})) return;
  require_pointer("table", table);
  require_pointer("ids", ids);
  require_done(cuda::embed(enter(stream), table_type, table, table_stride, vocabulary, ids, count, width,
                           scale, y, y_stride));
}

void rms_norm(void* stream, const float* x, int64_t x_stride, const float* weight, float eps, int32_t rows,
              int32_t width, float* y, int64_t y_stride) {
  require_eps(eps);
  if (!check_rows(stream, rows, width, {{"x", x, x_stride}, {"y", y, y_stride}})) return;
  require_pointer("weight", weight);
  require_done(cuda::rms_norm(enter(stream), x, x_stride, weight, eps, rows, width, y, y_stride));
}

void swiglu(void* stream, const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
            int32_t rows, int32_t width, float* y, int64_t y_stride) {
  if (check_rows(stream, rows, width,
                 {{"gate", gate, gate_stride}, {"up", up, up_stride}, {"y", y, y_stride}}))
    require_done(cuda::swiglu(enter(stream), gate, gate_stride, up, up_stride, rows, width, y, y_stride));
}

void add(void* stream, const float* x, int64_t x_stride, const float* residual, int64_t residual_stride,
         float scale, int32_t rows, int32_t width, float* y, int64_t y_stride) {
  if (check_rows(stream, rows, width,
                 {{"x", x, x_stride}, {"residual", residual, residual_stride}, {"y", y, y_stride}}))
    require_done(
        cuda::add(enter(stream), x, x_stride, residual, residual_stride, scale, rows, width, y, y_stride));
}

void rope(void* stream, const mla_rope_params* p, const float* x, const float* cosines, const float* sines,
          float* y) {
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
}

void append(void* stream, const mla_append_params* p, const mla_cache_params* c, const float* latent_and_key,
            const float* norm_weight, const float* cosines, const float* sines, const int32_t* slots,
            void* cache) {
  check(p, c);
  check_plain(c);
  const Stream& s = enter(stream);
  if (p->tokens == 0) return;
  require_pointer("latent_and_key", latent_and_key);
  require_pointer("slots", slots);
  require_pointer("cache", cache);
  if (c->rope > 0) {
    require_pointer("cosines", cosines);
    require_pointer("sines", sines);
  }
  require_done(cuda::append(s, *p, *c, latent_and_key, norm_weight, cosines, sines, slots, cache));
}

void merge(void* stream, const mla_merge_params* p, const float* partial_out, const float* partial_lse,
           float* out, float* lse) {
  check(p, lse != nullptr);
  const Stream& s = enter(stream);
  if (p->tokens == 0) return;
  require_pointer("partial_out", partial_out);
  require_pointer("partial_lse", partial_lse);
  require_pointer("out", out);
  require_done(cuda::merge(s, *p, partial_out, partial_lse, out, lse));
}

bool check_logits(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
                  const int32_t* ids_out) {
  require_range("rows", rows, 0, kMaxBlocks);
  require_stride("logits_stride", logits_stride, rows, width);
  enter(stream);
  if (rows == 0) return false;
  require_pointer("logits", logits);
  require_pointer("ids_out", ids_out);
  return true;
}

void argmax(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
            int32_t* ids_out) {
  require_range("width", width, 1, 1 << 30);
  if (!check_logits(stream, logits, logits_stride, rows, width, ids_out)) return;
  require_done(cuda::argmax(enter(stream), logits, logits_stride, rows, width, ids_out));
}

void sample(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
            float temperature, int32_t top_k, float top_p, const float* uniform, int32_t* ids_out) {
  require_range("width", width, 1, 1 << 24);
  require_range("top_k", top_k, 0, INT_MAX);
  if (!(temperature > 0) || temperature > 3e38f)
    fail(MLA_INVALID_ARGUMENT,
         "temperature is " + std::to_string(temperature) + ", but must be finite and positive: 0 is argmax");
  if (!(top_p > 0 && top_p <= 1))
    fail(MLA_INVALID_ARGUMENT, "top_p is " + std::to_string(top_p) + ", but must be in (0, 1]");
  if (!check_logits(stream, logits, logits_stride, rows, width, ids_out)) return;
  require_pointer("uniform", uniform);
  require_done(cuda::sample(enter(stream), logits, logits_stride, rows, width, temperature, top_k, top_p,
                            uniform, ids_out));
}

}  // namespace

void add_rows(mla_device_kernels& table) {
  table.convert = Call<convert>::run;
  table.embed = Call<embed>::run;
  table.rms_norm = Call<rms_norm>::run;
  table.swiglu = Call<swiglu>::run;
  table.add = Call<add>::run;
  table.rope = Call<rope>::run;
  table.append = Call<append>::run;
  table.merge = Call<merge>::run;
  table.argmax = Call<argmax>::run;
  table.sample = Call<sample>::run;
}

}  // namespace mla::device
