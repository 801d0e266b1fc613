"""What goes over the wire, held against RFC 7143 byte for byte; Wireshark's dissectors see every scenario's capture."""

from lab import guest, wire
from lab.errors import expect
from lab.net import SERVER
from lab.scenario import Lab, scenario
from lab.targets import INITIATOR, NAME

OPERATIONAL = (
    "HeaderDigest", "DataDigest", "InitialR2T", "ImmediateData", "MaxRecvDataSegmentLength", "MaxBurstLength",
    "FirstBurstLength", "DefaultTime2Wait", "DefaultTime2Retain", "MaxOutstandingR2T", "DataPDUInOrder",
    "DataSequenceInOrder", "ErrorRecoveryLevel", "MaxConnections",
)  # fmt: skip
# Writes and reads of sizes from one sector to what takes several bursts, then flushes.
TRAFFIC = """
set -e
for size in 512 4096 8192 65536 131072 1048576 4194304; do
	dd if=/dev/urandom of=/pattern bs=$size count=1
	dd if=/pattern of=/dev/sda oflag=direct bs=$size seek=$((48 * 1048576 / size)) count=1 conv=notrunc,fsync
	dd if=/dev/sda iflag=direct of=/seen bs=$size skip=$((48 * 1048576 / size)) count=1
	cmp /pattern /seen
done
"""


def talk(lab: Lab, parameters: str, *, digests: bool = False) -> list[wire.Pdu]:
    """Loads the module, moves data, unloads it; returns what the module sent."""
    machine = lab.bench()
    guest.succeeds(machine, parameters)
    machine.check(TRAFFIC)
    machine.check("rmmod iscsi_init")
    machine.kill()
    found = wire.connections(lab.capture, digests=digests)
    expect(len(found) == 1, "one connection", len(found))
    wire.check_connection(found[0])
    return found[0]


def offers(pdus: list[wire.Pdu]) -> None:
    """Fails the scenario unless the login offered every operational key, and said who it is and what it wants."""
    keys: dict[str, str] = {}
    for pdu in pdus:
        if pdu.opcode == wire.LOGIN:
            keys |= pdu.keys
    wanted = {"InitiatorName": INITIATOR, "TargetName": NAME, "SessionType": "Normal", "AuthMethod": "None"}
    for key, value in wanted.items():
        expect(keys.get(key) == value, f"{key}={value}", keys)
    missing = [key for key in OPERATIONAL if key not in keys]
    expect(not missing, "every operational key to be offered", f"no {missing} in {keys}")


@scenario
def wire_tgt(lab: Lab) -> None:
    """Against tgt: every operational key offered, no reserved bit, numbers in order, Logout last."""
    lab.tgt(lab.tiny_disk())
    pdus = talk(lab, f"if=eth0:192.168.7.63:255.255.255.0 initiator={INITIATOR} target={SERVER}:{NAME} lun=1")
    offers(pdus)
    expect(pdus[-1].opcode == wire.LOGOUT, "Logout last", pdus[-1])
    guest.logged_out(lab.capture)


@scenario
def wire_lio(lab: Lab) -> None:
    """Against LIO, which proposes keys of its own and checks numbers that tgt does not."""
    target = lab.lio(lab.tiny_disk())
    # LIO's name for what it answers to MaxRecvDataSegmentLength. Less than a burst: the answer to an R2T takes several PDUs.
    target.limit("MaxXmitDataSegmentLength", 8192)
    pdus = talk(lab, f"if=eth0:192.168.7.63:255.255.255.0 initiator={INITIATOR} target={target.address}:{NAME}")
    offers(pdus)
    expect(any(pdu.opcode == wire.DATA_OUT for pdu in pdus), "Data-Out")
    guest.logged_out(lab.capture)
    complaints = target.machine.log(r"(iSCSI|iscsi|TARGET_CORE).*(rror|nvalid|eject|ailed)")
    complaints = [line for line in complaints if "Unable to load" not in line]
    expect(not complaints, "no complaint by LIO", "\n".join(complaints))


def protected(lab: Lab, parameters: str) -> None:
    """The same against a target that wants digests: each fits, and the target, which checks them, is content."""
    pdus = talk(lab, parameters, digests=True)
    wire.check_digests(pdus)
    expect(any(pdu.opcode == wire.DATA_OUT for pdu in pdus), "Data-Out")
    expect(pdus[-1].opcode == wire.LOGOUT, "Logout last", pdus[-1])
    expect(any(machine.log("logged out from [^,]*$") for machine in lab.machines), "the target to confirm the logout")


@scenario
def wire_digests_tgt(lab: Lab) -> None:
    """CRC32C digests over headers and data, as tgt is set to want them."""
    target = lab.tgt(lab.tiny_disk())
    for key in ("HeaderDigest", "DataDigest"):
        target.configure("--mode", "target", "--op", "update", "--name", key, "--value", "CRC32C")
    protected(lab, f"if=eth0:192.168.7.63:255.255.255.0 initiator={INITIATOR} target={SERVER}:{NAME} lun=1")


@scenario
def wire_digests_lio(lab: Lab) -> None:
    """CRC32C digests over headers and data, as LIO is set to want them; PDUs shorter than a burst."""
    target = lab.lio(lab.tiny_disk())
    target.limit("MaxXmitDataSegmentLength", 8192)
    for key in ("HeaderDigest", "DataDigest"):
        target.limit(key, "CRC32C")
    protected(lab, f"if=eth0:192.168.7.63:255.255.255.0 initiator={INITIATOR} target={target.address}:{NAME}")
