"""What DHCP servers say besides an address, and the kernel arguments of others that say the same."""

import errno
import re

from lab import guest, wire
from lab.disk import PARTITION
from lab.errors import expect
from lab.machine import BOOT, Machine
from lab.net import NETMASK, PREFIX, SECOND_SERVER, SERVER
from lab.process import Process, run
from lab.scenario import BOOT_FAILED, MAC, SECOND_MAC, Lab, scenario
from lab.targets import INITIATOR, NAME

from .chap import account

LOCAL = "rdinit=/linuxrc root=/dev/sda1"
ROOT = f"{SERVER}:/{NAME}//1"
USER, SECRET = "machine-room", "our-secret-phrase"
PEER, PEER_SECRET = "the-target", "their-secret-phrase"
# A network behind a router, where the server of another scenario is.
FAR = "192.168.8"
# The name server that ip= has; the lab has none.
DNS = f"{PREFIX}.53"


def initiator(lab: Lab) -> str | None:
    """The initiator's name on the wire."""
    return wire.login_keys(lab.capture).get("InitiatorName")


def unseen(machine: Machine, *secrets: str) -> None:
    """Fails the scenario when the driver has shown a secret."""
    seen = "\n".join(machine.log("iscsi_init")) + machine.check("cat /proc/iscsi_init /proc/net/pnp")
    for secret in secrets:
        expect(secret not in seen, f"{secret} not to be shown")


@scenario
def dhcp_dnsmasq(lab: Lab) -> None:
    """dnsmasq knows a machine by what ip= and dhcpclass= have it say, and gives it all there is to give, by broadcast; mutual CHAP."""
    target = lab.tgt(lab.tiny_disk())
    account(target, USER, SECRET)
    account(target, PEER, PEER_SECRET, "--outgoing")
    identifier = ":".join(f"{byte:02x}" for byte in b"\x00machine-7")
    lab.dnsmasq(
        None,
        "dhcp-broadcast",
        f"dhcp-host=id:{identifier},set:known,{PREFIX}.77",
        "dhcp-vendorclass=set:class,diskless",
        "dhcp-userclass=set:user,iscsi_init",
        f'dhcp-option=tag:known,tag:class,tag:user,option:root-path,"{ROOT}"',
        f"dhcp-option=203,{INITIATOR}",
        f"dhcp-option=encap:175,190,{USER}",
        f"dhcp-option=encap:175,191,{SECRET}",
        f"dhcp-option=encap:175,192,{PEER}",
        f"dhcp-option=encap:175,193,{PEER_SECRET}",
        f"dhcp-option=option:dns-server,{SERVER},{SECOND_SERVER}",
        f"dhcp-option=option:ntp-server,{SERVER},{SECOND_SERVER}",
        "dhcp-option=option:domain-search,lab.example,far.lab.example",
        "dhcp-option=option:nis-domain,nis.example",
        f"dhcp-option=33,{FAR}.0,{SECOND_SERVER}",
        f"dhcp-option=28,{PREFIX}.127",
        "dhcp-option=26,1400",
    )
    client = lab.client(f"{LOCAL} ip=::::node1.ignored:eth0:dhcp,0,machine-7:{DNS} dhcpclass=diskless")
    guest.boots(client)
    pnp = client.check("cat /proc/net/pnp")
    expect(
        pnp == f"#PROTO: DHCP\ndomain lab.example\nnameserver {DNS}\nnameserver {SECOND_SERVER}\nbootserver {SERVER}",
        "/proc/net/pnp as ipconfig has it",
        pnp,
    )
    ntp = client.check("cat /proc/net/ipconfig/ntp_servers")
    expect(ntp == f"{SERVER}\n{SECOND_SERVER}", "both time servers", ntp)
    network = client.check("ip -4 address show dev eth0; ip link show dev eth0; ip route; hostname; cat /proc/sys/kernel/domainname")
    for line in (
        rf"inet {PREFIX}\.77/24 brd {PREFIX}\.127",
        r"mtu 1400",
        rf"{FAR}\.0/24 via {SECOND_SERVER}",
        rf"default via {SERVER}",
        r"^node1$",
        r"^ignored$",
    ):
        expect(re.search(line, network, re.MULTILINE), f"/{line}/", network)
    status = client.check("cat /proc/iscsi_init")
    expect("\nsearch-domains: lab.example far.lab.example\n" in status, "the search domains", status)
    expect(f"setting-initiator: {INITIATOR} (DHCP option 203)" in status, "the initiator's name and its source", status)
    for wanted in (
        "if: eth0 (kernel argument ip=)",
        "vendor-class: diskless (kernel argument dhcpclass=)",
        "client-id: 0,machine-7 (kernel argument ip=)",
        "host-name: node1 (kernel argument ip=)",
        "domain-name: ignored (kernel argument ip=)",
        "dns-domain: lab.example (DHCP option 119)",
        "mtu: 1400 (DHCP option 26)",
        f"dns-servers: {DNS} (kernel argument ip=) {SECOND_SERVER} (DHCP option 6)",
        f"ntp-servers: {SERVER} {SECOND_SERVER} (DHCP option 42)",
    ):
        expect(f"setting-{wanted}\n" in status, wanted, status)
    unseen(client, SECRET, PEER_SECRET)
    expect(client.log("CHAP password from the DHCP server"), "a line about a password that all can read")
    guest.reboots(client)
    expect(initiator(lab) == INITIATOR, f"InitiatorName={INITIATOR}", initiator(lab))
    proofs = lab.capture.fields('iscsi.keyvalue contains "CHAP_R="', "iscsi.keyvalue")
    for name in (USER, PEER):
        expect(any(f"CHAP_N={name}," in proof for proof, in proofs), f"{name} to prove itself", proofs)


