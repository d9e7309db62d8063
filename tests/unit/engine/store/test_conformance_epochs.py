"""Every store draws its epoch, and an event keeps the id that it was told with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.store.writes import DeliveryResult, Write
from tests.unit.engine.store.conformance import (
    STORES,
    OpenStore,
    committed,
    observed,
    whole_journal,
)
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0, mempool, view


def ids(store: OpenStore) -> list[str]:
    return [json.loads(event.wire)["id"] for event in whole_journal(store)]


def test_a_new_database_has_an_epoch_before_it_has_an_event(store: OpenStore) -> None:
    epochs = store.reader.epochs()
    assert len(epochs.present) == 8
    assert epochs.event_id(1) == f"evt_{epochs.present}_1"
    store.reopen()
    assert store.reader.epochs().present == epochs.present


def test_two_databases_never_give_the_same_id(tmp_path: Path) -> None:
    seen: set[str] = set()
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        store = STORES["sqlite"](folder)
        store.commit(creation("p"), creation("q"))
        seen.update(ids(store))
        store.close()
    assert len(seen) == 6


def test_an_event_is_read_as_it_was_told_before_and_after_a_restore(
    store: OpenStore,
) -> None:
    first = store.reader.epochs().present
    (told,) = committed(store.commit(creation("p"))[0]).events
    store.begin_epoch()
    second = store.reader.epochs().present
    assert second != first
    (later,) = committed(store.commit(creation("q"))[0]).events
    assert [event.wire for event in whole_journal(store)] == [told.wire, later.wire]
    assert ids(store) == [f"evt_{first}_1", f"evt_{second}_2"]
    for event_id, offset in ((f"evt_{first}_1", 1), (f"evt_{second}_2", 2)):
        assert store.reader.epochs().offset_of(event_id) == offset


def test_a_restore_without_an_event_since_the_last_one_is_another_epoch_too(
    store: OpenStore,
) -> None:
    drawn = [store.reader.epochs().present]
    for _ in range(3):
        store.begin_epoch()
        drawn.append(store.reader.epochs().present)
    assert len(set(drawn)) == 4
    store.commit(creation("p"))
    assert ids(store) == [f"evt_{drawn[-1]}_1"]


def _payment_history(store: OpenStore) -> list[bytes]:
    found = store.reader.payment_history("p", 1, 9)
    assert found is not None
    return [event.wire for event in found.events]


def _owed(store: OpenStore) -> bytes:
    head = store.reader.next_pending("c", "p")
    assert head is not None
    return head.wire


READ: dict[str, Callable[[OpenStore], bytes]] = {
    "history": lambda store: store.reader.history("p", 1)[0].wire,
    "the journal": lambda store: store.reader.journal_page(1, 1).events[0].wire,
    "a payment's": lambda store: _payment_history(store)[0],
    "what is owed": _owed,
}


@pytest.mark.parametrize("way", READ)
def test_on_every_way_an_event_has_the_same_id(store: OpenStore, way: str) -> None:
    store.commit(creation("p"), channel("c"))
    store.begin_epoch()
    (told,) = committed(
        store.commit(observed(store, "p", view(mempool("t1"))))[0]
    ).events
    store.begin_epoch()
    assert READ[way](store) == told.wire


def test_the_log_of_deliveries_names_events_by_their_id(store: OpenStore) -> None:
    store.commit(channel("c"), creation("p"))
    store.begin_epoch()
    store.commit(creation("q"))
    for offset, name in ((1, "p"), (2, "q")):
        row = DeliveryResult("c", name, offset, 1, 1, T0, 5, 200, "ok", None, "dead", 0)
        store.commit(Write(rows=(row,)))
    log = store.reader.attempts("c", None, 9)
    assert [line.event_id for line in log] == ids(store)[::-1]


def test_each_epoch_begins_later_than_the_one_before(store: OpenStore) -> None:
    """Ids outside of the database rise with it: those of a stream's entries."""
    for _ in range(3):
        store.begin_epoch()
    starts = store.reader.epochs().starts
    assert len(starts) == 5
    assert list(starts) == sorted(set(starts))
    store.reopen()
    assert store.reader.epochs().starts == starts
