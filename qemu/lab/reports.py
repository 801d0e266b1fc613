"""What a kernel prints of a mistake in it. The end of every scenario looks for it on the whole console of every machine."""

import re

# Whatever checks are built in: one kernel's reports are as good as another's. Lockdep's (locks in two orders, held twice, freed
# while held, unbalanced, RCU's rules) begin with WARNING: or are [ BUG: ... ]; so does what sleeps where that is not allowed.
KINDS = (
    r"\bBUG:",
    r"kernel BUG at ",
    r"WARNING:",
    r"\[ cut here \]",
    r"\bOops",
    r"Kernel panic",
    # Rust's panics, and its assertions.
    r"panicked at ",
    # A program's too: what it has read from the disk may be wrong.
    r"general protection",
    # The sanitizers: memory used after it was freed or beyond its end, races, undefined behaviour.
    r"\b(KASAN|KFENCE|KCSAN|UBSAN|KMSAN): ",
    # Tasks, processors and RCU's grace periods that do not get on; a lock that lockdep does not know.
    r"INFO: (task \S+ .*\bblocked |rcu_|trying to register non-static key)",
    r"detected (expedited )?stall|self-detected stall|kthread starved for|(soft|hard) (lockup|LOCKUP)|workqueue lockup",
    r"irq \d+: nobody cared",
    # Timers, work and lists that are begun twice, or freed while they run.
    r"ODEBUG: |list_(add|del)( double add| corruption)|refcount_t: ",
    # SLUB's: objects written beyond their end or after they were freed, freed twice, or left in a cache that goes.
    r"Redzone|[Pp]adding overwritten|Poison overwritten|Object (already free|corrupt)|Free(list|pointer|list Pointer) (corrupt|cycle|check)",
    r"Objects remaining|Invalid object pointer|No slab cache for object|Wrong (object count|number of objects)|memory corruption",
    # kmemleak's, which looks when a scenario asks it to.
    r"unreferenced object|new suspected memory leaks",
    r"page allocation failure",
)
REPORT = "|".join(KINDS)
# What is said of a program that waits for more than 2 minutes. The driver's own threads are none of these.
WAITING = r"INFO: task (?!iscsi_init)\S+ .*\bblocked "


def found(text: str, provoked: list[str]) -> list[str]:
    """The lines with a report, but for those in which one of the patterns `provoked` is found."""
    return [line for line in text.split("\n") if re.search(REPORT, line) and not any(re.search(known, line) for known in provoked)]
