// Tiles of linear layers: a few rows times a few rows of weights over a block of k. The product comes in four kinds: Widened, of weights of
// a plain format as floats, Pairs, of bf16 weights as they lie in memory, WidenedPairs, of those that become bf16 a panel at a time, and
// Unpacked, of all others, a panel of floats at a time.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

constexpr int kBlockK = 1024;
// Outputs whose sums of a block of rows wait on the stack: whole lines of y, whole panels of any width.
constexpr int kChunk = 48;

// Rows of weights to be fetched into the cache while a tile is computed, a line of each at every step.
struct NextWeights {
  const char* at;  // of the first one, at the first k
  int64_t stride;  // bytes between them
  int rows;

  MLA_INLINE void fetch(int64_t bytes) const {
    const char* line = at + bytes;
    for (int i = 0; i < rows; i++, line += stride) __builtin_prefetch(line);
  }
};

struct Nothing {
  MLA_INLINE void fetch(int64_t) const {}
};

// Runs step(k) for the k below whole, a multiple of kStep, and fetches the lines of the next weights, kBytes an element, on the way.
template <int kStep, int kBytes, class Fetched, class Step>
MLA_INLINE void over_k(int whole, const Fetched& ahead, Step step) {
  for (int k = 0; k < whole; k += kStep) {
    if (kStep * kBytes >= 32 || k * kBytes % 64 == 0) ahead.fetch((int64_t)k * kBytes);
    step(k);
  }
}

// Adds the sums of MR x N lanes to `sums`, whose rows are kChunk apart.
template <class Isa, int MR, int N>
MLA_INLINE void finish_tile(F<Isa> (&s)[MR][N], float* sums) {
  constexpr int kWhole = N / 4 * 4, kRest = N % 4;
  float r[4];
#pragma GCC unroll 8
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < kWhole; j += 4) {
      Isa::sum4(s[i][j], s[i][j + 1], s[i][j + 2], s[i][j + 3], r);
      float* to = sums + i * kChunk + j;
#pragma GCC unroll 8
      for (int c = 0; c < 4; c++) to[c] = to[c] + r[c];
    }
  }
  if constexpr (kRest > 0) {
    // the columns that are left, row by row: any four sums may share a tree
    constexpr int kCount = MR * kRest;
    auto at = [&](int e) __attribute__((always_inline)) {
      return e < kCount ? s[e / kRest][kWhole + e % kRest] : Isa::zero();
    };
#pragma GCC unroll 8
    for (int e = 0; e < kCount; e += 4) {
      Isa::sum4(at(e), at(e + 1), at(e + 2), at(e + 3), r);
#pragma GCC unroll 8
      for (int c = 0; c < 4; c++) {
        if (e + c < kCount) {
          float* to = sums + (e + c) / kRest * kChunk + kWhole + (e + c) % kRest;
          *to = *to + r[c];
        }
      }
    }
  }
}

template <class Isa, int MR, int N>
MLA_INLINE void clear(F<Isa> (&s)[MR][N]) {
#pragma GCC unroll 8
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) s[i][j] = Isa::zero();
}

// A tile of MR rows x N weight rows over kc of k, from a panel of floats, [kc / L][N][L].
template <class Isa, int MR, int N, int kBytes, class Fetched>
MLA_INLINE void panel_tile(const float* x, int group, const float* panel, int kc, const Fetched& ahead,
                           F<Isa> (&s)[MR][N]) {
  constexpr int L = Isa::L;
  for (int k = 0; k < kc; k += L) {
    ahead.fetch(k * (int64_t)kBytes);
    // the shorter side stays in registers
    if constexpr (N < MR) {
      F<Isa> b[N];
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) b[j] = Isa::load(panel + (int64_t)k * N + j * L);
#pragma GCC unroll 8
      for (int i = 0; i < MR; i++) {
        const F<Isa> a = Isa::load(x + (int64_t)k * group + i * L);
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) s[i][j] = Isa::fma(a, b[j], s[i][j]);
      }
    } else {
      F<Isa> a[MR];
#pragma GCC unroll 8
      for (int i = 0; i < MR; i++) a[i] = Isa::load(x + (int64_t)k * group + i * L);
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const F<Isa> b = Isa::load(panel + (int64_t)k * N + j * L);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) s[i][j] = Isa::fma(a[i], b, s[i][j]);
      }
    }
  }
}

// The product of a tile on weights of a plain format, widened to float32.
template <class I, class Format>
struct Widened {
  typedef I Isa;
  typedef float X;
  typedef typename Format::Block W;
  typedef PlainRows<W> Rows;
  static constexpr int L = Isa::L;
  static constexpr int kStep = L;
  static constexpr bool kUsesPanel = true;
  static constexpr bool kReadsRows = true;  // without a panel, from where they lie

