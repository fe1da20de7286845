"""What the kernels need of a GPU and can reach on it at best: cuda_rooflines.py BUILD_LOG NVCC BUILD_FOLDER [--write-docs].

Registers and static shared memory come from the log of nvcc; kernels, blocks, threads and dynamic shared memory from the launches that the code
itself makes (mla_cuda_rooflines, built in BUILD_FOLDER); the operations and bytes of each launch from native/tests/cuda_emulator/rooflines.cpp;
what a GPU has from its data sheet and the CUDA programming guide. The tables stand in docs/cuda.md between two markers. Without --write-docs
the script fails where the nvcc that made them makes others now."""
import dataclasses
import pathlib
import re
import subprocess
import sys

import cuda_resources

DOCS = pathlib.Path(__file__).parent.parent / "docs" / "cuda.md"
BEGIN, END = "<!-- scripts/check-cuda --write-docs: begin -->\n", "<!-- scripts/check-cuda --write-docs: end -->\n"


@dataclasses.dataclass(frozen=True)
class Gpu:
    name: str
    architecture: str  # whose code it runs
    multiprocessors: int
    warps: int  # of a multiprocessor at most, as the next ones
    blocks: int
    shared: int
    shared_of_block: int
    bf16: float  # TFLOP/s, dense, float32 sums
    f32: float
    bandwidth: float  # TB/s


GPUS = [
    Gpu("A100", "sm_80", 108, 64, 32, 167936, 166912, 312, 19.5, 2.04),
    Gpu("H100", "sm_90a", 132, 64, 32, 233472, 232448, 989, 66.9, 3.35),
    Gpu("H200", "sm_90a", 132, 64, 32, 233472, 232448, 989, 66.9, 4.8),
    Gpu("RTX 4090", "sm_80", 128, 48, 24, 102400, 101376, 165, 82.6, 1.01),
]
REGISTERS = 65536  # of a multiprocessor
SHARED_OF_SYSTEM = 1024  # bytes that each block takes beside its own


@dataclasses.dataclass(frozen=True)
class Launch:
    call: str
    kernel: str
    blocks: int
    threads: int
    dynamic: int
    unit: str
    operations: float
    bytes: float
    loaded: float


