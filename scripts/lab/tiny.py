#!/usr/bin/env python3
"""Trains beside the laboratory: a small model with heads of 128, and what conversion lost. Outside of scripts/test.

  tiny.py text OUT                    ids of the King James Bible without models/tiny-gqa/heldout.txt: OUT/train.npy (needs Debian's bible-kjv)
  tiny.py wide OUT MINUTES            a qwen2 model with four heads of 128, two of keys and values, and their biases: OUT/wide
  tiny.py heal MODEL OUT MINUTES      trains MODEL, made by mla4j convert of models/tiny-gqa, to say what tiny-gqa says of OUT/train.npy: OUT/NAME-healed

needs torch, transformers, tokenizers, safetensors; THREADS is how many threads torch has, default 1"""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ORIGINAL = os.path.join(ROOT, "models", "tiny-gqa")
BOS, EOS, VOCABULARY, WINDOW, BATCH = 0, 1, 4096, 256, 8


def text(out):
    from tokenizers import Tokenizer
    raw = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    chapters = {}
    for line in raw.splitlines():
        verse = re.match(r"^(\S+?)(\d+):(\d+)\s+(.*)$", line.strip())
        if verse:
            chapters.setdefault((verse[1], int(verse[2])), []).append(verse[4])
    held = set(open(os.path.join(ORIGINAL, "heldout.txt"), encoding="utf-8").read().split("\n"))
    known = [chapter for chapter in (" ".join(verses) for verses in chapters.values()) if chapter not in held]
    if len(known) == len(chapters):
        sys.exit("tiny.py: no chapter is held out: this is another edition of the text")
    tokenizer = Tokenizer.from_file(os.path.join(ORIGINAL, "tokenizer.json"))
    ids = [i for chapter in known for i in [BOS] + tokenizer.encode(chapter, add_special_tokens=False).ids + [EOS]]
    os.makedirs(out, exist_ok=True)
    np.save(os.path.join(out, "train.npy"), np.array(ids, dtype=np.int32))
    print(len(known), "of", len(chapters), "chapters,", len(ids), "ids")


def train(model, out, minutes, rate, loss_of, say):
    """AdamW over random windows, a cosine over the time that there is."""
    import torch
    ids = torch.from_numpy(np.load(os.path.join(out, "train.npy")).astype(np.int64))
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(3)
    start, step, losses = time.time(), 0, []
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
        x = torch.stack([ids[i:i + WINDOW] for i in torch.randint(0, len(ids) - WINDOW, (BATCH,), generator=generator)])
        x[::2, 0] = BOS
        loss = loss_of(x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        if step % 20 == 0:
            print(f"{time.time() - start:6.0f} s, step {step}, {step * BATCH * WINDOW / 1e6:.2f} M ids, {say} {np.mean(losses[-20:]):.4f}", flush=True)
    print(f"{step} steps, {say} {np.mean(losses[-20:]):.4f}")


def wide(out, minutes):
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    config = Qwen2Config(vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1024, num_hidden_layers=3, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=2048, rms_norm_eps=1e-6, tie_word_embeddings=True, bos_token_id=BOS,
                         eos_token_id=EOS)
    model = Qwen2ForCausalLM(config)
    model.train()

    def loss_of(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=x[:, :-1]).logits
        return torch.nn.functional.cross_entropy(logits.float().reshape(-1, VOCABULARY), x[:, 1:].reshape(-1))

    print(sum(p.numel() for p in model.parameters()) / 1e6, "M parameters", flush=True)
    train(model, out, minutes, 2e-3, loss_of, "loss")
    folder = os.path.join(out, "wide")
    model.to(torch.bfloat16).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(ORIGINAL, name), folder)


