"""The session outlives its connections, and the machine's end comes in bounded time whatever the target does."""

import re
import time

from lab import guest, images
from lab.errors import expect
from lab.machine import Machine
from lab.net import SERVER
from lab.relay import Relay
from lab.scenario import ALL_FROM_DHCP, ROOT_PATH, Lab, scenario, seldom
from lab.targets import NAME, Tgt
from lab.writer import FILES, LOST, Writer

@scenario
def recovery_target_restart(lab: Lab) -> None:
    """The target is killed and started again, twice, then moves and redirects, under writes to the root disk: no error, nothing lost."""
    disk = lab.tiny_disk()
    target = lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client()
    guest.boots(client)
    writer = Writer(client)
    for _ in range(2):
        target.crash()
        client.console.wait(guest.UNDER_WAY, 120)
        target.start()
        writer.goes_on()
    target.stop()
    moved = lab.tgt(disk, port=3261)
    for key, value in (("Address", moved.address), ("Port", str(moved.port)), ("Reason", "Permanent")):
        target.setup.append(("--mode", "target", "--op", "update", "--name", f"Redirect{key}", "--value", value))
    target.start()
    client.console.wait(f"iscsi_init: session with {moved.portal}:.* restored", 120)
    writer.goes_on()
    writer.ends()
    expect(guest.count(client, "outages") == 3 and guest.count(client, "commands-sent-again") > 1, "outages and commands to be counted")
    digest = client.check("cat /data/* | sha256sum").split()[0]
    written = writer.count()
    guest.reboots(client)
    images.check_file_system(disk)
    names = sorted(str(number) for number in range(min(written, FILES - 1) + 1) if number or written >= FILES)
    content = b"".join(images.read_file(disk, f"/data/{name}") for name in names)
    expect(images.digest(content) == digest, "the files on the server's side as the guest read them")
    logins = lab.capture.fields("iscsi.opcode == 0x03", "iscsi.opcode")
    expect(len(logins) >= 4, "a login for each restart", len(logins))


@scenario
def recovery_cable(lab: Lab) -> None:
    """The cable is out for a while, with a write under way: it waits, and ends without an error."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    client = lab.client()
    guest.boots(client)
    client.plug(0, False)
    client.send("dd if=/dev/urandom of=/file bs=65536 count=64 conv=fsync && echo written >/run/result")
    # Time that passes is the test's matter here: the connection must notice, or not, that nothing comes.
    time.sleep(20)
    client.plug(0, True)
    expect(client.sh("cat /run/result", 300).output == "written", "the write to end well")
    lost = client.log(LOST)
    expect(not lost, "no I/O error", "\n".join(lost))
    guest.reboots(client)


@scenario
def recovery_lio_restart(lab: Lab) -> None:
    """LIO's portal group is taken out of service and put back, under writes."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = lab.client()
    guest.boots(client)
    writer = Writer(client)
    target.enable(False)
    client.console.wait("iscsi_init: .*", 120)
    target.enable(True)
    writer.goes_on()
    writer.ends()
    guest.reboots(client)
    target.stop()
    images.check_file_system(disk)


@scenario
def shutdown_order(lab: Lab) -> None:
    """Reboot: SYNCHRONIZE CACHE, then Logout, then nothing more on the session; power-off alike."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    for name, command in (("reboot", "reboot -f"), ("poweroff", "poweroff -f")):
        client = lab.client(name=name)
        guest.boots(client)
        client.send(f"echo written >/file; sync; mount -o remount,ro /; {command}")
        client.wait_end(guest.SHUTDOWN)
        images.check_file_system(disk)
    guest.logged_out(lab.capture, logouts=2)


@scenario
def shutdown_without_target(lab: Lab) -> None:
    """Reboot and power-off in bounded time with the target gone: killed (connections refused), and unreachable (no answer at all)."""
    disk = lab.tiny_disk()
    target = lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client(name="refused")
    guest.boots(client)
    client.check("sync; mount -o remount,ro /")
    # What the end needs is in memory before the disk goes.
    client.check("mount -t tmpfs tmpfs /tmp; cp /bin/busybox /tmp")
    target.stop()
    client.send("/tmp/busybox reboot -f")
    client.wait_end(guest.SHUTDOWN)
    target.start()
    client = lab.client(name="unplugged")
    guest.boots(client)
    client.check("sync; mount -o remount,ro /; mount -t tmpfs tmpfs /tmp; cp /bin/busybox /tmp")
    client.plug(0, False)
    client.send("/tmp/busybox poweroff -f")
    client.wait_end(guest.SHUTDOWN)


def shuts_down(client: Machine, target: Tgt, how: str) -> str:
    """Debian is told to end with much to be written, and its target goes meanwhile; returns the digest of /srv/random."""
    digest = client.check("dd if=/dev/urandom of=/srv/random bs=1M count=16 status=none; sha256sum /srv/random").split()[0]
    client.send(f"systemctl {how}")
    client.console.wait("Stopped target .*multi-user.target", 300)
    target.stop()
    client.console.wait("iscsi_init: no session since .* still trying", 120)
    return digest


@seldom
def shutdown_debian_without_target(lab: Lab) -> None:
    """The target goes while Debian shuts down: Debian needs its disk for that, waits, and then ends well."""
    disk = lab.debian_disk()
    target = lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2)
    client.wait_agent()
    digest = shuts_down(client, target, "poweroff")
    target.start()
    client.wait_end(300)
    guest.on_disk(disk, "/srv/random", digest)
    images.check_file_system(disk)


@scenario
def shutdown_rmmod_without_target(lab: Lab) -> None:
    """rmmod ends in bounded time with the target gone, and the next insmod, with the target back, succeeds."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq(ROOT_PATH)
    machine = lab.bench(ALL_FROM_DHCP.replace("rdinit=/linuxrc", ""))
    guest.succeeds(machine)
    target.stop()
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)
    target.start()
    guest.succeeds(machine)
    machine.check("rmmod iscsi_init")


