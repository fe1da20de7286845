"""Makes tiny_mla_types.safetensors: logits of the carried model in each type of GGUF.

usage: tiny_mla_types.py FOLDER MODEL OUT

FOLDER has the files that GgufCarriedModelTest leaves with -Dmla4j.golden.out=FOLDER (it then fails for want of OUT); MODEL is
models/tiny-mla. PyPI's gguf 0.19.0 says which numbers the files stand for, transformers 5.24.0 computes with them in double precision.
Every 32nd logit of each of 12 tokens is kept, and a checksum of each file.
"""

import json
import os
import struct
import sys
import zlib

import numpy as np
import torch
from gguf import GGUFReader, quants
from transformers import AutoConfig, AutoModelForCausalLM

TYPES = ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "BF16", "MXFP4"]
FIRST, TOKENS, STEP = 12, 12, 32
NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "attn_q_a.weight": "self_attn.q_a_proj.weight",
    "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight",
    "attn_q_b.weight": "self_attn.q_b_proj.weight",
    "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight",
    "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
    "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight",
    "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight",
    "ffn_gate_inp.weight": "mlp.gate.weight",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
    "ffn_down_exps.weight": "mlp.experts.down_proj",
}


def weights(path):
    """The tensors of a file as transformers' class names them."""
    read = {}
    for tensor in GGUFReader(path).tensors:
        shape = tuple(int(n) for n in reversed(tensor.shape))
        read[tensor.name] = torch.tensor(quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float64))
    state = {
        "model.embed_tokens.weight": read.pop("token_embd.weight"),
        "model.norm.weight": read.pop("output_norm.weight"),
        "lm_head.weight": read.pop("output.weight"),
    }
    for l in range(6):
        layer = {name.split(".", 2)[2]: value for name, value in read.items() if name.startswith(f"blk.{l}.")}
        to = f"model.layers.{l}."
        keys = layer.pop("attn_k_b.weight").transpose(1, 2)  # (heads, nope, latent)
        state[to + "self_attn.kv_b_proj.weight"] = torch.cat([keys, layer.pop("attn_v_b.weight")], 1).reshape(-1, keys.shape[2])
        if "ffn_gate_exps.weight" in layer:
            pair = [layer.pop("ffn_gate_exps.weight"), layer.pop("ffn_up_exps.weight")]
            state[to + "mlp.experts.gate_up_proj"] = torch.cat(pair, 1)
        for name, value in layer.items():
            state[to + NAMES[name]] = value
    return state


def main():
    folder, model_folder, out = sys.argv[1:]
    with open(os.path.join(model_folder, "expected.json")) as f:
        ids = json.load(f)["logits"]["ids"][FIRST : FIRST + TOKENS]
    config = AutoConfig.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager").double().eval()
    tensors, checksums, f32 = {}, [], None
    for name in TYPES:
        path = os.path.join(folder, name + ".gguf")
        state = weights(path)
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert not missing and not unexpected, (missing, unexpected)
        with torch.no_grad():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0].double().numpy()
        f32 = logits if f32 is None else f32
        print(name, np.abs(logits).max(), "from F32:", np.abs(logits - f32).max())
        tensors[name] = logits[:, ::STEP].astype("<f4")
        checksums.append(zlib.crc32(open(path, "rb").read()))
    tensors["ids"] = np.array(ids, dtype="<i8")
    tensors["checksums"] = np.array(checksums, dtype="<i8")
    header, data = {}, b""
    for name, value in tensors.items():
        raw = value.tobytes()
        kind = "I64" if value.dtype == np.int64 else "F32"
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(out, "wb").write(struct.pack("<Q", len(text)) + text + data)


main()
