"""Run worlds from the command line.

python -m tests.simulation --seed 17 [--days 2] [--verbose]      one, with its story
python -m tests.simulation --seeds 0-999 [--jobs 2]              many, with their sums
python -m tests.simulation --soak [--seeds 0-99999] [--json F]   100,000, for the night
python -m tests.simulation --soak --keep F        the same; goes on where it was cut off
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import logging  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import msgspec  # noqa: E402

from tests.simulation.kept import Kept  # noqa: E402
from tests.simulation.many import Crew, work  # noqa: E402
from tests.simulation.run import DAYS, KINDS, run_seed  # noqa: E402
from tests.simulation.sums import Sums  # noqa: E402

__all__ = ["main"]

SOAK = "0-99999"
PROGRESS_S = 30.0


def main() -> int:
    """Exit status 1 when a rule was broken; each such seed is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="run this one and print its story")
    parser.add_argument("--seeds", help="run many, for example 0-999")
    parser.add_argument("--soak", action="store_true", help=f"run {SOAK}")
    parser.add_argument("--days", type=float, default=DAYS, help=f"of life: {DAYS:g}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    for kind, run in KINDS.items():
        about = (run.__doc__ or "").partition(".")[0].partition("in which ")[2]
        parser.add_argument(
            f"--{kind}",
            action="store_const",
            const=kind,
            dest="kind",
            default="",
            help=f"worlds in which {' '.join(about.split())}",
        )
    parser.add_argument("--json", type=Path, help="write the sums to this file")
    parser.add_argument(
        "--keep", type=Path, help="keep what is done in this file, leave out what is"
    )
    parser.add_argument("--verbose", action="store_true", help="print every turn")
    parser.add_argument("--digest", action="store_true", help="print only the hash")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.worker:
        return work(options.days, kind=options.kind)
    if options.seed is not None:
        return _one(options)
    first, _, last = (options.seeds or (SOAK if options.soak else "0-999")).partition(
        "-"
    )
    return _many(range(int(first), int(last or first) + 1), options)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _one(options: argparse.Namespace) -> int:
    def log(line: str) -> None:
        if options.verbose or not line.startswith(" "):
            _say(line)

    told = None if options.digest else log
    if options.kind:
        result = KINDS[options.kind](options.seed, told)
    else:
        result = run_seed(options.seed, options.days, told)
    if options.digest:
        _say(result.digest)
        return 0
    sums = Sums()
    sums.add(result)
    _say("\n".join(sums.lines()))
    return 0


def _many(seeds: range, options: argparse.Namespace) -> int:
    kept = options.keep and Kept(options.keep, options.kind, options.days)
    sums, done = kept.within(seeds) if kept else (Sums(), set[int]())
    crew = Crew(
        seeds, options.days, options.jobs, kind=options.kind, sums=sums, done=done
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, crew.stop)
    began = spoke = time.monotonic()

    def on_sums(chunk: range, new: Sums) -> None:
        nonlocal spoke
        if kept:
            kept.add(chunk, new)
        for failure in new.failures:
            _say(f"FAILED {failure.error}\n  {failure.command}")
        now = time.monotonic()
        if now - spoke >= PROGRESS_S:
            spoke = now
            run = crew.sums.worlds + len(crew.sums.failures)
            left_s = (now - began) * (crew.wanted - run) / max(run - len(done), 1)
            _say(f"{crew.sums.short()}; {left_s / 60:.0f} min left")

    sums = crew.run(on_sums)
    took_s = time.monotonic() - began
    _say("\n".join(sums.lines()))
    _say(
        f"{took_s:.1f} s with {options.jobs} processes of {sums.most_mb} MB at most,"
        f" {sums.cpu_s:.1f} s of CPU"
    )
    if options.soak and sums.worlds:
        _say("\n" + "\n".join(sums.table(_machine())))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(sums)))
    whole = sums.worlds == crew.wanted
    return 0 if whole and not sums.failures else 1


def _machine() -> str:
    day = datetime.now(UTC)
    return (
        f"{day.day} {day:%B %Y}, {os.cpu_count()} shared cores,"
        f" CPython {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
