/* The C interface of mla4j's kernels: Multi-head Latent Attention over a paged latent cache.
 *
 * A library exports one function, mla_get_kernels, which returns a constant table of function pointers for one
 * instruction set. Nothing here holds state, starts a thread, or keeps memory after a call returns; every buffer,
 * workspaces included, belongs to the caller. A library for a device with memory of its own (CUDA) exports
 * mla_get_device_kernels as well, whose table is described at the end, and has no mla_kernels.
 *
 * Conventions
 *  - Pointers are always direct arguments, never struct fields; structs hold plain values only and begin with their size.
 *  - Activations are float32. Strides are in elements unless a name ends in _bytes. Ranges are half open.
 *  - A weight matrix W is stored as in checkpoints: out x in, row-major, of type weight_type, at any alignment of its
 *    element size (files are mapped as they are). x W^T is computed. Rows are whole blocks of the type apart.
 *  - A weight may have scales in a plane of their own: its element (i, j) is weight[i, j] * scales[i / scale_rows, j /
 *    scale_columns], a product in float32, with scales (ceil(rows / scale_rows), ceil(columns / scale_columns)) of scale_type,
 *    scale_stride between rows. scale_rows is 0 and the pointer NULL where it has none.
 *  - MLA_COMPUTE_F32: operands stay float32, stored bf16/f16 values are widened (exactly). MLA_COMPUTE_BF16: float32
 *    activations are rounded to bf16 (nearest even) where they enter a matrix product; q and p too where the cache is
 *    not float32, and elements of cached rows that have scales; weights keep their values. Sums are float32 always; the
 *    softmax denominator is summed before p is rounded. Elements of F8_E4M3, all of which bf16 has, may be multiplied without
 *    their scales, of scale_columns a multiple of 32 or of whole rows, which then multiply the sums over their columns.
 *  - MLA_COMPUTE_INT8 is MLA_COMPUTE_BF16 but for products along the stored rows of a weight of integer codes (Q*, IQ4_*,
 *    MXFP4, I8, I4, F4; scales of a plane for whole blocks of 32 or whole rows), in linear and in head_linear where it is not
 *    transposed. There, blocks of 32 activations, the last filled up with zeros, become integers: m the largest
 *    magnitude, scale s = m / 127, q = x * (127 / m) in float32, to nearest even; all 0 where m < 2^-100; s NaN and
 *    q 0 where an element is not finite. The result is a float32 sum from 0 on over the weight's runs of 16 or 32
 *    elements scale * code + minimum in their order: sum = fma(scale * s, sum of code * q, sum), and where the type has
 *    minima sum = fma(minimum, s * sum of q, sum); the bias last. All tables give the same bits.
 *    The absorbed form of attention over latents of I8 under float32 scales, of scale_columns a multiple of 64 and rows of a
 *    multiple of 64 bytes, with a bf16 key is computed on integers too. A head's query becomes codes under a scale for each
 *    group of scale_columns: m the largest magnitude, scale a = m / 127, code = x / a to nearest even, 0 where a is 0; a NaN and
 *    codes 0 where an element is not finite; its rotated part is rounded to bf16. q . k is the product of the rotated parts
 *    and, from the first group on, fma(a * sum of code * code, s, sum), s the row's scale. Tokens fall into blocks of 128 at
 *    multiples of it. Of a block's tokens that a query sees in the range of the call, b is the largest score, p = exp(score -
 *    b), and S the largest scale of a group (one that is not finite counts as 0). With L = 2^probability_bits - 1 a token's
 *    integer is p * min(L, s * (L / S)) to nearest even, all 0 where S <= 1e-30; the block adds (S / L) * sum of integer *
 *    code to the weighted values, and the sum of p to the divisor, both times exp(b).
 *  - Same bits: an element of a result is one fixed sequence of operations given the table, the compute type and the
 *    shape of its own row or sequence: never of the number of rows, the range of the call or the calling thread.
 *    Attention alone also depends on how a sequence's heads and queries are cut into calls: calls whose rows (queries
 *    times heads in the absorbed form, queries in the decompressed one) are multiples of row_multiple agree with each other;
 *    otherwise a caller cuts sequences of the same shape in the same way.
 *  - Every function may be called from any thread at the same time as any other on disjoint outputs and workspaces.
 *  - Functions return MLA_OK or another status; then `error` (if not NULL, error_size > 0) holds a NUL-terminated text
 *    that names the argument. Outputs are unspecified after an error.
 */
#ifndef MLA_MLA_H
#define MLA_MLA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLA_ABI_VERSION 4

/* Status codes. */
#define MLA_OK 0
#define MLA_INVALID_ARGUMENT 1 /* an argument is out of its range */
#define MLA_UNSUPPORTED 2      /* valid, but not computed by this table */
#define MLA_WORKSPACE_TOO_SMALL 3
#define MLA_INTERNAL_ERROR 4 /* a defect of the library: an exception was caught */
#define MLA_NO_DEVICE 5      /* no device, no driver, or one that is too old */
#define MLA_OUT_OF_MEMORY 6  /* the device, or pinned host memory, has not enough left */
#define MLA_DEVICE_ERROR 7   /* a launch or another call failed; the text names the kernel or the call */
#define MLA_DEVICE_LOST \
  8 /* the device does not answer any more: nothing works on it until the process ends */

/* Element types. */
#define MLA_TYPE_F32 0
#define MLA_TYPE_BF16 1
#define MLA_TYPE_F16 2
#define MLA_TYPE_Q4_0 3
#define MLA_TYPE_Q4_1 4
#define MLA_TYPE_Q5_0 5
#define MLA_TYPE_Q5_1 6
#define MLA_TYPE_Q8_0 7
#define MLA_TYPE_Q2_K 8
#define MLA_TYPE_Q3_K 9
#define MLA_TYPE_Q4_K 10
#define MLA_TYPE_Q5_K 11
#define MLA_TYPE_Q6_K 12
#define MLA_TYPE_IQ4_NL 13
#define MLA_TYPE_IQ4_XS 14
#define MLA_TYPE_MXFP4 15
#define MLA_TYPE_F8_E4M3 16
#define MLA_TYPE_I8 17
#define MLA_TYPE_I4 18
#define MLA_TYPE_F4 19
#define MLA_TYPE_E8M0 20 /* of scales alone */
#define MLA_TYPE_NL4 21  /* of latents alone */

