"""What left the mempool, as the views of an index tell it."""

from engine.chain import departures
from engine.chain.departures import Departures
from engine.chain.packed_tx import outpoints, pack
from engine.chain.script_index import ScriptIndex
from tests.tools.fake_feed import FakeFeed, make_tx

ALICE, BOB = b"\x00\x14" + b"a" * 20, b"\x00\x14" + b"b" * 20
COIN = [("cc" * 32, 1)]


def started() -> ScriptIndex:
    feed, index = FakeFeed(), ScriptIndex()
    index.watch(ALICE)
    index.apply_block(feed.blocks[feed.best[0]])
    index.mempool_since = 7
    return index


def left(index: ScriptIndex, script: bytes = ALICE) -> frozenset[str]:
    return index.view(script, "s").left


def test_what_is_dropped_or_replaced_has_left_and_what_is_back_has_not() -> None:
    index = started()
    first, child = make_tx("1", [(ALICE, 1)], COIN), make_tx("2", [(ALICE, 2)])
    index.apply_mempool([first, child], ())
    assert left(index) == frozenset()
    index.apply_mempool([make_tx("3", [(BOB, 1)], COIN)], [child.txid])
    assert left(index) == {first.txid, child.txid}
    assert not index.is_bare(ALICE), "its watcher is told so"
    index.apply_mempool([child], ())
    assert left(index) == {first.txid}
    index.unwatch(ALICE)
    assert left(index) == frozenset()


def test_what_a_block_takes_has_not_left_and_what_it_double_spends_has() -> None:
    index, feed = started(), FakeFeed()
    mined, lost = make_tx("1", [(ALICE, 1)]), make_tx("2", [(ALICE, 2)], COIN)
    index.apply_mempool([mined, lost], ())
    index.apply_block(feed.mine([mined, make_tx("3", [(BOB, 1)], COIN)]))
    assert left(index) == {lost.txid}


def test_a_conflict_is_told_of_what_was_put_out_and_of_nothing_else() -> None:
    index = started()
    first, child = make_tx("1", [(ALICE, 1)], COIN), make_tx("2", [(ALICE, 2)])
    index.apply_mempool([first, child], ())
    second = make_tx("3", [(ALICE, 1)], COIN)
    index.apply_mempool([second], [child.txid])
    shown = index.view(ALICE, "s")
    assert shown.left == {first.txid, child.txid}
    assert shown.conflicted == {(first.txid, second.txid)}
    assert not shown.complete
    index.apply_mempool([first], ())  # it came back, and put the other out
    assert index.view(ALICE, "s").conflicted == {(second.txid, first.txid)}
    index.unwatch(ALICE)
    assert index.view(ALICE, "s").conflicted == frozenset()


def test_what_had_left_before_its_replacement_came_is_told_as_a_conflict() -> None:
    """A node says that the one left, and a round may end before it says what came."""
    index = started()
    first, feed = make_tx("1", [(ALICE, 1)], COIN), FakeFeed()
    index.apply_mempool([first], ())
    index.apply_mempool((), [first.txid])
    assert index.view(ALICE, "s").conflicted == frozenset()
    index.begin_round()
    index.take_touched()
    second = make_tx("2", [(BOB, 1)], [("ee" * 32, 0), *COIN])
    index.apply_mempool([second], ())
    shown = index.view(ALICE, "s")
    assert shown.conflicted == {(first.txid, second.txid)}
    assert not shown.complete
    assert index.take_touched() == {ALICE}, "its watcher is told so"
    index.apply_mempool((), [second.txid])
    index.apply_mempool([first], ())  # it came back
    assert index.view(ALICE, "s").conflicted == frozenset()
    index.apply_mempool((), [first.txid])
    third = make_tx("3", [(ALICE, 1)], COIN)
    index.apply_block(feed.mine([third]))  # nobody had it in a mempool
    assert index.view(ALICE, "s").conflicted == {(first.txid, third.txid)}


def test_what_spends_something_else_takes_no_place() -> None:
    index = started()
    first = make_tx("1", [(ALICE, 1)], COIN)
    index.apply_mempool([first], ())
    index.apply_mempool((), [first.txid])
    index.apply_mempool([make_tx("2", [(ALICE, 1)], [("cc" * 32, 2)])], ())
    assert index.view(ALICE, "s").conflicted == frozenset()


def test_coins_are_remembered_as_long_as_somebody_watches_and_so_many() -> None:
    book = Departures()
    for number in range(departures.MOST_COINS + 5):
        book.note("t", [ALICE, BOB], spent=[number.to_bytes(36, "big")])
    assert len(book._coins) == departures.MOST_COINS
    book.forget(ALICE)
    assert len(book._coins) == departures.MOST_COINS
    book.forget(BOB)
    assert book._coins == {}


def test_of_very_many_that_left_the_newest_are_known() -> None:
    """Whoever makes many hides nobody's replacement: that comes a moment later."""
    book = Departures()
    old = make_tx("0", [(BOB, 1)], [("aa" * 32, 0)])
    new = make_tx("1", [(BOB, 1)], [("bb" * 32, 0)])
    book.note("first", [ALICE], spent=outpoints(pack(old).body))
    for number in range(departures.MOST_COINS):
        book.note("many", [BOB], spent=[number.to_bytes(36, "big")])
    assert book.replaced_by(pack(old)) == set()
    book.note("last", [ALICE], spent=outpoints(pack(new).body))
    assert book.replaced_by(pack(new)) == {ALICE}
    assert book.conflicted(ALICE) == {("last", pack(new).txid)}
    assert len(book._coins) == departures.MOST_COINS
    assert sum(map(len, book._coins_of.values())) == departures.MOST_COINS


def test_of_who_is_not_watched_nothing_is_remembered() -> None:
    index = started()
    tx = make_tx("1", [(BOB, 1)])
    index.apply_mempool([tx], ())
    index.apply_mempool((), [tx.txid])
    assert left(index, BOB) == frozenset()


def test_views_say_how_old_the_mempool_is() -> None:
    index = started()
    assert index.view(ALICE, "s").mempool_since == 7
    assert index.empty_view("s").mempool_since == 7


def test_so_much_is_remembered_of_one_script() -> None:
    book = Departures()
    for number in range(departures.MOST_LEFT + 5):
        book.note(f"{number}", [ALICE], by="x")
    assert len(book.of(ALICE)) == departures.MOST_LEFT == 1_000
    assert book.conflicted(ALICE) == {(txid, "x") for txid in book.of(ALICE)}
