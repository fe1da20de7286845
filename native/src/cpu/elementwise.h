// Norm, rotation, activation, residual, embedding, routing, the weighted sum of experts. Included inside an ISA's namespace.

static void rms_norm_row(const float* x, const float* weight, float eps, int width, float* y) {
  F s0 = Isa::zero(), s1 = Isa::zero();
  int i = 0;
  for (; i + 2 * L <= width; i += 2 * L) {
    const F a = Isa::load(x + i), b = Isa::load(x + i + L);
    s0 = Isa::fma(a, a, s0);
    s1 = Isa::fma(b, b, s1);
  }
  for (; i < width; i += L) {
    const F a = Isa::load(x + i, min_int(L, width - i));
    s0 = Isa::fma(a, a, s0);
  }
  const float mean = sum(Isa::add(s0, s1)) / (float)width;
  const F factor = Isa::set1(1.f / __builtin_sqrtf(mean + eps));
  for (i = 0; i < width; i += L) {
    const int n = min_int(L, width - i);
    Isa::store(y + i, Isa::mul(Isa::load(weight + i, n), Isa::mul(Isa::load(x + i, n), factor)), n);
  }
}

static void rms_norm(const float* x, int64_t x_stride, const float* weight, float eps, int rows, int width,
                     float* y, int64_t y_stride) {
  for (int i = 0; i < rows; i++) rms_norm_row(x + i * x_stride, weight, eps, width, y + i * y_stride);
}

// Element 2i and 2i + 1, or i and i + pairs, turned by the angle of pair i; y may be x.
static void rotate(const float* x, const float* cosines, const float* sines, int pairs, int layout,
                   float* y) {
  const int step = layout == MLA_ROPE_PAIRS ? 2 : 1, partner = layout == MLA_ROPE_PAIRS ? 1 : pairs;
  for (int i = 0; i < pairs; i++) {
    const float a = x[i * step], b = x[i * step + partner];
    y[i * step] = a * cosines[i] - b * sines[i];
    y[i * step + partner] = b * cosines[i] + a * sines[i];
  }
}

static void rope(const mla_rope_params& p, const float* x, const float* cosines, const float* sines,
                 int token_begin, int token_end, float* y) {
  const int pairs = p.rope / 2, plain = p.width - p.rope;
  for (int t = token_begin; t < token_end; t++) {
    for (int h = 0; h < p.heads; h++) {
      const float* from = x + t * p.x_token_stride + h * p.x_head_stride;
      float* to = y + t * p.y_token_stride + h * p.y_head_stride;
      if (to != from) {
        for (int i = 0; i < plain; i++) to[i] = from[i];
      }
      rotate(from + plain, cosines + (int64_t)t * pairs, sines + (int64_t)t * pairs, pairs, p.rope_layout,
             to + plain);
    }
  }
}

static void swiglu(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int rows,
                   int width, float* y, int64_t y_stride) {
  const F one = Isa::set1(1.f), lowest = Isa::set1(-88.f);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < width; j += L) {
      const int n = min_int(L, width - j);
      const F g = Isa::load(gate + i * gate_stride + j, n), u = Isa::load(up + i * up_stride + j, n);
      const F activated = Isa::div(g, Isa::add(one, vector_exp(Isa::sub(Isa::zero(), g))));
      // below, the exponential saturates, and the quotient would grow with g instead of going to 0
      Isa::store(y + i * y_stride + j, Isa::mul(Isa::select_less(g, lowest, Isa::zero(), activated), u), n);
    }
  }
}

static void add(const float* x, int64_t x_stride, const float* r, int64_t r_stride, float scale, int rows,
                int width, float* y, int64_t y_stride) {
  const F s = Isa::set1(scale);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < width; j += L) {
      const int n = min_int(L, width - j);
      Isa::store(y + i * y_stride + j,
                 Isa::fma(s, Isa::load(r + i * r_stride + j, n), Isa::load(x + i * x_stride + j, n)), n);
    }
  }
}

template <class R>
static void embed_typed(const typename R::T* table, int64_t table_stride, const int32_t* ids, int count,
                        int width, float scale, float* y, int64_t y_stride) {
  const F s = Isa::set1(scale);
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < width; j += L) {
      const int n = min_int(L, width - j);
      Isa::store(y + i * y_stride + j, Isa::mul(s, R::read(table + ids[i] * table_stride + j, n)), n);
    }
  }
}

