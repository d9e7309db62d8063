"""RESULTS.md: a part for each bench, each with its date, its commit and its machine.

A bench that is run alone replaces its own part and leaves the others as they are.
Nothing on the page is typed by hand.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import gevent

from bench.measure import ROOT
from bench.report import Section, table
from tests.tools import children

__all__ = ["part", "put"]

_PREFACE = """\
# What was measured

Written by `make bench`; no figure of a table is typed in. A figure is the median of
several runs, with the least and the most of them behind it; beside it are the aim
that was set, whether or not it was reached, and a peer that was measured in the same
run, on the same machine, by the same clock. The ratio says how many times the peer's
figure ours is. What runs here is the code that serves; all load is on loopback."""

_MARK = re.compile(r"^<!-- bench: (\w+) -->$", re.MULTILINE)


def part(section: Section, took_s: float, load: float) -> str:
    """A section as Markdown, with when and where it was measured. `load`: the load
    average of the minute before."""
    lines = [f"## {section.title}", "", section.measured, "", *table(section)]
    lines += ["", *(f"- {note}" for note in section.notes)]
    lines += [
        f"- measured {_circumstances()}; load average of the minute before {load:.2f};"
        f" took {took_s:.0f} s"
    ]
    return "\n".join(lines)


def put(page: str, order: Sequence[str], new: dict[str, str]) -> str:
    """The page with these parts, by the bench's name, new or in place of older ones."""
    pieces = _MARK.split(page)
    parts = dict(zip(pieces[1::2], pieces[2::2], strict=True)) | new
    known = [f"<!-- bench: {n} -->\n{parts[n].strip()}" for n in order if n in parts]
    return "\n\n".join([_PREFACE, *known]) + "\n"


def _circumstances() -> str:
    moment = datetime.now(UTC)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{moment:%Y-%m-%d %H:%M} UTC at commit {_commit()} on {_cpu()},"
        f" {os.cpu_count()} cores, {pages / 2**30:.0f} GiB,"
        f" {platform.system()} {platform.release()}, databases on {_file_system(ROOT)};"
        f" {platform.python_implementation()} {platform.python_version()},"
        f" gevent {gevent.__version__}, SQLite {sqlite3.sqlite_version},"
        f" pykka {version('pykka')}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _commit() -> str:
    def git(*args: str) -> str:
        done = children.run(
            ["git", *args], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--",
                  "engine", "actors", "transport", "*.py")  # fmt: skip
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
