"""What machines boot from without being given a kernel: boot files, their servers, and GRUB on a disk."""

import gzip
import shutil
import socket
from pathlib import Path

from . import settings
from .disk import PARTITION
from .errors import expect
from .machine import ARGUMENTS
from .net import SERVER
from .process import Process, run, wait_until

SAMPLES = settings.CHECKOUT / "samples"
# As Debian's pxelinux and syslinux-common, and grub-pc-bin, have them.
PXELINUX = (Path("/usr/lib/PXELINUX/pxelinux.0"), Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"))
GRUB = Path("/usr/lib/grub/i386-pc")
# The boot loader has what is before the partition, behind the partition table.
GRUB_CORE = 512
# What a boot loader needs to find its configuration, a kernel and an initrd on the first partition.
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "normal", "linux")


class Tftpd(Process):
    """tftpd-hpa, with the files of a directory."""

    def __init__(self, files: Path, logs: Path) -> None:
        argv = ["in.tftpd", "--foreground", "--address", f"{SERVER}:69", "--user", "root", "--secure", files]
        super().__init__("in.tftpd", argv, logs / "tftpd.log")
        wait_until(self._has_port, "in.tftpd to listen", 60)

    def _has_port(self) -> bool:
        # It says nothing, and answers nothing but requests for files.
        return ":0045 " in Path("/proc/net/udp").read_text()


class Httpd(Process):
    """busybox's HTTP server, with the files of a directory."""

    def __init__(self, files: Path, logs: Path) -> None:
        argv = ["busybox", "httpd", "-f", "-p", f"{SERVER}:80", "-h", files]
        super().__init__("httpd", argv, logs / "httpd.log")
        wait_until(self._answers, "the HTTP server to listen", 60)

    def _answers(self) -> bool:
        try:
            socket.create_connection((SERVER, 80)).close()
        except ConnectionRefusedError:
            return False
        return True


def _for_emulated(configuration: Path) -> str:
    # With what the kernel is told in all of the lab's machines.
    text = configuration.read_text()
    expect(text.count("root=/dev/sda1") == 1, f"kernel arguments with a root= in {configuration.name}", text)
    return text.replace("root=/dev/sda1", f"root=/dev/sda1 {ARGUMENTS}")


def kernel_and_initrd(directory: Path) -> list[Path]:
    """Puts the kernel and a client's initrd into a directory, by these names."""
    kernel, initrd = directory / "vmlinuz", directory / "initrd.img"
    shutil.copy(settings.KERNEL, kernel)
    # TCG takes longer to load the bytes than to unpack them.
    initrd.write_bytes(gzip.compress((settings.BUILD / "client.initrd").read_bytes(), 1))
    return [kernel, initrd]


def boot_files(directory: Path) -> Path:
    """Makes a directory as a boot server has it: PXELINUX and the samples, with a kernel and an initrd for both."""
    (directory / "pxelinux.cfg").mkdir(parents=True)
    for file in PXELINUX:
        shutil.copy(file, directory)
    for name in ("pxelinux.cfg/C0A8070A", "boot.ipxe"):
        (directory / name).write_text(_for_emulated(SAMPLES / name))
    kernel_and_initrd(directory)
    return directory


def install_grub(disk: Path, arguments: str) -> None:
    """Puts GRUB on a disk, and a kernel and an initrd on its first partition, as /boot has them; `arguments` for the kernel."""
    work = disk.with_suffix(".boot")
    work.mkdir()
    files = kernel_and_initrd(work)
    configuration = work / "grub.cfg"
    configuration.write_text(f"linux /boot/vmlinuz {arguments} {ARGUMENTS}\ninitrd /boot/initrd.img\nboot\n")
    orders = ["mkdir /boot", "mkdir /boot/grub", f"write {configuration} /boot/grub/grub.cfg"]
    orders += [f"write {file} /boot/{file.name}" for file in files]
    (work / "orders").write_text("\n".join(orders) + "\n")
    run("debugfs", "-w", "-f", work / "orders", f"{disk}?offset={PARTITION}")
    core = work / "core.img"
    run("grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", core, *GRUB_MODULES)
    expect(core.stat().st_size <= PARTITION - GRUB_CORE, "GRUB to fit before the partition", core.stat().st_size)
    with disk.open("r+b") as out:
        # The code of a master boot record ends where the disk's signature begins. It loads what begins in the second sector.
        out.write((GRUB / "boot.img").read_bytes()[:440])
        out.seek(GRUB_CORE)
        out.write(core.read_bytes())
