"""When a page is read, when its cursor is kept, and what is read after it."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.lightning.pages import CursorKept, OpenTold, StoredCursor, kept_of
from engine.store.lightning_writes import UpstreamCursor
from engine.store.writes import Committed, Unavailable
from tests.unit.actors.lightning.part_stage import Stage, page

HOUR_S = 3_600.0


def test_before_the_cursor_is_read_no_page_is_wanted_and_an_invoice_may_open() -> None:
    pages = Stage().pages()
    assert pages.interval_s() == 300.0
    assert pages.take(1) is None
    assert pages.on_opened()
    assert not pages.on_opened(), "one is open already"


def test_one_page_at_a_time_and_each_is_wanted_once() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("#1", ()))
    pages.wanted = True
    asked = pages.take(7)
    assert asked is not None
    assert (asked.cursor, asked.began) == ("#1", 7)
    assert pages.take(7) is None
    pages.bring(asked, page("#2", 1))
    pages.wanted = True
    assert pages.take(7) is None, "the last is not through"
    stage.brought.pop()()
    stage.rows.pop()[1](Committed())
    pages.on_kept(stage.told.pop())
    again = pages.take(7)
    assert again is not None
    assert again.cursor == "#2"


def test_a_cursor_is_kept_for_what_was_paid_and_else_once_an_hour() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("#1", ()))

    def keeps(cursor: str, *numbers: int) -> bool:
        stage.read(pages, page(cursor, *numbers))
        if not stage.rows:
            return False
        write, reply = stage.rows.pop()
        assert write.rows == (UpstreamCursor("shop", cursor, 5),)
        reply(Committed())
        pages.on_kept(stage.told.pop())
        return True

    assert keeps("#2", 1)
    assert not keeps("#3"), "to read it again costs nothing"
    stage.now_s += HOUR_S - 1
    assert not keeps("#4")
    stage.now_s += 1
    assert keeps("#5")
    stage.now_s += HOUR_S
    assert not keeps("#5"), "it is there"
    assert [one.cursor for one in stage.came] == ["#2", "#3", "#4", "#5", "#5"]
    assert not stage.stuck


def test_the_first_cursor_is_kept_whatever_was_paid() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("", ()))
    stage.read(pages, page("#0"))
    assert len(stage.rows) == 1
    assert not stage.came


def test_beyond_what_was_passed_over_no_cursor_is_kept_and_it_is_read_on() -> None:
    stage = Stage()
    stage.brings.passed_over = True
    pages = stage.pages(StoredCursor("#1", ()))
    stage.read(pages, page("#2", 1))
    assert not stage.rows
    assert stage.came == [page("#2", 1)]


def test_a_page_whose_cursor_cannot_be_written_is_read_again_a_second_later() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("#1", ()))
    stage.read(pages, page("#2", 1))
    stage.rows.pop()[1](Unavailable("the disk is full"))
    kept = stage.told.pop()
    assert isinstance(kept, CursorKept)
    pages.on_kept(kept)
    assert stage.stuck == [1.0]
    assert not stage.came
    pages.wanted = True
    again = pages.take(1)
    assert again is not None
    assert again.cursor == "#1"


def test_while_nothing_is_open_it_reads_seldom() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("#1", ()))
    assert pages.interval_s() == 300.0
    pages.on_opened()
    assert pages.interval_s() == 30.0
    stage.random = 1.0
    assert pages.interval_s() == pytest.approx(27.0)


def test_one_that_was_open_before_a_restart_is_open() -> None:
    assert Stage().pages(StoredCursor("#1", (("h", "p"),))).interval_s() == 30.0


def test_whether_one_is_open_is_asked_when_none_was_made_of_late() -> None:
    stage = Stage()
    pages = stage.pages(StoredCursor("#1", ()))
    pages.look_for_open()
    assert not stage.reads, "none is, as far as it knows"
    pages.on_opened()
    stage.now_s += 119.9
    pages.look_for_open()
    pages.on_open_told(OpenTold(answer=False))
    assert not stage.reads
    assert pages.interval_s() == 30.0
    stage.now_s += 0.1
    pages.look_for_open()
    assert len(stage.reads) == 1
    asked: list[tuple[str, int]] = []

    def payable(node: str, since: int) -> bool:
        asked.append((node, since))
        return False

    store = SimpleNamespace(has_payable_invoice=payable)
    assert stage.asked[0](store) is False
    assert asked == [("shop", 5 - HOUR_S * 1_000)], "what is over is paid no more"
    pages.on_open_told(OpenTold(OSError("busy")))
    pages.on_open_told(OpenTold(answer=True))
    assert pages.interval_s() == 30.0
    pages.on_open_told(OpenTold(answer=False))
    assert pages.interval_s() == 300.0


def test_with_no_cursor_all_that_is_open_is_asked_about() -> None:
    asked: list[int] = []

    def opened(_name: str, _after: str, limit: int) -> list[Any]:
        asked.append(limit)
        return [SimpleNamespace(payment_hash="h", payment_id="p")]

    def store(cursor: str | None) -> Any:
        kept = None if cursor is None else SimpleNamespace(cursor=cursor)
        return SimpleNamespace(upstream_cursor=lambda _: kept, open_invoices=opened)

    assert kept_of(store(None), "shop") == StoredCursor("", (("h", "p"),))
    assert kept_of(store("#1"), "shop") == StoredCursor("#1", (("h", "p"),))
    assert asked[0] == 1_000
    assert asked[1] < 10