/* Compute types, see the conventions above. */
#define MLA_COMPUTE_F32 0
#define MLA_COMPUTE_BF16 1
#define MLA_COMPUTE_INT8 2

/* Instruction sets of a library are 0, 1, .. in the order of MLA_DESCRIBE_ISAS, from the oldest to the newest. */
#define MLA_ISA_AUTO (-1) /* the one that is fastest on this processor, which is not always the newest */
#define MLA_ISA_GENERIC 0 /* what every processor of the platform has */

/* What mla_kernels.probe repeats. */
#define MLA_PROBE_FMA_F32 0  /* float32 multiply-adds of registers */
#define MLA_PROBE_DOT_BF16 1 /* bf16 dot products of registers */
#define MLA_PROBE_DOT_INT8 2 /* int8 dot products of registers */
#define MLA_PROBE_READ 3     /* reading memory in order */

/* What mla_kernels.describe tells. */
#define MLA_DESCRIBE_VERSION 0 /* "0.1.0" */
#define MLA_DESCRIBE_ISA 1     /* "avx512bf16" */
#define MLA_DESCRIBE_REASON 2  /* why MLA_ISA_AUTO chooses what it does on this processor, one line */
#define MLA_DESCRIBE_LAYOUT \
  3 /* the sizes, offsets and signatures of this header as the library was compiled with */
#define MLA_DESCRIBE_ISAS \
  4 /* the names of all instruction sets of the library, one space between two: "generic avx2" */

/* The text of MLA_DESCRIBE_LAYOUT, compared with the Java bindings when a library is loaded: the structs and types of entry points of this
 * header in the order of their names, lines that end in '\n', types named i32, i64, f32, f64 and ptr, functions as result and arguments.
 *   struct mla_linear_params 80
 *   mla_linear_params.struct_size 0 i32
 *   mla_kernels.describe 72 i32(i32,ptr,i32)
 *   mla_get_kernels_fn ptr(i32,i32) */

/* Rotary layouts: which two elements of a rotated part form pair i of rope/2. */
#define MLA_ROPE_PAIRS 0  /* 2i and 2i + 1 */
#define MLA_ROPE_HALVES 1 /* i and i + rope/2 */

/* What becomes of a gate g. */
#define MLA_GATE_IDENTITY 0 /* g */
#define MLA_GATE_SIGMOID 1  /* 1 / (1 + exp(-g)) */
#define MLA_GATE_RELU 2     /* max(g, 0) */

/* Router choices. */
#define MLA_SCORE_SOFTMAX 0
#define MLA_SCORE_SIGMOID 1
#define MLA_GROUP_SCORE_MAX 0
#define MLA_GROUP_SCORE_TOP2_SUM 1
#define MLA_GROUP_MASK_NEGATIVE_INFINITY 0
#define MLA_GROUP_MASK_ZERO 1

/* How a channel of a recurrent state decays, by z = its number of the token + its bias and the head's rate. */
#define MLA_DECAY_SOFTPLUS 0 /* exp(-rate ln(1 + e^z)) */
#define MLA_DECAY_BOUNDED 1  /* exp(decay_bound / (1 + e^(-rate z))) */

/* y = x W^T (+ bias): rows x k times (n x k)^T. */
typedef struct mla_linear_params {
  int32_t struct_size;
  int32_t compute;       /* MLA_COMPUTE_*, as in all structs */
  int32_t weight_type;   /* MLA_TYPE_*, as all types */
  int32_t rows;          /* rows of x, at least 0 */
  int32_t k;             /* length of a row of x and of W, at least 1 */
  int32_t n;             /* rows of W */
  int64_t x_stride;      /* between rows of x */
  int64_t weight_stride; /* between rows of W */
  int64_t y_stride;      /* between rows of y */
  int32_t scale_type;
  int32_t scale_rows; /* 0: W has no scales */
  int32_t scale_columns;
  int64_t scale_stride;
} mla_linear_params;

/* One small linear per head: y[t, h, :] = x[t, h, :] W_h^T (transposed 0) or x[t, h, :] W_h (transposed 1). */
typedef struct mla_head_linear_params {
  int32_t struct_size;
  int32_t compute;
  int32_t weight_type;
  int32_t tokens;
  int32_t heads;
  int32_t in;         /* length of x[t, h, :] */
  int32_t out;        /* length of y[t, h, :] */
  int32_t transposed; /* 0: W_h is out x in; 1: W_h is in x out */
  int64_t x_token_stride;
  int64_t x_head_stride;
  int64_t y_token_stride;
  int64_t y_head_stride;
  int64_t weight_head_stride; /* between W_h and W_(h+1) */
  int64_t weight_stride;      /* between rows of W_h */
  int32_t scale_type;
  int32_t scale_rows; /* 0: no scales */
  int32_t scale_columns;
  int32_t
      scale_head_rows; /* between the first rows of W_h and W_(h+1) in the matrix that the plane of scales belongs to */
  int64_t scale_first_row; /* the first row of W_0 in that matrix */
  int64_t scale_stride;
} mla_head_linear_params;