def rounded_up(value, multiple):
    return -(-value // multiple) * multiple


def resident(gpu, registers, shared, threads):
    """Blocks of a kernel that a multiprocessor can have at once. Registers are given to warps in units of 256, to four warps at a time."""
    warps = threads // 32
    of_registers = REGISTERS // rounded_up(registers * 32, 256) // 4 * 4 // warps
    of_shared = gpu.shared // rounded_up(shared + SHARED_OF_SYSTEM, 128)
    return min(gpu.blocks, gpu.warps // warps, of_registers, of_shared)


def launches_on(gpu, folder):
    folder = pathlib.Path(folder) / "native/tests/cuda_emulator"
    symbols = subprocess.run(
        ["nm", folder / "libmla4j_cuda_emulated.so"], capture_output=True, text=True, check=True
    ).stdout
    names = {int(at, 16): name for at, _, name in (line.split() for line in symbols.splitlines() if len(line.split()) == 3)}
    output = subprocess.run(
        [folder / "mla_cuda_rooflines", str(gpu.multiprocessors), str(gpu.shared_of_block)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = []
    for line in output.splitlines():
        call, offset, blocks, threads, dynamic, unit, operations, moved, loaded = line.split("\t")
        kernel = cuda_resources.readable(names[int(offset, 16)])
        found.append(
            Launch(call, kernel, int(blocks), int(threads), int(dynamic), unit, float(operations), float(moved), float(loaded))
        )
    return found


def quantity(value, units):
    """Three digits and a unit of a thousand each."""
    unit = 0
    while value >= 999.5 and unit + 1 < len(units):
        value /= 1000
        unit += 1
    return f"{value:.3g} {units[unit]}".strip()


def short(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def resources_table(resources, launches):
    lines = [
        "| kernel: registers, shared memory; blocks of a multiprocessor, occupancy | " + " | ".join(g.name for g in GPUS) + " |",
        "|---" * (len(GPUS) + 1) + "|",
    ]
    for kernel in sorted({name for name, _ in resources}):
        cells = []
        for gpu in GPUS:
            own = next((l for l in launches[gpu] if l.kernel == kernel), None)
            registers, static, _, _ = resources[kernel, gpu.architecture]
            if own is None:
                cells.append(f"{registers}; not used" if any(l.kernel == kernel for g in GPUS for l in launches[g]) else f"{registers}")
                continue
            blocks = resident(gpu, registers, static + own.dynamic, own.threads)
            shared = static + own.dynamic
            text = f"{shared / 1024:.0f} KB" if shared >= 1024 else f"{shared} B"
            cells.append(f"{registers}, {text}; {blocks}, {100 * blocks * own.threads / 32 / gpu.warps:.0f} %")
        lines.append(f"| `{kernel}` | " + " | ".join(cells) + " |")
    return lines


def rooflines_table(resources, launches):
    lines = [
        "| call | kernel | FLOP | bytes | FLOP for each byte that blocks load | " + " | ".join(g.name for g in GPUS) + " |",
        "|---" * (len(GPUS) + 5) + "|",
    ]
    rows = list(dict.fromkeys((l.call, l.kernel, l.unit) for i in range(len(launches[GPUS[0]])) for l in (launches[g][i] for g in GPUS)))
    for row in rows:
        own = {g: next((l for l in launches[g] if (l.call, l.kernel, l.unit) == row), None) for g in GPUS}
        first = next(l for l in own.values() if l is not None)
        if all(l is None or l.bytes == 0 for l in own.values()):
            continue  # it is launched and has nothing to do
        cells = []
        for gpu in GPUS:
            launch = own[gpu]
            if launch is None or launch.bytes == 0:
                cells.append("")
                continue
            memory = launch.bytes / gpu.bandwidth / 1e6
            arithmetic = launch.operations / (gpu.bf16 if launch.unit == "bf16" else gpu.f32) / 1e6
            registers, static, _, _ = resources[launch.kernel, gpu.architecture]
            at_once = gpu.multiprocessors * resident(gpu, registers, static + launch.dynamic, launch.threads)
            limit = "memory" if memory >= arithmetic else "arithmetic"
            cells.append(f"{quantity(max(memory, arithmetic), ['us', 'ms'])}, {limit}, {short(launch.blocks / at_once)}")
        first = next(l for l in own.values() if l is not None and l.bytes > 0)
        loaded = short(first.operations / first.loaded) if first.loaded else ""
        lines.append(
            f"| {first.call} | `{first.kernel}` | {quantity(first.operations, ['', 'K', 'M', 'G', 'T'])} | "
            f"{quantity(first.bytes, ['B', 'KB', 'MB', 'GB'])} | {loaded} | " + " | ".join(cells) + " |"
        )
    return lines


def main():
    log, nvcc, folder, *options = sys.argv[1:]
    with open(log, encoding="utf-8", errors="replace") as lines:
        found = cuda_resources.kernels(lines)
    resources = {(cuda_resources.readable(name), architecture): r for (name, architecture), r in found.items()}
    launches = {gpu: launches_on(gpu, folder) for gpu in GPUS}
    version = re.search(r"V(\d+\.\d+\.\d+)", subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout)[1]
    made_with = f"Made with nvcc {version}"
    text = "\n".join(
        [
            f"{made_with} from the compiled code and the launches that it makes for operations of DeepSeek-V3's shape. No figure was measured.",
            "Of a kernel that none of these calls launches only the registers are shown.",
            "",
            "| GPU | runs the code of | multiprocessors | TFLOP/s of dense bf16 | of float32 | TB/s |",
            "|---|---|---|---|---|---|",
            *(f"| {g.name} | {g.architecture} | {g.multiprocessors} | {g.bf16:g} | {g.f32:g} | {g.bandwidth:g} |" for g in GPUS),
            "",
            *resources_table(resources, launches),
            "",
            "The least time of a call: its bytes, each read or written once, at the full bandwidth, or its FLOP at the full rate, whichever is longer;",
            "then the blocks of the launch as a multiple of those that the GPU can have at once. Below 1 some of it is idle. FLOP and bytes are those",
            "on the first of the GPUs that launch the kernel; a row that is split has partial results, more of them where there are more multiprocessors.",
            "",
            *rooflines_table(resources, launches),
            "",
        ]
    )
    docs = DOCS.read_text(encoding="utf-8")
    begin, end = docs.index(BEGIN) + len(BEGIN), docs.index(END)
    if "--write-docs" in options:
        DOCS.write_text(docs[:begin] + text + docs[end:], encoding="utf-8")
        print(f"check-cuda: wrote the tables of {DOCS.name}")
    elif made_with not in docs[begin:end]:
        print(f"check-cuda: the tables of {DOCS.name} were not compared: they are of another nvcc than {version}")
    elif docs[begin:end] != text:
        sys.exit(f"check-cuda: the tables of docs/{DOCS.name} are out of date; scripts/check-cuda --write-docs writes them")


main()
