"""llama.cpp and ik_llama.cpp as peers, through the ctypes layer of their Python packages. MLA4J_PEER says which: llama or ik.

LLAMA_CPP_LIB_PATH (a folder) and IK_LLAMA_CPP_LIB_PATH (a file) make the packages load somebody's own build.
"""

import ctypes
import hashlib
import importlib.metadata
import os
import sys
import time
from pathlib import Path

from serve import serve

CACHE_TYPES = {"f32": 0, "f16": 1, "q8_0": 8, "bf16": 30}
THREADS = int(os.environ["OMP_NUM_THREADS"])
MICRO_BATCH = 512
# Room behind the largest context for what is generated.
ROOM = 256
# Fillings of a cache that are kept as files.
STATES, KEPT_LENGTH = Path(os.environ["MLA4J_PEER_STATES"]), 2048

ik = os.environ["MLA4J_PEER"] == "ik"
if ik:
    import ik_llama_cpp._ctypes_api as api

    package = "ik-llama-cpp-python"
else:
    import llama_cpp.llama_cpp as api

    package = "llama-cpp-python"
api._lib.llama_print_system_info.restype = ctypes.c_char_p
models, contexts, said = {}, {}, []


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def log(level, text, _):
    """Keeps the library's own words for a failure."""
    line = text.decode(errors="replace")
    sys.stderr.write(line)
    if line.strip(" .\n"):
        said.append(line.strip())


def check_layout():
    """Somebody's own build may have other structs than the package's Python declares: known defaults tell."""
    params = api.llama_context_default_params()
    seen = params.n_ctx, params.n_batch, params.n_ubatch, params.type_k, params.type_v
    if seen != (512, 2048, 512, 1, 1):
        raise RuntimeError(
            f"llama.h of this build differs from that of {package} {importlib.metadata.version(package)} (defaults {seen})"
        )


def model_of(path, repack):
    if (path, repack) not in models:
        params = api.llama_model_default_params()
        params.n_gpu_layers = 0
        if not ik:
            params.use_extra_bufts = repack
        elif repack:
            params.use_mmap, params.repack_tensors = False, True
        model = api.llama_model_load_from_file(path.encode(), params)
        if not model:
            raise RuntimeError(f"cannot load {path}: {said[-1] if said else 'no reason given'}")
        models[path, repack] = model
    return models[path, repack]


