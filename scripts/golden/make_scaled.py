#!/usr/bin/env python3
"""Makes golden cases of weights under scales out of others:

mistral4-fp8   mistral4 with its stacked experts in fp8: in blocks of 8 x 32, and in the last layer with one scale for each expert
kimi-k25-mxfp4 kimi-k25-int4 with its experts as compressed-tensors' mxfp4-pack-quantized: two E2M1 in a byte, the first one in the low half,
               under an E8M0 for 32 of them

What is expected is transformers' float32 forward pass over the weights that they stand for, exactly.

usage: make_scaled.py CASES, the folder of golden cases (needs torch and transformers 5.24)"""
import json
import os
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
MADE_WITH = f"transformers {transformers.__version__}, torch {torch.__version__}, scripts/golden/make_scaled.py"


def blocks_of(matrix, rows, columns):
    """Which block each element of a matrix (.., rows, columns) lies in, and how many there are."""
    high, wide = matrix.shape[-2:]
    return torch.arange(high) // rows, torch.arange(wide) // columns, -(-high // rows), -(-wide // columns)


def fp8(stack, rows, columns):
    """(codes, scales, values) of experts (e, rows, columns)."""
    r, c, high, wide = blocks_of(stack, rows, columns)
    scales = torch.zeros(stack.shape[0], high, wide)
    for i in range(high):
        for j in range(wide):
            scales[:, i, j] = stack[:, r == i][:, :, c == j].abs().amax((1, 2)) / 448
    spread = scales[:, r][:, :, c]
    codes = (stack / spread).to(torch.float8_e4m3fn)
    return codes, scales, codes.float() * spread


def mxfp4(matrix):
    """(packed, scales, values) of a matrix whose rows are a multiple of 32."""
    groups = matrix.reshape(matrix.shape[0], -1, 32)
    exponent = (groups.abs().amax(-1) / 6).log2().ceil().clamp(-127, 127)
    scaled = groups / 2 ** exponent[..., None]
    index = (scaled.abs()[..., None] - E2M1).abs().argmin(-1)
    codes = (index + 8 * (scaled < 0)).to(torch.uint8).reshape(matrix.shape)
    values = (E2M1[index] * torch.where(scaled < 0, -1, 1) * 2 ** exponent[..., None]).reshape(matrix.shape)
    return codes[:, 0::2] | codes[:, 1::2] << 4, (exponent + 127).to(torch.uint8), values


def mistral4(weights, config):
    stored, plain = {}, {}
    layers = config["text_config"]["num_hidden_layers"]
    for name, tensor in weights.items():
        plain[name] = tensor.float()
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            stored[name] = tensor
            continue
        whole = f".{layers - 1}." in name
        codes, scales, plain[name] = fp8(tensor.float(), *(tensor.shape[1:] if whole else (8, 32)))
        stored[name], stored[name + "_scale_inv"] = codes, scales
        if whole:
            stored[name + "_activation_scale"] = torch.ones(())
    config["text_config"]["quantization_config"] = {
        "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [8, 32]}
    return stored, plain


def kimi(weights, config):
    stored, plain = {}, {}
    for name, tensor in weights.items():
        if name.endswith(("weight_scale", "weight_shape")):
            continue
        if not name.endswith("weight_packed"):
            stored[name], plain[name] = tensor, tensor.float()
            continue
        base = name.removesuffix("_packed")
        codes = torch.stack([(tensor >> 4 * i) & 15 for i in range(8)], -1).reshape(tensor.shape[0], -1) - 8
        spread = weights[base + "_scale"].float().repeat_interleave(32, 1)
        stored[name], stored[base + "_scale"], plain[base] = mxfp4(codes * spread)
    quantization = config["text_config"]["quantization_config"]
    quantization["format"] = "mxfp4-pack-quantized"
    quantization["config_groups"]["group_0"]["weights"] |= {"type": "float", "scale_dtype": "torch.uint8"}
    return stored, plain


def text_model(plain, config, folder):
    """The text part of a wrapper, in float32 and without quantisation."""
    text = {k: v for k, v in config["text_config"].items() if k != "quantization_config"}
    text["torch_dtype"] = "float32"
    if text["model_type"] == "kimi_k2":
        text["model_type"] = "deepseek_v3"
    json.dump(text, open(f"{folder}/config.json", "w"))
    prefix = "language_model."
    save_file({k.removeprefix(prefix): v.contiguous() for k, v in plain.items() if k.startswith(prefix)}, f"{folder}/model.safetensors",
              {"format": "pt"})
    code = {"deepseek_v3": "DeepseekV3ForCausalLM", "mistral4": "Mistral4ForCausalLM"}[text["model_type"]]
    return getattr(transformers, code).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def main(cases):
    torch.set_grad_enabled(False)
    for source, name, change in (("mistral4", "mistral4-fp8", mistral4), ("kimi-k25-int4", "kimi-k25-mxfp4", kimi)):
        config = json.load(open(f"{cases}/{source}/config.json"))
        golden = load_file(f"{cases}/{source}/golden.safetensors")
        ids = golden["input_ids"]
        stored, plain = change(load_file(f"{cases}/{source}/model.safetensors"), config)
        with tempfile.TemporaryDirectory() as folder:
            model = text_model(plain, config, folder)
            logits = model(ids[None]).logits[0]
            continued = golden["greedy_ids"][:-16].tolist()
            for _ in range(16):
                continued.append(int(model(torch.tensor([continued])).logits[0, -1].argmax()))
        print(name, "differs from", source, "by", ((logits - golden["logits"]).abs().max() / golden["logits"].abs().max()).item())
        folder = f"{cases}/{name}"
        os.makedirs(folder, exist_ok=True)
        json.dump(config, open(f"{folder}/config.json", "w"), indent=1)
        save_file({k: v.contiguous() for k, v in stored.items()}, f"{folder}/model.safetensors", {"format": "pt"})
        save_file({"input_ids": ids, "logits": logits.contiguous(), "greedy_ids": torch.tensor(continued)},
                  f"{folder}/golden.safetensors", {"made_with": MADE_WITH})


main(sys.argv[1])
