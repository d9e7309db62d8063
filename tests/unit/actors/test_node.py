"""A node by itself, without the tree of actors in it."""

from random import Random
from types import SimpleNamespace

import pytest

from actors.node import Node, Settings
from actors.published import Health, JournalReport, Published
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher


@pytest.fixture
def node() -> Node:
    return Node(
        SimulatedClock(0), SimulatedDispatcher(Random(1)), Random(1), Settings()
    )


def test_one_that_nobody_has_built_yet_has_not_booted_and_is_in_no_trouble(
    node: Node,
) -> None:
    assert node.health == Health(journal=None, booted=False, fatal=False)


def test_it_cannot_go_on_if_its_journal_or_its_root_cannot(node: Node) -> None:
    node.journal_report = Published(JournalReport(fatal=True))
    assert node.health.fatal
    node.journal_report = Published(JournalReport())
    node.gave_up = Published(True)
    assert node.health.fatal


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
