"""What the firmware has booted from, as its iBFT says: a machine that is told nothing else, and one that is."""

import errno
import re
from dataclasses import replace

from lab import guest, ibft, wire
from lab.errors import expect
from lab.ibft import IbftNic, IbftTarget
from lab.machine import BOOT, Machine
from lab.net import NETMASK, NOBODY, PREFIX, PREFIX6, SERVER, SERVER6
from lab.scenario import MAC, SECOND_MAC, Lab, scenario
from lab.targets import INITIATOR, NAME

from .builtin import NO_ROOT
from .chap import PEER, PEER_SECRET, SECRET, USER, account, configure, kept_secret, once

OWN, OTHER = f"{PREFIX}.64", f"{PREFIX}.65"
OWN6, DNS6 = f"{PREFIX6}:60", f"{PREFIX6}:53"
# A machine of which the arguments say nothing.
TOLD_NOTHING = "rdinit=/linuxrc root=/dev/sda1"
NIC = IbftNic(MAC, OWN, gateway=SERVER)
TARGET = IbftTarget(SERVER, NAME, 1)


def settings(machine: Machine) -> dict[str, str]:
    """The settings of /proc/iscsi_init which somebody has made."""
    lines = machine.check("grep ^setting- /proc/iscsi_init").split("\n")
    told = dict(re.findall(r"^setting-(\w+): (.*)$", "\n".join(lines), re.MULTILINE))
    return {key: value for key, value in told.items() if key in ("if", "lun", "target") or "(default" not in value}


@scenario
def ibft_acpi(lab: Lab) -> None:
    """An ACPI table is all that the machine is told: device, static address, initiator, target, LUN; the first NIC is not it."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    table = ibft.table(INITIATOR, [NIC], [TARGET])
    nics = [lab.nic(SECOND_MAC, bridge=lab.network.bridge("br1")), lab.nic()]
    client = lab.client(TOLD_NOTHING, nics=nics, firmware=ibft.acpi(lab.directory / "ibft", table))
    guest.boots(client)
    device = f"{MAC} with {OWN}/24 via {SERVER} (iBFT)"
    told = client.log(r"iscsi_init: interface")
    wanted = f"interface {device}, initiator {INITIATOR} (iBFT), target {SERVER}:3260:{NAME} (iBFT), LUN 1 (iBFT)"
    expect(wanted in told[0], f"`{wanted}` in the log", told)
    expect(
        settings(client)
        == {
            "if": device,
            "initiator": f"{INITIATOR} (iBFT)",
            "target": f"{SERVER}:3260:{NAME} (iBFT)",
            "lun": "1 (iBFT)",
        },
        "the iBFT as the source of each setting",
        settings(client),
    )
    addresses = client.check(f"grep -l {MAC} /sys/class/net/*/address; ip -4 -o address show; ip route")
    name = re.search(r"/net/(\w+)/address", addresses)
    expect(name and f"{name[1]}    inet {OWN}/24" in addresses, f"{OWN}/24 on the device with {MAC}", addresses)
    expect(f"default via {SERVER}" in addresses, f"a default route by {SERVER}", addresses)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)


@scenario
def ibft_low_memory(lab: Lab) -> None:
    """A table where a BIOS leaves it, which the kernel finds; its address is to come from DHCP, whose root path is not used."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(f"{NOBODY}:/{NAME}/iqn.2004-01.net.example:nobody/9")
    table = ibft.table(INITIATOR, [replace(NIC, origin=ibft.DHCP)], [TARGET])
    client = lab.client(TOLD_NOTHING, firmware=ibft.low_memory(lab.directory / "ibft", table))
    guest.boots(client)
    expect(client.log(rf"iBFT found at 0x0*{ibft.LOW_MEMORY:x}\."), "the kernel to find the table")
    expect(client.log(r"iscsi_init: iBFT \(low memory\): 1 network"), "a line that says where the table is")
    told = settings(client)
    expect(told["if"] == f"{MAC} (iBFT)" and told["lun"] == "1 (iBFT)", "the device and the LUN of the iBFT", told)
    lease = client.check("sed -n 's/^lease: //p' /proc/iscsi_init; cat /proc/net/pnp")
    expect("#PROTO: DHCP" in lease and "none" not in lease, "a lease that is kept", lease)
    guest.reboots(client)


