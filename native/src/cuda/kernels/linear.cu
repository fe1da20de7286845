// Which kernel computes a linear on tensor cores: by the layout of the weights, then by the number of rows.
#include "cuda/common/launch.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/linear_kinds.h"

namespace mla::cuda {
namespace {

LaunchTiles* launch_of(int tile) {
  switch (tile) {
    case 8:
      return linear_of_8();
    case 16:
      return linear_of_16();
    case 64:
      return linear_of_64();
    default:
      return linear_of_96();
  }
}

}  // namespace

int group_tile(int rows) { return rows <= 8 ? 8 : rows <= 16 ? 16 : 64; }

int linear_tile(const LinearTask& t, int heads) {
  if (t.in_out) return linear_in_tile(t.rows);
  return t.rows > 64 && has_large_tiles(t, heads) ? 96 : group_tile(t.rows);
}

Result linear(const Stream& stream, const LinearTask& t, int heads, const float* x, const Bf16* weight,
              const float* bias, float* y) {
  if (t.in_out) return linear_in(stream, t, heads, x, weight, bias, y);
  const int tile = linear_tile(t, heads);
  return launch_of(tile)(stream, t, blocks_for(t.rows, tile), heads, x, nullptr, nullptr, weight, bias, y);
}

Result grouped_linear(const Stream& stream, const LinearTask& t, int tile, int max_tiles, const float* x,
                      const int32_t* indices, const int32_t* groups, const Bf16* weight, float* y) {
  return launch_of(tile)(stream, t, max_tiles, 1, x, indices, groups, weight, nullptr, y);
}

}  // namespace mla::cuda
