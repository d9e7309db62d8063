"""A node and an account, as the parts of an upstream see them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from actors.lightning.pages import Pages, StoredCursor
from engine.lightning.node import PaidPage
from tests.unit.actors.lightning.shop import seen

__all__ = ["Stage", "page"]


class Stage:
    """A node of which these parts see no more than this."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.reads: list[Callable[[Any], None]] = []
        self.rows: list[tuple[Any, Callable[[Any], None]]] = []
        self.asked: list[Callable[[Any], Any]] = []  # what reads ask a store
        self.told: list[Any] = []
        self.brought: list[Callable[[], None]] = []
        self.came: list[PaidPage] = []
        self.stuck: list[float] = []
        self.counts: list[str] = []
        self.random = 0.0
        self.node: Any = SimpleNamespace(
            clock=SimpleNamespace(monotonic=lambda: self.now_s, now=lambda: 5),
            read=self._read,
            append=lambda write, reply: self.rows.append((write, reply)),
            counters=SimpleNamespace(add=self.counts.append),
            random=SimpleNamespace(random=lambda: self.random),
            watchers=SimpleNamespace(get=lambda _id: None),
            dispatcher=None,
        )
        self.account: Any = SimpleNamespace(name="shop", poll_s=30, silence_s=60)
        self.brings: Any = SimpleNamespace(
            bring=lambda _paid, done: self.brought.append(done), passed_over=False
        )
        self.ref: Any = SimpleNamespace(tell_system=self.told.append)

    def _read(self, ask: Callable[[Any], Any], reply: Callable[[Any], None]) -> None:
        self.asked.append(ask)
        self.reads.append(reply)

    def pages(self, kept: StoredCursor | None = None) -> Pages:
        pages = Pages(
            self.node,
            self.account,
            self.ref,
            self.brings,
            lambda _asked, page: self.came.append(page),
            self.stuck.append,
        )
        if kept is not None:
            pages.begin(kept)
        return pages

    def read(self, pages: Pages, page: PaidPage) -> None:
        """It is asked for, and all of it is committed."""
        pages.wanted = True
        asked = pages.take(1)
        assert asked is not None
        pages.bring(asked, page)
        self.brought.pop()()


def page(cursor: str, *numbers: int) -> PaidPage:
    return PaidPage(paid=tuple(seen(n) for n in numbers), cursor=cursor, more=False)
