"""Power cuts from the command line.

python -m tests.power --points 10000 [--seed 1] [--jobs 2]
python -m tests.power --point 4711 [--seed 1]
python -m tests.power --flips 10000 [--seed 1]
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import sys  # noqa: E402
import time  # noqa: E402

import msgspec  # noqa: E402

from tests.power.flips import FlipSums, flip_points  # noqa: E402
from tests.power.run import (  # noqa: E402
    PointFailed,
    Sums,
    judge_in_processes,
    judge_points,
)

__all__ = ["main"]


def main() -> int:
    """Exit status 1 when a promise was broken; the point is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.power")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, help="how many power cuts", default=0)
    parser.add_argument("--flips", type=int, help="how many damaged files", default=0)
    parser.add_argument("--point", type=int, help="judge this power cut alone")
    parser.add_argument("--first", type=int, default=0, help="the first point")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", action="store_true", help="sums for a program")
    options = parser.parse_args()
    began = time.monotonic()
    numbers = range(options.first, options.first + options.points)
    try:
        if options.flips:
            return _say(flip_points(options.seed, range(options.flips)), began)
        if options.point is not None:
            return _say(judge_points(options.seed, [options.point]), began)
        if options.jobs > 1:
            return _say(judge_in_processes(options.seed, numbers, options.jobs), began)
        sums = judge_points(options.seed, numbers)
    except PointFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        sys.stdout.write(msgspec.json.encode(sums).decode())
        return 0
    return _say(sums, began)


def _say(sums: Sums | FlipSums, began: float) -> int:
    lines = [*sums.lines(), f"{time.monotonic() - began:.0f} s"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
