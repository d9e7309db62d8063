"""What any store keeps of alerts and of usual hours: see `test_conformance.py`."""

from engine.store.records import ToldAlert
from engine.store.writes import OrdersRow, RemoveChannel, ToldRow, Write
from tests.unit.engine.store.conformance import OpenStore, committed
from tests.unit.journal_cases import channel


def test_what_a_channel_was_told_is_kept_until_it_is_over(store: OpenStore) -> None:
    begun = ToldRow("a", "source.behind", "node", "slow", 5)
    store.commit(Write(rows=(begun, ToldRow("b", "source.behind", "node", "slow", 5))))
    store.commit(Write(rows=(ToldRow("a", "source.behind", "node", "slower", 7),)))
    assert store.reader.told_alerts("a") == [
        ToldAlert("source.behind", "node", "slower", 7)
    ]
    over = ToldRow("a", "source.behind", "node", "", 0, is_over=True)
    for changed in (1, 0):
        (outcome,) = store.commit(Write(rows=(over,)))
        assert committed(outcome).changed == changed
    assert store.reader.told_alerts("a") == []
    assert len(store.reader.told_alerts("b")) == 1


def test_a_channel_that_is_removed_was_told_nothing(store: OpenStore) -> None:
    store.commit(channel("a"), Write(rows=(ToldRow("a", "k", "s", "d", 1),)))
    store.commit(Write(rows=(RemoveChannel("a"),)))
    assert store.reader.told_alerts("a") == []


def test_orders_are_counted_by_hour_and_merchant(store: OpenStore) -> None:
    for row in (
        OrdersRow("ann", 3, 2),
        OrdersRow("ann", 4, 1),
        OrdersRow("bob", 3, 9),
        OrdersRow("ann", 4, 5),
    ):
        store.commit(Write(rows=(row,)))
    assert store.reader.order_hours("ann") == {3: 2, 4: 6}
    store.commit(Write(rows=(OrdersRow("ann", 5, 1, keep_from=4),)))
    assert store.reader.order_hours("ann") == {4: 6, 5: 1}
    assert store.reader.order_hours("bob") == {3: 9}
    assert store.reader.order_hours("cid") == {}
