"""Looks at a library for a platform, which need not be this one: check_library.py PLATFORM FILE. It exports the functions of mla.h and the
watch over mapped files, and needs the system's own libraries alone, in no newer version than is promised (docs/platforms.md)."""

import re
import sys

import lief

EXPORTS = {"mla_get_kernels", "mla_watch_mapped", "mla_unwatch_mapped"}
GLIBC = (2, 17)
MACOS = (11, 0)


def fail(text):
    sys.exit(f"{sys.argv[2]}: {text}")


def require(what, found, wanted):
    if found != wanted:
        fail(f"{what} is {found}, but must be {wanted}")


def require_all(what, found, pattern):
    others = sorted(x for x in found if not re.fullmatch(pattern, x))
    if others:
        fail(f"{what}: {', '.join(others)}")


def check_elf(library):
    exported = {s.name for s in library.exported_symbols}
    needed = set(library.libraries)
    # names that musl takes for its own
    require_all("needs", needed, r"lib(c|m|pthread|dl|rt)\.so\.\d+")
    private = {s.name for s in library.imported_symbols if s.name.startswith("__")}
    require_all("needs what glibc alone has", private, r"__(errno_location|cxa_atexit|cxa_finalize|tls_get_addr|stack_chk_fail|gmon_start__)")
    # of which each C library has its own last bits (native/src/cpu/scalar_math.h)
    mathematics = [s.name for s in library.imported_symbols if re.fullmatch(r"(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|erf)f?", s.name)]
    require("what is imported of mathematics", mathematics, [])
    for requirement in library.symbols_version_requirement:
        for symbol in requirement.get_auxiliary_symbols():
            version = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", symbol.name)
            if not version or tuple(map(int, version.groups())) > GLIBC:
                fail(f"needs {symbol.name} of {requirement.name}")
    # a segment must be at the same place of a page of 64 KiB, the largest of AArch64, in the file and in memory
    loads = [s for s in library.segments if s.type == lief.ELF.Segment.TYPE.LOAD]
    if "aarch64" in sys.argv[1]:
        require("alignment of segments", {s.alignment % 65536 for s in loads}, {0})
    stack = [s for s in library.segments if s.type == lief.ELF.Segment.TYPE.GNU_STACK]
    require("an executable stack", [bool(s.flags & lief.ELF.Segment.FLAGS.X) for s in stack], [False])
    return exported, needed


def check_macho(library):
    needed = {x.name for x in library.libraries if x.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB}
    require_all("needs", needed, r"/usr/lib/libSystem\.B\.dylib")
    if tuple(library.build_version.minos[:2]) > MACOS:
        fail(f"needs macOS {library.build_version.minos}")
    if "aarch64" in sys.argv[1] and not library.has_code_signature:
        fail("has no signature, without which macOS loads nothing on AArch64")
    # The linker has no list of exports. What it adds binds nobody, and operators new and delete are those of the whole process, as of every
    # C++ library here: weak, whichever comes first, and malloc's in each.
    exported = {s.name.removeprefix("_") for s in library.exported_symbols}
    return {x for x in exported if not re.fullmatch(r"_Zn[aw]m.*|_Zd[al]Pv.*|_mh_dylib_header|__dso_handle", x)}, needed


def check_pe(library):
    needed = {x.name for x in library.imports}
    require_all("needs", needed, r"(?i)(kernel32|ntdll)\.dll|api-ms-win-crt-[-\w]+\.dll")
    return {e.name for e in library.get_export().entries}, needed


def main():
    platform, file = sys.argv[1:]
    library = lief.parse(file)
    system, processor = platform.split("-")[:2]
    kind = {"linux": lief.ELF.Binary, "macos": lief.MachO.Binary, "windows": lief.PE.Binary}[system]
    if isinstance(library, lief.MachO.FatBinary):
        library = library.at(0)
    require("the kind", type(library), kind)
    machine = str(library.header.cpu_type if system == "macos" else library.header.machine_type if system == "linux" else library.header.machine)
    require("the processor", {"X86_64": "x86_64", "AMD64": "x86_64", "AARCH64": "aarch64", "ARM64": "aarch64"}.get(machine.split(".")[-1]), processor)
    if system == "linux":
        exported, needed = check_elf(library)
    else:
        exported, needed = check_macho(library) if system == "macos" else check_pe(library)
    require("what is exported", exported, EXPORTS)
    print(f"{platform}: {len(open(file, 'rb').read())} bytes, exports {len(exported)} functions, needs {' '.join(sorted(needed)) or 'nothing'}")


main()
