"""Which files are mutated, which tests each must be killed by, and which sample."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.scripts import SUFFIXES, mutants_of_script

__all__ = [
    "ROOT",
    "TARGETS",
    "chosen",
    "files_of",
    "judges_of",
    "mutants_in",
    "nearest_of",
]

ROOT = Path(__file__).parent.parent.parent

TARGETS = (
    "engine/payment",
    "engine/chain",
    "engine/delivery",
    "engine/lightning",
    "engine/mail",
    "engine/money",
    "engine/merchants",
    "engine/wallet",
    "engine/store/sqlite",
    "engine/runtime",
    "engine/policy",
    "actors/watching",
    "actors/sources",
    "actors/journal",
    "actors/delivery",
    "actors/live",
    "actors/money",
    "actors/edge",
    "actors",
    "transport/web/client",
    "transport/web/desk",
    "transport/web/till",
    "clients/python/paybell_client",
)
"""Folders with a score of their own; `actors` is the files beside the other folders.
Of scripts those count that can be judged without a browser: `more_tests.toml` names
what judges them."""

_TABLE = Path(__file__).with_name("more_tests.toml")


def files_of(folder: str, root: Path = ROOT) -> list[str]:
    """The files of a target, of its own folders too, but of no other target."""
    others = {other for other in TARGETS if other.startswith(folder + "/")}
    table = _table()
    found = []
    for file in sorted((root / folder).rglob("*")):
        path = file.relative_to(root).as_posix()
        is_judged = file.suffix == ".py" or (file.is_file() and path in table)
        if is_judged and not any(path.startswith(other + "/") for other in others):
            found.append(path)
    return found


def mutants_in(path: str) -> list[Mutant]:
    """All of one file."""
    if path.endswith(SUFFIXES):
        return mutants_of_script(path, ROOT / path)
    return mutants_of(path, (ROOT / path).read_text())


def chosen(paths: list[str], sample: int, seed: int) -> list[Mutant]:
    """`sample` mutants of each target or file (0: all), the same for the same seed."""
    found: list[Mutant] = []
    for path in paths:
        files = [path] if (ROOT / path).is_file() else files_of(path)
        mutants = [mutant for file in files for mutant in mutants_in(file)]
        if 0 < sample < len(mutants):
            mutants = random.Random(f"{seed}:{path}").sample(mutants, sample)
        found.extend(sorted(mutants))
    return found


def judges_of(path: str, root: Path = ROOT) -> list[str]:
    """The test files that must kill the mutants of a file, the nearest first.

    By path: `tests/unit/<same folder>/test_<name>*.py`, then what `more_tests.toml`
    has for the file and its folder, then all of the folder's tests.
    """
    folder, _, name = path.removesuffix(".py").rpartition("/")
    units = root / "tests" / "unit" / folder
    table = _table()
    files = [
        *sorted(units.glob(f"test_{name}.py")),
        *sorted(units.glob(f"test_{name}_*.py")),
        *(root / more for more in table.get(path, [])),
        *(root / more for more in table.get(folder, [])),
        *sorted(units.glob("test_*.py")),
    ]
    return list(dict.fromkeys(file.relative_to(root).as_posix() for file in files))


def nearest_of(path: str, root: Path = ROOT) -> list[str]:
    """Those of them that are named for the file, or in the table."""
    folder, _, name = path.removesuffix(".py").rpartition("/")
    units = f"tests/unit/{folder}/test_{name}"
    more = _table().get(path, [])
    return [
        test
        for test in judges_of(path, root)
        if test in more or test == f"{units}.py" or test.startswith(f"{units}_")
    ] or judges_of(path, root)


def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = tomllib.loads(_TABLE.read_text())["tests"]
    return table
