"""How any store keeps channels: see `test_conformance.py`."""

from msgspec.structs import replace

from engine.store.writes import (
    ChannelRow,
    RemoveChannel,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore, committed
from tests.unit.journal_cases import channel, creation


def test_a_channel_is_changed_in_its_place_and_removed_with_its_outbox(
    store: OpenStore,
) -> None:
    store.commit(channel("b"), channel("a"))
    store.commit(creation("p"))
    (row,) = channel("b", enabled=False).rows
    assert isinstance(row, ChannelRow)
    store.commit(Write(rows=(replace(row, state=b"{1}"),)))
    found = {c.id: (c.enabled, c.state) for c in store.reader.channels()}
    assert found == {"a": (True, b"{}"), "b": (False, b"{1}")}
    outcomes = store.commit(*(Write(rows=(RemoveChannel("a"),)) for _ in range(2)))
    assert [committed(outcome).changed for outcome in outcomes] == [1, 0]
    assert [c.id for c in store.reader.channels()] == ["b"]
    assert store.reader.pending_payments("a") == []
    assert store.reader.outbox_counts() == {"pending": 1}


def test_channels_are_read_in_pages_by_their_age(store: OpenStore) -> None:
    ages = {"d": 1, "a": 2, "c": 2, "b": 3}
    for name, made_at in ages.items():
        (row,) = channel(name).rows
        assert isinstance(row, ChannelRow)
        merchant = "ann" if name in "ab" else "bob"
        changed = replace(row, created_at=made_at, merchant=merchant)
        store.commit(Write(rows=(changed,)))

    def page(merchant: str | None, after: tuple[int, str], limit: int) -> list[str]:
        return [c.id for c in store.reader.channels_page(merchant, after, limit)]

    assert page(None, (0, ""), 3) == ["d", "a", "c"]
    assert page(None, (2, "a"), 3) == ["c", "b"]
    assert page(None, (3, "b"), 3) == []
    assert page("ann", (0, ""), 1) == ["a"]
    assert page("ann", (2, "a"), 5) == ["b"]


def test_a_channel_is_replaced_only_where_it_is_as_it_was(store: OpenStore) -> None:
    store.commit(channel("c"))
    (row,) = channel("c", enabled=False).rows
    assert isinstance(row, ChannelRow)

    def written(state: bytes, *replaces: bytes) -> int:
        changed = replace(row, state=state, replaces=replaces)
        (outcome,) = store.commit(Write(rows=(changed,)))
        return committed(outcome).changed

    assert written(b"{1}", b"{0}", b"{2}") == 0
    assert [(c.enabled, c.state) for c in store.reader.channels()] == [(True, b"{}")]
    assert written(b"{1}", b"{0}", b"{}") == 1
    store.reopen()
    assert [(c.enabled, c.state) for c in store.reader.channels()] == [(False, b"{1}")]
    store.commit(Write(rows=(RemoveChannel("c"),)))
    assert written(b"{2}", b"{1}") == 0
    assert store.reader.channels() == []
