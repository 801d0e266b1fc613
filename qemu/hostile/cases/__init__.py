"""The cases: what the target does wrong, and what a correct initiator makes of it.

A case's name is that of its target. It misbehaves once, in the first connection that gives it the chance, and then does
everything right, so that recovery shows; or always.
"""

import errno
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from ..target import Act, Behaviour, Options


@dataclass(frozen=True)
class Expect:
    """What a correct initiator does: `kind` is one of the functions below; the log has `words`."""

    kind: str
    words: str = ""
    errno: int = 0


def ok(words: str = "") -> Expect:
    """Everything works, on the one connection."""
    return Expect("ok", words)


def drop(words: str) -> Expect:
    """The session is dropped, for this reason; everything works on the next."""
    return Expect("drop", words)


def fails(words: str = "") -> Expect:
    """The one command fails; the session lives, and other commands work."""
    return Expect("fails", words)


def refused(words: str, number: int = errno.EPROTO) -> Expect:
    """There is no session: `insmod` says why."""
    return Expect("refused", words, number)


@dataclass(frozen=True)
class Case:
    """One thing that a target does."""

    name: str
    section: str
    summary: str
    expect: Expect
    behaviour: Behaviour
    # A configuration file for the initiator.
    conf: str = ""
    # How long the initiator's mid-layer waits for a command, in seconds.
    timeout: int = 30
    # Whether it takes too long for every check.
    slow: bool = False


ALL: dict[str, Case] = {}


def case(
    section: str,
    expect: Expect,
    when: str,
    *,
    options: Options | None = None,
    always: bool = False,
    also: dict[str, Act] | None = None,
    conf: str = "",
    timeout: int = 30,
    slow: bool = False,
) -> Callable[[Act], Act]:
    """Declares a case: its name is the file's and the function's, its summary the docstring. `when` names the target's hook, and `also`
    further ones."""

    def declare(act: Act) -> Act:
        group = act.__module__.rpartition(".")[2].replace("_", "-")
        hooks = ({when: act} if when else {}) | (also or {})
        behaviour = Behaviour(hooks, options or Options(), always)
        add(Case(f"{group}.{act.__name__.replace('_', '-')}", section, act.__doc__ or "", expect, behaviour, conf, timeout, slow))
        return act

    return declare


def plain(group: str, name: str, section: str, summary: str, expect: Expect, options: Options, conf: str = "") -> None:
    """Declares a case whose target only differs in its login."""
    add(Case(f"{group}.{name}", section, summary, expect, Behaviour(options=options), conf))


def add(new: Case) -> None:
    """Declares a case."""
    assert new.summary and new.name not in ALL, new.name
    ALL[new.name] = new


def load() -> None:
    """Imports every file of cases, which declares them."""
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")


def cut() -> list[Case]:
    """What there is time for in every check: of each section the first case of each outcome."""
    first: dict[tuple[str, str], Case] = {}
    for one in ALL.values():
        if not one.slow:
            first.setdefault((one.section, one.expect.kind), one)
    return list(first.values())
