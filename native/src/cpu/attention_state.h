// What a call of attention keeps in its workspace, and how its queries come into it.
//
// A row is a (query, head) pair of the call, ordered by query. Rows are taken in bands of up to kBandRows, which share what a block of
// tokens has brought into the caches.
#pragma once
#include "cpu/cache.h"
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"
#include "cpu/scalar_math.h"
#include "mla/mla.h"

namespace mla {
namespace {

constexpr int kMaxRows = 1024;  // of a block of rows in the absorbed form; its sums are 2 MiB
constexpr int kBandRows = 64;
constexpr int kRowTile = 4;
template <class Isa>
constexpr int kValueColumns = Isa::kValueVectors * Isa::L;
// Rows whose sums are kept together.
template <class Isa>
constexpr int kSumRows = Isa::kHasMatrix ? kMatrixRows : kRowTile;

struct State {
  int rows;         // of this block of rows
  int padded;       // to kSumRows: the rows that have sums
  int key_width;    // elements of a key, padded to key_stride
  int key_stride;   // of a packed query; of a key in a buffer
  int value_width;  // elements of a value
  int out_stride;   // value_width padded to kValueColumns
  float scale;      // of scores, into powers of two
  bool rounds;      // q and p to bf16
  bool biased;
  bool causal;
  float* base;      // [padded rows] the largest score so far, as a power of two
  float* sum;       // [padded rows]
  float* factor;    // [padded rows] of the old sums
  float* position;  // [padded rows] relative to the first key of the call
  float* slope;     // [padded rows] in powers of two
  void* query;      // packed
  float* out;       // [out_stride / kValueColumns][padded][kValueColumns] running sums
  float* scores;    // of a band, or of one group of its rows at a time
  void* scratch;    // queries of L rows, or of a matrix register's, while they are packed
};

template <class Isa>
MLA_INLINE int padded_rows(int rows) {
  return round_up(rows, Isa::kHasMatrix ? kMatrixRows : Isa::L) + Isa::L;
}

// Carves aligned arrays out of the workspace, or, where `at` is null, adds up what they take.
struct Carver {
  char* at;
  int64_t used;
  template <class T>
  T* take(int64_t count) {
    T* p = (T*)((uintptr_t)at + used);  // no array to point into where `at` is null
    used += whole_lines(count * (int64_t)sizeof(T));
    return p;
  }
};

// Lines of memory from `at` on, `step` bytes apart: 64, or 0 for always the same one.
struct Lines {
  const char* at;
  int64_t step;
};

// Loads the step-th N lines, each by two accesses, and does nothing with them. A processor's own prefetcher follows loads: read in order,
// they come three times as fast on a Zen 4 as by prefetch instructions, and twice as fast as by one access to a line.
template <class Isa, int N>
MLA_INLINE void load_lines(const Lines& lines, int step) {
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) {
    const float* line = (const float*)(lines.at + (step * N + i) * lines.step);
    F<Isa> x = Isa::load(line);
    keep(x);
    if constexpr (Isa::L < 16) {
      F<Isa> y = Isa::load(line + 8);
      keep(y);
    }
  }
}

// Where the next lines of the cache are, of tokens that will be wanted soon: kernels prefetch some with every step, since a page table
// breaks what hardware prefetchers follow, and since lines that are asked for all at once wait for one another.
struct Ahead {
  const mla_cache_params* c;
  const char* cache;
  const int32_t* page_table;
  int64_t page_bytes;
  int page, last;        // entries page .. last of the page table are wanted,
  int64_t offset, stop;  // from a byte of the first up to one of the last
  const char* none;      // what to prefetch when there is nothing left

  // The lines that this returns the first of are prefetched.
  MLA_INLINE const char* next(int lines) {
    if (done()) return none;
    const char* at = cache + entry_offset(*c, page_table[page]) + offset;
    offset += lines * 64;
    if (offset >= page_bytes) page++, offset = 0;
    return at;
  }

  // The same for lines that are loaded instead, which must lie in a page as a whole.
  MLA_INLINE Lines load(int lines) {
    const int64_t bytes = (int64_t)lines * 64;
    if (done() || bytes > page_bytes) return {none, 0};
    const char* at = cache + entry_offset(*c, page_table[page]);
    at += offset < page_bytes - bytes ? offset : page_bytes - bytes;
    offset += bytes;
    if (offset >= page_bytes) page++, offset = 0;
    return {at, 64};
  }

  MLA_INLINE bool done() const { return page > last || (page == last && offset >= stop); }

  // Loads all that is wanted at once.
  template <class Isa>
  MLA_INLINE void fetch() {
    while (!done() && page_bytes >= 64) load_lines<Isa, 1>(load(1), 0);
  }

  // Tokens [begin, end) of a sequence are next.
  MLA_INLINE void aim(const mla_cache_params& params, const void* base, const int32_t* pages, int begin,
                      int end, const void* hot) {
    const int tokens = entry_tokens(params);
    c = &params;
    cache = (const char*)base;
    page_table = pages;
    page_bytes = params.row_stride_bytes * tokens;
    none = (const char*)hot;
    last = end > begin ? (end - 1) / tokens : -1;
    stop = ((end - 1) % tokens + 1) * params.row_stride_bytes;
    const int first = begin / tokens;
    const int64_t at = begin % tokens * params.row_stride_bytes;
    if (page < first || (page == first && offset < at)) page = first, offset = at;
  }
};

// The step-th N lines from `ahead` on.
template <int N>
MLA_INLINE void prefetch_lines(const char* ahead, int step) {
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) __builtin_prefetch(ahead + ((int64_t)step * N + i) * 64, 0, 2);
}

