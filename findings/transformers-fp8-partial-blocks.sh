#!/usr/bin/env bash
# transformers 5.24.0 (torch 2.15.0, accelerate 1.15.0, Python 3.11, on a CPU): an fp8 weight with weight_block_size [128, 128] whose rows or
# columns are no multiple of 128 is dequantised with the wrong factors. The block is taken to be shape / grid: 136 rows with 2 factors count
# as two blocks of 68, so rows 68 to 127 get the factor of rows 128 to 135. Nothing is said.
#
# One would expect blocks of 128 and a short last one, as DeepSeek-V3 publishes them (576 rows of kv_a_proj_with_mqa have 5 factors; there the
# division does not work out, and the file is refused).
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.15.0 accelerate==1.15.0 safetensors==0.8.0 numpy==2.4.6
TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'PYTHON' | tee "$folder/seen"
import json, sys
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, FineGrainedFP8Config, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(vocab_size=32, hidden_size=128, intermediate_size=136, num_hidden_layers=1,
                     num_attention_heads=2, num_key_value_heads=2)
tensors = {name: t.clone() for name, t in LlamaForCausalLM(config).to(torch.bfloat16).state_dict().items()}
expected = {}
for name in [n for n in tensors if n.endswith("_proj.weight")]:
    rows, columns = tensors[name].shape
    factors = 0.5 * torch.arange(1, 1 + -(-rows // 128)).float()[:, None] + 0.25 * torch.arange(-(-columns // 128)).float()
    tensors[name] = torch.randint(1, 4, (rows, columns)).float().to(torch.float8_e4m3fn)
    tensors[name + "_scale_inv"] = factors
    expected[name] = tensors[name].float() * factors.repeat_interleave(128, 0)[:rows].repeat_interleave(128, 1)[:, :columns]
save_file(tensors, sys.argv[1] + "/model.safetensors", {"format": "pt"})
published = config.to_dict() | {"architectures": ["LlamaForCausalLM"], "quantization_config": {
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}}
json.dump(published, open(sys.argv[1] + "/config.json", "w"))
model = AutoModelForCausalLM.from_pretrained(
    sys.argv[1], quantization_config=FineGrainedFP8Config(dequantize=True), dtype=torch.float32)
got = dict(model.named_parameters())
for part in "self_attn.q_proj", "mlp.gate_proj", "mlp.down_proj":
    name = f"model.layers.0.{part}.weight"
    wrong = got[name] != expected[name]
    rows, columns = wrong.any(1).nonzero().flatten().tolist(), wrong.any(0).nonzero().flatten().tolist()
    where = f"wrong in rows {rows[0]} to {rows[-1]}, columns {columns[0]} to {columns[-1]}" if rows else "right"
    print(f"{part} {tuple(wrong.shape)}: {where}")
PYTHON
diff "$folder/seen" - <<'SEEN' || { cat "$folder/log"; exit 1; }
self_attn.q_proj (128, 128): right
mlp.gate_proj (136, 128): wrong in rows 68 to 127, columns 0 to 127
mlp.down_proj (128, 136): wrong in rows 0 to 127, columns 68 to 127
SEEN
