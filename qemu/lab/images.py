"""What virtual machines start from: initrds and disk images."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import cpio, settings
from .disk import PARTITION, make_disk
from .errors import expect
from .process import run

MARKER = "iscsi_init-lab"

CLIENT_MODULES = ("virtio_net", "e1000", "bridge", "8021q", "sd_mod", "ext4", "scsi_transport_iscsi", "iscsi_boot_sysfs", "sha3")
LIO_MODULES = (
    "virtio_net", "8021q", "virtio_blk", "configfs", "target_core_mod", "target_core_iblock", "iscsi_target_mod", "dm_mod", "sha3",
)  # fmt: skip


LINUXRC = settings.CHECKOUT / "samples/linuxrc"


def guest(name: str) -> bytes:
    """A script that runs in guests."""
    return (settings.CHECKOUT / "qemu/guest" / name).read_bytes()


def _initrd(name: str, module: Path | None, wanted: tuple[str, ...], linuxrc: Path, conf: Path | None = None) -> Path:
    """An initrd with the module for the kernel under test, or without one for the stock kernel."""
    out = settings.BUILD / f"{name}.initrd"
    release, modules = (settings.RELEASE, settings.MODULES) if module else (settings.STOCK_RELEASE, settings.STOCK_MODULES)
    argv: list[str | Path] = ["-k", release, "-m", modules, "-o", out, "-l", linuxrc]
    if module:
        argv += ["-i", module]
    if conf:
        argv += ["-c", conf]
    run(settings.CHECKOUT / "scripts/initrd", *argv, *wanted)
    return out


def prepare() -> None:
    """Makes what several scenarios share, before any of them runs."""
    settings.BUILD.mkdir(parents=True, exist_ok=True)
    _initrd("client", settings.MODULE, CLIENT_MODULES, LINUXRC)
    _initrd("lio", None, LIO_MODULES, settings.CHECKOUT / "qemu/guest/test-init")
    _tiny(settings.BUILD / "tiny.img")


def client_initrd(directory: Path, files: Mapping[str, bytes], conf: Path | None = None, modules: tuple[str, ...] = ()) -> Path:
    """The initrd of a client, with the shipped linuxrc, the agent, and `files`, a configuration file and `modules` besides."""
    out = directory / "client.initrd"
    initrd = settings.BUILD / "client.initrd"
    if conf or modules:
        initrd = _initrd("configured", settings.MODULE, CLIENT_MODULES + modules, LINUXRC, conf)
    if conf:
        expect(initrd.stat().st_mode & 0o777 == 0o600, "an initrd with secrets to be private", oct(initrd.stat().st_mode))
    own = {"/agent": guest("agent"), "/test-init": guest("test-init")}
    cpio.append(initrd, {**own, **files}, out)
    return out


def programs(*names: str) -> dict[str, bytes]:
    """Programs of the build root for an initrd: each with its libraries, which it finds wherever the initrd has them."""
    files = {}
    for name in names:
        program = shutil.which(name)
        expect(program, f"{name} in the build root")
        libraries = [Path(word) for word in run("ldd", program).split() if word.startswith("/")]
        loader = next(library for library in libraries if library.name.startswith("ld-"))
        files[f"/bin/{name}"] = f'#!/bin/sh\nexec /bin/{loader.name} --library-path /bin /bin/{name}.elf "$@"\n'.encode()
        files[f"/bin/{name}.elf"] = Path(program).read_bytes()
        files |= {f"/bin/{library.name}": library.read_bytes() for library in libraries}
    return files


def lio_initrd(directory: Path) -> Path:
    """The initrd of the machine that is a LIO target."""
    out = directory / "lio.initrd"
    modules = "".join(f"{module}\n" for module in LIO_MODULES).encode()
    files = {"/agent": guest("agent"), "/test-init": guest("test-init"), "/modules": modules}
    cpio.append(settings.BUILD / "lio.initrd", files | programs("dmsetup"), out)
    return out


def _tiny(image: Path) -> None:
    """A root file system of busybox and the agent: enough for everything that is not about a distribution."""
    tree = image.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for directory in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
        (tree / directory).mkdir(parents=True)
    (tree / "sbin").symlink_to("bin")
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for applet in run("busybox", "--list").split():
        if applet not in ("busybox", "init"):
            (tree / "bin" / applet).symlink_to("busybox")
    (tree / "etc/marker").write_text(f"{MARKER}\n")
    for name, program in (("agent", "agent"), ("init", "tiny-init")):
        (tree / "bin" / name).write_bytes(guest(program))
        (tree / "bin" / name).chmod(0o755)
    make_disk(image, 64 << 20, tree)
    shutil.rmtree(tree)


def copy(image: Path, to: Path) -> Path:
    """A copy of a disk image for one scenario, its holes kept."""
    run("cp", "--sparse=always", "--reflink=auto", image, to)
    return to


def blank(image: Path, size: int) -> Path:
    """A disk full of zeros."""
    image.unlink(missing_ok=True)
    with image.open("wb") as out:
        out.truncate(size)
    return image


def check_file_system(image: Path) -> None:
    """Fails the scenario unless the root partition's ext4 is clean, and was unmounted cleanly."""
    partition = f"{image}?offset={PARTITION}"
    state = run("debugfs", "-R", "features", partition)
    expect("needs_recovery" not in state, f"{image.name} to have been unmounted", "a journal that needs recovery")
    run("e2fsck", "-f", "-n", partition, timeout=600)


def replay_journal(image: Path) -> None:
    """Does what a mount does of a file system that was not unmounted."""
    # Of a file system within a file, e2fsck can do everything but this.
    alone = image.with_suffix(".partition")
    unit = f"bs={PARTITION}"
    run("dd", f"if={image}", f"of={alone}", unit, "skip=1", "conv=sparse")
    done = subprocess.run(["e2fsck", "-p", alone], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # 1: it was not clean, and is now.
    expect(done.returncode in (0, 1), f"{image.name} to be repaired by its journal alone", done.stdout)
    run("dd", f"if={alone}", f"of={image}", unit, "seek=1", "conv=notrunc")


def read_file(image: Path, path: str) -> bytes:
    """A file's content, read from the image on the server's side."""
    out = image.with_suffix(".file")
    out.unlink(missing_ok=True)
    run("debugfs", "-R", f"dump {path} {out}", f"{image}?offset={PARTITION}")
    return out.read_bytes()


def add_files(image: Path, files: Mapping[str, bytes]) -> None:
    """Adds files to the root partition of an image, in directories that are made for them."""
    with tempfile.TemporaryDirectory() as sources:
        orders = []
        for number, (path, data) in enumerate(files.items()):
            source = Path(sources, str(number))
            source.write_bytes(data)
            # debugfs goes on after a directory that is there already.
            orders += [f"mkdir {parent}" for parent in reversed(Path(path).parents[:-1])]
            orders.append(f"write {source} {path}")
        commands = Path(sources, "commands")
        commands.write_text("\n".join(orders) + "\n")
        run("debugfs", "-w", "-f", commands, f"{image}?offset={PARTITION}")


def digest(data: bytes) -> str:
    """SHA-256, as sha256sum prints it."""
    return hashlib.sha256(data).hexdigest()
