"""Where things are, as qemu/bench/run says it."""

import os
from pathlib import Path

CHECKOUT = Path(os.environ["BENCH_CHECKOUT"])
# What is left behind: a directory for each boot, and all samples.
BUILD = CHECKOUT / "build/bench"
INIT = CHECKOUT / "qemu/bench/guest/init"
THIN = os.environ["BENCH_THIN"]
# The user-mode kernel, its modules and the driver for it.
UML = Path(os.environ["BENCH_UML"])
UML_MODULES = Path(os.environ["BENCH_UML_MODULES"])
UML_MODULE = Path(os.environ["BENCH_UML_MODULE"])
# The stock kernel, likewise.
KERNEL = Path(os.environ["BENCH_KERNEL"])
MODULES = Path(os.environ["BENCH_MODULES"])
MODULE = Path(os.environ["BENCH_MODULE"])
# How often each row goes through A B B A.
PAIRS = int(os.environ.get("BENCH_PAIRS") or 2)
# The size of the store behind every disk.
MIB = 64
