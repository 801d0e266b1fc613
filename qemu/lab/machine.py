"""A virtual machine: a kernel, or a firmware that looks for one; network interfaces; no disk unless it is given one."""

import base64
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import reports, settings
from .console import Console
from .errors import Failure
from .process import wait_until

# Deadlines in seconds. They bound a hang; a machine that is merely slow must not meet them.
BOOT = 240
COMMAND = 120
# What the kernel is told in every machine. A panic ends the machine, as a reboot does. An emulated machine that has to wait
# for a processor may miss the timer ticks that the kernel checks its interrupts with. Its tests of its own ciphers take a tenth
# of a boot.
ARGUMENTS = "console=ttyS0 panic=-1 nokaslr mitigations=off no_timer_check cryptomgr.notests"
# One with CRC32C and without wide vectors: the kernel uses those where it has them, and they are slow to emulate.
PROCESSOR = "Nehalem"
if settings.KASAN:
    # Else it reports the first one alone.
    ARGUMENTS += " kasan_multi_shot"


@dataclass(frozen=True)
class Nic:
    """A network interface and the tap it is plugged into."""

    tap: str
    mac: str
    model: str = "virtio-net-pci"
    # False: the cable is out when the machine starts.
    carrier: bool = True
    # True: it has its ROM, and the firmware boots by it.
    boot: bool = False


@dataclass(frozen=True)
class Ran:
    """How a script in the guest ended."""

    status: int
    output: str


