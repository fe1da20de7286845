"""Makes block_types.safetensors: logits of a small random deepseek2 model in each type of GGUF.

Weights are random bytes with scales of a sensible size, made here and in GgufBlockTypesTest alike; PyPI's
gguf 0.19.0 says which numbers they are, and a forward pass in float64 what the model computes.
Run with numpy and gguf: python block_types.py OUT
"""

import json
import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType, quants
from gguf.constants import GGML_QUANT_SIZES

HIDDEN, HEADS, NOPE, ROPE, VALUE, LATENT, WIDTH, EXPERTS, VOCABULARY = 256, 2, 32, 32, 128, 256, 256, 4, 64
IDS = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 26, 43]

# type: exponent of float16 scales and where they lie in a block
SCALES = {
    "Q4_0": (9, [0]), "Q4_1": (8, [0, 2]), "Q5_0": (8, [0]), "Q5_1": (7, [0, 2]), "Q8_0": (5, [0]),
    "Q2_K": (6, [80, 82]), "Q3_K": (4, [108]), "Q4_K": (3, [0, 2]), "Q5_K": (2, [0, 2]), "Q6_K": (1, [208]),
    "IQ4_NL": (5, [0]), "IQ4_XS": (1, [0]), "MXFP4": (0, []),
}


def numbers(seed, count):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def vector(seed, count, offset, factor):
    u = (numbers(seed, count) >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5
    return (np.float32(offset) + np.float32(factor) * u.astype(np.float32)).astype(np.float64)


def matrix(seed, rows, columns, name):
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    if columns % elements:
        return matrix(seed, rows, columns, "Q8_0")
    blocks = rows * columns // elements
    data = numbers(seed, (blocks * size + 7) // 8).view(np.uint8)[: blocks * size].reshape(blocks, size).copy()
    exponent, fields = SCALES[name]
    for at in fields:
        data[:, at + 1] = (data[:, at + 1] & 3) | (exponent << 2)
    if name == "MXFP4":
        data[:, 0] = 121 + (data[:, 0] & 1)
    return quants.dequantize(data.reshape(rows, -1), kind).astype(np.float64).reshape(rows, columns)


class Model:
    def __init__(self, name, base):
        self.name, self.seed = name, base * 1000
        self.embed = self.next(VOCABULARY, HIDDEN)
        self.norm = self.vec(HIDDEN, 1, 0.5)
        self.output = self.next(VOCABULARY, HIDDEN)
        self.layers = [self.layer(i) for i in range(2)]

    def next(self, rows, columns):
        self.seed += 1
        return matrix(self.seed, rows, columns, self.name)

    def vec(self, count, offset, factor):
        self.seed += 1
        return vector(self.seed, count, offset, factor)

    def layer(self, i):
        w = {
            "attn_norm": self.vec(HIDDEN, 1, 0.5),
            "q": self.next(HEADS * (NOPE + ROPE), HIDDEN),
            "kv_a": self.next(LATENT + ROPE, HIDDEN),
            "kv_a_norm": self.vec(LATENT, 1, 0.5),
            "k_b": self.next(HEADS * LATENT, NOPE),
            "v_b": self.next(HEADS * VALUE, LATENT),
            "o": self.next(HIDDEN, HEADS * VALUE),
            "ffn_norm": self.vec(HIDDEN, 1, 0.5),
        }
        if i == 0:
            w["dense"] = [self.next(WIDTH, HIDDEN), self.next(WIDTH, HIDDEN), self.next(HIDDEN, WIDTH)]
            return w
        w["router"] = self.vec(EXPERTS * HIDDEN, 0, 0.5).reshape(EXPERTS, HIDDEN)
        w["bias"] = self.vec(EXPERTS, 0, 0.1)
        gate = self.next(EXPERTS * WIDTH, HIDDEN).reshape(EXPERTS, WIDTH, HIDDEN)
        up = self.next(EXPERTS * WIDTH, HIDDEN).reshape(EXPERTS, WIDTH, HIDDEN)
        down = self.next(EXPERTS * HIDDEN, WIDTH).reshape(EXPERTS, HIDDEN, WIDTH)
        w["experts"] = [[gate[e], up[e], down[e]] for e in range(EXPERTS)]
        w["shared"] = [self.next(WIDTH, HIDDEN), self.next(WIDTH, HIDDEN), self.next(HIDDEN, WIDTH)]
        return w


def rms(x, weight, eps):
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def swiglu(x, w):
    g = w[0] @ x
    return w[2] @ (g / (1 + np.exp(-g)) * (w[1] @ x))


def rotate(x, position):
    angles = position * 10000.0 ** (-np.arange(0, ROPE, 2) / ROPE)
    c, s = np.cos(angles), np.sin(angles)
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * c - x[..., 1::2] * s
    out[..., 1::2] = x[..., 0::2] * s + x[..., 1::2] * c
    return out


def forward(m):
    x = m.embed[IDS]
    margin = np.inf
    for w in m.layers:
        h = rms(x, w["attn_norm"], 1e-5)
        kv = h @ w["kv_a"].T
        latent = rms(kv[:, :LATENT], w["kv_a_norm"], 1e-6)
        key = np.stack([rotate(kv[t, LATENT:], t) for t in range(len(IDS))])
        k_b = w["k_b"].reshape(HEADS, LATENT, NOPE)
        v_b = w["v_b"].reshape(HEADS, VALUE, LATENT)
        q = (h @ w["q"].T).reshape(-1, HEADS, NOPE + ROPE)
        for t in range(len(IDS)):
            rows = []
            for head in range(HEADS):
                score = (k_b[head] @ q[t, head, :NOPE]) @ latent[: t + 1].T
                score = (score + rotate(q[t, head, NOPE:], t) @ key[: t + 1].T) / np.sqrt(NOPE + ROPE)
                p = np.exp(score - score.max())
                rows.append(v_b[head] @ (p / p.sum() @ latent[: t + 1]))
            x[t] = x[t] + w["o"] @ np.concatenate(rows)
        h = rms(x, w["ffn_norm"], 1e-5)
        for t in range(len(IDS)):
            if "dense" in w:
                x[t] = x[t] + swiglu(h[t], w["dense"])
                continue
            score = 1 / (1 + np.exp(-(w["router"] @ h[t])))
            order = np.argsort(-(score + w["bias"]))
            sorted_choice = (score + w["bias"])[order]
            margin = min(margin, sorted_choice[1] - sorted_choice[2])
            chosen = score[order[:2]] / score[order[:2]].sum() * 2.5
            x[t] = x[t] + sum(c * swiglu(h[t], w["experts"][e]) for c, e in zip(chosen, order[:2]))
            x[t] = x[t] + swiglu(h[t], w["shared"])
    return rms(x, m.norm, 1e-5) @ m.output.T, margin


def main():
    header, data, bases = {}, b"", {}
    for i, name in enumerate(SCALES):
        base = i + 1
        while True:
            logits, margin = forward(Model(name, base))
            if margin > 1e-3:
                break
            base += len(SCALES)
        bases[name] = str(base)
        print(name, base, margin, np.abs(logits).max())
        raw = logits.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(logits.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header["bases"] = {"dtype": "I64", "shape": [len(bases)], "data_offsets": [len(data), len(data) + 8 * len(bases)]}
    data += np.array([int(b) for b in bases.values()], dtype="<i8").tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)


main()
