"""Going through many things with pauses."""

from engine.chain.disappearance import gone_for_good
from engine.chain.mempool import NAMES_PER_STEP
from engine.chain.pausing import NAMES, pausing
from engine.chain.script_index import ScriptIndex
from tests.tools.fake_feed import make_tx


def test_there_is_a_pause_before_each_so_many_items_but_not_before_the_first() -> None:
    def pause() -> None:
        story.append("pause")

    story: list[object] = []
    for item in pausing(range(7), pause, every=3):
        story += [item]
    assert story == [0, 1, 2, "pause", 3, 4, 5, "pause", 6]
    assert list(pausing("abc", None, every=1)) == ["a", "b", "c"]


def test_a_full_mempool_is_compared_in_steps_of_some_thousand_names() -> None:
    index = ScriptIndex()
    pauses: list[int] = []
    kept = make_tx("kept", [(b"\x00\x14somebody", 1)])
    lost = make_tx("lost", [(b"\x00\x14somebody", 1)])
    index.apply_mempool([kept, lost], ())
    names = frozenset(
        {kept.txid, *(f"{number:064x}" for number in range(NAMES * 2 + 1))}
    )

    def pause() -> None:
        pauses.append(len(pauses))

    unknown = index.unknown_of(names, pause)
    assert set(unknown) == names - {kept.txid}
    assert len(pauses) == 2
    assert index.gone_from(names, pause) == [lost.txid]
    assert gone_for_good(index, names, 0, pause) == ([lost.txid], 0)


def test_what_is_in_the_pool_is_gone_through_in_steps_as_well() -> None:
    index = ScriptIndex()
    pauses: list[None] = []
    txs = [
        make_tx(str(number), [(b"x", 1)]) for number in range(NAMES_PER_STEP * 2 + 1)
    ]
    index.apply_mempool(txs, ())
    names = frozenset(tx.txid for tx in txs)
    assert index.unknown_of(names, lambda: pauses.append(None)) == []
    assert len(pauses) == 2
    assert index.gone_from(names, lambda: pauses.append(None)) == []
    assert len(pauses) == 4
    assert set(index.gone_from(frozenset())) == names
