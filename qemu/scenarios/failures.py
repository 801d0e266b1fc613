"""What goes wrong says so: each cause has its errno and its line, within bounded time, and insmod can be run again at once."""

import errno

from hostile.disk import BLOCK
from hostile.pdu import DATA_IN
from hostile.target import PREFIX as CASE
from hostile.target import Behaviour, Server
from lab import guest
from lab.errors import expect
from lab.net import NETMASK, NOBODY, PREFIX, SERVER
from lab.process import run
from lab.relay import Relay
from lab.scenario import ALL_FROM_DHCP, BOOT_FAILED, ROOT_PATH, Lab, scenario
from lab.targets import INITIATOR, NAME, LoginResponder

STATIC = f"if=eth0:{PREFIX}.62:{NETMASK} initiator={INITIATOR}"
TARGET = f"target={SERVER}:{NAME} lun=1"


@scenario
def failure_malformed_argument(lab: Lab) -> None:
    """Each argument, malformed: EINVAL, at once, naming the argument."""
    machine = lab.bench()
    for parameters, word in (
        (f"if=eth0:300.1.1.1 initiator={INITIATOR} {TARGET}", "if="),
        (f"if=eth0:{PREFIX}.62:255.0.255.0 initiator={INITIATOR} {TARGET}", "if="),
        (f"if=eth0:{PREFIX}.62:{NETMASK}:{SERVER}:more initiator={INITIATOR} {TARGET}", "if="),
        (f"if=a-name-longer-than-an-interface-has initiator={INITIATOR} {TARGET}", "if="),
        (f"if=eth0 initiator=client {TARGET}", "initiator="),
        (f"if=eth0 initiator={INITIATOR} target={SERVER}: lun=1", "target="),
        (f"if=eth0 initiator={INITIATOR} target={SERVER}:70000:{NAME} lun=1", "target="),
        (f"if=eth0 initiator={INITIATOR} target={SERVER}:{NAME} lun=0x1", "lun="),
        (f"if=eth0 initiator={INITIATOR} target={SERVER}:{NAME} lun=99999999999999999999", "lun="),
    ):
        guest.fails(machine, parameters, errno.EINVAL, word)


@scenario
def failure_no_device(lab: Lab) -> None:
    """An interface that does not exist: ENODEV, after the wait for it to appear."""
    machine = lab.bench()
    guest.fails(machine, f"if=eth7 initiator={INITIATOR} {TARGET}", errno.ENODEV, "eth7")


@scenario
def failure_late_device(lab: Lab) -> None:
    """An interface that appears while insmod waits for it is no failure."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench()
    machine.check("ip link set eth0 name wan0")
    machine.check("(insmod /lib/modules/iscsi_init.ko if=eth0; echo $? >/status) >/dev/null 2>&1 &")
    machine.console.wait("iscsi_init: .*eth0", 120)
    machine.check("ip link set wan0 name eth0; until test -e /status; do sleep 0.1; done")
    expect(machine.check("cat /status") == "0", "insmod to succeed")


@scenario
def failure_no_carrier(lab: Lab) -> None:
    """A cable that is not plugged in: ENETDOWN. Plugged in, the next insmod succeeds."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench(nics=[lab.nic(carrier=False)])
    guest.fails(machine, "if=eth0", errno.ENETDOWN, "eth0", again=False)
    machine.plug(0, True)
    guest.succeeds(machine, "if=eth0")


@scenario
def failure_no_dhcp_answer(lab: Lab) -> None:
    """No DHCP server: EADDRNOTAVAIL. Started, the next insmod succeeds."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    guest.fails(machine, "if=eth0", errno.EADDRNOTAVAIL, "eth0", "DHCP", again=False)
    lab.dnsmasq()
    guest.succeeds(machine, "if=eth0")


@scenario
def failure_no_root_path(lab: Lab) -> None:
    """An offer without root path, and no target argument: ENODATA. With the argument, the next insmod succeeds."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(None)
    machine = lab.bench()
    guest.fails(machine, "if=eth0", errno.ENODATA, "root.path|option 17", SERVER)
    guest.succeeds(machine, f"if=eth0 initiator={INITIATOR} {TARGET}")


@scenario
def failure_malformed_root_path(lab: Lab) -> None:
    """Malformed root paths: EBADMSG, with the root path in the line."""
    machine = lab.bench()
    for root_path in (
        f"{SERVER}:{NAME}",
        f"{SERVER}:/disk",
        f"{SERVER}:/{NAME}/{INITIATOR}/one",
        f"{SERVER}:/{NAME}/{INITIATOR}/1/more",
        "iscsi:",
        f"iscsi:{SERVER}:6:3260:1",
        f"iscsi:{SERVER}:6:99999:1:{NAME}",
        f"iscsi:{SERVER}:6:3260:xyz:{NAME}",
    ):
        server = lab.dnsmasq(root_path)
        guest.fails(machine, "if=eth0", errno.EBADMSG, "root.path|option 17", again=root_path == "iscsi:")
        server.stop()


