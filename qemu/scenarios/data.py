"""Data: what is written is what is read, and is what the target has."""

import json

from lab import guest, images
from lab.data import SECTOR, compare, fio, pattern
from lab.errors import expect
from lab.machine import Machine
from lab.scenario import ALL_FROM_DHCP, Lab, scenario, seldom
from lab.targets import NAME

MIB = 1 << 20


def debian(lab: Lab) -> Machine:
    """Boots Debian, which has fio, from the LUN that DHCP names."""
    client = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2)
    client.wait_agent()
    return client


def ends(client: Machine) -> None:
    """Shuts Debian down."""
    client.send("systemctl poweroff")
    client.wait_end()


def raw(client: Machine, disk: str) -> None:
    """Reads and writes a whole disk with fio in many sizes and depths, all verified."""
    name = f"--filename={disk} --direct=1"
    # Sizes from a sector to 4 MiB, mixed in one run; one command at a time, and up to 64.
    mixed = "--bssplit=512/20:4k/30:64k/20:256k/10:1m/10:4m/10 --bs_unaligned=0"
    fio(client, f"--name=one --rw=randwrite {name} {mixed} --iodepth=1 --size=24m --io_size=12m --offset=0")
    fio(client, f"--name=deep --rw=randwrite {name} {mixed} --iodepth=64 --size=24m --io_size=24m --offset=24m")
    for depth, size in ((1, "512"), (8, "1k"), (64, "512"), (32, "4k"), (16, "64k"), (4, "4m")):
        total = "1m" if size in ("512", "1k") else "16m"
        fio(client, f"--name=d{depth} --rw=randwrite {name} --bs={size} --iodepth={depth} --size={total} --offset=48m")
    # Reading and writing at the same time, by several at once.
    fio(
        client,
        f"--name=both --rw=randrw {name} --bs=16k --iodepth=16 --numjobs=2 --size=4m --offset=64m --offset_increment=4m",
    )


def on_ext4(client: Machine, directory: str) -> None:
    """The same on a file system, buffered with syncs in between, and direct."""
    name = f"--directory={directory}"
    mixed = "--bssplit=512/20:4k/30:64k/20:1m/20:4m/10"
    buffered = f"--name=buffered --rw=randwrite {name} {mixed} --iodepth=8 --size=32m --direct=0"
    fio(client, f"{buffered} --fsync=64 --end_fsync=1 --do_verify=0")
    # Read from the disk, not from memory.
    client.check("echo 3 >/proc/sys/vm/drop_caches")
    fio(client, f"{buffered} --verify_only=1")
    fio(client, f"--name=direct --rw=randwrite {name} --bs=4k --iodepth=32 --size=16m --direct=1")
    fio(client, f"--name=unlinked --rw=write {name} --bs=1m --iodepth=4 --size=32m --direct=0 --end_fsync=1 --unlink=1")


@seldom
def data_tgt(lab: Lab) -> None:
    """fio with verification on tgt: raw LUN and ext4, 512 B to 4 MiB, direct and buffered, depths 1 to 64."""
    disk, other = lab.debian_disk(), lab.blank_disk(72 * MIB)
    target = lab.tgt(disk)
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", "2", "--backing-store", str(other))
    lab.dnsmasq()
    client = debian(lab)
    raw(client, "/dev/sdb")
    digest = client.check("echo 3 >/proc/sys/vm/drop_caches; sha256sum /dev/sdb", 300).split()[0]
    on_ext4(client, "/srv")
    ends(client)
    expect(images.digest(other.read_bytes()) == digest, "the LUN on the server's side as the guest read it")
    images.check_file_system(disk)


@scenario
def data_lio(lab: Lab) -> None:
    """fio with verification on ext4 on LIO, buffered and direct; fsck clean after."""
    disk = lab.debian_disk()
    target = lab.lio(disk)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = debian(lab)
    on_ext4(client, "/srv")
    digest = client.check("cd /srv; sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum direct.0.0").split()[0]
    ends(client)
    target.stop()
    guest.on_disk(disk, "/srv/direct.0.0", digest)


