"""Loads a library for CUDA and prints the name of its first device: cuda_device.py LIBRARY. Where there is none it
prints the reason and ends with 3."""
import ctypes
import pathlib
import re
import struct
import sys

HEADER = (pathlib.Path(__file__).resolve().parent.parent / "native/include/mla/mla.h").read_text()
NO_DEVICE = 3


def constant(name):
    return int(re.search(rf"^#define {name}(?: \\\n)?\s+(\d+)", HEADER, re.M)[1])


ABI_VERSION = constant("MLA_ABI_VERSION")
DESCRIBE_REASON, DESCRIBE_LAYOUT = constant("MLA_DESCRIBE_REASON"), constant("MLA_DESCRIBE_LAYOUT")


def end_without_device(reason):
    print(reason)
    sys.exit(NO_DEVICE)


def main():
    try:
        library = ctypes.CDLL(sys.argv[1])
    except OSError as e:
        sys.exit(str(e))
    library.mla_get_device_kernels.restype = ctypes.c_void_p
    table = library.mla_get_device_kernels(ABI_VERSION)
    if not table:
        sys.exit(f"{sys.argv[1]} has no table of version {ABI_VERSION}")
    # after struct_size and abi_version: describe, count, info
    describe, _, info = struct.unpack("3P", ctypes.string_at(table + 8, struct.calcsize("3P")))
    describe = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)(describe)

    def told(subject):
        text = ctypes.create_string_buffer(describe(subject, None, 0) + 1)
        describe(subject, text, len(text))
        return text.value.decode()

    if reason := told(DESCRIBE_REASON):
        end_without_device(reason)
    size = int(re.search(r"^struct mla_device_info (\d+)$", told(DESCRIBE_LAYOUT), re.M)[1])
    properties = ctypes.create_string_buffer(struct.pack("i", size), size)
    name, error = ctypes.create_string_buffer(256), ctypes.create_string_buffer(512)
    if ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)(info)(
        0, properties, name, len(name), error, len(error)
    ):
        end_without_device(error.value.decode())
    print(name.value.decode())


main()