@scenario
def ibft_chap(lab: Lab) -> None:
    """CHAP with the table's credentials, one way and both; those of iscsi.conf come first, and no secret is shown."""
    target = lab.tgt(lab.tiny_disk())
    account(target, USER, SECRET)
    account(target, PEER, PEER_SECRET, "--outgoing")
    mutual = replace(TARGET, chap=(USER, SECRET, PEER, PEER_SECRET))
    machine = lab.bench(firmware=ibft.acpi(lab.directory / "ibft", ibft.table(INITIATOR, [NIC], [mutual])))
    done = guest.succeeds(machine, "")
    expect(any(re.search(r"credentials .*\(iBFT\)", line) for line in done.log), "a line that says whose", done.log)
    machine.check("rmmod iscsi_init")
    configure(machine, f"Username={USER}\nPassword=not-our-secret\n")
    guest.fails(machine, "", errno.EKEYREJECTED, "passwords", again=False)
    configure(machine, f"Username={USER}\nPassword={SECRET}\n")
    once(machine, "")
    kept_secret(lab, machine)


@scenario
def ibft_not_used(lab: Lab) -> None:
    """Tables that cannot be read are told of, and DHCP has the rest; both places at once, each with a fault of its own."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    good = ibft.table(INITIATOR, [NIC], [TARGET])
    garbled = bytearray(good)
    garbled[100] ^= 1
    # The offset of the first string of the target leads past the end.
    cut = good[: good.rindex(NAME.encode())]
    firmware = ibft.low_memory(lab.directory / "garbled", garbled) + ibft.acpi(lab.directory / "cut", cut)
    machine = lab.bench(firmware=firmware)
    done = guest.succeeds(machine, "")
    log = "\n".join(done.log)
    for where, fault in (("low memory", "checksum"), ("ACPI table", "past the end")):
        expect(re.search(rf"<4>.*iBFT \({where}.*is not used: .*{fault}.*; check", log), f"a warning of {fault} ({where})", log)
    told = settings(machine)
    expect(told["target"].endswith("(DHCP root path)"), "the target of the DHCP root path", told)


@scenario
def ibft_and_more(lab: Lab) -> None:
    """A table with a VLAN that is not there, and a selected target that is dead: arguments help, and the table's second target, by its own LUN and CHAP."""
    target = lab.tgt(lab.tiny_disk(), lun=3)
    account(target, USER, SECRET)
    dead = f"{NAME}:dead"
    targets = [
        replace(TARGET, lun=3, flags=ibft.VALID, chap=(USER, SECRET)),
        replace(TARGET, name=dead, address=NOBODY),
    ]
    table = ibft.table(INITIATOR, [replace(NIC, vlan=100)], targets)
    machine = lab.bench(firmware=ibft.acpi(lab.directory / "ibft", table))
    # Loading 8021q by the kernel's own call for help is the user's program's business.
    machine.check("mount -t proc proc /proc; echo >/proc/sys/kernel/modprobe")
    guest.fails(machine, "", errno.EOPNOTSUPP, "eth0.100: the device of the VLAN cannot be made", "8021q", again=False)
    static = f"if=eth0:{OWN}:{NETMASK}"
    done = guest.succeeds(machine, static)
    log = "\n".join(done.log)
    expect(re.search(rf"target {NOBODY}:3260:{dead} is passed over", log), "a line about the dead target", log)
    told = settings(machine)
    expect(told["if"] == f"eth0 with {OWN}/24 (module parameter)", "the argument's device", told)
    expect(told["target"] == f"{SERVER}:3260:{NAME} (iBFT)", "the second target", told)
    expect(told["lun"] == "3 (iBFT)" and told["credentials"] == "one-way (iBFT)", "its LUN and credentials", told)
    machine.check("rmmod iscsi_init")
    guest.succeeds(machine, f"{static} target={SERVER}:{NAME}")
    told = settings(machine)
    expect(told["target"] == f"{SERVER}:3260:{NAME} (module parameter)", "the argument's target", told)


