"""The virtual environment of the peers, in build/peers. Packages are installed once and kept; a marker beside them says for what."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from process import PeerError

FOLDER = Path(__file__).resolve().parents[2] / "build" / "peers"
VENV = FOLDER / "venv"
PYTHON = VENV / "bin" / "python"
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
# -march=native: a ready-made wheel may lack 512-bit code.
NATIVE = "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF"

# The groups of packages that each peer needs.
NEEDS = {
    "torch": ["torch"],
    "transformers": ["torch", "transformers"],
    "llama": ["gguf", "llama"],
    "ik": ["gguf", "ik"],
}
PACKAGES = {
    "torch": ["torch", "numpy"],
    "transformers": ["transformers", "safetensors"],
    "gguf": ["gguf", "numpy"],
    "llama": ["llama-cpp-python"],
    "ik": ["ik-llama-cpp-python"],
}
FROM_SOURCE = {"llama", "ik"}


def pip(log, *arguments, environment=None):
    """Runs pip, its output into the log; PeerError with its last error line where it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    with open(log, "ab") as out:
        out.write(f"{' '.join(command)}\n".encode())
        out.flush()
        status = subprocess.run(
            command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}
        ).returncode
    if status != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "error" in line.lower()]
        raise PeerError(
            f"pip {arguments[0]} failed: {errors[-1].strip() if errors else 'no error text'} (log: {log})"
        )


def attempts(group):
    """The pip commands to try for a group, the best first: (arguments, variables, what a reader must know of the result)."""
    names = PACKAGES[group]
    if group == "torch":
        # The ordinary build brings gigabytes of CUDA; it is the same on a CPU.
        quick = ["--index-url", TORCH_CPU, "--retries", "0", "--timeout", "10"]
        return [(["install", *quick, "torch"], {}, ""), (["install", *names], {}, "")]
    if group in FROM_SOURCE:
        flags = f"{os.environ.get('CMAKE_ARGS', '')} {NATIVE}".strip()
        if group == "ik":
            flags += (
                f" -DCMAKE_PROJECT_INCLUDE={shlex.quote(str(Path(__file__).with_name('ik_build.cmake')))}"
            )
        source = ["install", "--no-cache-dir", "--no-binary", names[0], names[0]]
        ready_made = "a ready-made wheel, since compiling it for this processor failed"
        return [
            (source, {"CMAKE_ARGS": flags}, ""),
            (["install", "--only-binary", names[0], names[0]], {}, ready_made),
        ]
    return [(["install", *names], {}, "")]


def install(group, say):
    """Installs a group of packages unless its marker says that it is there; what a reader must know of it, or ""."""
    marker, wanted = (
        VENV / f"installed-{group}",
        f"Python {platform.python_version()}: {' '.join(PACKAGES[group])}\n",
    )
    if marker.exists() and marker.read_text().startswith(wanted):
        return marker.read_text().removeprefix(wanted)
    log, failure = FOLDER / f"install-{group}.log", None
    log.unlink(missing_ok=True)
    say(
        f"installing {', '.join(PACKAGES[group])}"
        + (" (compiles, takes minutes)" if group in FROM_SOURCE else "")
        + f"; log: {log}"
    )
    for arguments, variables, note in attempts(group):
        try:
            pip(log, *arguments, environment=variables)
            if group == "torch":
                pip(log, "install", "numpy")
            marker.write_text(wanted + note)
            return note
        except PeerError as e:
            failure = failure or e
    raise failure


def prepare(peer, say):
    """Makes sure that a peer's packages are there; what a reader must know of them, or ""."""
    if not PYTHON.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        say(f"making a virtual environment in {VENV}")
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
        if made.returncode != 0:
            raise PeerError(
                f"python3 -m venv failed: {(made.stderr or made.stdout).strip().splitlines()[-1]}"
            )
    notes = [install(group, say) for group in NEEDS[peer]]
    return "; ".join(note for note in notes if note)
