"""Reads what ptxas said about each kernel (nvcc -Xptxas=-v) from a build log and prints it as a table, one line for each kernel and one
column for each architecture: registers of a thread / bytes of static shared memory. Fails where a kernel spills or uses local memory."""
import re
import subprocess
import sys


def kernels(log):
    """(name, architecture) -> registers, static shared bytes, stack bytes, spilled bytes"""
    found = {}
    key = stack = spills = None
    for line in log:
        if match := re.search(r"Compiling entry function '(\S+)' for '(\w+)'", line):
            key = match.groups()
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            stack, spills = int(match[1]), int(match[2]) + int(match[3])
        elif match := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            found[key] = (int(match[1]), int(shared[1]) if shared else 0, stack, spills)
    return found


def readable(name):
    text = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()
    text = text.replace("(anonymous namespace)::", "").replace("mla::cuda::", "").replace("void ", "")
    text = re.sub(r"\((int|bool)\)", "", text)
    return text[: text.index("(")] if "(" in text else text


def main():
    found = kernels(open(sys.argv[1], encoding="utf-8", errors="replace"))
    if not found:
        sys.exit("check-cuda: the log says nothing about kernels")
    architectures = sorted({a for _, a in found}, key=lambda a: int(re.sub(r"\D", "", a)))
    names = {name: readable(name) for name, _ in found}
    print("| kernel (registers / static shared bytes) | " + " | ".join(architectures) + " |")
    print("|---" * (len(architectures) + 1) + "|")
    failed = []
    for name in sorted(names, key=names.get):
        cells = []
        for architecture in architectures:
            if (name, architecture) not in found:
                failed.append(f"{names[name]} was not compiled for {architecture}")
                continue
            registers, shared, stack, spills = found[name, architecture]
            cells.append(f"{registers} / {shared}")
            if stack or spills:
                failed.append(f"{names[name]} on {architecture} has {stack} bytes of stack and {spills} bytes of spills")
        print(f"| `{names[name]}` | " + " | ".join(cells) + " |")
    print(f"{len(names)} kernels, {len(architectures)} architectures, {len(failed)} with stack, spills or missing")
    if failed:
        sys.exit("\n".join("check-cuda: " + text for text in failed))


if __name__ == "__main__":
    main()