static void embed(int type, const void* table, int64_t table_stride, const int32_t* ids, int count, int width,
                  float scale, float* y, int64_t y_stride) {
  switch (type) {
    case MLA_TYPE_F32:
      embed_typed<F32Reader>((const float*)table, table_stride, ids, count, width, scale, y, y_stride);
      break;
    case MLA_TYPE_BF16:
      embed_typed<Bf16Reader>((const uint16_t*)table, table_stride, ids, count, width, scale, y, y_stride);
      break;
    default:
      embed_typed<F16Reader>((const uint16_t*)table, table_stride, ids, count, width, scale, y, y_stride);
      break;
  }
}

// The first index of the largest entry; NaN marks what is taken.
static int largest(const float* x, int begin, int end) {
  int best = -1;
  for (int i = begin; i < end; i++) {
    if (x[i] == x[i] && (best < 0 || x[i] > x[best])) best = i;
  }
  return best < 0 ? begin : best;
}

static void mask_groups(const mla_route_params& p, float* choice) {
  float group[kMaxGroups];
  const int size = p.experts / p.groups;
  for (int g = 0; g < p.groups; g++) {
    const int first = largest(choice, g * size, (g + 1) * size);
    group[g] = choice[first];
    if (p.group_score == MLA_GROUP_SCORE_TOP2_SUM) {
      const float kept = choice[first];
      choice[first] = __builtin_nanf("");
      group[g] += choice[largest(choice, g * size, (g + 1) * size)];
      choice[first] = kept;
    }
  }
  for (int i = 0; i < p.kept_groups; i++) group[largest(group, 0, p.groups)] = __builtin_nanf("");
  const float masked = p.group_mask == MLA_GROUP_MASK_ZERO ? 0.f : -__builtin_inff();
  for (int e = 0; e < p.experts; e++) {
    if (group[e / size] == group[e / size]) choice[e] = masked;
  }
}

static void route(const mla_route_params& p, const float* logits, const float* bias, int token_begin,
                  int token_end, int32_t* experts_out, float* weights_out) {
  float score[kMaxExperts], choice[kMaxExperts];
  for (int t = token_begin; t < token_end; t++) {
    const float* x = logits + t * p.logits_stride;
    if (p.score == MLA_SCORE_SIGMOID) {
      for (int e = 0; e < p.experts; e++) score[e] = 1.f / (1.f + __builtin_expf(-x[e]));
    } else {
      float max = -__builtin_inff(), total = 0;
      for (int e = 0; e < p.experts; e++) max = x[e] > max ? x[e] : max;
      for (int e = 0; e < p.experts; e++) total += score[e] = __builtin_expf(x[e] - max);
      for (int e = 0; e < p.experts; e++) score[e] /= total;
    }
    for (int e = 0; e < p.experts; e++) choice[e] = bias ? score[e] + bias[e] : score[e];
    if (p.groups > 1) mask_groups(p, choice);
    int32_t* chosen = experts_out + (int64_t)t * p.top_k;
    float* weights = weights_out + (int64_t)t * p.top_k;
    float total = 0;
    for (int j = 0; j < p.top_k; j++) {
      const int best = largest(choice, 0, p.experts);
      choice[best] = __builtin_nanf("");
      chosen[j] = best;
      weights[j] = score[best];
      total += score[best];
    }
    const float divisor = p.renormalize ? total + 1e-20f : 1.f;
    for (int j = 0; j < p.top_k; j++) weights[j] = weights[j] / divisor * p.weight_scale;
  }
}

static void combine(const float* expert_out, int64_t expert_out_stride, const int32_t* slots,
                    const float* weights, const float* shared, int64_t shared_stride, int tokens, int top_k,
                    int width, float* y, int64_t y_stride) {
  for (int t = 0; t < tokens; t++) {
    for (int j = 0; j < width; j += L) {
      const int n = min_int(L, width - j);
      F s = Isa::zero();
      for (int i = 0; i < top_k; i++) {
        const int64_t at = (int64_t)t * top_k + i;
        s = Isa::fma(Isa::set1(weights[at]), Isa::load(expert_out + slots[at] * expert_out_stride + j, n), s);
      }
      if (shared) s = Isa::add(s, Isa::load(shared + t * shared_stride + j, n));
      Isa::store(y + t * y_stride + j, s, n);
    }
  }
}
