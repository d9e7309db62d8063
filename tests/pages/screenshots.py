"""Make the pictures of the documents anew: docs/screenshots/<name>.png.

    python -m tests.pages.screenshots               all of them
    python -m tests.pages.screenshots pay-paid …    these

`shooting.py` says how a page adds its states. Look at what you make before you commit
it: a picture that nobody has looked at shows whatever it shows.
"""

from gevent import monkey

monkey.patch_all()

import sys

from tests.browser.playwright_page import visiting
from tests.pages.conftest import Visited
from tests.pages.shooting import FOLDER, LARGEST, all_shots, close, take

__all__ = ["main"]


def main(names: list[str]) -> int:
    shots = all_shots()
    if unknown := [name for name in names if name not in shots]:
        say(f"there is no {', '.join(unknown)}; there are: {', '.join(shots)}")
        return 2
    too_large = False
    try:
        with visiting() as page:
            for name in names or shots:
                picture = FOLDER / f"{name}.png"
                take(shots[name], Visited(page), picture)
                size = picture.stat().st_size
                say(f"{picture.name} {size / 1000:.0f} KB")
                too_large = too_large or size > LARGEST
    finally:
        close()
    if too_large:
        say(f"larger than {LARGEST} bytes: show less of the page")
    return int(too_large)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
