"""python -m tests.epochs [--runs 10000] [--first 0]: many worlds, with their sums."""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402

from tests.epochs.world import run  # noqa: E402

__all__ = ["main"]


def main() -> int:
    """Exit status 1 at the first false resume; its seed is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.epochs")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    happened: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(options.first, options.first + options.runs):
        try:
            happened += run(seed)
        except AssertionError as error:
            sys.stdout.write(f"seed {seed}: {error}\n")
            return 1
    sums = ", ".join(f"{count:,} {what}" for what, count in sorted(happened.items()))
    took = time.monotonic() - began
    sys.stdout.write(f"{options.runs:,} worlds in {took:.0f} s: {sums};")
    sys.stdout.write(" 0 false resumes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
