// What the processor can do at best: registers multiplied without touching memory, and memory read in order. Included inside an ISA's
// namespace; the yardsticks of benchmarks, never part of a result.

// Enough independent sums that no instruction waits for the one before it (latency 4 to 5, two a cycle), with registers left for operands.
constexpr int kProbeSums = Isa::L == 16 ? 24 : 12;
// Repetitions between two looks at the loop counter.
constexpr int kProbeUnroll = 4;

// Repeats sums[i] = step(sums[i]).
template <class V, class Step>
static inline void probe_registers(int64_t count, V first, Step step) {
  V sums[kProbeSums];
#pragma GCC unroll 24
  for (int i = 0; i < kProbeSums; i++) {
    sums[i] = first;
    keep(sums[i]);
  }
  for (int64_t n = 0; n < count; n++) {
#pragma GCC unroll 4
    for (int u = 0; u < kProbeUnroll; u++) {
#pragma GCC unroll 24
      for (int i = 0; i < kProbeSums; i++) sums[i] = step(sums[i]);
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kProbeSums; i++) keep(sums[i]);
}

static int64_t probe_fma(int64_t count) {
  Isa::F x = Isa::set1(0.999f), y = Isa::set1(1e-3f);
  keep(x);
  keep(y);
  probe_registers(count, Isa::zero(), [=](Isa::F sum) { return Isa::fma(x, y, sum); });
  return count * kProbeUnroll * kProbeSums * Isa::L * 2;
}

static int64_t probe_dot_bf16(int64_t count) {
#if defined(MLA_HAS_BF16_DOT)
  Isa::P x = Isa::set1_pair(0x3c003c00u), y = Isa::set1_pair(0x3c003c00u);
  keep(x);
  keep(y);
  probe_registers(count, Isa::zero(), [=](Isa::F sum) { return Isa::dot(sum, x, y); });
  return count * kProbeUnroll * kProbeSums * Isa::L * 4;
#else
  (void)count;
  return -1;
#endif
}

// Written in assembly: the instruction is not one of those that this file is compiled for; the caller has asked the processor.
static int64_t probe_dot_int8(int64_t count) {
#if defined(__AVX512F__)
  __m512i x = _mm512_set1_epi8(1), y = x;
  keep(x);
  keep(y);
  probe_registers(count, _mm512_setzero_si512(), [=](__m512i sum) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
    return sum;
  });
  return count * kProbeUnroll * kProbeSums * 64 * 2;
#elif defined(__AVX2__)
  __m256i x = _mm256_set1_epi8(1), y = x;
  keep(x);
  keep(y);
  probe_registers(count, _mm256_setzero_si256(), [=](__m256i sum) {
    asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(y));
    return sum;
  });
  return count * kProbeUnroll * kProbeSums * 32 * 2;
#else
  (void)count;
  return -1;
#endif
}

// Eight sums, so that reading does not wait for adding. Floats: what the bits mean does not matter, and their sum is never looked at.
static int64_t probe_read(int64_t count, const void* memory, int64_t bytes) {
  constexpr int kSums = 8;
  constexpr int64_t kBlock = kSums * Isa::L;
  const float* p = (const float*)memory;
  const int64_t n = bytes / 4;
  Isa::F sums[kSums];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; i++) sums[i] = Isa::zero();
  for (int64_t k = 0; k < count; k++) {
    int64_t at = 0;
    for (; at + kBlock <= n; at += kBlock) {
#pragma GCC unroll 8
      for (int i = 0; i < kSums; i++) sums[i] = Isa::add(sums[i], Isa::load(p + at + i * Isa::L));
    }
    for (; at + Isa::L <= n; at += Isa::L) sums[0] = Isa::add(sums[0], Isa::load(p + at));
#pragma GCC unroll 8
    for (int i = 0; i < kSums; i++) keep(sums[i]);
  }
  return count * (n / Isa::L * Isa::L) * 4;
}

static int64_t probe(int what, int64_t count, const void* memory, int64_t bytes) {
  switch (what) {
    case MLA_PROBE_FMA_F32:
      return probe_fma(count);
    case MLA_PROBE_DOT_BF16:
      return probe_dot_bf16(count);
    case MLA_PROBE_DOT_INT8:
      return probe_dot_int8(count);
    case MLA_PROBE_READ:
      return probe_read(count, memory, bytes);
    default:
      return -1;
  }
}
