#!/usr/bin/env bash
# transformers 5.24.0 (tokenizers 0.23.3, Python 3.11): where tokenizer_config.json names the class LlamaTokenizer or LlamaTokenizerFast,
# AutoTokenizer drops the normalizer of tokenizer.json and puts a Metaspace pre-tokenizer of its own in its place, which sets a word
# boundary before the first word. The tokenizers library reads the same tokenizer.json as it stands. So one file has two sets of ids, and which
# one a user gets depends on a class name in another file.
#
# One would expect tokenizer.json, which describes a tokenizer completely, to be what is run; with PreTrainedTokenizerFast it is.
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6
mkdir "$folder/model"
cat >"$folder/model/tokenizer.json" <<'JSON'
{"version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [{"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
 "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
 "pre_tokenizer": null, "post_processor": null, "decoder": null,
 "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null,
  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
  "vocab": {"<unk>": 0, "a": 1, "▁": 2, "▁a": 3}, "merges": ["▁ a"]}}
JSON
TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder/model" <<'PYTHON' | tee "$folder/seen"
import json, sys
from tokenizers import Tokenizer
from transformers import AutoTokenizer
print("tokenizers", Tokenizer.from_file(sys.argv[1] + "/tokenizer.json").encode("a a").ids)
for name in "PreTrainedTokenizerFast", "LlamaTokenizerFast", "LlamaTokenizer":
    with open(sys.argv[1] + "/tokenizer_config.json", "w") as file:
        json.dump({"tokenizer_class": name, "unk_token": "<unk>"}, file)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    print(name, tokenizer("a a").input_ids, "normalizer", "kept" if tokenizer.backend_tokenizer.normalizer else "dropped")
PYTHON
diff "$folder/seen" - <<'SEEN'
tokenizers [1, 3]
PreTrainedTokenizerFast [1, 3] normalizer kept
LlamaTokenizerFast [3, 3] normalizer dropped
LlamaTokenizer [3, 3] normalizer dropped
SEEN
