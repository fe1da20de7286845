"""Golden files of quantising: floats, and the blocks that ggml's reference quantiser makes of them (PyPI's llama-cpp-python 0.3.36, ggml_quantize_chunk; gguf-py makes the same of Q8_0 and Q4_0). golden_quantised.py FOLDER"""
import ctypes, glob, os, struct, sys
import numpy as np, llama_cpp
lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so"))[0])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
out = sys.argv[1]; os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(15)
x = rng.standard_normal((8, 256)).astype(np.float32)
x[0] *= 0.02
x[1] = np.abs(x[1])                      # no minimum
x[2] = np.repeat(x[2, ::32], 32)         # groups of one number
x[3] = 0; x[3, 200] = -1.5               # zeros
x[4] = (rng.integers(-254, 255, 256) / 2 * 0.25).astype(np.float32); x[4, ::32] = 31.75  # halves of Q8_0's step
x[5] *= np.exp(rng.standard_normal(256) * 2).astype(np.float32)
x[6] *= np.float32(1e-6)                 # subnormal scales
x[7] -= 3
with open(f"{out}/floats.bin", "wb") as f: f.write(x.tobytes())
for name, type_id, elements, size in [("Q4_0", 2, 32, 18), ("Q5_0", 6, 32, 22), ("Q5_1", 7, 32, 24), ("Q8_0", 8, 32, 34), ("Q4_K", 12, 256, 144), ("Q6_K", 14, 256, 210)]:
    to = np.zeros(x.size // elements * size, np.uint8)
    assert lib.ggml_quantize_chunk(type_id, x.ctypes.data, to.ctypes.data, 0, 8, 256, None) == to.size
    with open(f"{out}/{name}.bin", "wb") as f: f.write(to.tobytes())