@scenario
def dhcp_dhcpd_relay(lab: Lab) -> None:
    """ISC dhcpd behind a router with a relay agent, iPXE's option space as its authors write it, and RFC 3396's long root path."""
    target = lab.tgt(lab.tiny_disk())
    account(target, USER, SECRET)
    far = lab.network.bridge("br1", f"{FAR}.1")
    server = lab.network.host(far, f"{FAR}.2")
    run(*server.command("ip", "route", "add", f"{PREFIX}.0/24", "via", f"{FAR}.1"))
    run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    configuration = lab.directory / "dhcpd.conf"
    configuration.write_text(
        f"""authoritative;
ping-check false;
option space ipxe;
option ipxe-encap-opts code 175 = encapsulate ipxe;
option ipxe.username code 190 = string;
option ipxe.password code 191 = string;
option iscsi-initiator-iqn code 203 = string;
subnet {FAR}.0 netmask {NETMASK} {{ }}
subnet {PREFIX}.0 netmask {NETMASK} {{
	range {PREFIX}.100 {PREFIX}.109;
	option routers {SERVER};
	option domain-search "lab.example", "far.lab.example";
	option iscsi-initiator-iqn "{INITIATOR}";
	option ipxe.username "{USER}";
	option ipxe.password "{SECRET}";
	# As long as one option cannot be.
	option root-path "{SERVER}:/{NAME}//{"1".zfill(240)}";
}}
"""
    )
    lab.dhcpd(configuration=configuration, host=server)
    relay = lab.directory / "relay.conf"
    relay.write_text(f"port=0\ndhcp-relay={SERVER},{FAR}.2\n")
    argv = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--user=root", "--group=root", "--pid-file="]
    agent = Process("relay", [*argv, f"--conf-file={relay}"], lab.directory / "relay.log")
    lab.stack.callback(agent.stop)
    agent.wait_output("DHCP relay")
    client = lab.client(f"{LOCAL} ip=eth0:dhcp")
    guest.boots(client)
    status = client.check("cat /proc/iscsi_init")
    expect("(DHCP option 203)" in status, "the initiator's name from option 203", status)
    unseen(client, SECRET)
    guest.reboots(client)
    expect(initiator(lab) == INITIATOR, f"InitiatorName={INITIATOR}", initiator(lab))
    relayed = lab.capture.fields(f"dhcp.type == 2 && dhcp.ip.relay == {SERVER}", "dhcp.option.dhcp_server_id")
    expect(relayed and {row[0] for row in relayed} == {f"{FAR}.2"}, "answers by the relay agent, from the server", relayed)