  // N rows of weights over kc of k as [k / L][N][L], zero beyond kc.
  template <int N>
  static MLA_INLINE void fill_panel(const Rows& w, int kc, float* panel) {
    for (int k = 0; k < kc; k += L)
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const W* from = w.at + j * w.stride + k;
        Isa::store(panel + k * N + j * L,
                   kc - k >= L ? Format::template read<Isa>(from) : Format::template read<Isa>(from, kc - k));
      }
  }

  static MLA_INLINE NextWeights next(const Rows& w, int begin, int end) {
    return {(const char*)(w.at + begin * w.stride), w.stride * (int64_t)sizeof(W), end - begin};
  }

  // MR rows x N weight rows over kc of k, from `panel` or, where it is null, from the rows themselves.
  template <int MR, int N, class Fetched>
  static MLA_INLINE void tile(const float* x, int group, const Rows& rows, const float* panel, int kc,
                              const Fetched& ahead, float* sums) {
    const W* w = rows.at;
    const int64_t w_stride = rows.stride;
    F<Isa> s[MR][N];
    clear<Isa>(s);
    if (panel) {
      panel_tile<Isa, MR, N, sizeof(W)>(x, group, panel, kc, ahead, s);
    } else {
      const int whole = kc / L * L;
      over_k<L, sizeof(W)>(whole, ahead, [&](int k) __attribute__((always_inline)) {
        F<Isa> b[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) b[j] = Format::template read<Isa>(w + j * w_stride + k);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
          const F<Isa> a = Isa::load(x + (int64_t)k * group + i * L);
#pragma GCC unroll 8
          for (int j = 0; j < N; j++) s[i][j] = Isa::fma(a, b[j], s[i][j]);
        }
      });
      if (whole < kc) {
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) {
          const F<Isa> b = Format::template read<Isa>(w + j * w_stride + whole, kc - whole);
#pragma GCC unroll 8
          for (int i = 0; i < MR; i++)
            s[i][j] = Isa::fma(Isa::load(x + (int64_t)whole * group + i * L), b, s[i][j]);
        }
      }
    }
    finish_tile<Isa, MR, N>(s, sums);
  }
};

// Rows first, first + step, .. of a weight of any format from element k on.
template <class Isa>
struct SomeRows {
  const StoredRows<Isa>* weight;
  int64_t first, step;
  int k;
  MLA_INLINE SomeRows part(int64_t n, int64_t s, int from) const {
    return {weight, first + n * step, s * step, k + from};
  }
};

// The product of a tile on weights that are floats only in a panel: of blocks, or with scales.
template <class I>
struct Unpacked {
  typedef I Isa;
  typedef float X;
  typedef SomeRows<Isa> Rows;
  static constexpr int L = Isa::L;
  static constexpr int kStep = L;
  static constexpr bool kUsesPanel = true;
  static constexpr bool kReadsRows = false;

  template <int N>
  static void fill_panel(const Rows& w, int kc, float* panel) {
    alignas(64) float row[kBlockK];
    const int padded = round_up(kc, L);
    for (int j = 0; j < N; j++) {
      w.weight->read(w.first + j * w.step, w.k, kc, row);
      for (int k = kc; k < padded; k++) row[k] = 0;
      for (int k = 0; k < padded; k += L) Isa::store(panel + k * N + j * L, Isa::load(row + k));
    }
  }

  static MLA_INLINE Nothing next(const Rows&, int, int) { return {}; }

  template <int MR, int N, class Fetched>
  static MLA_INLINE void tile(const float* x, int group, const Rows&, const float* panel, int kc,
                              const Fetched& ahead, float* sums) {
    F<Isa> s[MR][N];
    clear<Isa>(s);
    panel_tile<Isa, MR, N, 0>(x, group, panel, kc, ahead, s);
    finish_tile<Isa, MR, N>(s, sums);
  }
};

// The product of a tile on pairs of bf16: no widening, the weight's own memory is the operand.
template <class I>
struct Pairs {
  typedef I Isa;
  typedef uint16_t X;
  typedef Bf16::Block W;
  typedef PlainRows<W> Rows;
  static constexpr int kStep = 2 * Isa::L;
  static constexpr bool kUsesPanel = false;
  static constexpr bool kReadsRows = true;

  template <int N>
  static MLA_INLINE void fill_panel(const Rows&, int, float*) {}

