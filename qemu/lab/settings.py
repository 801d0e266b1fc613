"""Where things are, as qemu/enter.sh says it."""

import os
from pathlib import Path

CHECKOUT = Path(os.environ["LAB_CHECKOUT"])
# The kernel under test, its image, its modules, and the module built for it.
RELEASE = os.environ["LAB_RELEASE"]
KERNEL = Path(os.environ["LAB_KERNEL"])
MODULES = Path(os.environ["LAB_MODULES"])
MODULE = Path(os.environ["LAB_MODULE"])
# Whether the kernels under test are those with KASAN, which take more memory and time.
KASAN = bool(os.environ["LAB_KASAN"])
# How many times as long as usual an event may take.
PATIENCE = 4 if KASAN else 1
# Debian's kernel and its modules: that of the target's machine, whatever is under test.
STOCK_RELEASE = os.environ["LAB_STOCK_RELEASE"]
STOCK_KERNEL = Path(os.environ["LAB_STOCK_KERNEL"])
STOCK_MODULES = Path(os.environ["LAB_STOCK_MODULES"])
# A kernel with the driver built in.
BUILT_IN = CHECKOUT / f"build/built-in/vmlinux{'-kasan' if KASAN else ''}"
# The same with qemu/debug.config.
BUILT_IN_DEBUG = BUILT_IN if KASAN else CHECKOUT / "build/built-in/vmlinux-debug"
# A disk image with Debian on it.
USERLAND = Path(os.environ["LAB_USERLAND"])
# What runs leave: the shared images, and one directory for each scenario's logs.
BUILD = Path(os.environ["LAB_BUILD"])
