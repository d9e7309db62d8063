"""`python -m bench` measures everything, `python -m bench NAME ...` only these.

What was measured goes into bench/RESULTS.md, each bench's part as soon as it is there.
"""

from gevent import monkey

monkey.patch_all()

import importlib
import os
import sys
import time
import traceback
from pathlib import Path

from bench.page import part, put
from bench.report import table

BENCHES = (
    "watchers",
    "messages",
    "upstream",
    "journal",
    "latency",
    "saturation",
    "delivery",
    "redis",
    "fanout",
    "socketio",
    "hostile",
    "bodies",
    "mainnet",
    "relay",
    "tenants",
    "strangers",
    "migration",
    "disk",
    "wallet",
    "lightning",
    "checkout",
    "missed",
    "dashboard",
)

RESULTS = Path(__file__).parent / "RESULTS.md"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        known = ", ".join(BENCHES)
        print(f"bench: no bench is named {unknown[0]!r}: there are {known}")
        return 2
    ended = [_measure(name) for name in names or BENCHES]
    return 0 if all(ended) else 1


def _measure(name: str) -> bool:
    """Whether it came to an end; one that fails leaves the others alone."""
    print(f"bench: {name} ...", flush=True)
    load, began = os.getloadavg()[0], time.monotonic()
    try:
        section = importlib.import_module(f"bench.{name}").run()
    except Exception:  # noqa: BLE001 - the others are still worth measuring
        traceback.print_exc()
        print(f"bench: {name} FAILED", flush=True)
        return False
    took_s = time.monotonic() - began
    print("\n".join([*table(section), *(f"- {note}" for note in section.notes)]))
    print(f"bench: {name} took {took_s:.0f} s", flush=True)
    page = RESULTS.read_text() if RESULTS.exists() else ""
    RESULTS.write_text(put(page, BENCHES, {name: part(section, took_s, load)}))
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
