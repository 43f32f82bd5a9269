#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plans a container with libnumaplace, by ctypes: plan.py ROOT KEY=VALUE...

plan.py / limits.cpu=4 limits.memory=8GiB
"""
import ctypes
import itertools
import sys

lib = ctypes.CDLL("libnumaplace.so.0")
# Without these, ctypes takes pointers for integers of 32 bits.
for name in ("version", "error", "placement_nodes", "placement_cpus", "placement_mems", "placement_reason"):
    getattr(lib, "numaplace_" + name).restype = ctypes.c_char_p


def plan(root, keys):
    """The placement as a dictionary; OSError with the library's message if there is none."""
    np, request, placement = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()

    def check(status):
        if status < 0:
            raise OSError(-status, lib.numaplace_error(np).decode())

    try:
        check(lib.numaplace_open(ctypes.byref(np), root.encode(), None, None, 1))  # NUMAPLACE_READ_ONLY
        check(lib.numaplace_request_new(np, ctypes.byref(request)))
        for key, value in keys.items():
            check(lib.numaplace_request_set(request, key.encode(), value.encode()))
        check(lib.numaplace_plan(np, request, None, ctypes.byref(placement)))
        reasons = itertools.takewhile(bool, (lib.numaplace_placement_reason(placement, i) for i in itertools.count()))
        return {
            "nodes": lib.numaplace_placement_nodes(placement).decode(),
            "cpus": lib.numaplace_placement_cpus(placement).decode(),
            "mems": lib.numaplace_placement_mems(placement).decode(),
            "reasons": [reason.decode() for reason in reasons],
        }
    finally:
        lib.numaplace_placement_free(placement)
        lib.numaplace_request_free(request)
        lib.numaplace_close(np)


if __name__ == "__main__":
    try:
        found = plan(sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:]))
    except OSError as error:
        sys.exit(f"plan.py: {error.strerror}")
    print(f"nodes {found['nodes']}, CPUs {found['cpus']}, memory nodes {found['mems']}")
    print("\n".join(found["reasons"]))
