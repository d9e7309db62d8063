"""`python -m bench` measures everything and writes bench/RESULTS.md;
`python -m bench NAME ...` measures only these, and prints them."""

from gevent import monkey

monkey.patch_all()

import importlib
import sys
import time
from pathlib import Path

from bench.report import Section, page, table

BENCHES = (
    "watchers",
    "messages",
    "upstream",
    "journal",
    "latency",
    "saturation",
    "delivery",
    "fanout",
    "hostile",
)

RESULTS = Path(__file__).parent / "RESULTS.md"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        known = ", ".join(BENCHES)
        print(f"bench: no bench is named {unknown[0]!r}: there are {known}")
        return 2
    sections: list[Section] = []
    began = time.monotonic()
    for name in names or BENCHES:
        print(f"bench: {name} ...", flush=True)
        started = time.monotonic()
        section = importlib.import_module(f"bench.{name}").run()
        sections.append(section)
        print(f"bench: {name} took {time.monotonic() - started:.0f} s", flush=True)
        print("\n".join(table(section)))
        for note in section.notes:
            print(f"  - {note}")
    if not names:
        RESULTS.write_text(page(sections, time.monotonic() - began))
        print(f"bench: wrote {RESULTS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
