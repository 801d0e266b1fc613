"""Runs cases in a virtual machine, one after the other, and judges each by the wire, the data and the kernel's log."""

import re
from dataclasses import dataclass

from lab.machine import Machine
from lab.net import NETMASK, PREFIX, SERVER
from lab.reports import REPORT

from .cases import Case
from .data import (
    FRONT, PATTERN, READ_TOGETHER, READS, SIZE, TOGETHER, WRITES, WRITTEN, WRITTEN_TOGETHER, digest, expected,
)  # fmt: skip
from .disk import BLOCK
from .target import ARMED, Server, State
from .target import PREFIX as NAME

# The initiator's address.
ADDRESS = f"{PREFIX}.80"

# Run once in the machine.
PREPARE = f"mkdir -p /run /etc; mount -t proc proc /proc 2>/dev/null; mount -t sysfs sysfs /sys 2>/dev/null; seq 1 199999 | head -c {len(PATTERN)} >/run/pattern"
# One case; each line of the output is a word and a value.
SCRIPT = """
printf '%s' '{conf}' >/etc/iscsi.conf
echo '<6>lab: {name}' >/dev/kmsg
cat /lib/modules/iscsi_init.ko | insmod /proc/self/fd/0 if=eth0:{address}:{netmask} {whom} lun={lun} 2>/dev/null
status=$?
echo insmod $status
if test $status = 0; then
	sum() {{ echo $1 $(dd if=/dev/sda of=/run/seen $2 iflag=direct 2>/dev/null && sha256sum </run/seen || echo error); }}
	echo {timeout} >/sys/block/sda/device/timeout
	sum front "bs=512 count={front}"
	# Where commands go without an answer, there are others beside them.
	if test {timeout} = 1; then
		while ! test -e /run/enough; do dd if=/dev/sda of=/dev/null bs={size} count=1 iflag=direct 2>/dev/null; done &
	fi
	sum read "bs={size} skip={read} count={reads}"
	: >/run/enough
	wait
	rm /run/enough
	dd if=/run/pattern of=/dev/sda bs={size} seek={write} oflag=direct conv=notrunc 2>/dev/null && echo write ok || echo write error
	sum again "bs={size} skip={write} count={writes}"
	parts=$(seq 0 {last})
	for i in $parts; do
		dd if=/dev/sda of=/run/part$i bs={size} skip=$(({read_together} + i)) count=1 iflag=direct 2>/dev/null &
	done
	wait
	echo together $(for i in $parts; do cat /run/part$i; done | sha256sum)
	for i in $parts; do
		dd if=/run/pattern of=/dev/sda bs={size} skip=$i seek=$(({write_together} + i)) count=1 oflag=direct conv=notrunc 2>/dev/null &
	done
	wait
	sum front "bs=512 count={front}"
	rmmod iscsi_init
	echo rmmod $?
fi
dmesg -r | sed '1,/lab: {name}$/d' | sed 's/^/log /'
"""


@dataclass
class Ran:
    """What one case came to in the machine."""

    values: dict[str, list[str]]
    log: list[str]


def run(machine: Machine, case: Case) -> Ran:
    """Runs a case in the machine."""
    # Whoever looks for a target has no name of one, so the initiator's own tells which case it is.
    whom = f"target={SERVER} initiator={NAME}{case.name}" if case.behaviour.options.discovered else f"target={SERVER}:{NAME}{case.name}"
    script = SCRIPT.format(
        conf=case.conf, name=case.name, address=ADDRESS, netmask=NETMASK, whom=whom,
        lun=case.behaviour.options.lun,
        front=FRONT, timeout=case.timeout, size=SIZE, reads=READS, writes=WRITES, read=ARMED * BLOCK // SIZE, write=WRITTEN * BLOCK // SIZE,
        last=TOGETHER - 1, read_together=READ_TOGETHER * BLOCK // SIZE, write_together=WRITTEN_TOGETHER * BLOCK // SIZE,
    )  # fmt: skip
    values: dict[str, list[str]] = {}
    log = []
    for line in machine.check(script, 300).split("\n"):
        word, _, value = line.partition(" ")
        if word == "log":
            log.append(value)
        elif word:
            values.setdefault(word, []).append(value.split(" ")[0])
    return Ran(values, log)


