"""A node by itself, without the tree of actors in it."""

from random import Random
from types import SimpleNamespace

import pytest

from actors.facts.published import Health, JournalReport, Published
from actors.node import Node, Settings
from engine.errors import StoreUnavailable
from engine.merchants.book import MerchantBook
from engine.merchants.record import Limits
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.writes import Outcome, Unavailable, Write


@pytest.fixture
def node() -> Node:
    return Node(
        SimulatedClock(0), SimulatedDispatcher(Random(1)), Random(1), Settings()
    )


def test_one_that_nobody_has_built_yet_has_not_booted_and_is_in_no_trouble(
    node: Node,
) -> None:
    assert node.health == Health(journal=None, booted=False, fatal=False)


def test_before_it_is_built_nobody_is_connected_and_no_source_is_live(
    node: Node,
) -> None:
    assert (node.sessions.now, node.readers) == (0, [])
    assert not node.source_report.now.freshness.live
    assert node.source_report.now.complete_as_of is None
    assert not node.source_report.now.is_made_anew


def test_what_is_wrong_with_its_journal_is_wrong_with_it(node: Node) -> None:
    node.journal_report = Published(JournalReport(trouble="the disk is full"))
    assert node.health.journal == "the disk is full"


def test_without_other_wishes_it_has_the_settings_that_the_documents_name() -> None:
    """Ten times as often or as long is another node: more load, or later news."""
    settings = Settings()
    assert (settings.poll_slow_s, settings.poll_ageing_s) == (600, 3_600)
    assert (settings.recheck_s, settings.session_buffer) == (3_600, 1_000)


def test_who_writes_while_the_journal_takes_no_more_is_told_so(node: Node) -> None:
    node.journal = SimpleNamespace(tell=lambda _message: False)  # type: ignore[assignment]
    outcomes: list[Outcome] = []
    node.append(Write(), outcomes.append)
    assert outcomes == [Unavailable("the journal has too much to do")]


def test_who_waits_for_writes_while_the_journal_takes_no_more_is_told_so(
    node: Node,
) -> None:
    """It may not read: what it waits for may come after that."""
    node.journal = SimpleNamespace(tell=lambda _message: False)  # type: ignore[assignment]
    answers: list[object] = []
    node.read_written(lambda store: store.payment("p"), answers.append)
    (answer,) = answers
    assert isinstance(answer, StoreUnavailable)
    assert "the journal has too much to do" in str(answer)


def test_who_asks_while_the_readers_take_no_more_is_told_so(node: Node) -> None:
    full = SimpleNamespace(tell=lambda _message: False)
    node.readers = [full]  # type: ignore[list-item]
    answers: list[object] = []
    node.read(lambda _store: None, answers.append)
    (answer,) = answers
    assert isinstance(answer, RuntimeError)
    assert str(answer) == "too many queries wait"


def test_it_cannot_go_on_if_its_journal_or_its_root_cannot(node: Node) -> None:
    node.journal_report = Published(JournalReport(fatal=True))
    assert node.health.fatal
    node.journal_report = Published(JournalReport())
    node.gave_up = Published(True)
    assert node.health.fatal


def test_clients_have_readers_of_their_own_or_those_of_all(node: Node) -> None:
    asked: list[str] = []

    def reader(name: str, has_room: bool = True) -> SimpleNamespace:
        def tell(_message: object) -> bool:
            asked.append(name)
            return has_room

        return SimpleNamespace(tell=tell)

    def both() -> list[str]:
        asked.clear()
        answers: list[object] = []
        for ask in (node.read, node.read_for_client, node.read, node.read_for_client):
            ask(lambda _store: None, answers.append)
        return [*asked, *(str(answer) for answer in answers)]

    node.readers = [reader("a"), reader("b")]  # type: ignore[list-item]
    assert both() == ["b", "b", "a", "a"]
    node.client_readers = [reader("c"), reader("d", has_room=False)]  # type: ignore[list-item]
    assert both() == ["b", "d", "a", "c", "too many queries wait"]


def test_a_book_without_merchants_is_kept_with_the_nodes_limits() -> None:
    """An empty book is false, as every empty collection is."""
    book = MerchantBook(Limits(claims=3), identifying=("cafe",))
    parts = SimulatedClock(0), SimulatedDispatcher(Random(1)), Random(1), Settings()
    made = Node(*parts, merchants=book)
    assert made.merchants.get("anybody").limits.claims == 3
    assert made.merchants.identifies_without_secret("cafe")
    assert not made.merchants.identifies_without_secret("shop")


def test_its_readers_are_asked_in_turn(node: Node) -> None:
    asked: list[int] = []

    def reader(number: int) -> SimpleNamespace:
        def tell(_message: object) -> bool:
            asked.append(number)
            return True

        return SimpleNamespace(tell=tell)

    node.readers = [reader(0), reader(1), reader(2)]  # type: ignore[list-item]
    for _ in range(6):
        node.read(lambda _store: None, lambda _answer: None)
    assert asked == [1, 2, 0, 1, 2, 0]


def test_a_book_without_merchants_has_the_nodes_own_limits() -> None:
    """It is empty, and so false; a node that took it for none had its limits from the
    code, whatever its settings said, until it was started anew with a merchant."""
    book = MerchantBook(Limits(channels=3))
    node = Node(
        SimulatedClock(0),
        SimulatedDispatcher(Random(1)),
        Random(1),
        Settings(),
        merchants=book,
    )
    assert node.merchants is book
    assert node.merchants.get("anybody").limits.channels == 3
