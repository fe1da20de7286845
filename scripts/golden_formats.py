"""Golden files of block formats: random blocks with edge values, and what PyPI's gguf makes of them. golden_formats.py FOLDER"""
import os, struct, sys
import numpy as np, gguf
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES
# name, where binary16 numbers lie in a block
TYPES = {"Q4_0":[0],"Q4_1":[0,2],"Q5_0":[0],"Q5_1":[0,2],"Q8_0":[0],"Q2_K":[80,82],"Q3_K":[108],"Q4_K":[0,2],"Q5_K":[0,2],"Q6_K":[208],"IQ4_NL":[0],"IQ4_XS":[0],"MXFP4":[]}
out = sys.argv[1]; os.makedirs(out, exist_ok=True)
# zero, both signs, the smallest subnormal and normal, the largest, ordinary scales
EDGES = np.array([0.0, -0.0, 6e-8, -6e-8, 6.1e-5, 65504.0, -65504.0, 0.0123, -0.37, 1.0], np.float16)
for name, halves in TYPES.items():
    rng = np.random.default_rng(sum(map(ord, name)))
    elements, size = GGML_QUANT_SIZES[T[name]]
    n = 16 if elements == 32 else 4
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for i in range(n):
        for k, at in enumerate(halves):
            pick = EDGES[(i * 3 + k + (0 if n == 16 else sum(map(ord, name)))) % len(EDGES)] if i % 2 == 0 else np.float16(rng.normal(0, 0.05))
            blocks[i, at:at+2] = np.frombuffer(np.float16(pick).tobytes(), np.uint8)
        if name == "MXFP4": blocks[i, 0] = [0, 1, 2, 255, 254, 127, 128, 120][i % 8]
    blocks[0, max(halves, default=0)+2:] |= 0 if n == 16 else 0
    values = gguf.quants.dequantize(blocks, T[name]).astype("<f4")
    assert values.shape == (n, elements)
    with open(f"{out}/{name}.bin", "wb") as f:
        f.write(struct.pack("<i", n)); f.write(blocks.tobytes()); f.write(values.tobytes())
    print(name, n, np.isnan(values).sum(), np.isinf(values).sum())
# elements under scales: all bytes, by the text of their specifications (ml_dtypes for the floats)
import ml_dtypes
b = np.arange(256, dtype=np.uint8)
def put(name, blocks, values):
    with open(f"{out}/{name}.bin", "wb") as f:
        f.write(struct.pack("<i", len(blocks))); f.write(np.ascontiguousarray(blocks).tobytes()); f.write(values.astype("<f4").tobytes())
put("F8_E4M3", b, b.view(ml_dtypes.float8_e4m3fn).astype(np.float32))
put("I8", b, b.view(np.int8).astype(np.float32))
words = np.random.default_rng(4).integers(0, 256, (37, 4), dtype=np.uint8)
nib = np.stack([words & 15, words >> 4], -1).reshape(37, 8)
put("I4", words, nib.astype(np.float32) - 8)
f4 = np.stack([b & 15, b >> 4], -1).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
put("F4", b, f4 + 0.0)  # a zero has no sign