def judge(case: Case, ran: Ran, state: State) -> list[str]:
    """What is wrong with how a case ended; nothing, if all is as it should be."""
    wrong = [f"the initiator broke {fault}" for fault in state.faults]
    wrong += [f"the kernel said {line}" for line in ran.log if re.search(REPORT, line)]
    status = int(ran.values["insmod"][0])
    messages = "\n".join(line for line in ran.log if "iscsi_init" in line)
    kind = case.expect.kind
    if case.behaviour.hooks and not state.acts:
        wrong.append("the target never came to misbehave")
    if kind == "refused":
        if status != case.expect.errno:
            wrong.append(f"insmod ended with {status}, not {case.expect.errno}")
        if not re.search(case.expect.words, messages):
            wrong.append(f"no /{case.expect.words}/ in the log")
        return wrong
    if status:
        return [*wrong, f"insmod ended with {status}: {messages[-300:]}"]
    if ran.values.get("rmmod") != ["0"]:
        wrong.append("rmmod failed")
    fine = expected(0, FRONT)
    wrong += [f"blocks that the case leaves alone: {seen}" for seen in ran.values["front"] if seen != fine]
    errors = [name for name in ("read", "write", "again") if "error" in ran.values[name]]
    if kind == "fails":
        if not errors:
            wrong.append("no command failed")
        if state.logins > 1:
            wrong.append(f"{state.logins} logins, though the session should have lived")
        if case.expect.words and not re.search(case.expect.words, "\n".join(ran.log)):
            wrong.append(f"no /{case.expect.words}/ in the log")
        return wrong
    wrong += [f"an error of the {name}" for name in errors]
    if ran.values["read"] != [expected(ARMED, SIZE * READS // BLOCK)]:
        wrong.append("what was read is not what the disk has")
    if not errors and ran.values["again"] != [digest(PATTERN)]:
        wrong.append("what was written is not what is read")
    for first in (WRITTEN, WRITTEN_TOGETHER):
        if not errors and state.disk.read(first, len(PATTERN) // BLOCK) != PATTERN:
            wrong.append(f"what was written to block {first} is not what the target has")
    if ran.values["together"] != [expected(READ_TOGETHER, SIZE * TOGETHER // BLOCK)]:
        wrong.append("what was read by several commands at a time is not what the disk has")
    if kind == "drop":
        if state.logins < 2:
            wrong.append("the session was not dropped")
        if not re.search(f"lost: .*({case.expect.words})", messages):
            lost = re.findall("lost: .*", messages)
            wrong.append(f"no /{case.expect.words}/ among the reasons for which the session was lost: {lost}")
    elif not case.name.startswith(("login.", "discovery.")) and state.logins != 1:
        wrong.append(f"{state.logins} logins: {messages[-300:]}")
    tolerated = re.findall("the target (.*), which is tolerated", messages)
    wrong += [f"it was told more than once that the target {quirk}" for quirk in set(tolerated) if tolerated.count(quirk) > 1]
    if kind == "ok":
        wrong += [f"it was told that the target {quirk}" for quirk in tolerated if not re.search(case.expect.words or "$^", quirk)]
    if kind == "ok" and case.expect.words and not re.search(case.expect.words, messages):
        wrong.append(f"no /{case.expect.words}/ in the log")
    return wrong


def run_group(machine: Machine, server: Server, group: list[Case]) -> dict[str, list[str]]:
    """Runs cases; returns what is wrong with each."""
    machine.check(PREPARE)
    return {case.name: judge(case, run(machine, case), server.state(case.name)) for case in group}
