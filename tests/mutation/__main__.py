"""`make mutate`: plant single-line mutants, and see which of them no test notices."""

# ruff: noqa: E402 - the patch comes before every import
from gevent import monkey

monkey.patch_all()

import argparse
import signal
import sys
from pathlib import Path

from tests.mutation.choice import (
    ROOT,
    TARGETS,
    chosen,
    judges_of,
    mutants_in,
    nearest_of,
)
from tests.mutation.exchange import plant_all
from tests.mutation.mutants import Mutant
from tests.mutation.report import Results, harmless, table
from tests.mutation.runner import Result, Runner, Unsound

RESULTS = ROOT / "build" / "mutation" / "results.jsonl"


def main() -> int:
    """0: no survivor but the harmless; 1: some; 2: it could not be found out."""
    asked = _arguments()
    stale = _stale(harmless())
    for name in stale:
        _say(f"harmless.toml has a mutant that is not there (any more): {name}")
    mutants = chosen(asked.paths, asked.sample, asked.seed)
    results = Results(asked.results)
    known = {m.id: r for m in mutants if (r := results.of(m, judges_of(m.path)))}
    left = [m for m in mutants if m.id not in known]
    if asked.list:
        for mutant in mutants:
            _say(f"{mutant.path}:{mutant.line} {mutant.id}")
        return 0
    spared = harmless()
    left = [m for m in left if m.id not in spared or asked.harmless_too]
    _say(f"{len(mutants)} mutants, {len(known)} known, {len(left)} to run")

    def done(result: Result) -> None:
        results.keep(result)
        known[result.id] = result
        _say(f"{result.outcome:8} {result.took_s:6} s  {result.id}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # or the copies would stay
    try:
        if asked.exchange and left:
            plant_all(left, done, nearest_of if asked.nearest else judges_of)
            results = Results(asked.results)  # as the other process has kept them
            known |= {m.id: r for m in left if (r := results.of(m, judges_of(m.path)))}
        elif not asked.report:
            with Runner(asked.jobs, done) as runner:
                runner.run(left)
    except Unsound as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return _report(mutants, known) or bool(stale)


def _report(mutants: list[Mutant], known: dict[str, Result]) -> int:
    spared = harmless()
    survived = Result("", "", "", "survived")  # of the harmless that did not run
    found = [
        (mutant, known.get(mutant.id, survived))
        for mutant in mutants
        if mutant.id in known or mutant.id in spared
    ]
    lived = [m for m, r in found if r.outcome == "survived" and m.id not in spared]
    if lived:
        _say("\nSurvived:")
    for mutant in lived:
        _say(f"  {mutant.path}:{mutant.line}\n    {mutant.id}")
    _say("\n" + table(found))
    if len(found) < len(mutants):
        _say(
            f"\nNot run against the files and tests of now: {len(mutants) - len(found)}"
        )
    return 1 if lived else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stale(known: dict[str, str]) -> list[str]:
    """Entries of harmless.toml that name no mutant of today."""
    there: set[str] = set()
    for path in {name.partition("::")[0] for name in known}:
        if (ROOT / path).is_file():
            there |= {m.id for m in mutants_in(path)}
    return [name for name in known if name not in there]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description=__doc__
    )
    parser.add_argument(
        "paths", nargs="*", default=list(TARGETS), help="folders or files; default: all"
    )
    parser.add_argument("--sample", type=int, default=0, help="of each path; 0 is all")
    parser.add_argument("--seed", type=int, default=8, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="at the same time")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="kept here; resumes from it"
    )
    parser.add_argument("--list", action="store_true", help="only show the mutants")
    parser.add_argument(
        "--exchange",
        action="store_true",
        help="only mutants in functions: quick, by the tests that reach the function",
    )
    parser.add_argument(
        "--nearest", action="store_true", help="with --exchange: fewer tests of a file"
    )
    parser.add_argument("--report", action="store_true", help="only what is known")
    parser.add_argument(
        "--harmless-too", action="store_true", help="run those of harmless.toml too"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
