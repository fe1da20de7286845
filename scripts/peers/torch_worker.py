"""torch as a peer: attention over the latent cache by matrix products, and SDPA over expanded heads. Runs in the environment of the peers."""

import importlib.metadata
import itertools
import os
import time

import torch
import torch.nn.functional as F

from serve import serve

LATENT, ROPE, NOPE, VALUE = 512, 64, 128, 128
# Decode is measured cold: the caches that are rotated over are larger than any last-level cache's useful share.
COLD_BYTES = 512 << 20
SCALE = (NOPE + ROPE) ** -0.5
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.set_grad_enabled(False)
prepared = {}


def random(*shape, dtype):
    """Numbers of one block, repeated over the first axis: drawing gigabytes would take longer than the measurement."""
    return torch.randn(1, *shape[1:]).to(dtype).expand(*shape).contiguous()


def latent_step(heads, tokens, dtype, copies):
    """softmax(q c^T) c[:, :latent] for one query per head; c (tokens, latent + rope) is shared by the heads."""
    caches = random(copies, tokens, LATENT + ROPE, dtype=dtype)
    query = (torch.randn(heads, LATENT + ROPE) * SCALE).to(dtype)
    rotation = itertools.cycle(caches)

    def step():
        cache = next(rotation)
        scores = query @ cache.T
        return scores.float().softmax(-1).to(dtype) @ cache[:, :LATENT]

    return step


def expanded_step(heads, tokens, dtype, copies, padded):
    """SDPA of one query per head over keys (heads, tokens, nope + rope) and values (heads, tokens, v)."""
    keys = random(copies, heads, tokens, NOPE + ROPE, dtype=dtype)
    # torch's flash kernel wants values as wide as keys; `padded` buys it with more bytes.
    values = random(copies, heads, tokens, NOPE + ROPE if padded else VALUE, dtype=dtype)
    query = torch.randn(1, heads, 1, NOPE + ROPE).to(dtype)
    rotation = itertools.cycle(range(copies))

    def step():
        i = next(rotation)
        return F.scaled_dot_product_attention(query, keys[i : i + 1], values[i : i + 1], scale=SCALE)

    return step


def prefill_step(heads, tokens, dtype, padded):
    """Expands the latents once, as a model without an expanded cache must, then causal SDPA over all tokens."""
    latent = torch.randn(tokens, LATENT).to(dtype)
    rope = torch.randn(1, 1, tokens, ROPE).to(dtype)
    weight = (torch.randn(heads * (NOPE + VALUE), LATENT) * 0.02).to(dtype)
    query = torch.randn(1, heads, tokens, NOPE + ROPE).to(dtype)

    def step():
        expanded = F.linear(latent, weight).view(1, tokens, heads, NOPE + VALUE).transpose(1, 2)
        keys = torch.cat((expanded[..., :NOPE], rope.expand(1, heads, tokens, ROPE)), -1)
        values = expanded[..., NOPE:]
        if padded:
            values = F.pad(values, (0, NOPE + ROPE - VALUE))
        return F.scaled_dot_product_attention(query, keys, values, is_causal=True, scale=SCALE)

    return step


def prepare(kind, setting, heads, tokens):
    dtype = TYPES[setting["type"]]
    prepared.clear()
    if kind == "prefill":
        step, copies = prefill_step(heads, tokens, dtype, setting["padded"]), 1
    else:
        width = LATENT + ROPE if setting["form"] == "latent" else heads * (NOPE + ROPE + VALUE)
        copies = max(1, -(-COLD_BYTES // (tokens * width * dtype.itemsize)))
        if setting["form"] == "latent":
            step = latent_step(heads, tokens, dtype, copies)
        else:
            step = expanded_step(heads, tokens, dtype, copies, setting["padded"])
    for _ in range(3):
        step()
    prepared["step"] = step


def sample(kind, setting, heads, tokens, seconds=0.4):
    """Nanoseconds of one attention: the median of as many as fit into the time, at least 3."""
    step, times, end = prepared["step"], [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter_ns()
        step()
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[len(times) // 2]


def about():
    features = f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, oneDNN {torch.backends.mkldnn.is_available()}"
    return {"version": f"torch {importlib.metadata.version('torch')}", "features": features}


serve({"about": about, "prepare": prepare, "sample": sample})
