#!/usr/bin/env python3
"""Makes the golden case ling-limits: ling-hybrid with limits on the activations of experts, which transformers ignores. They are put into its
classes here: min(silu(gate), L) * clamp(up, -L, L) (Ling-3.0-Flash).

usage: make_ling_limits.py CASES, the folder of golden cases (needs torch and transformers 5.24)"""
import json
import os
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

# None changes little: about a third of the numbers reaches them.
LIMITS = {"expert_swiglu_limit_list": [0, 0, 2, 0, 1, 1.5], "share_expert_swiglu_limit_list": [0, 0, 0, 2, 1, 0]}
reached = {}


class Limited(torch.nn.Module):
    """silu(gate) from above; the other factor is limited where it is multiplied: by Factor."""

    def __init__(self, limit, name):
        super().__init__()
        self.limit, self.name = limit, name

    def forward(self, gate):
        return Factor(torch.nn.functional.silu(gate).clamp(max=self.limit), self)


class Factor:
    def __init__(self, activated, limited):
        self.activated, self.limited = activated, limited

    def __mul__(self, up):
        limit = self.limited.limit
        at = ((up.abs() > limit) | (self.activated >= limit)).float().mean().item()
        reached.setdefault(self.limited.name, []).append(at)
        return self.activated * up.clamp(-limit, limit)


def main(cases):
    source, folder = f"{cases}/ling-hybrid", f"{cases}/ling-limits"
    os.makedirs(folder, exist_ok=True)
    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
    golden = load_file(f"{source}/golden.safetensors")
    ids = golden["input_ids"]
    difference = (model(ids[None]).logits[0] - golden["logits"]).abs().max() / golden["logits"].abs().max()
    print("ling-hybrid without limits: differs by", difference.item())
    for i, layer in enumerate(model.model.layers):
        for key, part in (("expert_swiglu_limit_list", "experts"), ("share_expert_swiglu_limit_list", "shared_experts")):
            if LIMITS[key][i] > 0:
                getattr(layer.mlp, part).act_fn = Limited(LIMITS[key][i], f"{part} of layer {i}")
    logits = model(ids[None]).logits[0]
    print("limits change", ((logits - golden["logits"]).abs().max() / golden["logits"].abs().max()).item())
    print({name: round(sum(at) / len(at), 2) for name, at in reached.items()})
    continued = golden["greedy_ids"][:36].tolist()
    for _ in range(16):
        continued.append(int(model(torch.tensor([continued])).logits[0, -1].argmax()))
    config = json.load(open(f"{source}/config.json")) | LIMITS
    json.dump(config, open(f"{folder}/config.json", "w"), indent=1)
    shutil.copyfile(f"{source}/model.safetensors", f"{folder}/model.safetensors")
    save_file({"input_ids": ids, "logits": logits.contiguous(), "greedy_ids": torch.tensor(continued)}, f"{folder}/golden.safetensors",
              {"made_with": f"transformers {transformers.__version__}, torch {torch.__version__}, scripts/golden/make_ling_limits.py"})


main(sys.argv[1])