class Context:
    """One llama_context of a setting; its cache holds the first `length` ids of the common sequence."""

    def __init__(self, path, setting, capacity, states):
        params = api.llama_context_default_params()
        params.n_ctx = capacity + ROOM
        params.n_batch = params.n_ubatch = MICRO_BATCH
        params.n_threads = params.n_threads_batch = THREADS
        # With MLA the values are a part of the keys; two types are refused.
        params.type_k = params.type_v = CACHE_TYPES[setting["cache"]]
        if ik:
            params.flash_attn, params.mla_attn = setting["flash"], setting["mla"]
        else:
            params.flash_attn_type = 1 if setting["flash"] else 0
        model = model_of(path, setting.get("repack", False))
        self.context = api.llama_init_from_model(model, params)
        if not self.context:
            raise RuntimeError(said[-1] if said else "llama_init_from_model gave no context")
        self.batch = api.llama_batch_init(MICRO_BATCH, 0, 1)
        self.vocabulary = vocabulary(model)
        self.capacity, self.length = capacity, 0
        # What the form of the cache depends on. Its numbers depend on the weights too, but the time of what is generated behind them
        # does not: a filling serves all weight types.
        about = [package, importlib.metadata.version(package), own_build(), states]
        about += [value for key, value in sorted(setting.items()) if key != "repack"]
        self.identity = hashlib.sha256(repr(about).encode()).hexdigest()[:16]

    def close(self):
        api.llama_batch_free(self.batch)
        api.llama_free(self.context)

    def truncate(self, length):
        if ik:
            remove = api._lib.llama_kv_cache_seq_rm
            remove.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
            remove.restype = ctypes.c_bool
            done = remove(self.context, 0, length, -1)
        else:
            done = api.llama_memory_seq_rm(api.llama_get_memory(self.context), 0, length, -1)
        if not done:
            raise RuntimeError("the cache cannot be truncated")
        self.length = min(self.length, length)

    def decode(self, ids):
        """Appends up to MICRO_BATCH ids; the logits of the last one are computed."""
        batch = self.batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i] = token
            batch.pos[i] = self.length + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = i == len(ids) - 1
        status = api.llama_decode(self.context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode gave {status}")
        self.length += len(ids)
        return api.llama_get_logits_ith(self.context, len(ids) - 1)

    def ids(self, start, count):
        """The same ids for every peer."""
        return [(i * 7919 + 13) % self.vocabulary for i in range(start, start + count)]

    def extend(self, length):
        """Makes the cache hold exactly `length` ids."""
        if self.length > length:
            self.truncate(length)
        while self.length < length:
            self.decode(self.ids(self.length, min(MICRO_BATCH, length - self.length)))

    def fill(self, length):
        """Like extend, but keeps long fillings as files for the next run: computing one takes up to minutes."""
        file = STATES / f"{self.identity}-{length}"
        if length - self.length < KEPT_LENGTH:
            return self.extend(length)
        if file.exists():
            self.truncate(0)
            tokens, count = (ctypes.c_int32 * length)(), ctypes.c_size_t()
            load = api._lib.llama_state_seq_load_file
            load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p] + [
                ctypes.c_size_t,
                ctypes.c_void_p,
            ]
            load.restype = ctypes.c_size_t
            if (
                load(self.context, str(file).encode(), 0, tokens, length, ctypes.byref(count))
                and count.value == length
            ):
                self.length = length
                return None
            self.truncate(0)
        self.extend(length)
        STATES.mkdir(parents=True, exist_ok=True)
        save = api._lib.llama_state_seq_save_file
        save.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t]
        save.restype = ctypes.c_size_t
        tokens = (ctypes.c_int32 * length)(*self.ids(0, length))
        unfinished = file.with_suffix(".unfinished")
        if save(self.context, str(unfinished).encode(), 0, tokens, length):
            unfinished.rename(file)


def vocabulary(model):
    handle = api.llama_model_get_vocab(model)
    return api.llama_vocab_n_tokens(handle)


def context_of(model, setting, capacity, states=""):
    """Contexts are kept, since filling one with many tokens takes long; larger ones replace smaller ones. `states` names the model."""
    key = model, *sorted(setting.items())
    if key in contexts and contexts[key].capacity < capacity:
        contexts.pop(key).close()
    if key not in contexts:
        contexts[key] = Context(model, setting, capacity, states)
    return contexts[key]


def prepare(kind, setting, model, tokens, capacity, states):
    context = context_of(model, setting, capacity, states)
    if kind == "prompt":
        context.extend(0)
        context.decode(context.ids(0, min(tokens, MICRO_BATCH)))
        context.extend(0)
    else:
        context.fill(tokens)
        generate(context, 4)


def generate(context, count):
    start = context.length
    for token in context.ids(start, count):
        context.decode([token])
    context.truncate(start)


def sample(kind, setting, model, tokens, capacity, states, generated=64):
    """Nanoseconds of the whole prompt, or of one generated token."""
    context = context_of(model, setting, capacity, states)
    if kind == "prompt":
        context.truncate(0)
        start = time.perf_counter_ns()
        context.extend(tokens)
        elapsed = time.perf_counter_ns() - start
        context.truncate(0)
        return elapsed
    context.fill(tokens)
    start = time.perf_counter_ns()
    generate(context, generated)
    return (time.perf_counter_ns() - start) / generated


def logits(setting, model, ids):
    """The logits after the last id."""
    context = context_of(model, setting, len(ids))
    context.truncate(0)
    values = context.decode(ids)[: context.vocabulary]
    context.truncate(0)
    return list(values)


def own_build():
    return os.environ.get("IK_LLAMA_CPP_LIB_PATH" if ik else "LLAMA_CPP_LIB_PATH")


def about():
    check_layout()
    own = own_build()
    version = f"{package} {importlib.metadata.version(package)}" + (f" with {own}" if own else "")
    return {"version": version, "features": api._lib.llama_print_system_info().decode().strip()}


api._lib.llama_log_set(log, None)
api.llama_backend_init()
serve({"about": about, "prepare": prepare, "sample": sample, "logits": logits})
