// Reading stored weights as float32 vectors, one reader for each type; and the polynomial exponential. Included inside an ISA's
// namespace after its vocabulary.

typedef Isa::F F;
constexpr int L = Isa::L;

#define MLA_INLINE inline __attribute__((always_inline))

struct F32Reader {
  typedef float T;
  static MLA_INLINE F read(const T* p) { return Isa::load(p); }
  static MLA_INLINE F read(const T* p, int n) { return Isa::load(p, n); }
};
struct Bf16Reader {
  typedef uint16_t T;
  static MLA_INLINE F read(const T* p) { return Isa::widen_bf16(p); }
  static MLA_INLINE F read(const T* p, int n) { return Isa::widen_bf16(p, n); }
};
struct F16Reader {
  typedef uint16_t T;
  static MLA_INLINE F read(const T* p) { return Isa::widen_f16(p); }
  static MLA_INLINE F read(const T* p, int n) { return Isa::widen_f16(p, n); }
};

static MLA_INLINE int min_int(int a, int b) { return a < b ? a : b; }
static MLA_INLINE int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }
static MLA_INLINE int64_t whole_lines(int64_t bytes) { return (bytes + 63) & -64; }

// e^x with a relative error of about 1e-7: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r (Cephes' coefficients) times 2^n.
// Arguments from -87.3 down give 0 (as -infinity must); +88 and more saturate near the largest float.
static MLA_INLINE F vector_exp(F x) {
  const F lowest = Isa::set1(-87.33654f);
  const F clamped = Isa::select_less(Isa::set1(88.37f), x, Isa::set1(88.37f),
                                     Isa::max(lowest, x));  // this order keeps a NaN
  const F n = Isa::round_to_integer(Isa::mul(clamped, Isa::set1(1.44269504f)));
  F r = Isa::fma(n, Isa::set1(-0.693359375f), clamped);
  r = Isa::fma(n, Isa::set1(2.12194440e-4f), r);
  F p = Isa::set1(1.9875691500e-4f);
  p = Isa::fma(p, r, Isa::set1(1.3981999507e-3f));
  p = Isa::fma(p, r, Isa::set1(8.3334519073e-3f));
  p = Isa::fma(p, r, Isa::set1(4.1665795894e-2f));
  p = Isa::fma(p, r, Isa::set1(1.6666665459e-1f));
  p = Isa::fma(p, r, Isa::set1(5.0000001201e-1f));
  p = Isa::fma(p, Isa::mul(r, r), Isa::add(r, Isa::set1(1.f)));
  return Isa::select_less(x, lowest, Isa::zero(), Isa::scale_by_power_of_two(p, n));
}

static MLA_INLINE float sum(F x) {
  float r[4];
  Isa::sum4(x, Isa::zero(), Isa::zero(), Isa::zero(), r);
  return r[0];
}

// The compiler must take x as changed: what it would otherwise compute once, or never, is computed every time.
template <class V>
static inline void keep(V& x) {
#if defined(__x86_64__)
  asm volatile("" : "+x"(x));
#else
  asm volatile("" : "+m"(x));
#endif
}