/* A layer's pages: token s of a sequence lies in row s % page_size of page page_table[s / page_size]. A row is the latent
 * (latent elements, zero padding up to rope_offset) followed by the rotated key (rope elements).
 *
 * Latents of integers or small floats have scales: element i of the latent is code[i] * scale[i / scale_columns], a product in float32.
 * Scales lie in a plane behind the rows of their page, page_size * row_stride_bytes from its start: page_size x ceil(latent /
 * scale_columns) of scale_type, without gaps. A row that is written has codes (element / scale) to nearest even, kept in the range of the
 * codes, with scale = m / 127 (I8), m / 448 (F8_E4M3) or -x / 127 (NL4) of the largest magnitude m, or of an element x that has it, a
 * negative one where there is one. NL4 is IQ4_NL's table of sixteen codes, two in a byte, the first in its low bits; halfway between two the
 * lower one is taken. A scale of 0 has zeros; elements whose scale is not finite are NaN. */
typedef struct mla_cache_params {
  int32_t struct_size;
  int32_t
      cache_type; /* of the latent: MLA_TYPE_F32 or MLA_TYPE_BF16; under scales MLA_TYPE_I8, F8_E4M3 or NL4 */
  int32_t latent; /* 1 .. 4096 */
  int32_t rope;   /* even, 0 .. 1024 */
  int32_t
      rope_offset; /* element of a row where the rotated key starts, at least latent; under scales a multiple of 32 */
  int32_t page_size;  /* tokens in a page */
  int32_t page_count; /* pages of the pool: a page id outside [0, page_count) is an error, never an access */
  int32_t
      table_of_rows; /* 1: page_table has a row for each token instead: page * page_size + the row in the page */
  int32_t
      rope_type; /* under scales the type of the rotated key, MLA_TYPE_F32 or MLA_TYPE_BF16; else it is cache_type */
  int32_t scale_type;       /* MLA_TYPE_F32 or MLA_TYPE_BF16 */
  int32_t scale_columns;    /* latent elements that share a scale, a multiple of 32; 0: there are no scales */
  int64_t row_stride_bytes; /* this and the next: multiples of the size of each element and scale in a page */
  int64_t page_stride_bytes; /* pages begin at the alignment of their elements */
} mla_cache_params;

/* Attention of the query tokens of one sequence over its cached tokens, the new ones (already appended) included.
 * Query t (0 .. query_tokens - 1) stands at position kv_tokens - query_tokens + t and sees key s iff s is at most that
 * (causal = 1) or always (causal = 0).
 * score = scale * (q . k) - alibi_slope[h] * (position - s). An empty row gives out = 0, lse = -infinity. */
typedef struct mla_attention_params {
  int32_t struct_size;
  int32_t compute;
  int32_t heads;
  int32_t query_tokens;
  int32_t kv_tokens;
  int32_t causal;
  int32_t nope;  /* decompressed form only: length of a head's unrotated query and key */
  int32_t value; /* decompressed form only: length of a head's value */
  float scale;   /* of the dot product; no default */
  int32_t
      key_offset; /* absorbed form only: element of a row where its key starts. 0: the latent is part of the key (MLA).
                         rope_offset: rows hold a value and a key of their own, as in multi-query attention */
  int32_t probability_bits; /* of MLA_COMPUTE_INT8 over scaled latents, see there: 8 or 15 */
  int64_t q_token_stride;
  int64_t q_head_stride;
  int64_t out_token_stride;
  int64_t out_head_stride;
  int64_t lse_token_stride;
  int64_t lse_head_stride;
} mla_attention_params;

/* Partial results of the same rows over disjoint keys, merged in the order of the parts. */
typedef struct mla_merge_params {
  int32_t struct_size;
  int32_t parts;
  int32_t tokens;
  int32_t heads;
  int32_t width;       /* elements of a head's result */
  int64_t part_stride; /* of partial_out, between parts */
  int64_t part_token_stride;
  int64_t part_head_stride;
  int64_t part_lse_stride; /* of partial_lse, between parts */
  int64_t part_lse_token_stride;
  int64_t part_lse_head_stride;
  int64_t out_token_stride;
  int64_t out_head_stride;
  int64_t lse_token_stride;
  int64_t lse_head_stride;
} mla_merge_params;

/* Latent rows into the cache: norm of the latent, rotation of the key, rounding, writing. */
typedef struct mla_append_params {
  int32_t struct_size;
  int32_t tokens;
  int32_t position;              /* of token 0 in its sequence: token t becomes token position + t */
  int32_t rope_layout;           /* MLA_ROPE_* */
  float eps;                     /* of the latent's RMSNorm */
  int64_t latent_and_key_stride; /* between tokens */
} mla_append_params;

/* Rotation of the last `rope` elements of each head, the rest copied. */
typedef struct mla_rope_params {
  int32_t struct_size;
  int32_t tokens;
  int32_t heads;
  int32_t width; /* elements of a head, the rotated ones last */
  int32_t rope;  /* even, 0 .. width */
  int32_t rope_layout;
  int64_t x_token_stride;
  int64_t x_head_stride;
  int64_t y_token_stride;
  int64_t y_head_stride;
} mla_rope_params;

/* Choice of top_k experts for each token. */
typedef struct mla_route_params {
  int32_t struct_size;
  int32_t tokens;
  int32_t experts;
  int32_t top_k;
  int32_t score;  /* MLA_SCORE_* */
  int32_t groups; /* 1: no groups */
  int32_t kept_groups;
  int32_t group_score; /* MLA_GROUP_SCORE_* over score + bias of the group's experts */
  int32_t group_mask;  /* MLA_GROUP_MASK_*: the value of experts in groups that are not kept */
  int32_t renormalize; /* 1: weights are divided by their sum + 1e-20 */
  float weight_scale;  /* multiplies the weights at the end */
  int64_t logits_stride;
} mla_route_params;

/* The tokens of one sequence, one after the other, through the states of its heads. A state is float32: a matrix of width rows, one for
 * each channel of the keys, and width columns; behind it the last three inputs of the convolutions of queries, then of keys, then of
 * values, the oldest first. */
