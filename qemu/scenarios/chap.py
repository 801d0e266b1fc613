"""CHAP, with the credentials of a configuration file in the initrd."""

import errno
import re

from lab import guest, images, settings
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, SERVER
from lab.scenario import Lab, scenario
from lab.targets import NAME, Tgt

STATIC = f"if=eth0:{PREFIX}.70:{NETMASK}"
TARGET = f"{STATIC} target={SERVER}:{NAME} lun=1"
USER, SECRET = "machine-room", "our-secret-phrase"
PEER, PEER_SECRET = "the-target", "their-secret-phrase"
ONE_WAY = f"OutgoingUsername={USER}\nOutgoingPassword={SECRET}\n"
MUTUAL = f"{ONE_WAY}IncomingUsername={PEER}\nIncomingPassword={PEER_SECRET}\n"
# As a configuration file has them, and their numbers.
ALGORITHMS = {"SHA3-256": "8", "SHA-256": "7", "SHA-1": "6", "MD5": "5"}


def configure(machine: Machine, text: str, path: str = "/etc/iscsi.conf") -> None:
    """Writes the configuration file."""
    machine.check(f"mkdir -p /etc; cat >{path} <<'END'\n{text}\nEND")


def once(machine: Machine, parameters: str) -> None:
    """Loads the module, which must bring the disk, and unloads it."""
    guest.succeeds(machine, parameters)
    machine.check("rmmod iscsi_init")


def account(target: Tgt, user: str, secret: str, *direction: str) -> None:
    """Has tgt know an account, and its target use it."""
    target.admin("--mode", "account", "--op", "new", "--user", user, "--password", secret)
    target.admin("--mode", "account", "--op", "bind", "--user", user, *direction)


def allow(machine: Machine, algorithm: str, credentials: str) -> None:
    """Writes a configuration file that allows no other algorithm."""
    configure(machine, f"CHAPAlgorithms={algorithm}\n{credentials}")


def chosen(lab: Lab) -> list[str]:
    """The algorithms that targets chose, one login after the other; ends the capture."""
    rows = lab.capture.fields('iscsi.keyvalue contains "CHAP_A="', "iscsi.keyvalue")
    return re.findall(r"CHAP_A=(\d),CHAP_", "\n".join(row[0] for row in rows))


def kept_secret(lab: Lab, machine: Machine) -> None:
    """Fails the scenario when a secret is anywhere but in the file."""
    places = "dmesg; cat /proc/cmdline; cat /sys/module/iscsi_init/parameters/* /proc/net/pnp; find /proc/[1-9]* -name cmdline | xargs cat"
    seen = machine.sh(f"({places}) 2>/dev/null").output + machine.console.since()
    wire = lab.capture.file.read_bytes()
    for secret in (SECRET, PEER_SECRET):
        expect(secret not in seen, f"{secret} not to be shown anywhere")
        expect(secret.encode() not in wire, f"{secret} not to be sent")


@scenario
def chap_tgt(lab: Lab) -> None:
    """tgt with CHAP, one way and both: right and wrong secrets; its MD5 alone, and what it takes for SHA-1, SHA-256 to all others."""
    target = lab.tgt(lab.tiny_disk())
    account(target, USER, SECRET)
    machine = lab.bench()
    guest.fails(machine, TARGET, errno.EKEYREJECTED, "passwords", again=False)
    configure(machine, ONE_WAY)
    once(machine, TARGET)
    expect(machine.log("trying without"), "a line that says why a second login was tried")
    configure(machine, ONE_WAY.replace(SECRET, "not-our-secret"))
    guest.fails(machine, TARGET, errno.EKEYREJECTED, "passwords", again=False)
    allow(machine, "MD5", ONE_WAY)
    guest.succeeds(machine, TARGET)
    machine.check("rmmod iscsi_init")
    # Where nothing else is allowed, nothing else is tried.
    allow(machine, "SHA-256", ONE_WAY)
    guest.fails(machine, TARGET, errno.EBADE, again=False)
    expect(machine.log("no other algorithm is left"), "a line that says why nothing else was tried")
    allow(machine, "SHA3-256,SHA-1", ONE_WAY)
    guest.fails(machine, TARGET, errno.EBADE, "CHAPAlgorithms", again=False)
    # tgt refuses whom it has nothing to prove itself to with.
    configure(machine, MUTUAL)
    guest.fails(machine, TARGET, errno.EKEYREJECTED, "both directions", again=False)
    account(target, PEER, PEER_SECRET, "--outgoing")
    once(machine, TARGET)
    allow(machine, "MD5", MUTUAL)
    once(machine, TARGET)
    configure(machine, MUTUAL.replace(PEER_SECRET, "not-their-secret"))
    guest.fails(machine, TARGET, errno.ENOKEY, "IncomingPassword", again=False)
    configure(machine, MUTUAL.replace(PEER, "somebody-else"))
    guest.fails(machine, TARGET, errno.ENOKEY, "IncomingUsername", again=False)
    # Another target's credentials are not ours.
    configure(machine, "TargetName=iqn.2004-01.net.example:other\n\tPassword=x\n" + f"TargetName={NAME}\n\t" + MUTUAL.replace("\n", "\n\t"))
    guest.succeeds(machine, TARGET)
    kept_secret(lab, machine)
    found = chosen(lab)
    expect(set(found) == {"7", "5"}, "tgt to choose 7, and 5 without it", found)


