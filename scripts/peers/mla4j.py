"""mla4j's side of the comparison: runs scripts/mla4j, pinned like the peers, and reads its own medians (the JVM's start is not in them)."""

import array
import json
import subprocess
from pathlib import Path
from statistics import median

from process import PeerError, pin, pinned_environment

COMMAND = Path(__file__).resolve().parents[1] / "mla4j"


def run(arguments, threads=None):
    """The stdout of a command of mla4j; PeerError with its one line on stderr where it fails."""
    done = subprocess.run(
        [str(COMMAND), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=pinned_environment(threads) if threads else None,
        preexec_fn=pin(threads) if threads else None,
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or f"status {done.returncode}").splitlines()
        raise PeerError(f"mla4j {arguments[0]} {arguments[1]} failed: {said[-1]}")
    return done.stdout


def make_model(preset, folder):
    """Writes the model folder of a preset unless it is there."""
    if not (folder / "config.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        run(["bench", "make-model", "--preset", preset, "--out", str(folder)])


def quantize(folder, weights, file):
    """Writes a model folder as one GGUF file with its matrices in the type `weights`."""
    run(["quantize", "--model", str(folder), "--type", weights, "--out", str(file)])


def bench_arguments(shape, model, backend, threads, cache_types=()):
    """`cache_types`: those among which the best one is sought; empty for what mla4j chooses."""
    common = ["--backend", backend, "--threads", str(threads), "--repetitions", "3", "--json", "-"]
    if shape.of_model:
        # A model's run always has both a prompt and a generation: the one that is not asked for is made short.
        prompt, context, generated = (shape.tokens, 0, 1) if shape.kind == "prompt" else (1, shape.tokens, 64)
        sizes = ["--prompt", str(prompt), "--context", str(context), "--generate", str(generated)]
        cache = ["--cache-type", ",".join(cache_types)] if cache_types else []
        return ["bench", "model", "--model", str(model), *sizes, *cache, *common]
    size = "--prefill" if shape.kind == "prefill" else "--tokens"
    axes = ["--phase", shape.kind, "--kind", "mla", "--heads", str(shape.heads), size, str(shape.tokens)]
    return ["bench", "attention", *axes, "--cache-type", "bf16", *common]


def plot(file, folder):
    """Draws the JSON of a run."""
    run(["bench", "plot-peers", str(file), "--out", str(folder)])


def time_of(result, shape):
    """(nanoseconds, how it ran) of the row of a shape: of one attention, of the whole prompt, or of one generated token."""
    benchmark = {"decode": "attention", "prefill": "prefill"}.get(shape.kind, "model")
    found = [
        row
        for row in result["rows"]
        if row["benchmark"] == benchmark
        and (not shape.of_model or row["kind"] == shape.kind)
        and row["tokens"] == shape.tokens
    ]
    if not found:
        raise PeerError(f"mla4j bench gave no row of {shape.name}")
    best = min(found, key=lambda row: row["medianNs"])
    ns = 1e9 / best["tokensPerSecond"] if shape.kind == "generate" else best["medianNs"]
    how = [
        best.get("isa"),
        best.get("form"),
        best.get("compute"),
        f"cache {best['cacheType']}" if best.get("cacheType") else None,
    ]
    return ns, ", ".join(word for word in how if word), best


def limit_of(rows, shape):
    """What the machine could do at most during mla4j's turns, and the share of it that mla4j reached: medians of its rows."""
    share, peak, unit = (
        ("shareOfBandwidth", "peakGbps", "GB/s")
        if shape.kind == "generate"
        else ("shareOfPeak", "peakGflops", "GFLOP/s")
    )
    return {
        "share": median(row[share] for row in rows),
        "value": median(row[peak] for row in rows),
        "unit": unit,
    }


def logits(model, ids, file):
    """The logits after the last id, computed in float32."""
    run(
        [
            "logits",
            "--model",
            str(model),
            "--ids",
            ",".join(map(str, ids)),
            "--compute",
            "f32",
            "--cache-type",
            "f32",
            "--out",
            str(file),
        ]
    )
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    entry = next(value for key, value in header.items() if key != "__metadata__")
    begin, end = entry["data_offsets"]
    values = array.array("f", data[8 + size + begin : 8 + size + end])
    return list(values[-entry["shape"][-1] :])