@scenario
def failure_unreachable(lab: Lab) -> None:
    """A target address that nobody has: EHOSTUNREACH."""
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} target={NOBODY}:{NAME} lun=1", errno.EHOSTUNREACH, NOBODY)


@scenario
def failure_connect_timeout(lab: Lab) -> None:
    """A target that never answers a SYN: ETIMEDOUT."""
    # Packets for an address of this namespace that is not the bridge's are swallowed by a blackhole route.
    run("ip", "route", "add", "blackhole", "198.51.100.0/24")
    run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    machine = lab.bench()
    parameters = f"if=eth0:{PREFIX}.62:{NETMASK}:{SERVER} initiator={INITIATOR} target=198.51.100.7:{NAME} lun=1"
    guest.fails(machine, parameters, errno.ETIMEDOUT, "198.51.100.7", again=False)


@scenario
def failure_refused(lab: Lab) -> None:
    """A port where nobody listens: ECONNREFUSED. With the target started, the next insmod succeeds."""
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} {TARGET}", errno.ECONNREFUSED, SERVER, "3260")
    lab.tgt(lab.tiny_disk())
    guest.succeeds(machine, f"{STATIC} {TARGET}")


@scenario
def failure_time_limit(lab: Lab) -> None:
    """timeout= has insmod try again for that long, then fail as it would have; a target that comes up meanwhile is taken."""
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} {TARGET} timeout=8", errno.ECONNREFUSED, "given up after", SERVER, again=False)
    guest.fails(machine, f"{STATIC} {TARGET} timeout=8s", errno.EINVAL, "timeout=", "seconds", again=False)
    start = machine.console.end()
    machine.check(f"insmod /lib/modules/iscsi_init.ko {STATIC} {TARGET} timeout=0 >/dev/null 2>&1 &")
    machine.console.wait("iscsi_init: .*; trying again in", 120)
    lab.tgt(lab.tiny_disk())
    machine.console.wait("iscsi_init: boot disk sda is LUN 1", 120, never=BOOT_FAILED)
    told = machine.log("iscsi_init: eth0: static address", start)
    expect(len(told) == 1, "what does not change to be told once", "\n".join(told))
    machine.check("rmmod iscsi_init")


@scenario
def failure_lost_in_login(lab: Lab) -> None:
    """A target that closes the connection instead of answering the login: ECONNRESET."""
    responder = lab.responder()
    responder.handler = responder.close
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} {TARGET}", errno.ECONNRESET, SERVER)


@scenario
def failure_login_tgt(lab: Lab) -> None:
    """Logins that tgt refuses: no such target, an initiator that it does not know, target offline, CHAP wanted."""
    target = lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} target={SERVER}:{NAME}x lun=1", errno.ENOMEDIUM, SERVER)
    everyone = ("--mode", "target", "--initiator-address", "ALL")
    target.admin(*everyone, "--op", "unbind")
    other = ("--mode", "target", "--initiator-name", "iqn.2004-01.net.example:other")
    target.admin(*other, "--op", "bind")
    # This is how tgt hides a target from those it is not for.
    guest.fails(machine, f"{STATIC} {TARGET}", errno.ENOMEDIUM)
    target.admin(*everyone, "--op", "bind")
    target.admin("--mode", "target", "--op", "update", "--name", "state", "--value", "offline")
    guest.fails(machine, f"{STATIC} {TARGET}", errno.EREMOTEIO)
    target.admin("--mode", "target", "--op", "update", "--name", "state", "--value", "ready")
    guest.succeeds(machine, f"{STATIC} {TARGET}")
    machine.check("rmmod iscsi_init")
    target.admin("--mode", "account", "--op", "new", "--user", "somebody", "--password", "twelve-chars")
    target.admin("--mode", "account", "--op", "bind", "--user", "somebody")
    guest.fails(machine, f"{STATIC} {TARGET}", errno.EKEYREJECTED, "[Aa]uth", "passwords")


@scenario
def failure_login_lio(lab: Lab) -> None:
    """Logins that LIO refuses: an initiator without ACL, CHAP wanted, portal group out of service."""
    target = lab.lio(lab.tiny_disk())
    machine = lab.bench()
    to_lio = f"{STATIC} target={target.address}:{NAME}"
    target.attribute("generate_node_acls", 0)
    guest.fails(machine, to_lio, errno.EACCES, target.address)
    target.attribute("generate_node_acls", 1)
    guest.succeeds(machine, to_lio)
    machine.check("rmmod iscsi_init")
    target.attribute("authentication", 1)
    # With CHAP as its only method, LIO has no answer to an initiator that has no CHAP: it closes the connection.
    guest.fails(machine, to_lio, errno.ECONNRESET)
    target.attribute("authentication", 0)
    target.enable(False)
    guest.fails(machine, to_lio, errno.EAGAIN)
    target.enable(True)
    guest.succeeds(machine, to_lio)