@scenario
def chap_keyring(lab: Lab) -> None:
    """Secrets from the kernel's keyrings: a logon key, a user key, none, and one that was revoked."""
    target = lab.tgt(lab.tiny_disk())
    account(target, USER, SECRET)
    account(target, PEER, PEER_SECRET, "--outgoing")
    machine = lab.bench(programs=["keyctl"])
    configure(machine, f"OutgoingUsername={USER}\nIncomingUsername={PEER}")
    guest.fails(machine, TARGET, errno.EINVAL, "no OutgoingPassword", "keyrings", again=False)
    number = machine.check(f"printf %s {SECRET} | keyctl padd logon iscsi_init:{USER} @u")
    guest.fails(machine, TARGET, errno.EINVAL, "no IncomingPassword", "keyrings", again=False)
    machine.check(f"printf %s {PEER_SECRET} | keyctl padd user iscsi_init:{PEER} @u")
    guest.succeeds(machine, TARGET)
    kept_secret(lab, machine)
    machine.check(f"rmmod iscsi_init; keyctl revoke {number}")
    guest.fails(machine, TARGET, errno.EINVAL, "no OutgoingPassword", again=False)
    # Not every kernel knows the names of errors.
    expect(machine.log("cannot be used: (EKEYREVOKED|Error\\(128\\))"), "a line about the key that was revoked")


@scenario
def chap_lio(lab: Lab) -> None:
    """LIO with CHAP, one way and mutual, with each algorithm alone, in another order, and without SHA3-256; a session restored."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    machine = lab.bench()
    to_lio = f"{STATIC} target={target.address}:{NAME}"
    configure(machine, ONE_WAY)
    # LIO takes CHAP from whom offers it, and has no account.
    guest.fails(machine, to_lio, errno.EKEYREJECTED, again=False)
    target.authenticate(userid=USER, password=SECRET)
    once(machine, to_lio)
    for algorithm in ALGORITHMS:
        allow(machine, algorithm, ONE_WAY)
        once(machine, to_lio)
    configure(machine, MUTUAL)
    guest.fails(machine, to_lio, errno.ENOKEY, again=False)
    target.authenticate(userid_mutual=PEER, password_mutual=PEER_SECRET)
    once(machine, to_lio)
    for algorithm in ALGORITHMS:
        allow(machine, algorithm, MUTUAL)
        once(machine, to_lio)
    allow(machine, "SHA-1,SHA3-256", MUTUAL)
    once(machine, to_lio)
    configure(machine, MUTUAL)
    target.machine.check("rmmod sha3 && rm -r $(find /lib/modules -name 'sha3.ko*')")
    guest.succeeds(machine, to_lio)
    target.enable(False)
    machine.console.wait("session with .* lost", 60)
    target.enable(True)
    machine.console.wait("session with .* restored", 60)
    machine.check("dd if=/dev/sda of=/dev/null bs=4096 count=1 iflag=direct")
    kept_secret(lab, machine)
    each = list(ALGORITHMS.values())
    # The second 8 is that of the proof that LIO could not give, the last two those of the session that was restored.
    expected = ["8", *each, "8", "8", *each, "6", "7", "7"]
    found = chosen(lab)
    expect(found == expected, f"LIO to choose {expected}", found)


@scenario
def chap_boot(lab: Lab) -> None:
    """samples/iscsi.conf.SAMPLE as it stands, in an initrd of scripts/initrd: a machine boots its root from LIO, by DHCP, with mutual CHAP."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    target.authenticate(userid=USER, password=SECRET, userid_mutual=PEER, password_mutual=PEER_SECRET)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = lab.client(conf=settings.CHECKOUT / "samples/iscsi.conf.SAMPLE")
    guest.boots(client)
    guest.reboots(client)
    target.stop()
    images.check_file_system(disk)


@scenario
def chap_configuration(lab: Lab) -> None:
    """A configuration file that cannot be meant ends the boot with its place; one that is not there only if it was asked for."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    once(machine, TARGET)
    guest.fails(machine, f"{TARGET} conf=/etc/none.conf", errno.ENOENT, "/etc/none.conf", again=False)
    guest.fails(machine, f"{TARGET} conf=/etc", errno.EINVAL, again=False)
    for text, place in (
        ("# A comment\nPassword", "/etc/iscsi.conf: line 2, column 1"),
        ('Password="top-secret', "line 1, column 10"),
        ("Password=top-secret\nCHAPAlgorithms=SHA-256,SHA2", "line 2, column 24.*SHA3-256, SHA-256, SHA-1 and MD5"),
        ("Username=somebody", "OutgoingPassword"),
        ("PasswordIn=top-secret", "OutgoingPassword"),
        ("Password=top-secret\nPasswordIn=top-secret", "the same"),
    ):
        configure(machine, text)
        guest.fails(machine, TARGET, errno.EINVAL, place, again=False)
    machine.check("dd if=/dev/zero of=/etc/big.conf bs=1024 count=17")
    guest.fails(machine, f"{TARGET} conf=/etc/big.conf", errno.EFBIG, again=False)
    configure(machine, "TCPWindowSize=262144\nImediateData=no\n# Nothing else.", "/etc/other.conf")
    once(machine, f"{TARGET} conf=/etc/other.conf")
    expect(machine.log("/etc/other.conf: line 1: TCPWindowSize has no meaning any more"), "a line about a key that means nothing any more")
    expect(machine.log("/etc/other.conf: line 2: ImediateData is no key of this file"), "a line about a key that there is not")
    expect(not machine.log("top-secret"), "no password in the log")