  static MLA_INLINE NextWeights next(const Rows& w, int begin, int end) {
    return {(const char*)(w.at + begin * w.stride), w.stride * (int64_t)sizeof(W), end - begin};
  }

  template <int MR, int N, class Fetched>
  static MLA_INLINE void tile(const uint16_t* x, int group, const Rows& rows, const float*, int kc,
                              const Fetched& ahead, float* sums) {
    const W* w = rows.at;
    const int64_t w_stride = rows.stride;
    F<Isa> s[MR][N];
    clear<Isa>(s);
    const int whole = kc / kStep * kStep;
    over_k<kStep, sizeof(W)>(whole, ahead, [&](int k) __attribute__((always_inline)) {
      // the shorter side stays in registers
      if constexpr (N < MR) {
        P<Isa> b[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) b[j] = Isa::load_pairs(w + j * w_stride + k);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
          const P<Isa> a = Isa::load_pairs(x + (int64_t)k * group + i * kStep);
#pragma GCC unroll 8
          for (int j = 0; j < N; j++) s[i][j] = Isa::dot(s[i][j], a, b[j]);
        }
      } else {
        P<Isa> a[MR];
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) a[i] = Isa::load_pairs(x + (int64_t)k * group + i * kStep);
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) {
          const P<Isa> b = Isa::load_pairs(w + j * w_stride + k);
#pragma GCC unroll 8
          for (int i = 0; i < MR; i++) s[i][j] = Isa::dot(s[i][j], a[i], b);
        }
      }
    });
    if (whole < kc) {
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const P<Isa> b = Isa::load_pairs(w + j * w_stride + whole, kc - whole);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++)
          s[i][j] = Isa::dot(s[i][j], Isa::load_pairs(x + (int64_t)whole * group + i * kStep), b);
      }
    }
    finish_tile<Isa, MR, N>(s, sums);
  }
};

// The product of a tile on pairs of bf16 that weights become in a panel, [kc / 2 L][N][2 L]; behind it the scales of their columns,
// [block][N], which multiply the lanes' sums over a block.
template <class I>
struct WidenedPairs {
  typedef I Isa;
  typedef uint16_t X;
  typedef SomeRows<Isa> Rows;
  static constexpr int kStep = 2 * Isa::L;
  static constexpr bool kUsesPanel = true;
  static constexpr bool kReadsRows = false;

  template <int N>
  static MLA_INLINE float* scales(float* panel) {
    return panel + N * kBlockK / 2;
  }
  // How many columns from k on share a scale.
  static MLA_INLINE int64_t columns(const Rows& w, int k) {
    const int64_t of_scale = w.weight->scale_columns();
    return of_scale - (w.k + k) % of_scale;
  }

  template <int N>
  static void fill_panel(const Rows& w, int kc, float* panel) {
    for (int j = 0; j < N; j++) {
      const int64_t n = w.first + j * w.step;
      for (int k = 0; k < kc; k += kStep)
        w.weight->read_bf16(n, w.k + k, min_int(kStep, kc - k), (uint16_t*)panel + k * N + j * kStep);
      float* scale = scales<N>(panel) + j;
      for (int64_t k = 0; k < kc; k += columns(w, (int)k), scale += N)
        *scale = w.weight->scale(n, w.k + (int)k);
    }
  }

  static MLA_INLINE Nothing next(const Rows&, int, int) { return {}; }

  template <int MR, int N, class Fetched>
  static MLA_INLINE void tile(const uint16_t* x, int group, const Rows& w, const float* panel, int kc,
                              const Fetched&, float* sums) {
    const uint16_t* pairs = (const uint16_t*)panel;
    const float* scale = scales<N>((float*)panel);
    F<Isa> total[MR][N];
    clear<Isa>(total);
    for (int k = 0; k < kc; scale += N) {
      const int64_t block_end = k + columns(w, k);
      const int end = block_end < kc ? (int)block_end : kc;
      F<Isa> s[MR][N];
      clear<Isa>(s);
      for (; k < end; k += kStep) {
        P<Isa> a[MR];
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) a[i] = Isa::load_pairs(x + (int64_t)k * group + i * kStep);
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) {
          const P<Isa> b = Isa::load_pairs(pairs + (int64_t)k * N + j * kStep);
#pragma GCC unroll 8
          for (int i = 0; i < MR; i++) s[i][j] = Isa::dot(s[i][j], a[i], b);
        }
      }
      k = end;
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const F<Isa> of_block = Isa::set1(scale[j]);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) total[i][j] = Isa::fma(of_block, s[i][j], total[i][j]);
      }
    }
    finish_tile<Isa, MR, N>(total, sums);
  }
};

}  // namespace
}  // namespace mla
