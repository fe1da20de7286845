#!/usr/bin/env bash
# compressed-tensors 0.20.0 (torch 2.15.0, Python 3.11): weights of 3, 5, 6 and 7 bits are packed in another way than by 0.15.0, under the same
# format name (pack-quantized): values cross the borders of 32-bit words now, before, each word held whole values and the rest was padding.
# unpack_from_int32 of 0.20.0 takes what 0.15.0 wrote without an error and gives other numbers. Weights of 4 and 8 bits are as before.
#
# One would expect another layout to have another name or version in quantization_config, or the old one to be refused: the number of words in
# a row tells them apart.
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 compressed-tensors==0.20.0
"$folder/venv/bin/pip" install --quiet --no-deps --target "$folder/old" compressed-tensors==0.15.0
cat >"$folder/pack.py" <<'PYTHON'
import sys
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32

folder, version = sys.argv[1:]
for bits in 3, 4, 5, 6, 7, 8:
    values = (torch.arange(32).reshape(1, 32) % (1 << bits) - (1 << bits - 1)).to(torch.int8)
    if version == "0.15.0":
        torch.save(pack_to_int32(values, bits), f"{folder}/{bits}")
    else:
        old = torch.load(f"{folder}/{bits}")
        words = pack_to_int32(values, bits).shape[1]
        same = torch.equal(unpack_from_int32(old, bits, values.shape), values)
        print(f"{bits} bits, 32 values: {old.shape[1]} words by 0.15.0, {words} by 0.20.0, which reads the former's",
              "rightly" if same else "wrongly")
PYTHON
PYTHONPATH=$folder/old "$folder/venv/bin/python" "$folder/pack.py" "$folder" 0.15.0
"$folder/venv/bin/python" "$folder/pack.py" "$folder" 0.20.0 | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
3 bits, 32 values: 4 words by 0.15.0, 3 by 0.20.0, which reads the former's wrongly
4 bits, 32 values: 4 words by 0.15.0, 4 by 0.20.0, which reads the former's rightly
5 bits, 32 values: 6 words by 0.15.0, 5 by 0.20.0, which reads the former's wrongly
6 bits, 32 values: 7 words by 0.15.0, 6 by 0.20.0, which reads the former's wrongly
7 bits, 32 values: 8 words by 0.15.0, 7 by 0.20.0, which reads the former's wrongly
8 bits, 32 values: 8 words by 0.15.0, 8 by 0.20.0, which reads the former's rightly
SEEN
