"""What a mempool that is younger than the money can say of it: nothing, by silence.

Seen: a host that lost power came up with an empty mempool and a Paybell that knew no
transaction any more; each unconfirmed receipt was told to be replaced.
"""

import pytest
from msgspec.structs import replace

from engine.chain.feed import MEMPOOL_EXPIRY_MS, ChainView
from engine.payment.losses import merely_absent
from tests.unit.payment_cases import T0, Told, mempool, mined, view

SEEN_AT = T0


def young(*outputs: object, since: int = SEEN_AT + 1, left: str = "") -> ChainView:
    names = frozenset({left} - {""})
    return replace(view(*outputs), mempool_since=since, left=names)  # type: ignore[arg-type]


def seen() -> Told:
    told = Told()
    told(view(mempool("t1")))
    assert told.receipt("t1").seen_at == SEEN_AT
    return told


def test_a_mempool_that_began_after_the_money_was_seen_takes_it_not_away() -> None:
    told = seen()
    assert told(young(), after_ms=3_600_000) == []
    assert merely_absent(told.payment, young(), told.now) == frozenset()


@pytest.mark.parametrize("since", [0, SEEN_AT - 1, SEEN_AT])
def test_a_mempool_that_is_as_old_as_the_money_does(since: int) -> None:
    told = seen()
    assert merely_absent(told.payment, young(since=since), told.now) == {("t1", 0)}
    assert told(young(since=since)) == ["replaced"]


def test_what_has_left_a_young_mempool_is_gone() -> None:
    """It was read back, or came from a peer; and then something spent the same."""
    told = seen()
    assert merely_absent(told.payment, young(left="t1"), told.now) == {("t1", 0)}
    assert told(young(left="t2")) == []
    assert told(young(left="t1")) == ["replaced"]


def test_what_every_node_would_have_dropped_is_gone() -> None:
    told = seen()
    assert told(young(), after_ms=MEMPOOL_EXPIRY_MS - 1) == []
    assert told(young(), after_ms=1) == ["replaced"]
    assert MEMPOOL_EXPIRY_MS == 14 * 24 * 3_600_000


def test_what_comes_in_its_place_is_never_counted_beside_it() -> None:
    """It may be the replacement: a young mempool can tell no better."""
    told = seen()
    assert told(young(mempool("t2"))) == ["replaced", "detected"]
    assert told.payment.received_sat == 50_000


def test_it_is_counted_when_its_block_comes_after_all() -> None:
    told = seen()
    told(young())
    assert told(young(mined("t1", 1_000))) == ["confirming"]
    assert told.payment.flags == ()