# Opcodes of a target's PDUs.
SCSI_RESPONSE, DATA_IN = 0x21, 0x25


@scenario
def recovery_digests(lab: Lab) -> None:
    """A bit changes on the way, in a header, in data, and in sense data: each time a new session, and the data is right."""
    target = lab.tgt(lab.tiny_disk())
    for key in ("HeaderDigest", "DataDigest"):
        target.configure("--mode", "target", "--op", "update", "--name", key, "--value", "CRC32C")
    relay = Relay(target.address)
    machine = lab.bench()
    parameters = f"if=eth0:192.168.7.63:255.255.255.0 target={SERVER}:{relay.port}:{NAME} lun=1"
    guest.succeeds(machine, parameters)
    read = "dd if=/dev/sda iflag=direct bs=64k count=32 2>/dev/null | sha256sum"
    digest = machine.check(read)

    def damage(opcode: int, place: int) -> None:
        """Has one bit of the next such PDU changed, `place` bytes from its start, or from its end."""

        def once(pdu: bytes) -> bytes:
            if pdu[0] & 0x3F != opcode:
                return pdu
            relay.damage = lambda pdu: pdu
            changed = bytearray(pdu)
            changed[place] ^= 0x10
            return bytes(changed)

        relay.damage = once

    for opcode, place, said in (
        (DATA_IN, 41, "a header that its digest does not fit"),
        (DATA_IN, 49, "a header that its digest does not fit"),
        (DATA_IN, 52 + 1000, "SCSI Data-In with data that its digest does not fit"),
        (DATA_IN, -1, "SCSI Data-In with data that its digest does not fit"),
        (SCSI_RESPONSE, 20, "a header that its digest does not fit"),
    ):
        damage(opcode, place)
        write = "dd if=/dev/urandom of=/dev/sda oflag=direct bs=64k seek=1000 count=1 conv=notrunc 2>/dev/null"
        seen = machine.check(f"{write} && {read}")
        expect(seen == digest, "the same data again", seen)
        machine.console.wait(f"iscsi_init: session with .* lost: .*{said}", 60)
        machine.console.wait("iscsi_init: session with .* restored", 60)
    lost = machine.log(LOST)
    expect(not lost, "no I/O error", "\n".join(lost))
    machine.check("rmmod iscsi_init")


