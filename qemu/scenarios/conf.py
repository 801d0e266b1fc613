"""/etc/iscsi.conf: what a machine boots from, how its session is negotiated and kept, and what is wrong with the file."""

import errno
import re

from lab import guest, wire
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, NOBODY, PREFIX, SERVER
from lab.scenario import ALL_FROM_DHCP, Lab, scenario
from lab.targets import INITIATOR, NAME

STATIC = f"if=eth0:{PREFIX}.70:{NETMASK}"
DEAD = f"{NAME}:dead"
TARGET = f"TargetName={NAME}\n\tTargetIpAddress={SERVER}\n\tLUNs=1\n"


def configure(machine: Machine, text: str) -> None:
    """Writes the configuration file."""
    machine.check(f"mkdir -p /etc; cat >/etc/iscsi.conf <<'END'\n{text}\nEND")


def negotiated(machine: Machine) -> dict[str, str]:
    """What the last login has agreed on, by the log."""
    lines = machine.log("iscsi_init: logged in to ")
    expect(lines, "a line about the login")
    return dict(re.findall(r"(\w+)=(\S+)", lines[-1]))


def agrees(machine: Machine, **wanted: str) -> None:
    """Loads the module, whose login must agree on these values, writes and reads, and unloads it."""
    guest.succeeds(machine, STATIC)
    seen = negotiated(machine)
    different = {key: seen.get(key) for key, value in wanted.items() if seen.get(key) != value}
    expect(not different, f"{wanted}", different)
    machine.check(
        "dd if=/dev/urandom of=/pattern bs=1M count=1 && dd if=/pattern of=/dev/sda oflag=direct bs=1M seek=48 conv=notrunc,fsync"
        " && dd if=/dev/sda iflag=direct of=/seen bs=1M skip=48 count=1 && cmp /pattern /seen"
    )
    machine.check("rmmod iscsi_init")


@scenario
def conf_boot(lab: Lab) -> None:
    """Target, LUN, initiator name and alias from iscsi.conf alone; the next boot has a root path besides, which loses, and a dead target first."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    conf = lab.directory / "iscsi.conf"
    conf.write_text(f'InitiatorName={INITIATOR}\nInitiatorAlias="rack 7"\n{TARGET}')
    server = lab.dnsmasq(None)
    client = lab.client(ALL_FROM_DHCP, conf=conf)
    guest.boots(client)
    digest = guest.writes(client)
    guest.reboots(client)
    server.stop()
    lab.dnsmasq(f"{NOBODY}:/iqn.2004-01.net.example:wrong/iqn.2004-01.net.example:wrong/7")
    conf.write_text(f"TargetName={DEAD}\n\tTargetIpAddress={SERVER}:3999\n\tLUNs=9\n{conf.read_text()}")
    client = lab.client(ALL_FROM_DHCP, conf=conf, name="again")
    guest.boots(client)
    passed = client.check("sed -n 's/^passed-over: //p' /proc/iscsi_init")
    expect(passed.startswith(f"{SERVER}:3999:{DEAD}: cannot connect"), "the dead target in /proc/iscsi_init", passed)
    expect(client.check("sha256sum /random").split()[0] == digest, "the file of the first boot")
    settings = client.check("grep ^setting- /proc/iscsi_init")
    for wanted in (f"initiator: {INITIATOR} (iscsi.conf)", f"target: {SERVER}:3260:{NAME} (iscsi.conf)", "lun: 1 (iscsi.conf)", "LUNs: 1 (iscsi.conf)", "InitiatorAlias: rack 7 (iscsi.conf)"):
        expect(f"setting-{wanted}" in settings, wanted, settings)
    guest.reboots(client)
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)
    expect(keys.get("InitiatorAlias") == "rack 7", "InitiatorAlias=rack 7", keys)


@scenario
def conf_discovery(lab: Lab) -> None:
    """A portal from iscsi.conf, which is asked; the target that it tells of has a LUN there. With Enabled=no it is nobody's."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(None)
    machine = lab.bench()
    options = f"TargetName={NAME}\n LUNs=1\n"
    configure(machine, f"{options}DiscoveryAddress={SERVER}\n")
    guest.succeeds(machine, STATIC)
    expect(machine.log(rf"target of portal {SERVER}:3260 \(iscsi.conf\)"), "a line about the portal")
    expect(machine.log(r"iscsi_init: LUN 1 \(iscsi.conf\)"), "a line about the LUN")
    machine.check("rmmod iscsi_init")
    configure(machine, f"{options}DiscoveryAddress={SERVER}\n Enabled=no\n")
    guest.fails(machine, "if=eth0", errno.ENODATA, "no target", again=False)