typedef struct mla_delta_params {
  int32_t struct_size;
  int32_t tokens;
  int32_t heads;
  int32_t width;        /* channels of a head's query, key and value, 1 .. 256 */
  int32_t decay;        /* MLA_DECAY_* */
  float decay_bound;    /* at most 0 */
  float eps;            /* of the result's norm */
  int64_t query_stride; /* between tokens, as the others */
  int64_t key_stride;
  int64_t value_stride;
  int64_t decay_stride;
  int64_t beta_stride;
  int64_t gate_stride;
  int64_t out_stride;
  int64_t state_head_stride; /* between the states of two heads, at least width * (width + 9) */
} mla_delta_params;

/* Scores of a sequence's cached keys by the indexer of sparse attention. Query t stands at position kv_tokens - query_tokens + t. Keys are rows
 * of a cache of their own: `latent` is their width, and rope 0. */
typedef struct mla_index_params {
  int32_t struct_size;
  int32_t heads;
  int32_t query_tokens;
  int32_t kv_tokens;
  int64_t q_token_stride;
  int64_t q_head_stride;
  int64_t weights_stride; /* between tokens */
  int64_t scores_stride;  /* between tokens */
} mla_index_params;

/* Rows of a table, gathered and scaled. */
typedef struct mla_embed_params {
  int32_t struct_size;
  int32_t table_type;
  int32_t vocabulary; /* rows of the table */
  int32_t width;
  float scale;
  int64_t table_stride; /* between rows of the table */
  int64_t y_stride;
  int32_t scale_type;
  int32_t scale_rows; /* 0: the table has no scales */
  int32_t scale_columns;
  int64_t scale_stride;
} mla_embed_params;