class Channel:
    """A socket to QEMU that carries lines."""

    def __init__(self, path: Path, machine: subprocess.Popen[bytes]) -> None:
        self.machine = machine
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self._connects(path), f"QEMU to listen at {path.name}", 60)

    def _connects(self, path: Path) -> bool:
        try:
            self.socket.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def send(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def receive(self, deadline: float) -> str:
        """The next line; fails when none has come by `deadline` on the monotonic clock."""
        while b"\n" not in self.buffer:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError:
                raise Failure("expected the guest to answer in time") from None
            if not chunk:
                raise Failure("expected the guest to answer; the machine ended instead")
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode(errors="replace").strip()


class Machine:
    """A running virtual machine."""

    def __init__(
        self,
        name: str,
        directory: Path,
        sockets: Path,
        *,
        kernel: Path | None,
        initrd: Path | None = None,
        append: str = "",
        nics: Sequence[Nic],
        disks: Sequence[Path] = (),
        cpus: int = 1,
        memory: int = 512,
        firmware: Sequence[str] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        # KASAN keeps notes of all memory, and what is freed for some time; its kernel is larger, too.
        memory += memory // 4 + 256 if settings.KASAN else 0
        # Patterns of the reports that the scenario brings about itself.
        self.provoked: list[str] = []
        self.scripts = 0
        self.ready = False
        agent_path = sockets / f"{name}.agent"
        qmp_path = sockets / f"{name}.qmp"
        argv = [
            "qemu-system-x86_64", "-name", name, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            # Without graphics a firmware that loads a kernel, and what it loads first, speak on the console.
            "-machine", "q35" if kernel else "q35,graphics=off", "-cpu", PROCESSOR,
            "-accel", f"tcg,thread={'multi' if cpus > 1 else 'single'}",
            "-smp", str(cpus), "-m", str(memory),
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-chardev", f"socket,id=agent,path={agent_path},server=on,wait=off", "-serial", "chardev:agent",
            "-qmp", f"unix:{qmp_path},server=on,wait=off",
        ]  # fmt: skip
        if kernel:
            argv += ["-kernel", str(kernel), "-append", f"{ARGUMENTS} {append}"]
        if initrd:
            argv += ["-initrd", str(initrd)]
        for number, nic in enumerate(nics):
            argv += ["-netdev", f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no,vhost=off"]
            rom = "bootindex=0" if nic.boot else "romfile="
            argv += ["-device", f"{nic.model},netdev=net{number},id=nic{number},mac={nic.mac},{rom}"]
        argv += firmware
        for disk in disks:
            argv += ["-drive", f"file={disk},format=raw,if=virtio,cache=writeback"]
        unplugged = [number for number, nic in enumerate(nics) if not nic.carrier]
        if unplugged:
            argv.append("-S")
        for path in (agent_path, qmp_path):
            path.unlink(missing_ok=True)
        (directory / f"{name}.qemu").write_text(" ".join(argv) + "\n")
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.console = Console(self.child, directory / f"{name}.console", on_line)
        # From the start: what the guest sends while nobody listens is lost.
        self.agent = Channel(agent_path, self.child)
        self.qmp = Channel(qmp_path, self.child)
        self._qmp_command("qmp_capabilities")
        for number in unplugged:
            self.plug(number, False)
        if unplugged:
            self._qmp_command("cont")

    def _qmp_command(self, command: str, **arguments: object) -> object:
        self.qmp.send(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            answer = json.loads(self.qmp.receive(time.monotonic() + 60))
            if "error" in answer:
                raise Failure(f"expected QEMU to do {command}; it said {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def plug(self, nic: int, carrier: bool) -> None:
        """Plugs the cable of an interface in, or pulls it."""
        self._qmp_command("set_link", name=f"nic{nic}", up=carrier)

    def resize(self, disk: int, size: int) -> None:
        """Makes a disk larger, and its file, while the machine runs."""
        self._qmp_command("block_resize", device=f"virtio{disk}", size=size)

    def press(self, *keys: str) -> None:
        """Presses keys of the keyboard at the same time, by QEMU's names for them."""
        self._qmp_command("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def wait_event(self, event: str, timeout: float = COMMAND) -> None:
        """Returns when QEMU tells of an event by that name: SUSPEND when the machine has suspended itself to its memory, for one."""
        timeout *= settings.PATIENCE
        deadline = time.monotonic() + timeout
        while json.loads(self.qmp.receive(deadline)).get("event") != event:
            pass

    def wake(self) -> None:
        """Ends its sleep, as a power button does."""
        self._qmp_command("system_wakeup")

    def memory(self, start: int, size: int, file: Path) -> bytes:
        """What is in the machine's memory, by way of a file."""
        self._qmp_command("pmemsave", val=start, size=size, filename=str(file))
        return file.read_bytes()

    def freeze(self) -> None:
        """Has the machine do nothing any more until `thaw`; what is sent to it waits."""
        self._qmp_command("stop")

    def thaw(self) -> None:
        """Has it go on."""
        self._qmp_command("cont")

    def kill(self) -> None:
        """Takes the power away."""
        self.child.kill()
        self.child.wait()

    def wait_agent(self, timeout: float = BOOT) -> None:
        """Returns when the guest's agent takes scripts."""
        timeout *= settings.PATIENCE
        deadline = time.monotonic() + timeout
        try:
            while self.agent.receive(deadline) != "ready":
                pass
        except Failure:
            raise Failure(f"expected the agent of {self.name} to be ready within {timeout:.0f} s") from None
        self.ready = True

    def send(self, script: str) -> None:
        """Sends a script to the guest without waiting for its end."""
        if not self.ready:
            self.wait_agent()
        self.scripts += 1
        self.agent.send(f"{self.scripts} {base64.b64encode(script.encode()).decode()}")

    def sh(self, script: str, timeout: float = COMMAND) -> Ran:
        """Runs a shell script in the guest."""
        self.send(script)
        timeout *= settings.PATIENCE
        deadline = time.monotonic() + timeout
        while True:
            try:
                answer = self.agent.receive(deadline)
            except Failure:
                raise Failure(f"expected an end of `{script.strip()}` in {self.name} within {timeout:.0f} s") from None
            number, _, rest = answer.partition(" ")
            if number == str(self.scripts):
                status, _, output = rest.partition(" ")
                return Ran(int(status), base64.b64decode(output).decode(errors="replace").strip())

    def check(self, script: str, timeout: float = COMMAND) -> str:
        """Runs a shell script that must succeed, and returns what it printed."""
        ran = self.sh(script, timeout)
        if ran.status:
            raise Failure(f"expected `{script.strip()}` to succeed in {self.name}; {ran.status}: {ran.output}")
        return ran.output

    def wait_end(self, timeout: float = COMMAND) -> None:
        """Returns when the machine has switched itself off, or has rebooted (which ends it)."""
        timeout *= settings.PATIENCE
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"expected {self.name} to switch off within {timeout:.0f} s") from None
        self.console.wait_end()

    def provokes(self, pattern: str) -> None:
        """Says that a report of its kernel in which `pattern` is found is part of the scenario."""
        self.provoked.append(pattern)

    def reports(self) -> list[str]:
        """The reports of its kernel's mistakes on the console, but for those that are provoked."""
        return reports.found(self.console.since(), self.provoked)

    def log(self, pattern: str, start: int = 0) -> list[str]:
        """The console's lines since `start` in which `pattern` is found."""
        return [line for line in self.console.since(start).split("\n") if re.search(pattern, line)]
