#!/usr/bin/env bash
# transformers 5.24.0 (tokenizers 0.23.3, Python 3.11): AutoTokenizer does not apply `add_bos_token: true` of tokenizer_config.json where a
# tokenizer.json lies beside it, and the tokenizer then says that its add_bos_token is False. The same key as a keyword argument is applied.
#
# One would expect the key to do what the keyword does: DeepSeek's, Kimi's and others' files have it, llama.cpp's conversion writes it into a
# GGUF as tokenizer.ggml.add_bos_token, and llama.cpp then begins every text with BOS. Ids made with transformers lack it, and a model that was
# trained with BOS answers worse without it.
#
# Output seen: "from the file: [4, 5, 4] False" and "as a keyword: [0, 4, 5, 4] True". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6
mkdir "$folder/model"
cat >"$folder/model/tokenizer.json" <<'JSON'
{"version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
 "normalizer": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
 "post_processor": null,
 "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
  "vocab": {"<s>": 0, "a": 2, "b": 3, "ab": 4, "Ġ": 5}, "merges": ["a b"]}}
JSON
echo '{"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "add_bos_token": true}' >"$folder/model/tokenizer_config.json"
TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder/model" <<'PYTHON' | tee "$folder/seen"
import sys
from transformers import AutoTokenizer
for how, keywords in ("from the file", {}), ("as a keyword", {"add_bos_token": True}):
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], **keywords)
    print(f"{how}: {tokenizer('ab ab').input_ids} {tokenizer.add_bos_token}")
PYTHON
diff "$folder/seen" - <<'SEEN'
from the file: [4, 5, 4] False
as a keyword: [0, 4, 5, 4] True
SEEN