typedef struct mla_kernels {
  int32_t struct_size;
  int32_t abi_version;
  int32_t isa;            /* of this table */
  int32_t supported_isas; /* bit i: instruction set i runs on this processor */
  int32_t prefers_bf16;   /* 1 where this table multiplies bf16 faster than float32 */
  int32_t prefers_int8;   /* 1 where it multiplies 8-bit integers faster than both */
  int32_t row_multiple;   /* rows of attention that are computed together, see "same bits" above */

  /* What the two forms of attention cost, to choose between them: picoseconds for a multiply-add of one thread, of which only
   * the ratios count; all 0 where the library does not know. */
  double cost_absorbed;     /* scores and values of the absorbed form */
  double cost_project;      /* absorbing a query and projecting its output */
  double cost_decompressed; /* scores and values of the decompressed form */
  double cost_rebuild;      /* keys and values from latents */
  double cost_start;        /* tokens in whose rebuilding the weights of a head are packed */

  /* Writes a text (MLA_DESCRIBE_*) to `text`, truncated to size with its NUL; returns the full length without NUL,
   * or -1 for an unknown subject. */
  int32_t (*describe)(int32_t subject, char* text, int32_t size);

  /* Bytes of the packed form of rows x k activations for linear; aligned to 64 by the caller. */
  int64_t (*packed_bytes)(const mla_linear_params* params);

  /* Packs (and rounds, see compute) rows [row_begin, row_end) of x (rows, k) float32 for linear. row_begin is a
   * multiple of 16. Row i is x[i], or x[indices[i]] where indices (rows) int32 is given. */
  int32_t (*pack)(const mla_linear_params* params, const float* x, const int32_t* indices, int32_t row_begin,
                  int32_t row_end, void* packed, int64_t packed_bytes, char* error, int32_t error_size);

  /* y[:, n_begin .. n_end) = x W^T + bias for all rows. packed: as written by pack; weight (n, k) weight_type; its scales or
   * NULL; bias (n) float32 or NULL; y (rows, n) float32. */
  int32_t (*linear)(const mla_linear_params* params, const void* packed, const void* weight,
                    const void* scales, const float* bias, int32_t n_begin, int32_t n_end, float* y,
                    char* error, int32_t error_size);

  /* Heads [head_begin, head_end) of tokens [token_begin, token_end). x (tokens, heads, in) float32; weight: see params, from
   * W_0 on; the plane of its scales or NULL; y (tokens, heads, out) float32. */
  int32_t (*head_linear)(const mla_head_linear_params* params, const float* x, const void* weight,
                         const void* scales, int32_t head_begin, int32_t head_end, int32_t token_begin,
                         int32_t token_end, float* y, char* error, int32_t error_size);

  /* Workspace of one call of attend_decompressed with any ranges, or of attend_absorbed, where keys and values are NULL. */
  int64_t (*attention_workspace)(const mla_attention_params* params, const mla_cache_params* cache_params,
                                 const mla_head_linear_params* keys, const mla_head_linear_params* values);

  /* Absorbed form: q (query_tokens, heads, latent + rope) float32, absorbed and rotated, or (.., rope) where key_offset is
   * rope_offset; out (query_tokens, heads, latent) float32; lse (query_tokens, heads) float32, natural logarithm; keys and
   * values are the rows of the cache themselves. Computes queries [query_begin, query_end), heads [head_begin, head_end) over keys
   * [kv_begin, kv_end) of the sequence. cache: the layer's first page; page_table (ceil(kv_tokens / page_size)) int32; alibi_slopes (heads) float32 or NULL;
   * workspace: aligned to 64. */
  int32_t (*attend_absorbed)(const mla_attention_params* params, const mla_cache_params* cache_params,
                             const float* q, const void* cache, const int32_t* page_table,
                             const float* alibi_slopes, int32_t head_begin, int32_t head_end,
                             int32_t query_begin, int32_t query_end, int32_t kv_begin, int32_t kv_end,
                             float* out, float* lse, void* workspace, int64_t workspace_bytes, char* error,
                             int32_t error_size);

  /* Decompressed form: q (query_tokens, heads, nope + rope) float32, rotated; keys, values: the products that make a head's
   * keys and values of latents, W_UK (in latent, out nope) and W_UV (in latent, out value), with their weights and scales as in
   * head_linear; tokens and strides of x and y are not looked at; out (query_tokens, heads, value) float32; lse as above. Where
   * one matrix has both, as kv_b_proj of checkpoints, each of the two begins with its own first row. Keys and values of a block
   * of tokens are rebuilt from the latents in the workspace and forgotten. With MLA_COMPUTE_BF16 and a bf16 cache the rebuilt
   * keys and values are rounded to bf16. Over all keys of the sequence. */
  int32_t (*attend_decompressed)(const mla_attention_params* params, const mla_cache_params* cache_params,
                                 const mla_head_linear_params* keys, const mla_head_linear_params* values,
                                 const float* q, const void* key_weight, const void* key_scales,
                                 const void* value_weight, const void* value_scales, const void* cache,
                                 const int32_t* page_table, const float* alibi_slopes, int32_t head_begin,
                                 int32_t head_end, int32_t query_begin, int32_t query_end, float* out,
                                 float* lse, void* workspace, int64_t workspace_bytes, char* error,
                                 int32_t error_size);

  /* m = max lse; weights exp(lse - m) / sum; out = sum of weight * partial_out; lse = m + log sum. All parts empty: out 0,
   * lse -infinity. partial_out (parts, tokens, heads, width), partial_lse (parts, tokens, heads), out (tokens, heads,
   * width), lse (tokens, heads) or NULL. Tokens [token_begin, token_end), heads [head_begin, head_end). */
  int32_t (*merge)(const mla_merge_params* params, const float* partial_out, const float* partial_lse,
                   int32_t token_begin, int32_t token_end, int32_t head_begin, int32_t head_end, float* out,
                   float* lse, char* error, int32_t error_size);

  /* Tokens [token_begin, token_end): latent_and_key (tokens, latent + rope) float32 has a token's latent, which becomes
   * RMSNorm(latent) * norm_weight (latent) float32, or stays where norm_weight is NULL, and its key, which is rotated by
   * cosines, sines (tokens, rope/2) float32. Both rounded to the cache type (nearest even); padding is written as zero. */
  int32_t (*append)(const mla_append_params* params, const mla_cache_params* cache_params,
                    const float* latent_and_key, const float* norm_weight, const float* cosines,
                    const float* sines, const int32_t* page_table, int32_t token_begin, int32_t token_end,
                    void* cache, char* error, int32_t error_size);

  /* Tokens [token_begin, token_end): x, y (tokens, heads, width) float32, y may be x; cosines, sines (tokens, rope/2). */
  int32_t (*rope)(const mla_rope_params* params, const float* x, const float* cosines, const float* sines,
                  int32_t token_begin, int32_t token_end, float* y, char* error, int32_t error_size);

  /* y = weight * x / sqrt(mean(x^2) + eps) for rows of `width` float32; weight (width) float32; y may be x. */
  int32_t (*rms_norm)(const float* x, int64_t x_stride, const float* weight, float eps, int32_t rows,
                      int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size);

  /* y = min(gate / (1 + exp(-gate)), limit) * clamp(up, -limit, limit) for rows of `width` float32; limit is above 0,
   * infinite for none; y may be gate or up. */
  int32_t (*swiglu)(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, float limit,
                    int32_t rows, int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size);

  /* Rows of `width` float32, cut into `count` equal parts: y = x * f(gates (rows, count) of the part), f one of MLA_GATE_*; y may be
   * x, also where gates are x. */
  int32_t (*gate)(const float* x, int64_t x_stride, const float* gates, int64_t gates_stride, int32_t rows,
                  int32_t width, int32_t count, int32_t function, float* y, int64_t y_stride, char* error,
                  int32_t error_size);

  /* y = x + scale * residual, element by element over rows of `width` float32; y may be x or residual. */
  int32_t (*add)(const float* x, int64_t x_stride, const float* residual, int64_t residual_stride,
                 float scale, int32_t rows, int32_t width, float* y, int64_t y_stride, char* error,
                 int32_t error_size);

  /* y[i] = scale * table[ids[i]]: table (vocabulary, width) of table_type with its scales or NULL, ids (count) int32, y (count,
   * width) float32. */
  int32_t (*embed)(const mla_embed_params* params, const void* table, const void* scales, const int32_t* ids,
                   int32_t count, float* y, char* error, int32_t error_size);

  /* Tokens [token_begin, token_end): logits (tokens, experts) float32; bias (experts) float32 or NULL is added to the
   * scores for the choice only; experts_out (tokens, top_k) int32 in order of falling score + bias, equal ones by rising
   * index; weights_out (tokens, top_k) float32: the scores without bias, renormalised and scaled. */
  int32_t (*route)(const mla_route_params* params, const float* logits, const float* bias,
                   int32_t token_begin, int32_t token_end, int32_t* experts_out, float* weights_out,
                   char* error, int32_t error_size);

  /* y[t] = sum over j < top_k of weights[t, j] * expert_out[slots[t, j]], in the order of j, then + shared[t].
   * expert_out (slot_count, width); slots (tokens, top_k) int32; weights (tokens, top_k); shared (tokens, width) or NULL. */
  int32_t (*combine)(const float* expert_out, int64_t expert_out_stride, int32_t slot_count,
                     const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
                     int32_t tokens, int32_t top_k, int32_t width, float* y, int64_t y_stride, char* error,
                     int32_t error_size);

  /* Kimi Delta Attention: for every token in turn, S being the head's matrix,
   *   q, k, v = silu(convolution of the token's and the three inputs before it)
   *   q = q / sqrt((sum q^2 + 1e-6) width), k = k / sqrt(sum k^2 + 1e-6), beta = 1 / (1 + e^-betas)
   *   S = diag(decay) S; S = S + k (beta (v - S^T k))^T
   *   out = norm * o / sqrt(mean(o^2) + eps) / (1 + e^-gates), o = S^T q
   * queries, keys, values, decays, gates and out (tokens, heads, width), betas (tokens, heads); taps (3, 4, heads, width): the factors of
   * the inputs of each convolution, the oldest first; rates (heads); decay_bias (heads, width); norm (width); all float32. state_in: the
   * states (heads) before the tokens, NULL for zeros; state_out: those after them, apart from state_in. Heads [head_begin, head_end). */
  int32_t (*attend_delta)(const mla_delta_params* params, const float* queries, const float* keys,
                          const float* values, const float* decays, const float* betas, const float* gates,
                          const float* taps, const float* rates, const float* decay_bias, const float* norm,
                          const float* state_in, int32_t head_begin, int32_t head_end, float* state_out,
                          float* out, char* error, int32_t error_size);

  /* y = weight * (x - mean(x)) / sqrt(variance(x) + eps) + bias for rows of `width` float32; weight, bias (width) float32; y may be x. */
  int32_t (*layer_norm)(const float* x, int64_t x_stride, const float* weight, const float* bias, float eps,
                        int32_t rows, int32_t width, float* y, int64_t y_stride, char* error,
                        int32_t error_size);

  /* Workspace of one call of index_scores with any ranges. */
  int64_t (*index_workspace)(const mla_index_params* params, const mla_cache_params* cache_params);

  /* scores[t, s] = sum_j weights[t, j] max(0, q[t, j, :] . key[s]), computed in float32, of queries [query_begin, query_end) and the keys
   * s of [kv_begin, kv_end) that they see: s is at most the query's position; others are left as they are. q (query_tokens, heads, latent)
   * float32; weights (query_tokens, heads) float32; cache: the first page of keys; page_table as in attend_absorbed; scores
   * (query_tokens, kv_tokens) float32; workspace: aligned to 64. */
  int32_t (*index_scores)(const mla_index_params* params, const mla_cache_params* cache_params,
                          const float* q, const float* weights, const void* cache, const int32_t* page_table,
                          int32_t query_begin, int32_t query_end, int32_t kv_begin, int32_t kv_end,
                          float* scores, void* workspace, int64_t workspace_bytes, char* error,
                          int32_t error_size);

  /* chosen[i, :] = the positions of the k largest of the first_count + i scores of row i, in rising order; of equal scores the lower
   * position, NaN counts as the smallest. Where there are no more than k: all of them, then -1, and scores are not read. scores (rows,
   * first_count + rows - 1) float32; chosen (rows, k) int32. */
  int32_t (*top_k)(const float* scores, int64_t scores_stride, int32_t rows, int32_t first_count, int32_t k,
                   int32_t* chosen, char* error, int32_t error_size);

  /* What the processor can do at best, for benchmarks: repeats `what` (MLA_PROBE_*) `count` times and returns the number of
   * operations (a multiply-add is two), or of bytes that were read; -1 where this table lacks the instruction. memory (bytes):
   * read by MLA_PROBE_READ alone, a multiple of 64 bytes. */
  int64_t (*probe)(int32_t what, int64_t count, const void* memory, int64_t bytes);
} mla_kernels;

