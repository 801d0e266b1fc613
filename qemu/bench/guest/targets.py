"""The targets: each has one store in memory, which all that log in share."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .system import CONFIGFS, Unexpected, modprobe, mount, target_cpu, wait_for, write

ADDRESS = "10.9.0.1"
LIO_PORT, NVMET_PORT = 3260, 4420
THIN_PORT, THIN_NVME_PORT = 3261, 4421
NQN = "nqn.2004-01.net.example:bench"


def iqn(name: str) -> str:
    """The target that this one logs in to."""
    return f"iqn.2004-01.net.example:{name}"


def lio(names: Sequence[str], luns: int, pages: int, segment: int, digests: bool) -> None:
    """LIO with a target for each name, all with the same LUNs of `pages` pages."""
    modprobe("target_core_mod", "iscsi_target_mod")
    mount("configfs", str(CONFIGFS))
    for lun in range(luns):
        store = CONFIGFS / f"target/core/rd_mcp_{lun}/lun{lun}"
        store.mkdir(parents=True)
        write(store / "control", f"rd_pages={pages}")
        write(store / "enable", 1)
    (CONFIGFS / "target/iscsi").mkdir(exist_ok=True)
    # Each connection's threads would go to the next processor in turn.
    write(CONFIGFS / "target/iscsi/cpus_allowed_list", target_cpu())
    for name in names:
        group = CONFIGFS / f"target/iscsi/{iqn(name)}/tpgt_1"
        group.mkdir(parents=True)
        for lun in range(luns):
            (group / f"lun/lun_{lun}").mkdir()
            (group / f"lun/lun_{lun}/port").symlink_to(CONFIGFS / f"target/core/rd_mcp_{lun}/lun{lun}")
        for attribute, value in (
            ("authentication", 0),
            ("generate_node_acls", 1),
            ("demo_mode_write_protect", 0),
            ("cache_dynamic_acls", 1),
        ):
            write(group / "attrib" / attribute, value)
        # What it answers an initiator that declares its own is the second, not the first.
        for key in ("MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength"):
            write(group / "param" / key, segment)
        for key in ("HeaderDigest", "DataDigest"):
            write(group / "param" / key, "CRC32C" if digests else "None")
        (group / f"np/{ADDRESS}:{LIO_PORT}").mkdir()
        write(group / "enable", 1)


def nvmet() -> None:
    """The kernel's own NVMe/TCP target, on a RAM disk."""
    modprobe("brd", "nvmet", "nvmet_tcp")
    mount("configfs", str(CONFIGFS))
    subsystem = CONFIGFS / f"nvmet/subsystems/{NQN}"
    subsystem.mkdir()
    write(subsystem / "attr_allow_any_host", 1)
    (subsystem / "namespaces/1").mkdir()
    write(subsystem / "namespaces/1/device_path", "/dev/ram0")
    write(subsystem / "namespaces/1/enable", 1)
    port = CONFIGFS / "nvmet/ports/1"
    port.mkdir()
    for attribute, value in (("trtype", "tcp"), ("adrfam", "ipv4"), ("traddr", ADDRESS), ("trsvcid", NVMET_PORT)):
        write(port / f"addr_{attribute}", value)
    (port / f"subsystems/{NQN}").symlink_to(subsystem)


def thin(program: str, kind: str, port: int, *options: str) -> subprocess.Popen[bytes]:
    """The thin target, on the targets' processor, as soon as it listens."""
    argv = [program, kind, "--listen", f"{ADDRESS}:{port}", *options]
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, [target_cpu()])
    )

    def listens() -> bool | None:
        if child.poll() is not None:
            raise Unexpected(f"{' '.join(argv)} ended with {child.returncode}")
        sockets = Path("/proc/net/tcp").read_text().split("\n")
        # Local address and port, then the peer's, then the state, 0A for a listener.
        return True if any(f":{port:04X} 00000000:0000 0A" in line for line in sockets) else None

    wait_for(f"listener at port {port}", listens)
    return child
