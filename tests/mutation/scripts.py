"""Mutants of scripts: of the pages' modules and of the client in TypeScript.

As `mutants.py` for Python: a piece of the text is replaced by another. Which, says
`script_mutants.mjs`, as TypeScript's own parser reads the syntax; it needs Node.
"""

import json
from pathlib import Path

import msgspec

from tests.mutation.mutants import Mutant
from tests.tools import children

__all__ = ["SUFFIXES", "mutants_of_script"]

SUFFIXES = (".js", ".mjs", ".ts")

_PROGRAM = Path(__file__).with_name("script_mutants.mjs")


def mutants_of_script(path: str, file: Path) -> list[Mutant]:
    """All mutants of a script, in the order of their places."""
    done = children.run(
        ["node", _PROGRAM, file], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    source = file.read_text("utf-8")
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for said in json.loads(done.stdout):
        start = len(_characters(source, said.pop("start")).encode())
        said.pop("end")
        end = start + len(said["before"].encode())
        mutant = Mutant(path=path, start=start, end=end, **said)
        nth = seen.get(mutant.id, 0)
        seen[mutant.id] = nth + 1
        found.append(msgspec.structs.replace(mutant, nth=nth) if nth else mutant)
    return sorted(found)


def _characters(text: str, count: int) -> str:
    """So many of them as JavaScript counts: in UTF-16."""
    return text.encode("utf-16-le")[: 2 * count].decode("utf-16-le")
