"""Lines of a node's log, and the page that says what each means."""

import re
from functools import cache

from tests.tools.paybell import ROOT

__all__ = ["documented", "undocumented"]

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:debug|info|warning|error|critical)"
    r" ([a-z_]+(?:\.[a-z_]+)+)(?: .*)?"
)


@cache
def documented() -> frozenset[str]:
    """Events in the tables of docs/operating.md; `<…>` there stands for any word."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return frozenset(
        name for cell in first for name in re.findall(r"`([a-z_.<>]+)[` ]", cell)
    )


def undocumented(log: str) -> list[str]:
    """Lines whose event is not on that page, and those that are none."""
    known = "|".join(
        re.sub("<[a-z]+>", "[a-z_]+", re.escape(name)) for name in documented()
    )
    found = []
    for line in log.splitlines():
        match = LINE.fullmatch(line)
        if line.startswith(("    ", "paybell: ")):
            continue
        if match is None or not re.fullmatch(known, match[1]):
            found.append(line)
    return found
