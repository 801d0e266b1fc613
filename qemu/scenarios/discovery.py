"""A portal without a target's name: it is asked for its targets."""

import errno
import re

from lab import guest
from lab.errors import expect
from lab.net import NETMASK, PREFIX, SERVER, SERVER6
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
    """Portals given with the target: one that is dead, refuses, has lost the LUN, or has an IPv6 address where the kernel does no IPv6, stops nothing."""
    # LIO answers for a LUN 0 that it has not.
    target = lab.lio(lab.tiny_disk(), lun=1)
    # Which has another target alone.
    refusing = lab.tgt(lab.blank_disk(1 << 20), name=f"{NAME}:other")
    machine = lab.bench("ipv6.disable=1")
    # Whoever needs a module that is not loaded waits for this, which may be on the lost disk.
    script = "echo '#!/bin/sh' >/run/ask; echo 'echo \"$@\" >>/run/asked; exec /sbin/modprobe \"$@\"' >>/run/ask; chmod +x /run/ask"
    machine.check(f"mount -t proc proc /proc; {script}; echo /run/ask >/proc/sys/kernel/modprobe")
    other = f"{PREFIX}.9"
    address = f"ip address add {target.address}/24 dev eth0"
    target.machine.check("echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries")
    target.machine.check(f"ip address add {other}/24 dev eth0; mkdir -p {target.GROUP}/np/{other}:3260")
    group = target.second_group(f"{other}:3262", lun=1)
    dead, refuses = f"{target.address}:3999", refusing.portal
    not_found = f"login at {refuses} failed: the target refused: Not found .login status 0x0203"
    unheard = f"[{SERVER6}]:3260"
    without_ipv6 = f"cannot connect to {re.escape(unheard)}: this kernel does no IPv6; check ipv6.disable="
    whom = f"target={dead}:{NAME},{unheard}:{NAME},{refuses}:{NAME}"
    guest.fails(machine, f"{STATIC} {whom} lun=1", errno.ENOMEDIUM, not_found, without_ipv6, f"cannot connect to {dead}", again=False)
    whom = f"target={dead}:{NAME},{refuses}:{NAME},{target.portal}:{NAME},{other}:3260:{NAME},{other}:3262:{NAME},{unheard}:{NAME}"
    guest.succeeds(machine, f"{STATIC} {whom} lun=1")
    for what in (f"login attempt 1 of 6: cannot connect to {dead}", f"login attempt 2 of 6: {not_found}"):
        expect(machine.log(what), f"/{what}/ in the log")

    def goes_on(portal: str) -> None:
        machine.send("dd if=/dev/sda of=/dev/null bs=4096 count=1 iflag=direct && echo read >/run/result")
        machine.console.wait(rf"session with {portal}:.* restored", 120)
        read = machine.sh("until test -s /run/result; do sleep 0.1; done; cat /run/result; rm /run/result", 60).output
        expect(read == "read", "the read to end well", read)

    target.machine.check(f"ip address del {target.address}/24 dev eth0")
    goes_on(f"{other}:3260")
    target.enable(False)
    goes_on(f"{other}:3262")
    target.machine.check(address)
    target.enable(True)
    target.machine.check(f"rm {group}/lun/lun_1/disk1")
    goes_on(target.portal)
    gone = rf"session with {other}:3262:.* lost: the target has no LUN 1 any more"
    expect(machine.log(gone), "the missing LUN in the log")
    # Each group's login ends nothing of the session that the other one had.
    resets = lab.capture.fields("tcp.payload[0:2] == 42:85", "tcp.dstport")
    expect(resets == [["3262"], ["3260"]], "a LOGICAL UNIT RESET whenever the portal group is another one", str(resets))
    asked = machine.check("cat /run/asked || true")
    expect("net-pf" not in asked, "the kernel not to look for IPv6 sockets", asked)
    machine.check("rmmod iscsi_init")
