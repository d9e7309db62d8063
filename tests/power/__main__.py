"""Power cuts from the command line.

python -m tests.power --points 10000 [--seed 1] [--jobs 2]
python -m tests.power --point 4711 [--seed 1]
python -m tests.power --flips 10000 [--seed 1]
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import msgspec  # noqa: E402

from tests.power.flips import FlipSums, flip_points  # noqa: E402
from tests.power.run import GROUP, PointFailed, Sums, judge_points  # noqa: E402

__all__ = ["main"]

SHARE = 8 * GROUP
"""Points that one process judges at a time."""


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
            return _say(_divided(options.seed, numbers, options.jobs), began)
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


def _divided(seed: int, numbers: range, jobs: int) -> Sums:
    """The points among processes; each prints its sums when it is done."""
    waiting = [numbers[at : at + SHARE] for at in range(0, len(numbers), SHARE)]
    running: list[subprocess.Popen[bytes]] = []
    sums = Sums()
    while waiting or running:
        while waiting and len(running) < jobs:
            share = waiting.pop(0)
            command = [sys.executable, "-m", "tests.power", "--json"]
            command += ["--seed", str(seed), "--first", str(share[0])]
            command += ["--points", str(len(share))]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        done = running.pop(0)
        printed, _ = done.communicate()
        if done.returncode:
            for other in running:
                other.terminate()
            raise PointFailed("a promise was broken, see above")
        sums.add(Sums.of_json(printed))
    return sums


if __name__ == "__main__":
    sys.exit(main())
