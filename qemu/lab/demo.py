"""The main job, to watch: `make demo`."""

import re
import sys
import time

from . import guest, images, settings
from .errors import Failure, expect
from .machine import Machine
from .process import run
from .scenario import ALL_FROM_DHCP, BOOT_FAILED, ROOT_PATH, Lab, fresh_directory
from .targets import NAME

# How much the first boot writes, in MiB.
SIZE = 16
# Lines of the console that tell the story; the whole of it is in the log.
STORY = re.compile(
    r"(Linux version \S+|iscsi_init: (?!loading|module verification).*|"
    r"linuxrc: .*|EXT4-fs \(\w+\): (?:mounted|re-mounted).*|Welcome to .*|"
    r"sd \S+ \[\w+\] .*(?:logical blocks|Synchronizing).*|Reached target .*(?:multi-user|reboot|poweroff).*|"
    r"systemd-shutdown.*: (?:All filesystems|Rebooting|Powering off).*|reboot: .*)"
)
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

started = time.monotonic()


def say(text: str) -> None:
    """Prints a line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - started:6.1f} s] {text}", flush=True)


def show(line: str) -> None:
    """Prints a line of the machine's console, if it tells the story."""
    plain = COLOUR.sub("", line)
    if found := STORY.search(plain):
        say(f"    | {found.group(1)}")


def boot(lab: Lab, name: str) -> Machine:
    """Boots Debian from the LUN."""
    machine = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2, name=name)
    machine.console.wait(r"linuxrc: root file system on", 300, never=BOOT_FAILED)
    say("root file system mounted, Debian starts")
    machine.wait_agent()
    expect(machine.check("findmnt -n -o SOURCE /") == "/dev/sda1", "the root file system to be on /dev/sda1")
    expect(machine.check("ls /sys/block | grep -c -v loop") == "1", "no other disk in the machine")
    return machine


def shut_down(machine: Machine, how: str) -> None:
    """Shuts Debian down, and waits until the machine is off."""
    machine.send(f"systemctl {how}")
    machine.wait_end()
    expect(not machine.reports(), "no report of a mistake in the kernel", "\n".join(machine.reports()))


def milliseconds(machine: Machine) -> str:
    """From insmod to the disk, as the module itself says it."""
    found = re.search(r"iscsi_init: boot disk .* after (\d+) ms", machine.console.since())
    return found.group(1) if found else "?"


def job(lab: Lab) -> dict[str, str]:
    """Two boots, with a file written in the first and found in the second; returns the summary."""
    lab.on_line = show
    disk = lab.debian_disk()
    say("starting the iSCSI target (tgt) with Debian on its disk, and the DHCP server (dnsmasq)")
    target = lab.tgt(disk)
    lab.dnsmasq()
    say(f"first boot of a diskless machine; its kernel arguments: {ALL_FROM_DHCP}")
    first = boot(lab, "first")
    release = first.check("uname -r")
    debian = first.check("cat /etc/debian_version")
    say(f"writing {SIZE} MiB of random content to /srv/random")
    write = f"dd if=/dev/urandom of=/srv/random bs=1M count={SIZE} status=none conv=fsync && sha256sum /srv/random"
    digest = first.check(write).split()[0]
    say("clean shutdown")
    shut_down(first, "reboot")
    say("second boot")
    second = boot(lab, "second")
    expect(second.check("sha256sum /srv/random").split()[0] == digest, "the content of before the reboot")
    say("the file is there, with the same content")
    shut_down(second, "poweroff")
    expect(target.connections() == 0, "the initiator to have logged out", target.connections())
    say("the same file in the backing file on the server, and a file system check")
    guest.on_disk(disk, "/srv/random", digest)
    say("the captured traffic through Wireshark's dissectors")
    lab.capture.check()
    guest.logged_out(lab.capture, logouts=2)
    dnsmasq = " ".join(run("dnsmasq", "--version").split()[:3])
    return {
        "kernel": f"{release}, as Debian ships it; Debian {debian} on the disk",
        "DHCP server": dnsmasq,
        "target": f"tgtd {run('tgtd', '--version').strip()}, {NAME} at {target.portal}",
        "root found by": f"DHCP option 17 (root path): {ROOT_PATH}",
        "insmod to disk": f"{milliseconds(first)} ms, {milliseconds(second)} ms in the second boot (emulated processor)",
        "written": f"{SIZE} MiB in the first boot, SHA-256 {digest[:16]}...",
        "verified": "in the second boot and in the target's backing file; e2fsck clean; nothing malformed on the wire",
    }


def main() -> int:
    directory = fresh_directory("demo")
    say("making the initrd: busybox, the kernel's modules, iscsi_init.ko, samples/linuxrc")
    images.prepare()
    lab = Lab("demo", directory)
    try:
        summary = job(lab)
    except Failure as failure:
        say(f"FAILED: {failure}")
        print(f"logs: {directory}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        lab.close()
    print()
    for name, value in summary.items():
        print(f"{name + ':':16}{value}")
    print(f"{'logs:':16}{directory.relative_to(settings.CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