@scenario
def dhcp_adapters(lab: Lab) -> None:
    """What DHCP servers have for the boot firmware of network adapters, in option 43, does for this driver too."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(
        None,
        f"dhcp-option=vendor:diskless,201,iscsi:{SERVER}:6:3260:1:{NAME}",
        f"dhcp-option=vendor:diskless,203,{INITIATOR}",
    )
    client = lab.client(f"{LOCAL} iscsi-if=eth0 dhcpclass=diskless")
    guest.boots(client)
    guest.reboots(client)
    expect(initiator(lab) == INITIATOR, f"InitiatorName={INITIATOR}", initiator(lab))


@scenario
def dhcp_dracut(lab: Lab) -> None:
    """A boot entry of dracut's: an ip= for each device, two targets, one dead and one with a password, which is not used, and a name."""
    lab.tgt(lab.tiny_disk())
    entry = (
        f"ip=eth1:dhcp ip={PREFIX}.60:{SECOND_SERVER}:{SERVER}:24:node1:eth0:none:{SERVER} bootdev=eth0 "
        f"netroot=iscsi:{SERVER}::3999:1:{NAME}:dead netroot=iscsi:{USER}:{SECRET}@{SERVER}:::1:{NAME} rd.iscsi.initiator={INITIATOR}"
    )
    client = lab.client(f"{LOCAL} {entry}")
    guest.boots(client)
    network = client.check("ip -4 address show dev eth0; ip route; hostname; cat /proc/net/pnp")
    for line in (
        rf"inet {PREFIX}\.60/24",
        rf"default via {SERVER}",
        "^node1$",
        f"^#MANUAL\nnameserver {SERVER}\nbootserver {SECOND_SERVER}$",
    ):
        expect(re.search(line, network, re.MULTILINE), f"/{line}/", network)
    told = client.log("iscsi_init: netroot= has user names and passwords, which are not used")
    expect(len(told) == 1, "one line about the password", told)
    unseen(client, SECRET)
    status = client.check("cat /proc/iscsi_init")
    expect(f"setting-target: {SERVER}:3260:{NAME} (kernel argument netroot=)" in status, "the second target, and its source", status)
    expect(f"passed-over: {SERVER}:3999:{NAME}:dead: cannot connect" in status, "why the first is not used", status)
    told = client.log("iscsi_init: of several ip= this machine boots by")
    expect(len(told) == 1 and "device eth0" in told[0], "one line about the several ip=", told)
    guest.reboots(client)
    expect(initiator(lab) == INITIATOR, f"InitiatorName={INITIATOR}", initiator(lab))
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")


@scenario
def dhcp_dracut_root(lab: Lab) -> None:
    """root=iscsi: is the target, and the whole disk the root file system."""
    disk = lab.tiny_disk()
    disk.write_bytes(disk.read_bytes()[PARTITION:])
    lab.tgt(disk)
    lab.dnsmasq(None)
    client = lab.client(f"rdinit=/linuxrc root=iscsi:{SERVER}:6::default:eth0:1:{NAME}")
    client.console.wait("tiny: root is /dev/sda, ", BOOT, never=BOOT_FAILED)
    client.wait_agent()
    status = client.check("cat /proc/iscsi_init")
    for line in ("setting-if: eth0 (kernel argument root=)", "setting-lun: 1 (kernel argument root=)"):
        expect(line in status, line, status)
    guest.reboots(client)


@scenario
def dhcp_mac(lab: Lab) -> None:
    """Two interfaces on one network: PXELINUX's BOOTIF= names the second by its MAC address, and so does iscsi-if=, before it."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(ROOT)
    machine = lab.bench(f"BOOTIF=01-{SECOND_MAC.replace(':', '-')}", nics=[lab.nic(MAC), lab.nic(SECOND_MAC)])
    for parameters, mac in (("", SECOND_MAC), (f"if={MAC}", MAC), (f"if={SECOND_MAC}:{PREFIX}.61:{NETMASK} target={SERVER}:{NAME} lun=1", SECOND_MAC)):
        guest.succeeds(machine, parameters)
        devices = machine.check(f"for i in $(ip -4 -o address show | grep ' {PREFIX}' | awk '{{print $2}}'); do cat /sys/class/net/$i/address; done")
        expect(devices == mac, f"an address on {mac} alone", devices)
        machine.check("rmmod iscsi_init")
    guest.fails(machine, "if=52:54:00:00:00:99", errno.ENODEV, "52:54:00:00:00:99", again=False)


@scenario
def dhcp_faults(lab: Lab) -> None:
    """Half of a password and a name that is none in what the server says, and arguments that cannot be meant: each says what to check."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(ROOT, f"dhcp-option=encap:175,190,{USER}", "dhcp-option=203,no-name")
    machine = lab.bench("ip=eth0:dhcp6")
    guest.fails(machine, "", errno.EINVAL, "ip=", "IPv6", again=False)
    guest.fails(machine, "if=eth0", errno.EBADMSG, "option 203", "no-name", again=False)
    guest.fails(machine, f"if=eth0 initiator={INITIATOR}", errno.EBADMSG, "option 175", again=False)
    # Those of the configuration file come first.
    machine.check(f"mkdir -p /etc; printf 'Username={USER}\\nPassword={SECRET}\\n' >/etc/iscsi.conf")
    guest.fails(machine, f"if=eth0 initiator={INITIATOR}", errno.EKEYREJECTED, again=False)
