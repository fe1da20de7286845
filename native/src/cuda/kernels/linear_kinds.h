// The kernels of a linear on tensor cores, each for another number of rows.
#pragma once
#include "cuda/common/runtime.h"
#include "cuda/kernels/linear_task.h"

namespace mla::cuda {

struct Bf16;

// Weights (n, k): tiles of as many rows as the name says, `tiles` of them; indices and groups as grouped_linear has them, or NULL, as always
// with 96 rows. The same bits from each.
using LaunchTiles = Result(const Stream& stream, const LinearTask& t, int tiles, int heads, const float* x,
                           const int32_t* indices, const int32_t* groups, const Bf16* weight,
                           const float* bias, float* y);
LaunchTiles *linear_of_8(), *linear_of_16(), *linear_of_64(), *linear_of_96();
// Whether tiles of 96 rows, for aligned rows alone, fit the device and are enough of them for it.
bool has_large_tiles(const LinearTask& t, int heads);

// Weights (k, n).
Result linear_in(const Stream& stream, const LinearTask& t, int heads, const float* x, const Bf16* weight,
                 const float* bias, float* y);
// Rows of its tile.
int linear_in_tile(int rows);

}  // namespace mla::cuda
