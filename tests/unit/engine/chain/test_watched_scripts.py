"""What the script index keeps of who is watched, and what it costs the collector."""

import gc

from engine.chain.feed import Output
from engine.chain.header_chain import HeaderChain
from engine.chain.watched_scripts import WatchedScripts

SCRIPTS = [b"\x00\x14" + number.to_bytes(20, "big") for number in range(100)]


def output(script: bytes) -> Output:
    return Output(script[-4:].hex() * 8, 0, 1_000, "ff" * 32, 7)


def test_the_garbage_collector_does_not_look_through_all_that_are_watched() -> None:
    """Each full collection took 15 ms for 100,000 scripts once one had been paid."""
    watched = WatchedScripts(HeaderChain())
    for script in SCRIPTS:
        watched.add(script, (), ())
    paid = {SCRIPTS[3]: {("aa" * 32, 0): output(SCRIPTS[3])}}
    watched.keep_paying(paid)
    watched.add(SCRIPTS[4], [output(SCRIPTS[4])], ())
    gc.collect()
    assert not gc.is_tracked(watched.scripts)
    assert list(watched.scripts) == SCRIPTS
    with_any = [s for s in SCRIPTS if watched.of(s)]
    assert with_any == SCRIPTS[3:5]


def test_one_that_is_watched_no_more_leaves_nothing_behind() -> None:
    watched = WatchedScripts(HeaderChain())
    script = SCRIPTS[0]
    watched.add(script, [output(script)], ())
    watched.note_gap()
    watched.remove(script)
    watched.remove(script)
    assert (len(watched.scripts), len(watched.of(script))) == (0, 0)
    assert not watched.has_gap(script)
    watched.add(script, (), ())
    assert not watched.of(script), "nor when it is watched again"


def test_a_block_that_is_undone_takes_only_its_own_outputs_along() -> None:
    watched = WatchedScripts(HeaderChain())
    script = SCRIPTS[0]
    other = Output("bb" * 32, 1, 500, "ee" * 32, 6)
    watched.add(script, [output(script), other], ())
    left = watched.without("ff" * 32, SCRIPTS[:2], None)
    assert left.keys() == {script}
    assert len(watched.of(script)) == 2, "until it is kept nothing changes"
    watched.keep(left)
    assert [found.block_hash for found in watched.of(script).values()] == ["ee" * 32]
    watched.keep(watched.without("ee" * 32, [script], None))
    assert not watched.of(script)
