"""Real targets in every way in which they can be set up: each agrees on what it was told to, and data is what it was."""

import itertools
import re
from collections.abc import Callable

from lab import guest
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, SERVER
from lab.scenario import Lab, scenario, seldom
from lab.targets import NAME

from .chap import MUTUAL, ONE_WAY, PEER, PEER_SECRET, SECRET, USER, account, configure

STATIC = f"if=eth0:{PREFIX}.75:{NETMASK}"
# From one sector to what takes several bursts; each is read back, and the first bytes are those of the partition table.
TRAFFIC = """
set -e
for size in 512 4096 12288 65536 524288 2097152; do
	seq $size $((size + 400000)) | head -c $size >/run/pattern
	dd if=/run/pattern of=/dev/sda oflag=direct bs=$size seek=$((25165824 / size)) count=1 conv=notrunc
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/sda iflag=direct of=/run/seen bs=$size skip=$((25165824 / size)) count=1
	cmp /run/pattern /run/seen
done
"""
# The keys that are varied, and their values. Small segments make many PDUs.
CHOICES = {
    "InitialR2T": ("Yes", "No"),
    "ImmediateData": ("Yes", "No"),
    "Digests": ("None", "CRC32C"),
    "MaxRecvDataSegmentLength": ("8192", "262144"),
}


def combinations() -> list[dict[str, str]]:
    """Every combination, with each digest under its own name."""
    found = []
    for values in itertools.product(*CHOICES.values()):
        keys = dict(zip(CHOICES, values, strict=True))
        digest = keys.pop("Digests")
        found.append(keys | {"HeaderDigest": digest, "DataDigest": digest})
    return found


def works(machine: Machine, parameters: str, keys: dict[str, str]) -> None:
    """Logs in, moves data, logs out; the log has what was agreed on."""
    done = guest.succeeds(machine, parameters)
    line = next(line for line in done.log if "logged in" in line)
    # The target's own length is the one that we send by.
    named = {"MaxXmitDataSegmentLength" if key == "MaxRecvDataSegmentLength" else key: value for key, value in keys.items()}
    for key, value in named.items():
        seen = re.search(rf"\b{key}=(\S+)", line)
        expect(seen and seen.group(1) == value, f"{key}={value} with {keys}", line)
    machine.check(TRAFFIC)
    machine.check("rmmod iscsi_init")


def crossed(
    lab: Lab, machine: Machine, parameters: str, agree: Callable[[str, str], None], wants: dict[str, Callable[[], None]], conf: str = ""
) -> None:
    """Every combination of keys, set with `agree`, with every kind of CHAP: without, one way and mutual, as `wants` has the target want it."""
    machine.check("mount -t proc proc /proc")
    for credentials, want in wants.items():
        want()
        configure(machine, conf + credentials if credentials else "")
        for keys in combinations():
            for key, value in keys.items():
                agree(key, value)
            works(machine, parameters, keys)
    each = len(combinations())
    for opcode, who, count in (("0x03", "initiator", 2 * each), ("0x23", "target", each)):
        proofs = len(lab.capture.fields(f'iscsi.opcode == {opcode} and iscsi.keyvalue contains "CHAP_R="', "tcp.stream"))
        expect(proofs == count, f"{count} proofs of the {who}'s", proofs)


@seldom
def targets_tgt(lab: Lab) -> None:
    """tgt in all 48 combinations of CHAP, digests, InitialR2T, ImmediateData and segment length."""
    target = lab.tgt(lab.tiny_disk())
    wants = {
        "": lambda: None,
        ONE_WAY: lambda: account(target, USER, SECRET),
        MUTUAL: lambda: account(target, PEER, PEER_SECRET, "--outgoing"),
    }

    def agree(key: str, value: str) -> None:
        target.admin("--mode", "target", "--op", "update", "--name", key, "--value", value)

    crossed(lab, lab.bench(), f"{STATIC} target={SERVER}:{NAME} lun=1", agree, wants, "CHAPAlgorithms=MD5\n")


@scenario
def targets_long_commands(lab: Lab) -> None:
    """A CDB of 32 bytes, WRITE SAME (32), which LIO executes; with and without digests."""
    target = lab.lio(lab.tiny_disk())
    machine = lab.bench(programs=["sg_write_same"])
    for digest, sector in (("None", 60000), ("CRC32C", 70000)):
        for kind in ("HeaderDigest", "DataDigest"):
            target.limit(kind, digest)
        guest.succeeds(machine, f"{STATIC} target={target.address}:{NAME}")
        machine.check(f"""
            seq 1000 | head -c 512 >/run/pattern
            sg_write_same --32 --in=/run/pattern --lba={sector} --num=16 /dev/sda
            dd if=/dev/sda iflag=direct bs=512 skip={sector} count=16 of=/run/seen
            for block in $(seq 16); do cat /run/pattern; done | cmp - /run/seen
            rmmod iscsi_init
        """)
    commands = lab.capture.fields("iscsi.ahs.type == 1", "iscsi.ahs.length")
    expect(commands == [["17"], ["17"]], "two commands with an additional header segment", str(commands))


@seldom
def targets_lio(lab: Lab) -> None:
    """LIO in all 48 combinations of CHAP, digests, InitialR2T, ImmediateData and segment length."""
    target = lab.lio(lab.tiny_disk())
    wants = {
        "": lambda: None,
        ONE_WAY: lambda: target.authenticate(userid=USER, password=SECRET),
        MUTUAL: lambda: target.authenticate(userid_mutual=PEER, password_mutual=PEER_SECRET),
    }

    def agree(key: str, value: str) -> None:
        # LIO's name for what it declares to receive.
        target.limit("MaxXmitDataSegmentLength" if key == "MaxRecvDataSegmentLength" else key, value)

    crossed(lab, lab.bench(), f"{STATIC} target={target.address}:{NAME}", agree, wants)