# RFC 7143 section 11.13.5, and the errno of docs/errors.md.
STATUSES = {
    0x0200: errno.EBADE,
    0x0201: errno.EKEYREJECTED,
    0x0202: errno.EACCES,
    0x0203: errno.ENOMEDIUM,
    0x0204: errno.EIDRM,
    0x0205: errno.EPROTONOSUPPORT,
    0x0206: errno.EUSERS,
    0x0207: errno.EBADR,
    0x0208: errno.EISCONN,
    0x0209: errno.ESOCKTNOSUPPORT,
    0x020A: errno.ESTALE,
    0x020B: errno.EILSEQ,
    0x0300: errno.EREMOTEIO,
    0x0301: errno.EAGAIN,
    0x0302: errno.ENOBUFS,
}


@scenario
def failure_login_statuses(lab: Lab) -> None:
    """Each login status of RFC 7143 has its errno, and stands in the line as the target sent it."""
    responder = lab.responder()
    machine = lab.bench()
    for status, number in STATUSES.items():
        responder.status = status
        guest.fails(machine, f"{STATIC} {TARGET}", number, f"{status:04x}", SERVER, again=False)
    # A status of a class that exists, with a detail that no RFC has.
    responder.status = 0x02EE
    guest.fails(machine, f"{STATIC} {TARGET}", errno.EPROTO, "02ee", again=False)


@scenario
def failure_redirect_loop(lab: Lab) -> None:
    """A target that redirects to itself for ever: ELOOP."""
    responder = lab.responder()
    responder.status = 0x0101
    responder.text = f"TargetAddress={SERVER}:3260\0".encode()
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} {TARGET}", errno.ELOOP, SERVER)


@scenario
def failure_redirect_followed(lab: Lab) -> None:
    """A target that redirects to another portal is no failure: the module logs in there."""
    target = lab.tgt(lab.tiny_disk())
    responder = LoginResponder(port=3261)
    responder.status = 0x0101
    responder.text = f"TargetAddress={target.portal},1\0".encode()
    machine = lab.bench()
    guest.succeeds(machine, f"{STATIC} target={SERVER}:3261:{NAME} lun=1")
    expect(responder.logins == 1, "one login at the first portal", responder.logins)


@scenario
def failure_no_such_lun(lab: Lab) -> None:
    """A LUN that the target does not have: ENXIO. The right one, given next, succeeds."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} target={SERVER}:{NAME} lun=5", errno.ENXIO, "LUN 5|lun 5")
    guest.succeeds(machine, f"{STATIC} {TARGET}")


@scenario
def failure_not_a_disk(lab: Lab) -> None:
    """A LUN that is there but is no disk: ENOTBLK. tgt's LUN 0 is its controller."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} target={SERVER}:{NAME} lun=0", errno.ENOTBLK, "LUN 0|lun 0")


@scenario
def failure_silent_target(lab: Lab) -> None:
    """A target that falls silent while the partition table is read: ECONNABORTED."""
    target = lab.tgt(lab.tiny_disk())
    relay = Relay(target.address, digests=(0, 0))
    machine = lab.bench()

    def silence(pdu: bytes) -> bytes:
        if pdu[0] & 0x3F == DATA_IN and len(pdu) > BLOCK:
            relay.flows.clear()
            relay.flows.wait()
        return pdu

    relay.damage = silence
    parameters = f"{STATIC} target={SERVER}:{relay.port}:{NAME} lun=1"
    guest.fails(machine, parameters, errno.ECONNABORTED, SERVER, "lost", again=False)
    relay.damage = lambda pdu: pdu
    relay.flows.set()
    guest.succeeds(machine, parameters)


@scenario
def failure_silent_disk(lab: Lab) -> None:
    """A target that answers pings but no read of the partition table: ECONNABORTED."""
    silent = Behaviour({"look": lambda c, command: None}, always=True)
    Server(SERVER, 3260, {"silent": silent})
    # Wireshark takes a short page of that disk for malformed.
    lab.capture.judged = f"ip.src == {PREFIX}.62"
    machine = lab.bench()
    guest.fails(machine, f"{STATIC} target={SERVER}:{CASE}silent", errno.ECONNABORTED, SERVER, again=False)
    done = guest.insmod(machine, f"{STATIC} target={SERVER}:{CASE}other")
    expect(done.errno == 0, "the next insmod to succeed", done.output)


@scenario
def failure_linuxrc(lab: Lab) -> None:
    """The shipped linuxrc, when insmod fails: says so, waits for a person, and reboots."""
    lab.dnsmasq(ROOT_PATH)
    client = lab.client(ALL_FROM_DHCP)
    client.console.wait("linuxrc: insmod iscsi_init.ko: Connection refused", 240)
    client.console.wait("linuxrc: BOOT FAILED: iscsi_init brought no disk", 60)
    client.wait_end()
    expect(client.log(r"iscsi_init: .*connection refused; check"), "a line of the module that says what to check")