@scenario
def ibft_ipv6(lab: Lab) -> None:
    """A NIC with a static IPv6 address, whose cable is out: the other one gets its own from DHCPv6; plugged in, the first is used."""
    lab.network.ipv6(lab.bridge)
    lab.tgt(lab.tiny_disk(), address=f"[{SERVER6}]")
    configuration = lab.directory / "router.conf"
    lines = [f"interface={lab.bridge}", "enable-ra", f"dhcp-range={PREFIX6}:100,{PREFIX6}:1ff,64,2m"]
    configuration.write_text("\n".join(["port=0", *lines]) + "\n")
    lab.dnsmasq(configuration=configuration)
    static = IbftNic(MAC, OWN6, 64, SERVER6, DNS6, "kiosk")
    leased = IbftNic(SECOND_MAC, f"{PREFIX6}:100", 128, origin=ibft.DHCP)
    table = ibft.table(INITIATOR, [static, leased], [replace(TARGET, address=SERVER6)])
    nics = [lab.nic(carrier=False), lab.nic(SECOND_MAC)]
    machine = lab.bench(nics=nics, firmware=ibft.acpi(lab.directory / "ibft", table))
    done = guest.succeeds(machine, "")
    log = "\n".join(done.log)
    expect(re.search(rf"<4>.*{MAC}: no carrier after 10 s; .*; now {SECOND_MAC} is tried", log), "a warning of the first", log)
    told = settings(machine)
    expect(told["if"] == f"{SECOND_MAC} (iBFT)", "the device that is used", told)
    names = machine.check("cat /proc/net/pnp; hostname; grep -e ^setting-host-name: -e ^setting-dns-servers: /proc/iscsi_init")
    expect("kiosk" not in names and DNS6 not in names, "the host name and the name server of the other device not to be used", names)
    status = machine.check("grep -h ^ipv6-address: /proc/iscsi_init")
    expect(re.search(rf"ipv6-address: {PREFIX6}:1[0-9a-f]{{2}}/128 \(DHCPv6\)", status), "an address of DHCPv6", status)
    flags = machine.check("cat /sys/class/net/eth0/flags")
    expect(int(flags, 16) & 1 == 0, "the first device to be put back as it was", flags)
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)

    machine.plug(0, True)
    guest.succeeds(machine, "")
    told = settings(machine)
    expect(told["if"] == f"{MAC} with {OWN6}/64 via {SERVER6} (iBFT)", "the static address of the iBFT", told)
    expect(told["target"] == f"[{SERVER6}]:3260:{NAME} (iBFT)", "the IPv6 portal of the iBFT", told)
    seen = machine.check("ip -6 address show dev eth0 scope global; ip -6 route show default")
    expect(f"inet6 {OWN6}/64" in seen and f"default via {SERVER6} dev eth0" in seen, "the address and the route on eth0", seen)
    names = machine.check("cat /proc/net/pnp; hostname")
    expect(names == f"#MANUAL\nnameserver {DNS6}\nkiosk", "the name server and the host name of the iBFT", names)
    expect(not lab.capture.fields("dhcp", "frame.number"), "no message of DHCP for IPv4 on the wire")


@scenario
def builtin_ibft(lab: Lab) -> None:
    """Built in: a table alone starts nothing; any argument has all come from it, but the network where ip= has made one."""
    lab.tgt(lab.tiny_disk())
    firmware = ibft.acpi(lab.directory / "ibft", ibft.table(INITIATOR, [NIC], [TARGET]))
    idle = lab.builtin("root=/dev/sda1", firmware=firmware, name="idle")
    idle.provokes(NO_ROOT)
    idle.wait_end(BOOT)
    expect(idle.log(NO_ROOT) and not idle.log("iscsi_init:"), "a driver that does nothing", "\n".join(idle.log("iscsi_init:")))
    client = lab.builtin("root=/dev/sda1 iscsi-timeout=0", firmware=firmware)
    guest.boots(client)
    told = settings(client)
    expect(told.pop("timeout", "").endswith("(kernel argument)"), "the argument as the source of the time limit", told)
    expect(told.keys() == {"if", "initiator", "target", "lun"}, "the settings that have a source", told)
    expect(all(value.endswith("(iBFT)") for value in told.values()), "the iBFT as the source of each other setting", told)
    guest.reboots(client)
    # Whom the kernel has configured a network for, has one.
    client = lab.builtin(f"root=/dev/sda1 iscsi-timeout=0 ip={OTHER}::{SERVER}:{NETMASK}::eth0:off", firmware=firmware)
    guest.boots(client)
    told = settings(client)
    expect(told["if"] == "any (default)" and told["target"].endswith("(iBFT)"), "all but the network of the iBFT", told)
    addresses = client.check("ip -4 -o address show dev eth0")
    expect(OTHER in addresses and OWN not in addresses, f"{OTHER} on eth0", addresses)
    guest.reboots(client)
