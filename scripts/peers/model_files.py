"""The model in the form that llama.cpp, ik_llama.cpp and mla4j read: one GGUF file for each type of weights."""

import environment
import mla4j
from process import PeerError

# Types of `mla4j quantize`; the first one holds the numbers of the model's folder.
TYPES = ["bf16", "q8_0", "q4_0", "q4_k_m", "q6_k"]


def gguf(folder, weights, say):
    """The GGUF file of a model folder with its matrices in a type of TYPES; made where it is missing or older than the folder's files."""
    file = environment.FOLDER / "models" / f"{folder.resolve().name}-{weights}.gguf"
    newest = max(path.stat().st_mtime for path in folder.iterdir())
    if not file.exists() or file.stat().st_mtime < newest:
        say(f"writing {file}")
        file.parent.mkdir(parents=True, exist_ok=True)
        mla4j.quantize(folder, weights, file)
    return file


def all_of(folder, types, say):
    """({type: file}, {type: why there is none})."""
    files, failures = {}, {}
    for weights in types:
        try:
            files[weights] = gguf(folder, weights, say)
        except PeerError as e:
            failures[weights] = str(e)
    return files, failures
