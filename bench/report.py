"""What a bench found, and the page that is made of it. Nothing here is typed by hand.

A `Section` says in one sentence what was measured; each `Row` has its figure, the aim
that was set for it, and a peer of the same run with the ratio of the two medians.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import gevent

from bench.measure import ROOT, median

__all__ = ["Row", "Section", "compare", "number", "page", "ratio", "spread", "table"]


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


def page(sections: Sequence[Section], took_s: float) -> str:
    """RESULTS.md."""
    lines = [
        "# What was measured",
        "",
        "Written by `make bench`; nothing in it is typed by hand. A figure is the"
        " median of several runs, with the least and the most of them behind it; beside"
        " it are the aim that was set, whether or not it was reached, and a peer that"
        " was measured in the same run, on the same machine, by the same clock. The"
        " ratio says how many times the peer's figure ours is. What runs here is the"
        " code that serves; all load is on loopback.",
        "",
        *(f"- {key}: {value}" for key, value in _machine()),
        f"- the whole run took {took_s / 60:.1f} minutes",
        "",
    ]
    for section in sections:
        lines += [f"## {section.title}", "", section.measured, ""]
        lines += table(section)
        lines += ["", *(f"- {note}" for note in section.notes)]
        lines += [""] if section.notes else []
    return "\n".join(lines).rstrip() + "\n"


def _machine() -> list[tuple[str, str]]:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    moment = datetime.now(UTC)
    return [
        ("date", f"{moment:%Y-%m-%d %H:%M} UTC"),
        ("commit", _commit()),
        ("machine", f"{cpu}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("disk of the databases", _file_system(ROOT)),
        (
            "versions",
            f"{platform.python_implementation()} {platform.python_version()},"
            f" gevent {gevent.__version__}, SQLite {sqlite3.sqlite_version},"
            f" pykka {version('pykka')}",
        ),
    ]


def _commit() -> str:
    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--",
                  "engine", "actors", "transport", "run.py")  # fmt: skip
    mark = ", with changes not committed" if changed else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + mark


def _file_system(path: Path) -> str:
    """The type of the file system that holds `path`: fsync costs what it makes it."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]
