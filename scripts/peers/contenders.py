"""Who takes part: mla4j's backends and every peer, each with the settings among which its best one is sought."""

from itertools import product

ATTENTION, MODEL = {"decode", "prefill"}, {"prompt", "generate"}
FORMS = {"latent": "matmul-softmax-matmul over the latent", "expanded": "SDPA over expanded heads"}


def label(setting):
    """A setting as a reader sees it: `cache f16, flash on`."""
    words = []
    for key, value in setting.items():
        word = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        words.append(word if key in ("form", "type") else f"{key} {word}")
    return ", ".join(str(word) for word in words)


class Contender:
    """`family` is the peer (torch, llama, ...); `cache` what it stores, where that is fixed."""

    def __init__(self, family, name, kinds, settings, stores=None):
        self.family, self.name, self.kinds, self.stores = family, name, kinds, stores
        self._settings = settings

    def settings(self, shape):
        return self._settings(shape)


def torch_contenders():
    found = []
    for form, dtype in product(FORMS, ("f32", "bf16")):

        def settings(shape, form=form, dtype=dtype):
            if form == "latent":
                return [{"form": form, "type": dtype}]
            return [{"form": form, "type": dtype, "padded": padded} for padded in (False, True)]

        kinds = {"decode"} if form == "latent" else ATTENTION
        found.append(Contender("torch", f"torch {dtype}, {FORMS[form]}", kinds, settings, dtype))
    return found


def transformers_settings(shape):
    caches = ("dynamic", "static") if shape.kind == "generate" else ("dynamic",)
    names = ("type", "attention", "cache")
    return [dict(zip(names, values)) for values in product(("bf16", "f32"), ("sdpa", "eager"), caches)]


def llama_settings(types):
    return lambda shape: [{"cache": cache, "flash": flash} for cache, flash in product(types, (True, False))]


def ik_settings(types):
    return lambda shape: [
        {"cache": cache, "flash": flash, "mla": 3, "repack": repack}
        for repack, cache, flash in product((False, True), types, (True, False))
    ]


def contenders(peers, types):
    """The contenders of the chosen peers; `types` are the cache types that llama and ik try."""
    found = torch_contenders() if "torch" in peers else []
    if "transformers" in peers:
        found.append(Contender("transformers", "transformers", MODEL, transformers_settings))
    if "llama" in peers:
        found.append(Contender("llama", "llama.cpp", MODEL, llama_settings(types)))
    if "ik" in peers:
        found.append(Contender("ik", "ik_llama.cpp", MODEL, ik_settings(types)))
    return found
