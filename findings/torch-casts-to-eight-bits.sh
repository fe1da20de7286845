#!/usr/bin/env bash
# torch 2.15.0 and ml_dtypes 0.6.0 (Python 3.11, on a CPU) make different 8-bit floats of the same float32:
# - float8_e4m3fn of torch saturates, infinity included, which becomes 448; ml_dtypes makes NaN of everything that rounds beyond 448.
#   float8_e5m2 of the same torch keeps infinity.
# - float8_e8m0fnu of torch drops the sign, so that -3 becomes 4; ml_dtypes makes NaN of what no power of two can stand for. Both take the
#   nearest power of two, which is below the number half of the time: a factor made so lets the largest element of its block overflow.
#
# One would expect a cast of one format to have one result, and an infinity or a negative scale to be noticed. A file of fp8 weights shows its
# overflows or hides them according to the library that wrote it.
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 ml_dtypes==0.6.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import ml_dtypes
import numpy
import torch

for name, values in ("float8_e4m3fn", [448, 500, 1e6, float("inf")]), ("float8_e5m2", [1e6, float("inf")]), ("float8_e8m0fnu", [1.4, 1.5, -3]):
    print(name, "of", values)
    print("  torch    ", torch.tensor(values, dtype=torch.float32).to(getattr(torch, name)).float().tolist())
    with numpy.errstate(all="ignore"):
        print("  ml_dtypes", numpy.array(values, numpy.float32).astype(getattr(ml_dtypes, name)).astype(numpy.float32).tolist())
PYTHON
diff "$folder/seen" - <<'SEEN'
float8_e4m3fn of [448, 500, 1000000.0, inf]
  torch     [448.0, 448.0, 448.0, 448.0]
  ml_dtypes [448.0, nan, nan, nan]
float8_e5m2 of [1000000.0, inf]
  torch     [inf, inf]
  ml_dtypes [inf, inf]
float8_e8m0fnu of [1.4, 1.5, -3]
  torch     [1.0, 2.0, 4.0]
  ml_dtypes [1.0, 2.0, nan]
SEEN