/* A library need not have every function: one that it lacks is NULL in the table. Without describe its layout is not compared.
 *
 * The table for instruction set `isa`, or NULL where this processor lacks it, the library was built without it, or abi_version
 * is not MLA_ABI_VERSION. MLA_ISA_GENERIC always exists. The table lives as long as the library is loaded. */
typedef const mla_kernels* (*mla_get_kernels_fn)(int32_t abi_version, int32_t isa);

#if defined(_WIN32)
__declspec(dllexport)
#elif defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const mla_kernels* mla_get_kernels(int32_t abi_version, int32_t isa);

/* What a device is. */
typedef struct mla_device_info {
  int32_t struct_size;
  int32_t major; /* compute capability */
  int32_t minor;
  int32_t multiprocessors;
  int32_t shared_bytes; /* shared memory that a block can have */
  int32_t driver;       /* CUDA version that the driver supports: 1000 major + 10 minor */
  int64_t total_memory; /* bytes */
  int64_t free_memory;
} mla_device_info;

/* Attention of a step of several sequences on a device: the plan has room for at most so many sequences, query tokens and splits, and
 * the counts of the step lie in it. */
typedef struct mla_step_params {
  int32_t struct_size;
  int32_t compute;
  int32_t heads;
  int32_t causal;
  int32_t max_sequences;
  int32_t max_tokens;        /* query tokens of all sequences */
  int32_t max_queries;       /* query tokens of one sequence */
  int32_t max_splits;        /* of all sequences */
  int32_t page_table_stride; /* pages, between the rows of two sequences */
  int32_t
      multiprocessors;  /* of the device: they and the sequence's own counts decide how long its splits are */
  int32_t shared_bytes; /* of the device */
  float scale;
  int64_t q_token_stride;
  int64_t q_head_stride;
  int64_t out_token_stride;
  int64_t out_head_stride;
  int64_t lse_token_stride;
  int64_t lse_head_stride;
} mla_step_params;

/* What keys and values are rebuilt with in the decompressed form. */
typedef struct mla_rebuild_params {
  int32_t struct_size;
  int32_t nope;               /* length of a head's unrotated query and key */
  int32_t value;              /* length of a head's value */
  int32_t weight_type;        /* of latent_up: F32 or BF16 */
  int64_t weight_head_stride; /* between the rows of two heads in latent_up, (nope + value) * latent */
  int64_t weight_stride;      /* between rows of latent_up */
} mla_rebuild_params;

/* The functions of a device with memory of its own (CUDA). They differ from mla_kernels in what they are given: whole operations
 * instead of tiles, addresses of device memory, and a stream on which they are launched. They return before they have run, so a later
 * call may report the failure of an earlier one, and the caller keeps all memory alive until the stream has passed. Nothing waits for
 * the device but the functions whose comment says so. Shapes, types, rounding, strides and errors are those of mla_kernels. Counts
 * that change from step to step (page tables, lengths, slots) lie in device memory. Handles (streams, events) are the library's and
 * live until they are destroyed. */