def latent_model(folder):
    """The decoder of an mla4j_mla checkpoint without a latent norm, and its parameters by their names."""
    import torch
    from safetensors.torch import load_file
    config = json.load(open(os.path.join(folder, "config.json"), encoding="utf-8"))
    if config.get("model_type") != "mla4j_mla" or config.get("kv_a_norm", True) or config.get("qkv_bias"):
        sys.exit(f"tiny.py: {folder} is not what mla4j convert makes of models/tiny-gqa without --compatible")
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    names = list(tensors)

    class Latent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ParameterList([torch.nn.Parameter(tensors[name].float()) for name in names])

        def forward(self, ids):
            w = dict(zip(names, self.weights))
            heads, nope, rope = (config[k] for k in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim"))
            value, rank, eps = config["v_head_dim"], config["kv_lora_rank"], config["rms_norm_eps"]
            b, t = ids.shape
            linear = torch.nn.functional.linear

            def norm(x, weight):
                return x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + eps) * weight

            def rotate(x, frequencies):  # (.., t, rope), neighbours are pairs
                angle = torch.arange(t)[:, None] * frequencies
                cos, sin = angle.cos(), angle.sin()
                a, c = x[..., ::2].float(), x[..., 1::2].float()
                return torch.stack([a * cos - c * sin, a * sin + c * cos], -1).flatten(-2)

            h = w["model.embed_tokens.weight"][ids]
            for layer, table in enumerate(config["rope_frequencies"]):
                own = {name.split(f"model.layers.{layer}.")[1]: tensor for name, tensor in w.items() if f"model.layers.{layer}." in name}
                frequencies = torch.tensor(table, dtype=torch.float32)
                x = norm(h, own["input_layernorm.weight"])
                q = linear(x, own["self_attn.q_proj.weight"]).view(b, t, heads, nope + rope).transpose(1, 2)
                latent, shared = linear(x, own["self_attn.kv_a_proj_with_mqa.weight"]).split([rank, rope], -1)
                kv = linear(latent, own["self_attn.kv_b_proj.weight"]).view(b, t, heads, nope + value).transpose(1, 2)
                k = torch.cat([kv[..., :nope].float(), rotate(shared, frequencies)[:, None].expand(b, heads, t, rope)], -1)
                q = torch.cat([q[..., :nope].float(), rotate(q[..., nope:], frequencies)], -1)
                o = torch.nn.functional.scaled_dot_product_attention(q, k, kv[..., nope:].float(), is_causal=True)
                h = h + linear(o.transpose(1, 2).reshape(b, t, heads * value), own["self_attn.o_proj.weight"])
                x = norm(h, own["post_attention_layernorm.weight"])
                gated = torch.nn.functional.silu(linear(x, own["mlp.gate_proj.weight"])) * linear(x, own["mlp.up_proj.weight"])
                h = h + linear(gated, own["mlp.down_proj.weight"])
            return linear(norm(h, w["model.norm.weight"]), w["lm_head.weight"])

    return Latent(), names


def heal(folder, out, minutes):
    """Minimises KL(original || converted) of the next token: what was lost comes back, and nothing is learned beside."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM
    original = AutoModelForCausalLM.from_pretrained(ORIGINAL, dtype=torch.float32).eval()
    model, names = latent_model(folder)

    def loss_of(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                wanted = torch.log_softmax(original(input_ids=x).logits.float(), -1).reshape(-1, VOCABULARY)
            said = torch.log_softmax(model(x).float(), -1).reshape(-1, VOCABULARY)
        return torch.nn.functional.kl_div(said, wanted, log_target=True, reduction="batchmean")

    train(model, out, minutes, 3e-4, loss_of, "KL")
    healed = os.path.join(out, os.path.basename(os.path.normpath(folder)) + "-healed")
    shutil.copytree(folder, healed)
    save_file({name: weight.detach().contiguous() for name, weight in zip(names, model.weights)}, os.path.join(healed, "model.safetensors"),
              metadata={"format": "pt"})
    print(healed)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("text", "wide", "heal"):
        sys.exit(__doc__)
    if sys.argv[1] != "text":
        import torch
        torch.manual_seed(1)
        torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    command, *arguments = sys.argv[1:]
    if command == "text":
        text(arguments[0])
    elif command == "wide":
        wide(arguments[0], float(arguments[1]))
    else:
        heal(arguments[0], arguments[1], float(arguments[2]))
