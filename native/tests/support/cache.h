// A paged latent cache for tests: shuffled pages, NaN in every slot that holds no token, nothing mapped behind the last row.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "mla/mla.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {

class Cache {
 public:
  Cache(Random& random, int type, int latent, int rope, int page_size, int tokens)
      : params_(params_of(random, type, latent, rope, page_size, tokens)),
        pages_((tokens + page_size - 1) / page_size),
        bytes_((params_.page_count - 1) * params_.page_stride_bytes + page_size * params_.row_stride_bytes) {
    std::vector<int32_t> all(params_.page_count);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random.engine());
    std::copy_n(all.begin(), pages_.size(), pages_.data());
  }

  // Random numbers into the rows of tokens [0, tokens), zero into their padding.
  void fill(Random& random, int tokens) {
    for (int s = 0; s < tokens; s++) {
      for (int i = 0; i < params_.rope_offset + params_.rope; i++)
        set(s, i, i < params_.latent || i >= params_.rope_offset ? random.real(-1, 1) : 0.f);
    }
  }

  void set(int token, int i, float value) {
    uint8_t* at = row(token) + i * type_size(params_.cache_type);
    const uint16_t half = to_bf16(value);
    if (params_.cache_type == MLA_TYPE_F32)
      std::memcpy(at, &value, 4);
    else
      std::memcpy(at, &half, 2);
  }
  float get(int token, int i) const {
    const uint8_t* at = const_cast<Cache*>(this)->row(token) + i * type_size(params_.cache_type);
    if (params_.cache_type == MLA_TYPE_BF16) {
      uint16_t half;
      std::memcpy(&half, at, 2);
      return bf16_value(half);
    }
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  double latent(int token, int i) const { return get(token, i); }
  double key(int token, int i) const { return get(token, params_.rope_offset + i); }

  const mla_cache_params& params() const { return params_; }
  const int32_t* pages() const { return pages_.data(); }
  Guarded<uint8_t>& bytes() { return bytes_; }
  const uint8_t* data() const { return bytes_.data(); }
  uint8_t* row(int token) {
    return bytes_.data() + pages_[token / params_.page_size] * params_.page_stride_bytes +
           token % params_.page_size * params_.row_stride_bytes;
  }

 private:
  static mla_cache_params params_of(Random& random, int type, int latent, int rope, int page_size,
                                    int tokens) {
    mla_cache_params c{};
    c.struct_size = sizeof c;
    c.cache_type = type;
    c.latent = latent;
    c.rope = rope;
    c.rope_offset = (latent + 15) / 16 * 16;
    c.page_size = page_size;
    c.page_count = (tokens + page_size - 1) / page_size + random.in(1, 3);
    const int used = (c.rope_offset + rope) * type_size(type), rounded = (used + 63) / 64 * 64;
    c.row_stride_bytes = random.of({used, rounded, rounded + 64});
    c.page_stride_bytes = c.row_stride_bytes * page_size + random.of({0, 64});
    return c;
  }

  mla_cache_params params_;
  Guarded<int32_t> pages_;
  Guarded<uint8_t> bytes_;
};

}  // namespace mla::test
