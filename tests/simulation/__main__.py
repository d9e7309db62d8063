"""Run worlds from the command line.

python -m tests.simulation --seed 17 [--days 1] [--verbose]
python -m tests.simulation --seeds 0-999 [--days 1]
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from tests.simulation.run import Sums, run_seed  # noqa: E402

__all__ = ["main"]


def main() -> int:
    """Exit status 1 when a rule was broken; the seed is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="run this one and print its story")
    parser.add_argument("--seeds", help="run many, for example 0-999")
    parser.add_argument("--days", type=float, default=1.0, help="simulated days each")
    parser.add_argument("--verbose", action="store_true", help="print every turn")
    parser.add_argument("--digest", action="store_true", help="print only the hash")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at bugs")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.seed is not None:
        return _one(options)
    first, _, last = (options.seeds or "0-99").partition("-")
    return _many(range(int(first), int(last or first) + 1), options)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _one(options: argparse.Namespace) -> int:
    def log(line: str) -> None:
        if options.verbose or not line.startswith(" "):
            _say(line)

    result = run_seed(options.seed, options.days, None if options.digest else log)
    if options.digest:
        _say(result.digest)
        return 0
    sums = Sums()
    sums.add(result)
    _say("\n".join(sums.lines()))
    return 0


def _many(seeds: range, options: argparse.Namespace) -> int:
    sums, broken, began = Sums(), 0, time.monotonic()
    for seed in seeds:
        try:
            sums.add(run_seed(seed, options.days))
        except Exception as error:  # noqa: BLE001 - each seed is a case of its own
            broken += 1
            _say(f"{type(error).__name__}: {error}")
            _say(f"  python -m tests.simulation --seed {seed} --days {options.days}")
            if not options.keep_going:
                return 1
    _say("\n".join(sums.lines()))
    _say(f"{broken} broken, {time.monotonic() - began:.1f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