@scenario
def recovery_status(lab: Lab) -> None:
    """/proc/iscsi_init tells of the settings and their sources, of an outage while it lasts, and of what came of it."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench("iscsi-if=eth0")
    guest.succeeds(machine, "lun=1")

    def status() -> dict[str, str]:
        return dict(line.split(": ", 1) for line in machine.check("cat /proc/iscsi_init").split("\n"))

    def expects(**wanted: str) -> None:
        seen = status()
        for name, pattern in wanted.items():
            key = name.replace("_", "-")
            expect(re.fullmatch(pattern, seen.get(key, "")), f"{key} to be /{pattern}/", seen)

    expects(
        setting_if=r"eth0 \(kernel argument\)", setting_lun=r"1 \(module parameter\)", setting_target=r".*:3260:iqn.* \(DHCP root path\)",
        setting_initiator=r"iqn.* \(default: MAC address\)", boot_address=r"\d+", boot_login=r"\d+", boot_disk=r"\d+", state="up", waiting_for="nothing",
        portal=r"192.168.7.1:3260", session="0x0100", negotiated="HeaderDigest=None .*", logins="1", outages="0", last_failure="none",
        setting_LUNs=r"all \(default\)", setting_InitiatorAlias=r"none \(default\)", setting_client_id=r"none \(default\)",
        setting_host_name=r"192.168.7.\d+ \(default\)", setting_domain_name=r"none \(default\)", setting_mtu=r"1500 \(default\)",
        setting_dns_servers=r"192.168.7.1 \(.*\)", setting_ntp_servers=r"none \(default\)",
        interface="eth0", address=r"192.168.7.\d+/24", address_kept_by="iscsi_init", lease=r"renewed at \d+", network_repairs="0",
    )  # fmt: skip
    target.stop()
    machine.console.wait("iscsi_init: no session since", 60)
    expects(state="down", waiting_for=".*refused.*", last_failure="the target closed the connection", outages="1")
    target.start()
    machine.console.wait("iscsi_init: session with .* restored", 60)
    expects(state="up", waiting_for="nothing", logins="2", outages="1", longest_outage=r"[1-9]\d+", last_failure_at=r"\d+")
    machine.check("rmmod iscsi_init")
    expect(machine.sh("cat /proc/iscsi_init").status != 0, "no file once the module is gone")


@scenario
def recovery_other_disk(lab: Lab) -> None:
    """The LUN goes and comes back: I/O waits. Another disk comes in its place: not a byte is written to it. A further LUN changes: it alone fails."""
    disk = lab.tiny_disk()
    # Wireshark takes the first bytes of a page, which is all that was asked for, for malformed.
    lab.capture.judged = "ip.src == 192.168.7.63"
    target = lab.lio(disk, lun=1, others={0: lab.blank_disk(16 << 20)})
    for lun, serial in ((0, "50000000"), (1, "50000001")):
        target.unplug(lun)
        target.plug(lun, serial)
    machine = lab.bench()
    parameters = f"if=eth0:192.168.7.63:255.255.255.0 target={target.portal}:{NAME} lun=1"
    guest.succeeds(machine, parameters)
    machine.check("until test -e /dev/sdb; do sleep 0.1; done; mkdir -p /data; mount /dev/sda1 /data")
    writer = Writer(machine)

    target.unplug(1)
    machine.console.wait("iscsi_init: session with .* lost: the target has no LUN 1 any more", 60)
    machine.console.wait("iscsi_init: no session since .*: the target at .* has no LUN 1 any more, which is the boot disk", 60)
    target.plug(1, "50000001")
    machine.console.wait("iscsi_init: session with .* restored", 60)
    writer.goes_on()

    target.unplug(1)
    machine.console.wait("iscsi_init: session with .* lost: the target has no LUN 1 any more", 60)
    # From the server's side: the target's own machine would read what it has in its memory.
    before, count = images.digest(disk.read_bytes()), writer.count()
    target.plug(1, "50000bad")
    machine.console.wait("iscsi_init: no session since .*: the target at .* has another disk than before as LUN 1", 60)
    # Time in which nothing may be written is the test's matter.
    time.sleep(10)
    expect(images.digest(disk.read_bytes()) == before, "nothing to be written to another disk")
    expect(writer.count() == count, "writes to wait", f"{writer.count()} files, {count} before")
    target.unplug(1)
    target.plug(1, "50000001")
    machine.console.wait("iscsi_init: session with .* restored", 60)
    writer.goes_on()

    target.unplug(0)
    target.plug(0, "50000bad")
    target.enable(False)
    machine.console.wait("iscsi_init: session with .* lost", 60)
    target.enable(True)
    machine.console.wait("iscsi_init: LUN 0: the target has another disk there than before, or does not tell; nothing is sent to it", 60)
    machine.console.wait("iscsi_init: session with .* restored", 60)
    expect(machine.sh("dd if=/dev/sdb of=/dev/null iflag=direct bs=4k count=1").status != 0, "the other LUN to fail")
    writer.goes_on()
    writer.ends(besides=r"\bsdb\b")
    machine.check("umount /data; rmmod iscsi_init", guest.SHUTDOWN)
    target.stop()
    images.check_file_system(disk)


@scenario
def recovery_gives_up(lab: Lab) -> None:
    """ConnFailTimeout: commands fail when the session has been lost for so long, and are served again when it is back."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench("iscsi-if=eth0 iscsi-lun=1")
    machine.check("mkdir -p /etc; echo ConnFailTimeout=8s >/etc/iscsi.conf")
    guest.succeeds(machine)
    read = "dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct"
    target.stop()
    machine.console.wait("iscsi_init: session with .* lost", 60)
    expect(machine.sh(read, 60).status != 0, "a command that has waited for long to fail")
    machine.console.wait("iscsi_init: no session with .* since 8 s: commands fail from now on", 1)
    expect(machine.sh(read, 10).status != 0, "a further command to fail at once")
    state = machine.check("sed -n 's/^state: //p' /proc/iscsi_init")
    expect(state == "failing", "the state to be told", state)
    target.start()
    machine.console.wait("iscsi_init: session with .* restored", 60)
    machine.check(read)
    machine.check("rmmod iscsi_init")
