"""Hugging Face transformers as a peer: runs the model folder that mla4j runs. Works in the environment of the peers."""

import importlib.metadata
import inspect
import os
import time

import torch
import transformers
from transformers import AutoModelForCausalLM, DynamicCache, StaticCache

from serve import serve

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.set_grad_enabled(False)
transformers.logging.set_verbosity_error()
models, state = {}, {}


def model_of(folder, setting):
    key = setting["type"], setting["attention"]
    if key not in models:
        models.clear()
        models[key] = AutoModelForCausalLM.from_pretrained(
            folder, dtype=TYPES[setting["type"]], attn_implementation=setting["attention"]
        ).eval()
    return models[key]


def ids(count, vocabulary):
    """The same ids for every peer."""
    return torch.tensor([[(i * 7919 + 13) % vocabulary for i in range(count)]])


def cache_argument(model):
    """The argument of the cache was renamed in transformers 5."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def step(model, tokens, cache, position):
    """Runs new tokens behind the cached ones."""
    model(tokens, **{cache_argument(model): cache}, position_ids=torch.tensor([[position]]), use_cache=True)


def filled_cache(model, setting, context, room):
    """A cache that holds `context` tokens: random numbers, since they do not change the time, in the shapes that the model stores."""
    config, dtype = model.config, TYPES[setting["type"]]
    static = setting["cache"] == "static"
    cache = (
        StaticCache(config=config, max_cache_len=context + room) if static else DynamicCache(config=config)
    )
    if context:
        probe = DynamicCache(config=config)
        step(model, ids(1, config.vocab_size), probe, 0)
        for i, layer in enumerate(probe.layers):
            keys, values = (
                torch.randn(*t.shape[:2], context, t.shape[3]).to(dtype) for t in (layer.keys, layer.values)
            )
            cache.update(keys, values, i)
    return cache


def generate(model, cache, context, count):
    tokens = ids(count, model.config.vocab_size)
    for i in range(count):
        step(model, tokens[:, i : i + 1], cache, context + i)


def prompt(model, count):
    model(ids(count, model.config.vocab_size), use_cache=True, logits_to_keep=1)


def prepare(kind, setting, model, tokens, generated=64):
    state.clear()
    network = model_of(model, setting)
    if kind == "prompt":
        prompt(network, tokens)
    else:
        generate(network, filled_cache(network, setting, tokens, 4), tokens, 4)
        state["cache"] = filled_cache(network, setting, tokens, generated)


def sample(kind, setting, model, tokens, generated=64):
    """Nanoseconds of the whole prompt, or of one generated token."""
    network = model_of(model, setting)
    if kind == "prompt":
        start = time.perf_counter_ns()
        prompt(network, tokens)
        return time.perf_counter_ns() - start
    cache = state.pop("cache", None) or filled_cache(network, setting, tokens, generated)
    start = time.perf_counter_ns()
    generate(network, cache, tokens, generated)
    return (time.perf_counter_ns() - start) / generated


def logits(setting, model, ids):
    """The logits after the last id."""
    return model_of(model, setting)(torch.tensor([ids]), use_cache=False).logits[0, -1].float().tolist()


def about():
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("transformers", "torch")]
    return {"version": ", ".join(versions), "features": torch.backends.cpu.get_cpu_capability()}


serve({"about": about, "prepare": prepare, "sample": sample, "logits": logits})
