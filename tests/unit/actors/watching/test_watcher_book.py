"""Who watches what: what the supervisor writes is what all others read."""

from random import Random

from actors.facts.published import WatcherTrouble
from actors.watching.watcher_book import WatcherBook
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher
from tests.unit.actor_stage import Inbox


def ref(name: str) -> Ref:
    return Ref(ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Inbox()), name)


def test_a_watcher_is_found_by_its_payment_and_by_its_address() -> None:
    book, one = WatcherBook(), ref("p1")
    assert (len(book), book.get("p1"), book.at("a1")) == (0, None, None)
    book.add(one, "a1")
    assert (len(book), list(book), list(book.values())) == (1, ["p1"], [one])
    assert book["p1"] is book.get("p1") is book.at("a1") is one
    assert book.at("a2") is None


def test_who_is_removed_leaves_nothing() -> None:
    book, one = WatcherBook(), ref("p1")
    book.add(one, "a1")
    book.deadlines.set("p1", 5_000)
    book.note_trouble("p1", WatcherTrouble("a bug", quarantined=True))
    assert (book.deadline_of("p1"), book.quarantined) == (5_000, 1)
    assert book.remove("p1", "a1") is one
    assert (len(book), book.get("p1"), book.at("a1")) == (0, None, None)
    assert (book.deadline_of("p1"), book.trouble_of("p1"), book.quarantined) == (
        None,
        None,
        0,
    )
    assert book.remove("p1", "a1") is None


def test_an_address_that_is_another_s_by_now_stays_so() -> None:
    book, second = WatcherBook(), ref("p2")
    book.add(ref("p1"), "a1")
    book.add(second, "a1")
    book.remove("p1", "a1")
    assert book.at("a1") is second
    book.remove("p2", "another")
    assert book.at("a1") is None, "its address is known, and nobody watches it"


def test_those_put_aside_are_counted_once_each() -> None:
    book = WatcherBook()
    assert book.quarantined == 0
    bad, worse = (
        WatcherTrouble("a bug", quarantined=False),
        WatcherTrouble("again", quarantined=True),
    )
    book.note_trouble("p1", bad)
    assert (book.trouble_of("p1"), book.quarantined) == (bad, 0)
    book.note_trouble("p1", worse)
    book.note_trouble("p1", worse)
    book.note_trouble("p2", worse)
    assert (book.trouble_of("p1"), book.quarantined) == (worse, 2)
    book.note_trouble("p1", bad)
    assert book.quarantined == 1
    book.note_trouble("p2", None)
    book.note_trouble("p3", None)
    assert (book.trouble_of("p2"), book.quarantined) == (None, 0)


def test_a_supervisor_that_begins_anew_begins_with_nobody() -> None:
    book = WatcherBook()
    book.add(ref("p1"), "a1")
    book.deadlines.set("p1", 5_000)
    book.note_trouble("p1", WatcherTrouble("a bug", quarantined=True))
    book.clear()
    assert (len(book), book.at("a1"), book.trouble_of("p1")) == (0, None, None)
    assert (book.quarantined, book.deadline_of("p1")) == (0, None)
    assert book.deadlines.next_ms() is None
    book.add(ref("p1"), "a2")
    assert book.at("a1") is None
