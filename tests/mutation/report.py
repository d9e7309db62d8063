"""What is known of mutants: results kept between runs, the harmless, the score."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.mutation.choice import TARGETS
from tests.mutation.mutants import Mutant
from tests.mutation.runner import Result, checksum

__all__ = ["Results", "folder_of", "harmless", "table"]

_HARMLESS = Path(__file__).with_name("harmless.toml")


class Results:
    """The newest result of each mutant, in a file of one JSON line each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._by_id: dict[str, Result] = {}
        if file.exists():
            for line in file.read_bytes().splitlines():
                result = msgspec.json.decode(line, type=Result)
                self._by_id[result.id] = result

    def keep(self, result: Result) -> None:
        self._by_id[result.id] = result
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")

    def of(self, mutant: Mutant, tests: Sequence[str]) -> Result | None:
        """What is known of it, or None.

        Of another state of the file nothing is known. Tests grow: what was killed
        stays killed; what survived has to survive the tests of today.
        """
        result = self._by_id.get(mutant.id)
        if result is None or result.source != checksum([mutant.path]):
            return None
        if result.outcome == "survived" and result.tests != checksum(list(tests)):
            return None
        return result


def harmless() -> dict[str, str]:
    """Mutants that change nothing that anybody could see: the reason, by id."""
    entries = tomllib.loads(_HARMLESS.read_text()).get("harmless", [])
    return {entry["mutant"]: entry["reason"] for entry in entries}


def folder_of(path: str) -> str:
    """The target that a file counts for."""
    under = [t for t in TARGETS if path.startswith(t + "/")]
    return max(under, key=len, default=path.rpartition("/")[0])


def table(found: Sequence[tuple[Mutant, Result]]) -> str:
    """Markdown: the score of each folder."""
    known = harmless()
    lines = [
        "| folder | mutants | killed | survived | harmless | score |",
        "|---|---|---|---|---|---|",
    ]
    for folder in dict.fromkeys(folder_of(mutant.path) for mutant, _ in found):
        here = [pair for pair in found if folder_of(pair[0].path) == folder]
        lived = [m for m, result in here if result.outcome == "survived"]
        spared = sum(mutant.id in known for mutant in lived)
        killed, counted = len(here) - len(lived), len(here) - spared
        score = f"{100 * killed / counted:.0f} %" if counted else "-"
        lines.append(
            f"| `{folder}` | {len(here)} | {killed} | {len(lived) - spared} | {spared}"
            f" | {score} |"
        )
    return "\n".join(lines)
