#!/usr/bin/env python3
"""Adds up the stack frames below the module's functions and fails when a way down is too deep: scripts/stack.py MODULE.

A kernel stack has 16 KiB. The way to a module's init takes about 2 of them, and what the kernel does below the module's
deepest functions (TCP, allocation, an interrupt on some machines) is to fit beside them.
"""

import re
import subprocess
import sys

LIMIT = 11 * 1024 + 512
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
FRAME = re.compile(r"\tsub\s+\$0x([0-9a-f]+),%rsp")
CALL = re.compile(r"\t(?:call|jmp)\s+[0-9a-f]+ <([^+>]+)>")
RELOCATION = re.compile(r"R_X86_64_(?:PLT32|PC32)\s+([^\s+-]+)(?:[+-]0x[0-9a-f]+)?$")


def read(module: str) -> tuple[dict[str, int], dict[str, set[str]]]:
    """The frame of each function in bytes, with its return address, and what it calls."""
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    name, before = "", ""
    output = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", module], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.split("\n"):
        if found := FUNCTION.match(line):
            name = found[1]
            frames[name], calls[name] = 8, set()
        elif name:
            if found := FRAME.search(line):
                frames[name] += int(found[1], 16)
            frames[name] += 8 * ("\tpush " in line)
            if found := CALL.search(line):
                calls[name].add(found[1])
            if ("\tcall" in before or "\tjmp" in before) and (found := RELOCATION.search(line)):
                calls[name].add(found[1])
        before = line
    return frames, calls


def deepest(name: str, frames: dict[str, int], calls: dict[str, set[str]], known: dict[str, list[str]], way: set[str]) -> list[str]:
    """The functions on the deepest way down from `name`. What calls itself counts once."""
    if name in way or name not in frames:
        return []
    if name not in known:
        ways = (deepest(other, frames, calls, known, way | {name}) for other in calls[name])
        known[name] = [name, *max(ways, key=lambda names: sum(frames[one] for one in names), default=[])]
    return known[name]


def main() -> int:
    sys.setrecursionlimit(10_000)
    frames, calls = read(sys.argv[1])
    known: dict[str, list[str]] = {}
    way = max((deepest(name, frames, calls, known, set()) for name in frames), key=lambda names: sum(frames[one] for one in names))
    depth = sum(frames[name] for name in way)
    print(f"the deepest way down takes {depth} bytes of stack, of {LIMIT}")
    if depth > LIMIT:
        print("\n".join(f"{frames[name]:6} {name}" for name in way))
    return depth > LIMIT


sys.exit(main())
