"""Where things are, as qemu/enter.sh says it."""

import os
from pathlib import Path

CHECKOUT = Path(os.environ["LAB_CHECKOUT"])
# The kernel under test, its image, its modules, and the module built for it.
RELEASE = os.environ["LAB_RELEASE"]
KERNEL = Path(os.environ["LAB_KERNEL"])
MODULES = Path(os.environ["LAB_MODULES"])
MODULE = Path(os.environ["LAB_MODULE"])
# A kernel with the driver built in.
BUILT_IN = CHECKOUT / "build/built-in/vmlinux"
# The same with qemu/debug.config.
BUILT_IN_DEBUG = CHECKOUT / "build/built-in/vmlinux-debug"
# A disk image with Debian on it.
USERLAND = Path(os.environ["LAB_USERLAND"])
# What runs leave: the shared images, and one directory for each scenario's logs.
BUILD = Path(os.environ["LAB_BUILD"])