typedef struct mla_device_kernels {
  int32_t struct_size;
  int32_t abi_version;

  /* As in mla_kernels; MLA_DESCRIBE_ISA tells "cuda", MLA_DESCRIBE_REASON why there is no device, or nothing. */
  int32_t (*describe)(int32_t subject, char* text, int32_t size);

  /* Devices of this machine: MLA_NO_DEVICE with the reason where there is none. */
  int32_t (*count)(int32_t* count, char* error, int32_t error_size);
  /* name: NUL-terminated, truncated. */
  int32_t (*info)(int32_t device, mla_device_info* info, char* name, int32_t name_size, char* error,
                  int32_t error_size);

  /* Device memory, uninitialised, aligned to 256. release waits for the device. */
  int32_t (*allocate)(int32_t device, int64_t bytes, void** memory, char* error, int32_t error_size);
  int32_t (*release)(int32_t device, void* memory, char* error, int32_t error_size);
  /* Pinned memory of the host: copies from and to it run on the stream. */
  int32_t (*allocate_host)(int32_t device, int64_t bytes, void** memory, char* error, int32_t error_size);
  int32_t (*release_host)(int32_t device, void* memory, char* error, int32_t error_size);

  int32_t (*create_stream)(int32_t device, void** stream, char* error, int32_t error_size);
  /* Waits for the stream. */
  int32_t (*destroy_stream)(void* stream, char* error, int32_t error_size);
  /* Waits for the stream. */
  int32_t (*synchronize)(void* stream, char* error, int32_t error_size);
  int32_t (*create_event)(int32_t device, void** event, char* error, int32_t error_size);
  int32_t (*destroy_event)(int32_t device, void* event, char* error, int32_t error_size);
  /* The event is reached when the stream has passed what was launched on it before. */
  int32_t (*record_event)(void* stream, void* event, char* error, int32_t error_size);
  /* What is launched on the stream from now on runs after the event. */
  int32_t (*await_event)(void* stream, void* event, char* error, int32_t error_size);
  /* Waits for the event. */
  int32_t (*synchronize_event)(int32_t device, void* event, char* error, int32_t error_size);

  /* Between any two of device, pinned and other host memory; with the last one it may wait for the stream. */
  int32_t (*copy)(void* stream, void* to, const void* from, int64_t bytes, char* error, int32_t error_size);
  int32_t (*fill)(void* stream, void* memory, int32_t value, int64_t bytes, char* error, int32_t error_size);

  /* to (count) bf16 = from (count) of from_type F32 or F16, to nearest even: weights at their upload. */
  int32_t (*convert)(void* stream, int32_t from_type, const void* from, int64_t count, void* to, char* error,
                     int32_t error_size);

  /* table_type F32 or BF16; the row of an id outside of the vocabulary is NaN. */
  int32_t (*embed)(void* stream, int32_t table_type, const void* table, int64_t table_stride,
                   int32_t vocabulary, const int32_t* ids, int32_t count, int32_t width, float scale,
                   float* y, int64_t y_stride, char* error, int32_t error_size);
  int32_t (*rms_norm)(void* stream, const float* x, int64_t x_stride, const float* weight, float eps,
                      int32_t rows, int32_t width, float* y, int64_t y_stride, char* error,
                      int32_t error_size);
  int32_t (*swiglu)(void* stream, const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
                    int32_t rows, int32_t width, float* y, int64_t y_stride, char* error, int32_t error_size);
  int32_t (*add)(void* stream, const float* x, int64_t x_stride, const float* residual,
                 int64_t residual_stride, float scale, int32_t rows, int32_t width, float* y,
                 int64_t y_stride, char* error, int32_t error_size);
  int32_t (*rope)(void* stream, const mla_rope_params* params, const float* x, const float* cosines,
                  const float* sines, float* y, char* error, int32_t error_size);
  /* Token t becomes row slots[t] of the pool (page * page_size + row in the page), -1: none; params->position is not used. */
  int32_t (*append)(void* stream, const mla_append_params* params, const mla_cache_params* cache_params,
                    const float* latent_and_key, const float* norm_weight, const float* cosines,
                    const float* sines, const int32_t* slots, void* cache, char* error, int32_t error_size);

  /* Bytes of a plan, of whatever counts; -1 where params are wrong. */
  int64_t (*plan_bytes)(const mla_step_params* params);
  /* Splits that a sequence gets; max_splits must be at least the sum of those of a step. */
  int32_t (*splits)(const mla_step_params* params, int32_t queries, int32_t kv_tokens);
  /* Writes the plan of a step, in host memory: query_begin (sequences + 1) the first query token of each sequence and the count of all,
   * kv_tokens (sequences) cached tokens, the new ones included. Touches no device; the caller copies the plan to it. */
  int32_t (*make_plan)(const mla_step_params* params, int32_t sequences, const int32_t* query_begin,
                       const int32_t* kv_tokens, void* plan, int64_t plan_bytes, char* error,
                       int32_t error_size);
  /* Workspace of attend_absorbed for any plan of these params; -1 where they are wrong. */
  int64_t (*attention_workspace)(const mla_step_params* params, const mla_cache_params* cache_params);
  /* All query tokens of the plan over all keys of their sequences: q (tokens, heads, latent + rope), absorbed and rotated; page_table
   * (sequences, page_table_stride), rows without their tail where it holds no token; alibi_slopes (heads) or NULL; out (tokens, heads,
   * latent); lse (tokens, heads) or NULL. Keys of a page outside of the pool count as zeros. Tensor cores where compute is BF16 and the
   * cache bf16, with latent up to 512 and rows of a multiple of 16 bytes; else float32. */
  int32_t (*attend_absorbed)(void* stream, const mla_step_params* params,
                             const mla_cache_params* cache_params, const void* plan, const float* q,
                             const void* cache, const int32_t* page_table, const float* alibi_slopes,
                             float* out, float* lse, void* workspace, int64_t workspace_bytes, char* error,
                             int32_t error_size);
  /* The workspace of attend_decompressed with which it runs best, bounded whatever the length of the sequences; -1 where params are wrong. */
  int64_t (*decompressed_workspace)(const mla_step_params* params, const mla_rebuild_params* rebuild,
                                    const mla_cache_params* cache_params);
  /* As attend_absorbed, of the same plan, in the decompressed form: q (tokens, heads, nope + rope), rotated; latent_up, which
   * makes keys and values of latents: per head nope rows of W_UK, then value rows of W_UV, each of latent elements, as
   * kv_b_proj of checkpoints; out (tokens, heads, value); max_kv_tokens: the longest kv_tokens of the plan (rows that see more
   * are NaN), which decides how much is launched. Keys and values are rebuilt in the workspace, a piece of each sequence at a
   * time; with a workspace of fewer bytes the pieces are shorter, and the bits the same. Rounding and tensor cores where compute
   * is BF16 and the cache bf16; the rebuilding uses them where latent_up is bf16, it and its rows begin at multiples of 16
   * bytes, and nope, value and latent are multiples of 8; else float32. */
  int32_t (*attend_decompressed)(void* stream, const mla_step_params* params,
                                 const mla_rebuild_params* rebuild, const mla_cache_params* cache_params,
                                 const void* plan, int32_t max_kv_tokens, const float* q,
                                 const void* latent_up, const void* cache, const int32_t* page_table,
                                 const float* alibi_slopes, float* out, float* lse, void* workspace,
                                 int64_t workspace_bytes, char* error, int32_t error_size);
  int32_t (*merge)(void* stream, const mla_merge_params* params, const float* partial_out,
                   const float* partial_lse, float* out, float* lse, char* error, int32_t error_size);

  /* y = x W^T + bias: x (rows, k), weight (n, k) of weight_type F32 or BF16 without scales, bias (n) or NULL, y (rows, n).
   * Tensor cores where compute is BF16 and the weight bf16, else float32. */
  int32_t (*linear)(void* stream, const mla_linear_params* params, const float* x, const void* weight,
                    const float* bias, float* y, char* error, int32_t error_size);
  /* x (tokens, heads, in), weight of type F32 or BF16 without scales, y (tokens, heads, out): see mla_head_linear_params. */
  int32_t (*head_linear)(void* stream, const mla_head_linear_params* params, const float* x,
                         const void* weight, float* y, char* error, int32_t error_size);
  /* logits (tokens, experts), bias (experts) or NULL, experts_out (tokens, top_k), weights_out (tokens, top_k); up to 1024 experts. */
  int32_t (*route)(void* stream, const mla_route_params* params, const float* logits, const float* bias,
                   int32_t* experts_out, float* weights_out, char* error, int32_t error_size);
  /* The rows of each expert, for grouped_linear: slots are the (token, choice) pairs sorted by expert, then by token. chosen (tokens,
   * top_k) experts; token_of (tokens * top_k) the token of a slot; slot_of (tokens, top_k) the slot of a choice; groups as grouped_linear
   * reads it, of group_bytes(params). An expert outside of 0 .. experts - 1 has no slot: its slot_of is -1. */
  int64_t (*group_bytes)(int32_t slots, int32_t experts, int32_t weight_type, int32_t compute);
  int32_t (*group)(void* stream, const int32_t* chosen, int32_t tokens, int32_t top_k, int32_t experts,
                   int32_t weight_type, int32_t compute, int32_t* token_of, int32_t* slot_of, void* groups,
                   int64_t group_bytes, char* error, int32_t error_size);
  /* Row s of y = x[indices[s]] W_e^T where slot s is of expert e; indices (rows) or NULL for x[s]. params->rows: all slots; weight
   * (experts, n, k), expert_stride elements between two of them. groups: of the same weight_type and compute. */
  int32_t (*grouped_linear)(void* stream, const mla_linear_params* params, int32_t experts,
                            int64_t expert_stride, const float* x, const int32_t* indices, const void* groups,
                            const void* weight, float* y, char* error, int32_t error_size);
  /* As in mla_kernels; a slot outside of 0 .. slot_count - 1 adds nothing. */
  int32_t (*combine)(void* stream, const float* expert_out, int64_t expert_out_stride, int32_t slot_count,
                     const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
                     int32_t tokens, int32_t top_k, int32_t width, float* y, int64_t y_stride, char* error,
                     int32_t error_size);
  /* ids_out[row] = the index of the largest of logits (rows, width), of equal ones the lowest; NaN counts as the smallest. */
  int32_t (*argmax)(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
                    int32_t* ids_out, char* error, int32_t error_size);
  /* ids_out[row] is drawn from the softmax of logits / temperature: of the top_k largest (0: all) those that together first reach top_p
   * (1: all), in the order of their ids, where their probabilities pass uniform[row] in [0, 1). Equal logits at an end are kept together. */
  int32_t (*sample)(void* stream, const float* logits, int64_t logits_stride, int32_t rows, int32_t width,
                    float temperature, int32_t top_k, float top_p, const float* uniform, int32_t* ids_out,
                    char* error, int32_t error_size);
} mla_device_kernels;

/* The table of a device library, or NULL where abi_version is not MLA_ABI_VERSION. It exists without a driver or a device. */
typedef const mla_device_kernels* (*mla_get_device_kernels_fn)(int32_t abi_version);

#if defined(_WIN32)
__declspec(dllexport)
#elif defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const mla_device_kernels* mla_get_device_kernels(int32_t abi_version);

#ifdef __cplusplus
}
#endif

#endif
