"""What the pictures of the documents are made with; `screenshots.py` makes them.

Each page has its states in a file beside this one, `shots_<page>.py`: a dict `SHOTS`
from a picture's name to a function that brings a browser to that state:

    def waiting(visited: Visited) -> None:
        visited.do("goto", node().url(node().create()))
        visited.do("wait_for_text", "h1", "Pay")

    SHOTS = {"pay-waiting": waiting}

The picture is taken when the function is done. One that has something to end after it
(a node of its own, …) yields at that moment instead. `node()` is a shop that all share.
"""

import importlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited
from tests.pages.small_png import small_png

__all__ = ["FOLDER", "LARGEST", "Shot", "all_shots", "close", "node", "shared", "take"]

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
LARGEST = 60_000  # bytes: all of them are in the repository, and in the package

Shot = Callable[[Visited], Iterable[None] | None]
T = TypeVar("T")

_shared: dict[Any, Any] = {}
_open = ExitStack()


def shared(make: Callable[[Path], AbstractContextManager[T]]) -> T:
    """What `make` opens in a folder of its own: once, for all pictures that ask."""
    if make not in _shared:
        folder = _open.enter_context(tempfile.TemporaryDirectory())
        _shared[make] = _open.enter_context(make(Path(folder)))
    found: T = _shared[make]
    return found


def node() -> Shop:
    """The shop that all pictures share; it starts when it is first asked for."""
    return shared(shop)


def close() -> None:
    """End what `shared` has started."""
    _shared.clear()
    _open.close()


def all_shots() -> dict[str, Shot]:
    """By name. Two files with one name are a mistake."""
    found: dict[str, Shot] = {}
    for file in sorted(Path(__file__).parent.glob("shots_*.py")):
        shots = importlib.import_module(f"tests.pages.{file.stem}").SHOTS
        assert not found.keys() & shots.keys(), file.name
        found |= shots
    return found


def take(shot: Shot, visited: Visited, picture: Path) -> None:
    """Bring the browser to that state, and write the picture."""
    visited.begin()
    picture.parent.mkdir(exist_ok=True)
    steps = shot(visited)
    rest: Iterator[None] = iter(steps if steps is not None else ())
    next(rest, None)
    visited.do("screenshot", str(picture))
    for _ in rest:
        pass
    small = small_png(picture.read_bytes())
    if len(small) < picture.stat().st_size:
        picture.write_bytes(small)
