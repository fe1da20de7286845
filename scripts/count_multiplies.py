"""What the inner loops of AArch64's kernels hold, counted in machine code: count_multiplies.py FILE... (objects or libraries with symbols), after
scripts/cross-build linux-aarch64: build/cross/cmake/linux-aarch64/native/CMakeFiles/mla_isa_neon*.dir/src/cpu/arm/*.o

For each function, of its innermost loops that multiply vectors the one with the most multiply-adds: how many, how many vectors it loads
or spreads from memory, how many it writes (also what ran out of registers), all of its instructions, and multiply-adds for each load. Takes Debian's binutils-aarch64-linux-gnu."""

import re
import subprocess
import sys
from collections import Counter

MULTIPLY = re.compile(r"(fmla|fmls|bfdot|sdot|usdot|udot|smlal2?|sadalp|bfmmla|smmla)$")
VECTORS = re.compile(r"\b[qv]\d+")
LEAST = 4  # multiply-adds of a loop that is worth a line


def disassembled(file):
    """Functions: name, and instructions as (address, mnemonic, operands)."""
    command = ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", "-C", file]
    try:
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    except FileNotFoundError:
        sys.exit("count_multiplies: needs aarch64-linux-gnu-objdump (Debian: apt-get install binutils-aarch64-linux-gnu)")
    name, code = None, []
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            if code:
                yield name, code
            name, code = head.group(1), []
        elif instruction := re.match(r"\s*([0-9a-f]+):\t(\S+)\s*(.*)", line):
            code.append((int(instruction.group(1), 16), instruction.group(2), instruction.group(3)))
    if code:
        yield name, code


def innermost_loops(code):
    """From a jump back to where it leads to, without another such loop inside."""
    first, last = code[0][0], code[-1][0]
    loops = []
    for address, mnemonic, operands in code:
        target = re.search(r"([0-9a-f]+) <", operands)
        if re.match(r"b(\.\w+)?$|cbn?z$|tbn?z$", mnemonic) and target and first <= int(target.group(1), 16) < address <= last:
            loops.append((int(target.group(1), 16), address))
    return [x for x in loops if not any(x != y and x[0] <= y[0] and y[1] <= x[1] for y in loops)]


def counted(code, loop):
    count = Counter()
    for address, mnemonic, operands in code:
        if not loop[0] <= address <= loop[1]:
            continue
        count["all"] += 1
        if MULTIPLY.match(mnemonic) and "." in operands:
            count["multiply"] += 1
            count[mnemonic] += 1
        vectors = VECTORS.findall(operands.split("[")[0])
        if re.match(r"(ldr|ldur|ldp|ld1|ld1r|ld[234]|ldnp)$", mnemonic) and re.match(r"\{?\s*[qvds]\d", operands):
            count["load"] += max(1, len(vectors))
        elif re.match(r"(str|stur|stp|st1)$", mnemonic) and re.match(r"\{?\s*[qv]\d", operands):
            count["store"] += max(1, len(vectors))
    return count


def short(name):
    name = re.sub(r"\(anonymous namespace\)::|mla::", "", name)
    name = re.sub(r"^(void|auto|long|bool|int) ", "", name)
    while (shorter := re.sub(r"\([^()]*\)( const)?", "", name)) != name:
        name = shorter
    return name.replace(" ", "")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for file in sys.argv[1:]:
        print(f"{file.rsplit('/', 1)[-1]}:\n{'multiply':>9} {'load':>5} {'store':>6} {'all':>5} {'ratio':>6}  function")
        best = {}
        for name, code in disassembled(file):
            for loop in innermost_loops(code):
                count = counted(code, loop)
                if count["multiply"] >= LEAST:
                    best.setdefault((short(name), max(MULTIPLY_NAMES, key=lambda x: count[x])), []).append(count)
        for (name, kind), counts in sorted(best.items()):
            count = max(counts, key=lambda c: c["multiply"])
            ratio = f"{count['multiply'] / count['load']:.1f}" if count["load"] else "-"
            print(f"{count['multiply']:>9} {count['load']:>5} {count['store']:>6} {count['all']:>5} {ratio:>6}  {name} ({kind})")


MULTIPLY_NAMES = ("fmla", "bfdot", "sdot", "usdot", "smlal", "sadalp")
main()
