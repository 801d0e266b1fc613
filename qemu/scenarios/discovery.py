"""A portal without a target's name: it is asked for its targets."""

import errno

from lab import guest
from lab.errors import expect
from lab.net import NETMASK, PREFIX, SERVER
from lab.scenario import Lab, scenario
from lab.targets import NAME

STATIC = f"if=eth0:{PREFIX}.70:{NETMASK}"
SECRET = "our-secret-phrase"


@scenario
def discovery_tgt(lab: Lab) -> None:
    """tgt: its one target is taken, several are listed, none is an error; with CHAP for discovery as well."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq(f"iscsi:{SERVER}:::1:")
    machine = lab.bench()
    # By the root path, then by the parameter.
    guest.succeeds(machine, "if=eth0")
    machine.check("rmmod iscsi_init")
    portal = f"{STATIC} target={SERVER} lun=1"
    guest.succeeds(machine, portal)
    machine.check("rmmod iscsi_init")
    other = f"{NAME}.other"
    admin = ("tgtadm", "--lld", "iscsi", "--mode", "target", "--tid", "2")
    target.run(*admin, "--op", "new", "--targetname", other)
    target.run(*admin, "--op", "bind", "--initiator-address", "ALL")
    guest.fails(machine, portal, errno.ENOTUNIQ, f"2 targets: .*{NAME}", other, again=False)
    target.run(*admin, "--op", "delete")
    target.admin("--mode", "target", "--op", "unbind", "--initiator-address", "ALL")
    guest.fails(machine, portal, errno.ENODATA, SERVER, again=False)
    target.admin("--mode", "target", "--op", "bind", "--initiator-address", "ALL")
    target.admin("--mode", "account", "--op", "new", "--user", "us", "--password", SECRET)
    target.run("tgtadm", "--lld", "iscsi", "--mode", "account", "--op", "bind", "--user", "us")
    guest.fails(machine, portal, errno.EKEYREJECTED, again=False)
    machine.check(f"mkdir -p /etc; printf 'DiscoveryAddress={SERVER}\\n Username=us\\n Password={SECRET}\\n' >/etc/iscsi.conf")
    guest.succeeds(machine, portal)


@scenario
def discovery_lio(lab: Lab) -> None:
    """LIO: its one target, which has three portals; when the address of the one in use goes, the session comes back at another."""
    target = lab.lio(lab.tiny_disk())
    machine = lab.bench()
    # Otherwise the first address takes the others with it.
    target.machine.check("echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries")
    for address in (f"{PREFIX}.9", f"{PREFIX}.8"):
        target.machine.check(f"ip address add {address}/24 dev eth0; mkdir -p {target.GROUP}/np/{address}:3261")
    guest.succeeds(machine, f"{STATIC} target={target.address}")
    expect(machine.log(f"portal {target.address}:3260 tells of target {target.address}:3260:{NAME}"), "a line about what was found")
    target.machine.check(f"ip address del {target.address}/24 dev eth0")
    machine.send("dd if=/dev/sda of=/dev/null bs=4096 count=1 iflag=direct && echo read >/run/result")
    machine.console.wait("session with .* restored", 120)
    expect(machine.sh("until test -s /run/result; do sleep 0.1; done; cat /run/result", 60).output == "read", "the read to end well")
    expect(machine.log(rf"session with {PREFIX}\.[89]:3261:.* restored"), "the session to be at another portal")


@scenario
def discovery_given(lab: Lab) -> None:
    """Portals given with the target: a dead one does not stop the boot, nor one that dies later the running machine."""
    target = lab.lio(lab.tiny_disk())
    machine = lab.bench()
    other = f"{PREFIX}.9"
    target.machine.check("echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries")
    target.machine.check(f"ip address add {other}/24 dev eth0; mkdir -p {target.GROUP}/np/{other}:3260")
    whom = f"target={target.address}:3999:{NAME},{target.address},{other}:3260:{NAME}"
    guest.succeeds(machine, f"{STATIC} {whom}")
    expect(machine.log(f"login attempt 1 of 3: cannot connect to {target.address}:3999"), "the first portal to be tried")
    target.machine.check(f"ip address del {target.address}/24 dev eth0")
    machine.send("dd if=/dev/sda of=/dev/null bs=4096 count=1 iflag=direct && echo read >/run/result")
    machine.console.wait(rf"session with {other}:3260:.* restored", 120)
    expect(machine.sh("until test -s /run/result; do sleep 0.1; done; cat /run/result", 60).output == "read", "the read to end well")
