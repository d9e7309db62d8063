"""What a bench found: figures, each with its aim and its peer.

A `Section` says in one sentence what was measured; each `Row` has its figure, the aim
that was set for it, and a peer of the same run with the ratio of the two medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.measure import median

__all__ = ["Row", "Section", "compare", "number", "ratio", "spread", "table"]


@dataclass(frozen=True)
class Row:
    """One figure. `versus` names the peer and its figure; `ratio` compares them;
    `aim` is what was asked for."""

    what: str
    figure: str
    versus: str = ""
    ratio: str = ""
    aim: str = ""


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    measured: str
    rows: Sequence[Row]
    notes: Sequence[str] = field(default_factory=tuple)


def number(value: float) -> str:
    """Three digits that say something: 1,626 / 14.1 / 0.52."""
    if abs(value) >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def ratio(ours: float, peer: float) -> str:
    """How many times the peer's figure ours is."""
    return f"{number(ours / peer)} ×" if peer else "–"


def spread(values: Sequence[float], unit: str) -> str:
    """The median of several runs and, behind it, the least and the most."""
    middle = f"{number(median(values))}{_joined(unit)}"
    if len(values) == 1:
        return f"{middle} (one run)"
    return f"{middle} ({number(min(values))}–{number(max(values))})"


def compare(
    what: str,
    ours: Sequence[float],
    unit: str,
    peer: str = "",
    theirs: Sequence[float] = (),
    aim: str = "",
) -> Row:
    """A row of runs of ours beside runs of a peer; both in `unit` ("ms", "/s", "B")."""
    if not theirs:
        return Row(what, spread(ours, unit), peer, aim=aim)
    return Row(
        what,
        spread(ours, unit),
        f"{peer}: {spread(theirs, unit)}",
        ratio(median(ours), median(theirs)),
        aim,
    )


def _joined(unit: str) -> str:
    """`unit` as it stands behind a number: 5/s, but 5 ms."""
    return unit if not unit or unit.startswith("/") else f" {unit}"


def table(section: Section) -> list[str]:
    """The section's figures as lines of Markdown."""
    return [
        "| | Paybell | aim | peer | ratio |",
        "|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.figure} | {row.aim} | {row.versus} | {row.ratio} |"
            for row in section.rows
        ),
    ]
