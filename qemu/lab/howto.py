"""The commands of docs/HOWTO.md, so that scenarios run what it tells people to."""

from itertools import groupby

from . import settings
from .errors import expect

INDENT = "    "


def blocks(heading: str) -> list[str]:
    """The blocks of commands below a heading, up to the next one of whatever level."""
    parts = (settings.CHECKOUT / "docs/HOWTO.md").read_text().split("\n#")
    found = [part for part in parts if part.split("\n")[0].lstrip("# ") == heading]
    expect(len(found) == 1, f"a heading {heading} in docs/HOWTO.md", len(found))
    lines = found[0].split("\n")
    groups = groupby(lines, key=lambda line: line.startswith(INDENT))
    return ["\n".join(line.removeprefix(INDENT) for line in group) for indented, group in groups if indented]
