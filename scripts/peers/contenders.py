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
    """`family` is the peer (torch, llama, ...); `stores` what it caches, where that is fixed."""

    def __init__(self, family, name, kinds, settings, stores=None):
        self.family, self.name, self.kinds, self.stores = family, name, kinds, stores
        self._settings = settings

    def settings(self, shape, weights):
        return self._settings(shape, weights)

    def takes_part(self, shape, weights):
        """Whether it can run a shape of a model whose weights have a type; of a folder there is bf16 alone."""
        return shape.kind in self.kinds and (self.family != "transformers" or weights == "bf16")


def torch_contenders():
    found = []
    for form, dtype in product(FORMS, ("f32", "bf16")):

        def settings(shape, weights, form=form, dtype=dtype):
            if form == "latent":
                return [{"form": form, "type": dtype}]
            return [{"form": form, "type": dtype, "padded": padded} for padded in (False, True)]

        kinds = {"decode"} if form == "latent" else ATTENTION
        found.append(Contender("torch", f"torch {dtype}, {FORMS[form]}", kinds, settings, dtype))
    return found


def transformers_settings(shape, weights):
    caches = ("dynamic", "static") if shape.kind == "generate" else ("dynamic",)
    names = ("type", "attention", "cache")
    return [dict(zip(names, values)) for values in product(("bf16", "f32"), ("sdpa", "eager"), caches)]


def llama_settings(types):
    """Repacking is on by itself, and has nothing to do where weights are not quantised."""
    return lambda shape, weights: [
        {"cache": cache, "flash": flash, "repack": repack}
        for repack, cache, flash in product(
            (True,) if weights == "bf16" else (True, False), types, (True, False)
        )
    ]


def ik_settings(types):
    return lambda shape, weights: [
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