@seldom
def data_restart_under_fio(lab: Lab) -> None:
    """fio with verification while the target is killed and started again: no error, every block verified."""
    disk, other = lab.debian_disk(), lab.blank_disk(128 * MIB)
    target = lab.tgt(disk)
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", "2", "--backing-store", str(other))
    lab.dnsmasq()
    client = debian(lab)
    client.check(
        "cd /; (fio --name=restart --filename=/dev/sdb --direct=1 --ioengine=libaio --rw=randwrite "
        "--bssplit=4k/50:64k/30:1m/20 --iodepth=32 --size=128m --rate=6m --verify=crc32c-intel --verify_fatal=1 --do_verify=1 "
        ">/run/fio.out 2>&1; echo $? >/run/fio.status) >/dev/null 2>&1 &"
    )
    for _ in range(2):
        # Enough sectors written that commands are surely in flight again.
        client.check(
            "w() { awk '{ print $7 }' /sys/block/sdb/stat; }; n=$(w); until test $(w) -gt $((n + 20000)); do sleep 0.1; done",
            300,
        )
        target.crash()
        client.console.wait(guest.UNDER_WAY, 120)
        target.start()
    client.check("until test -e /run/fio.status; do sleep 0.5; done", 600)
    expect(client.check("cat /run/fio.status") == "0", "fio to find no error", client.check("cat /run/fio.out"))
    ends(client)


@scenario
def data_pattern(lab: Lab) -> None:
    """A pattern known on both sides, written in odd sizes, is in the backing file sector for sector."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    seed, first, count = "iscsi_init", 65536, 16384
    wanted = pattern(seed, first, count)
    client = lab.bench("iscsi-if=eth0")
    guest.succeeds(client)
    # The guest gets the pattern by reading it off the LUN, and writes it elsewhere on it in sizes that fit nothing.
    with disk.open("r+b") as file:
        file.seek(32 * MIB)
        file.write(wanted)
    client.check("dd if=/dev/sda iflag=direct skip=64 bs=512k count=16 of=/pattern", 300)
    written = []
    for region, size in ((40 * MIB, 3 * SECTOR), (48 * MIB, 127 * SECTOR), (56 * MIB, 2049 * SECTOR)):
        # The first multiple of the size in the region.
        seek = -(-region // size)
        client.check(f"dd if=/pattern of=/dev/sda oflag=direct bs={size} seek={seek} count={6 * MIB // size} conv=notrunc", 300)
        written.append((seek * size, 6 * MIB // size * size))
    client.check("rmmod iscsi_init")
    for offset, length in written:
        compare(disk, offset, wanted[:length])


@seldom
def data_fairness(lab: Lab) -> None:
    """One LUN is kept busy with 128 commands at a time: single commands to another one are served in their turn."""
    depth = 128
    busy, quiet = lab.blank_disk(64 * MIB, "busy.img"), lab.blank_disk(64 * MIB, "quiet.img")
    target = lab.tgt(lab.debian_disk())
    for lun, disk in ((2, busy), (3, quiet)):
        target.configure("--mode", "logicalunit", "--op", "new", "--lun", str(lun), "--backing-store", str(disk))
    lab.dnsmasq()
    client = debian(lab)
    common = "--rw=randread --bs=4k --direct=1 --ioengine=libaio --time_based --runtime=8"
    said = client.check(
        "cd / && fio --output-format=json "
        f"--name=busy --filename=/dev/sdb --iodepth={depth} {common} --name=quiet --filename=/dev/sdc --iodepth=1 {common}",
        300,
    )
    done = {job["jobname"]: job["read"]["total_ios"] for job in json.loads(said[said.index("{") :])["jobs"]}
    # Served in turn it gets one for each round of the other's; a quarter of that leaves room for who runs when.
    expect(done["quiet"] * depth * 4 >= done["busy"] > 0, "the quiet LUN to be served in its turn", done)
    ends(client)


@scenario
def data_stable_pages(lab: Lab) -> None:
    """A program rewrites mapped pages of a file all the time while they are written back, with data digests: each fits."""
    disk = lab.debian_disk()
    target = lab.tgt(disk)
    for key in ("HeaderDigest", "DataDigest"):
        target.configure("--mode", "target", "--op", "update", "--name", key, "--value", "CRC32C")
    lab.dnsmasq()
    client = debian(lab)
    client.check(
        "cd /srv; (until test -e /run/enough; do sync pages; done) >/dev/null 2>&1 &\n"
        "fio --name=pages --filename=/srv/pages --ioengine=mmap --rw=randwrite --norandommap --bs=4k --size=1m"
        " --time_based --runtime=10 --output=/run/fio.out || { cat /run/fio.out; exit 1; }\n"
        "touch /run/enough; wait; sync",
        300,
    )
    status = client.check("cat /proc/iscsi_init")
    expect("DataDigest=CRC32C" in status and "\nlogins: 1\n" in status, "one session, with digests", status)
    digest = client.check("sha256sum /srv/pages").split()[0]
    ends(client)
    guest.on_disk(disk, "/srv/pages", digest)
