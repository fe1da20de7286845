#!/usr/bin/env python3
"""Makes the golden case plm: a small random model and its logits in double precision.

usage: make_plm.py CASES, the folder of golden cases (needs numpy)

transformers has no PLM, so the forward pass is written out here. That it is right shows on the case youtu, which transformers computed and
which differs in the feed-forward network and the query latent alone: the logits agree within 2e-6 of the largest.
"""
import json
import os
import struct
import sys

import numpy as np


def read(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data[begin:end], {"I64": "<i8", "F32": "<f4"}[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def write(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


def norm(x, weight, eps):
    return weight * x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def forward(config, weights, ids):
    heads, latent, eps = config["num_attention_heads"], config["kv_lora_rank"], config["rms_norm_eps"]
    nope, rope, value = (config[k] for k in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    tokens = len(ids)
    angles = np.arange(tokens)[:, None] * config["rope_theta"] ** (-np.arange(0, rope, 2) / rope)

    def rotate(x):
        cos, sin = np.cos(angles), np.sin(angles)
        if x.ndim == 3:
            cos, sin = cos[:, None], sin[:, None]
        out = np.empty_like(x)
        out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        out[..., 1::2] = x[..., 1::2] * cos + x[..., 0::2] * sin
        return out

    x = weights["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        w = lambda name: weights[f"model.layers.{layer}.{name}.weight"]
        h = norm(x, w("input_layernorm"), eps)
        if config["q_lora_rank"]:
            down = norm(h @ w("self_attn.q_a_proj").T, w("self_attn.q_a_layernorm"), 1e-6)
            q = down @ w("self_attn.q_b_proj").T
        else:
            q = h @ w("self_attn.q_proj").T
        q = q.reshape(tokens, heads, nope + rope)
        q = np.concatenate([q[..., :nope], rotate(q[..., nope:])], -1)
        a = h @ w("self_attn.kv_a_proj_with_mqa").T
        up = norm(a[:, :latent], w("self_attn.kv_a_layernorm"), 1e-6) @ w("self_attn.kv_b_proj").T
        up = up.reshape(tokens, heads, nope + value)
        key = np.repeat(rotate(a[:, latent:])[:, None], heads, 1)
        k = np.concatenate([up[..., :nope], key], -1)
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(nope + rope)
        scores[:, np.triu(np.ones((tokens, tokens), bool), 1)] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        out = np.einsum("hts,shd->thd", p, up[..., nope:]).reshape(tokens, -1)
        x = x + out @ w("self_attn.o_proj").T
        h = norm(x, w("post_attention_layernorm"), eps)
        inner = h @ w("mlp.up_proj").T
        if config["hidden_act"] == "relu2":
            inner = np.maximum(inner, 0) ** 2
        else:
            gate = h @ w("mlp.gate_proj").T
            inner = gate / (1 + np.exp(-gate)) * inner
        x = x + inner @ w("mlp.down_proj").T
    return norm(x, weights["model.norm.weight"], eps) @ weights["model.embed_tokens.weight"].T


def open_model(folder):
    weights = {name: values.astype(np.float64) for name, values in read(f"{folder}/model.safetensors").items()}
    return json.load(open(f"{folder}/config.json")), weights


def greedy(config, weights, ids, count):
    ids = list(ids)
    for _ in range(count):
        ids.append(int(forward(config, weights, ids)[-1].argmax()))
    return ids


def bf16(values):
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF).astype("<u2")


def model(folder, random):
    config = dict(
        architectures=["PLMForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=1, eos_token_id=2,
        hidden_act="relu2", hidden_size=64, initializer_range=0.02, intermediate_size=160, kv_lora_rank=32,
        max_position_embeddings=512, model_type="plm", num_attention_heads=4, num_hidden_layers=3,
        num_key_value_heads=4, q_lora_rank=None, qk_nope_head_dim=16, qk_rope_head_dim=8, rms_norm_eps=1e-6,
        rope_theta=100000.0, tie_word_embeddings=True, torch_dtype="bfloat16", use_cache=True, v_head_dim=16,
        vocab_size=320)
    tensors = {}

    def add(name, *shape, scale=None):
        if len(shape) == 1:
            values = 1 + 0.2 * random.normal(size=shape)
        else:
            values = random.normal(size=shape) * (scale or shape[-1] ** -0.5)
        tensors[name + ".weight"] = ("BF16", shape, bf16(values).tobytes())

    add("model.embed_tokens", 320, 64, scale=0.6)
    for layer in range(3):
        at = f"model.layers.{layer}."
        add(at + "input_layernorm", 64)
        add(at + "post_attention_layernorm", 64)
        add(at + "self_attn.q_proj", 4 * 24, 64, scale=0.25)
        add(at + "self_attn.kv_a_proj_with_mqa", 40, 64)
        add(at + "self_attn.kv_a_layernorm", 32)
        add(at + "self_attn.kv_b_proj", 4 * 32, 32, scale=0.3)
        add(at + "self_attn.o_proj", 64, 64)
        add(at + "mlp.up_proj", 160, 64)
        add(at + "mlp.down_proj", 64, 160)
    add("model.norm", 64)
    os.makedirs(folder, exist_ok=True)
    write(f"{folder}/model.safetensors", tensors)
    json.dump(config, open(f"{folder}/config.json", "w"), indent=1)


def main(cases):
    config, weights = open_model(f"{cases}/youtu")
    config.setdefault("rope_theta", config.get("rope_parameters", {}).get("rope_theta"))
    expected = read(f"{cases}/youtu/golden.safetensors")
    difference = np.abs(forward(config, weights, expected["input_ids"]) - expected["logits"]).max()
    print("youtu: differs by", difference / np.abs(expected["logits"]).max())
    random = np.random.default_rng(7)
    folder = f"{cases}/plm"
    model(folder, random)
    config, weights = open_model(folder)
    ids = np.concatenate([[1], random.integers(3, 320, 71)]).astype("<i8")
    logits = forward(config, weights, ids).astype("<f4")
    continued = np.array(greedy(config, weights, ids[:36], 16), "<i8")
    write(
        f"{folder}/golden.safetensors",
        {
            "input_ids": ("I64", ids.shape, ids.tobytes()),
            "logits": ("F32", logits.shape, logits.tobytes()),
            "greedy_ids": ("I64", continued.shape, continued.tobytes()),
        })


main(sys.argv[1])