@scenario
def conf_immediate_data(lab: Lab) -> None:
    """ImmediateData=no, InitialR2T=yes and lengths against tgt: in the log, in the offer, and no data that was not asked for."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    lengths = {"MaxRecvDataSegmentLength": "16384", "FirstBurstLength": "4096", "MaxBurstLength": "32768"}
    text = "".join(f"{key}={value}\n" for key, value in lengths.items())
    configure(machine, f"ImmediateData=No\nInitialR2T=yes\nHeaderDigest=never\nDataDigest=never\n{text}{TARGET}")
    agrees(machine, ImmediateData="No", InitialR2T="Yes", **lengths)
    machine.kill()
    (pdus,) = wire.connections(lab.capture)
    wire.check_connection(pdus)
    keys = wire.login_keys(lab.capture)
    offered = {"ImmediateData": "No", "InitialR2T": "Yes", "HeaderDigest": "None", "DataDigest": "None", **lengths}
    expect(all(keys.get(key) == value for key, value in offered.items()), f"{offered}", keys)
    expect(not any(pdu.opcode == wire.COMMAND and pdu.data for pdu in pdus), "no data with a command")
    data = [pdu for pdu in pdus if pdu.opcode == wire.DATA_OUT]
    expect(data and all(pdu.word(20) != 0xFFFFFFFF for pdu in data), "Data-Out, each asked for")


@scenario
def conf_digests(lab: Lab) -> None:
    """Digests against LIO, which can do both: always, then prefer-on, where it is asked for its targets too; each fits."""
    target = lab.lio(lab.tiny_disk())
    machine = lab.bench()
    named = f"TargetName={NAME}\n TargetIpAddress={target.address}\n"
    for choice, where in (("always", named), ("prefer-on", f"DiscoveryAddress={target.address}\n")):
        configure(machine, f"HeaderDigest={choice}\nDataDigest={choice}\n{where}")
        agrees(machine, HeaderDigest="CRC32C", DataDigest="CRC32C")
    machine.kill()
    found = wire.connections(lab.capture, digests=True)
    expect(len(found) == 3, "three connections", len(found))
    for pdus, offered in zip(found, ("CRC32C", "CRC32C,None", "CRC32C,None"), strict=True):
        wire.check_connection(pdus)
        wire.check_digests(pdus)
        keys = {key: value for pdu in pdus if pdu.opcode == wire.LOGIN for key, value in pdu.keys.items()}
        seen = (keys.get("HeaderDigest"), keys.get("DataDigest"))
        expect(seen == (offered, offered), f"{offered} to be offered", seen)


@scenario
def conf_digests_missing(lab: Lab) -> None:
    """HeaderDigest=always against tgt, which is set to have none: no session, and a line that says so; prefer-on does without."""
    target = lab.tgt(lab.tiny_disk())
    for key in ("HeaderDigest", "DataDigest"):
        target.configure("--mode", "target", "--op", "update", "--name", key, "--value", "None")
    machine = lab.bench()
    configure(machine, f"HeaderDigest=always\n{TARGET}")
    guest.fails(machine, STATIC, errno.EPROTO, "does without HeaderDigest", again=False)
    configure(machine, f"HeaderDigest=prefer-on\nDataDigest=prefer-on\n{TARGET}")
    agrees(machine, HeaderDigest="None", DataDigest="None")


@scenario
def conf_session(lab: Lab) -> None:
    """LUNs are the only ones looked for, DiskCommandTimeout is the disks', and an idle target is pinged as IdleTimeout says."""
    disk, others = lab.tiny_disk(), {number: lab.blank_disk(1 << 20, f"{number}.img") for number in (0, 2, 3)}
    target = lab.lio(disk, lun=1, others=others)
    machine = lab.bench()
    network = f"Subnet={PREFIX}.0/24\n IdleTimeout=2\n PingTimeout=2\n"
    configure(machine, f"DiskCommandTimeout=7\n{network}TargetName={NAME}\n TargetIpAddress={target.address}\n LUNs=1,3\n")
    guest.succeeds(machine, STATIC)
    luns = machine.check("ls /sys/class/scsi_device").split()
    expect([lun.split(":")[-1] for lun in luns] == ["1", "3"], "LUN 1 and LUN 3", luns)
    timeout = machine.check("cat /sys/block/sda/device/timeout")
    expect(timeout == "7", "a timeout of 7 s", timeout)
    # By the defaults it would take 65 s to be noticed.
    target.machine.freeze()
    machine.console.wait("session with .* lost: the target has not answered a ping", 45)
    target.machine.thaw()
    machine.console.wait("session with .* restored", 120)
    machine.check("rmmod iscsi_init")


@scenario
def conf_refused(lab: Lab) -> None:
    """A line that cannot be understood ends the boot with its line and column, whoever it is for, and without a password."""
    machine = lab.bench()
    for text, place in (
        ("\nImmediateData=perhaps", "line 2, column 15: expected yes or no"),
        ("Password=top-secret\n\tHeaderDigest=on", "line 2, column 15: expected never"),
        ("TargetName=iqn.2004-01.net.example:other\n LoginTimeout=10m", "line 2, column 15: expected a time from 1 s to 300 s"),
        ("MaxBurstLength=64k", "line 1, column 16: expected a number of bytes"),
        ("DiscoveryAddress=san.example.net", "line 1, column 18: host names are not resolved"),
        ("InitiatorName=top secret", "line 1, column 19: something behind the value"),
        ('InitiatorName="iqn.2004-01.net.example:a b"', "line 1, column 41"),
        ("Subnet=192.168.7.0/33", "line 1, column 8"),
        ("LUNs=300", "line 1, column 6"),
    ):
        configure(machine, text)
        guest.fails(machine, STATIC, errno.EINVAL, f"/etc/iscsi.conf: {re.escape(place)}", again=False)
    expect(not machine.log("top.secret"), "no password in the log")
