"""What was pushed and not asked for, and which of it is somebody's money by now."""

from engine.chain.hearsay import Hearsay
from engine.chain.mempool import Pool
from engine.chain.packed_tx import pack
from tests.tools.fake_feed import make_tx
from tests.unit.engine.chain.sync_steps import ALICE, BOB

HEARD, ASKED = (pack(make_tx(name, [(ALICE, 5)])) for name in ("heard", "asked for"))


def begun() -> tuple[Pool, Hearsay]:
    pool = Pool()
    hearsay = Hearsay(pool)
    pool.put(HEARD)
    pool.put(ASKED)
    hearsay.add(HEARD.txid)
    return pool, hearsay


def test_what_was_only_heard_of_and_pays_somebody_is_asked_for_once() -> None:
    _, hearsay = begun()
    hearsay.watch(BOB)
    assert hearsay.take_doubtful() == []
    hearsay.watch(ALICE)
    assert hearsay.take_doubtful() == [HEARD.txid]
    hearsay.watch(ALICE)
    assert hearsay.take_doubtful() == []


def test_what_left_the_pool_or_was_listed_is_not_asked_for() -> None:
    pool, hearsay = begun()
    hearsay.watch(ALICE)
    pool.take(HEARD.txid)
    assert hearsay.take_doubtful() == []
    _, hearsay = begun()
    hearsay.clear()
    hearsay.watch(ALICE)
    assert hearsay.take_doubtful() == []