template <class Isa>
MLA_INLINE bool uses_pairs(const mla_attention_params& p, const mla_cache_params& c) {
  return (Isa::kHasBf16Dot || Isa::kHasMatrix) && rounds_to_bf16(p.compute, c) &&
         (!has_scales(c) || c.rope_type == Bf16::kType);
}

// step: a key is padded to a multiple of so many elements. shares: keys are as wide as the sums, since values are read from them. tokens: of a block.
template <class Isa>
State make_state(const mla_attention_params& p, const mla_cache_params& c, bool decompressed, int rows,
                 int step, bool shares, int tokens, Carver* w) {
  constexpr float kLog2e = 1.44269504f;
  State s{};
  s.rows = rows;
  s.padded = round_up(rows, kSumRows<Isa>);
  s.key_width = decompressed ? p.nope + c.rope : c.rope_offset + c.rope - p.key_offset;
  s.value_width = decompressed ? p.value : c.latent;
  s.out_stride = round_up(s.value_width, kValueColumns<Isa>);
  s.key_stride = round_up(s.key_width, step);
  if (shares && s.key_stride < s.out_stride) s.key_stride = s.out_stride;
  s.scale = p.scale < 2e38f ? p.scale * kLog2e : p.scale;
  s.rounds = rounds_to_bf16(p.compute, c);
  s.causal = p.causal;
  const int padded = padded_rows<Isa>(rows);
  s.base = w->take<float>(padded);
  s.sum = w->take<float>(padded);
  s.factor = w->take<float>(padded);
  s.position = w->take<float>(padded);
  s.slope = w->take<float>(padded);
  s.query = w->take<float>((int64_t)padded * s.key_stride);
  s.out = w->take<float>((int64_t)s.padded * s.out_stride);
  s.scores = w->take<float>((int64_t)tokens * kBandRows);
  s.scratch = w->take<float>((int64_t)(Isa::kHasMatrix ? kMatrixRows : Isa::L) * s.key_stride);
  return s;
}

template <class Isa>
void reset(const State& s) {
  const int padded = padded_rows<Isa>(s.rows);
  for (int i = 0; i < padded; i++) {
    s.base[i] = -__builtin_inff();
    s.sum[i] = s.position[i] = s.slope[i] = 0;
  }
  __builtin_memset(s.out, 0, sizeof(float) * (int64_t)s.padded * s.out_stride);
}

MLA_INLINE void set_row(const State& s, int row, int position, float slope) {
  s.position[row] = (float)position;
  s.slope[row] = slope * 1.44269504f;
}

// The tokens of a block of `tokens` from `first` on (relative, as positions are) that the last row before `end` sees.
MLA_INLINE int visible_tokens(const State& s, int end, int first, int tokens) {
  if (!s.causal) return tokens;
  const float seen = s.position[min_int(end, s.rows) - 1] - (float)first + 1;
  return seen < (float)tokens ? (int)seen : tokens;
}

MLA_INLINE bool needs_mask(const State& s, int row, int first, int tokens) {
  return s.biased || (s.causal && s.position[row] < (float)(first + tokens - 1));
}

// The sums of a row tile in a column tile.
template <class Isa>
MLA_INLINE float* sums_at(const State& s, int row, int column_tile) {
  return s.out + ((int64_t)column_tile * s.padded + row) * kValueColumns<Isa>;
}

template <class Isa>
void write_result(const State& s, int row, float* out, float* lse) {
  constexpr float kLn2 = 0.693147181f;
  const float sum = s.sum[row];
  const F<Isa> divisor = Isa::set1(sum == 0 ? 1 : sum);
  for (int i = 0; i < s.value_width; i += Isa::L) {
    const float* from = sums_at<Isa>(s, row, i / kValueColumns<Isa>) + i % kValueColumns<Isa>;
    Isa::store(out + i, Isa::div(Isa::load(from), divisor), min_int(Isa::L, s.value_width - i));
  }
  *lse = sum == 0 ? -__builtin_inff() : s.base[row] * kLn2 + scalar_log(sum);
}

// ---- queries ----

// n elements of `from` into `to`, rounded where that is bf16, or where `rounds` says so.
template <class Isa>
MLA_INLINE void copy_run(const float* from, int n, bool rounds, float* to) {
  for (int i = 0; i < n; i += Isa::L) {
    const F<Isa> x = n - i >= Isa::L ? Isa::load(from + i) : Isa::load(from + i, n - i);
    Isa::store(to + i, rounds ? Isa::round_bf16(x) : x, min_int(Isa::L, n - i));
  }
}
template <class Isa>
MLA_INLINE void copy_run(const float* from, int n, bool, uint16_t* to) {
  for (int i = 0; i < n; i += Isa::L)
    Isa::store_bf16(to + i, n - i >= Isa::L ? Isa::load(from + i) : Isa::load(from + i, n - i),
                    min_int(Isa::L, n - i));
}

// A head's elements of a query: `plain` of them, then `rest` that belong after a gap of zeros.
struct QueryRow {
  int plain, gap, rest;
};

template <class Isa, class T>
MLA_INLINE void copy_query(int stride, bool rounds, const float* head, const QueryRow& row, T* to) {
  for (int i = row.plain; i < row.plain + row.gap; i++) to[i] = 0;
  for (int i = row.plain + row.gap + row.rest; i < stride; i++) to[i] = 0;
  copy_run<Isa>(head, row.plain, rounds, to);
  copy_run<Isa>(head + row.plain, row.rest, rounds, to + row.plain + row.gap);
}

}  // namespace
}  // namespace mla
