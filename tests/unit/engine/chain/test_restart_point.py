"""Where catching up would start: never behind what a watcher has not committed."""

from engine.chain.feed import ChainView, Output, Tip
from engine.chain.restart_point import SAVE_TIP_S, RestartPoint


def tip(height: int) -> Tip:
    return Tip(height, f"block {height}")


def paid(height: int | None = 100) -> ChainView:
    block = None if height is None else f"block {height}"
    return ChainView("s", tip(200), (Output("t", 0, 5, block, height),))


def nothing() -> ChainView:
    return ChainView("s", tip(200), ())


def begun(height: int = 100) -> RestartPoint:
    """With one round behind it, which read up to this height at 0 s."""
    point = RestartPoint()
    assert point.mark_after(tip(height), 0.0, anew=True) == tip(height)
    return point


def test_the_first_mark_of_all_is_written_at_once_and_another_start_is_none() -> None:
    assert begun(100).mark_after(tip(101), SAVE_TIP_S, anew=False) == tip(100)
    point = RestartPoint()
    assert point.mark_after(tip(100), 0.0, anew=False) is None, (
        "a round read it just now"
    )
    assert point.mark_after(tip(101), SAVE_TIP_S, anew=False) == tip(100)


def test_it_is_written_now_and_then_and_only_if_it_moved() -> None:
    point = begun(100)
    assert point.mark_after(tip(101), SAVE_TIP_S - 0.1, anew=False) is None
    assert point.mark_after(tip(100), SAVE_TIP_S * 2, anew=False) is None
    assert point.mark_after(tip(101), SAVE_TIP_S * 2, anew=False) == tip(100)
    assert point.mark_after(tip(102), SAVE_TIP_S * 2.5, anew=False) is None
    assert point.mark_after(tip(103), SAVE_TIP_S * 3, anew=False) == tip(101)


def test_it_stays_before_what_a_watcher_has_not_committed() -> None:
    point = begun(100)
    point.mark_after(tip(101), SAVE_TIP_S, anew=False)
    first, other = paid(102), paid(103)
    point.shown(b"a", first)
    point.mark_after(tip(105), SAVE_TIP_S * 2, anew=False)
    point.shown(b"b", other)
    assert point.mark_after(tip(106), SAVE_TIP_S * 3, anew=False) == tip(101)
    point.committed(b"a", first)
    assert point.mark_after(tip(107), SAVE_TIP_S * 4, anew=False) == tip(105)
    point.committed(b"b", other)
    assert len(point) == 0
    assert point.mark_after(tip(108), SAVE_TIP_S * 5, anew=False) == tip(107)


def test_only_the_newest_view_counts_and_keeps_the_oldest_place() -> None:
    point = begun(100)
    old, new = paid(101), paid(None)
    point.shown(b"a", old)
    point.mark_after(tip(110), SAVE_TIP_S, anew=False)
    point.shown(b"a", new)
    point.committed(b"a", old)
    assert len(point) == 1
    assert point.mark_after(tip(120), SAVE_TIP_S * 2, anew=False) == tip(100)
    point.committed(b"a", new)
    assert len(point) == 0


def test_what_is_in_no_block_is_found_in_the_mempool_again() -> None:
    point = begun()
    point.shown(b"a", paid(None))
    point.shown(b"b", nothing())
    assert len(point) == 0


def test_what_nobody_watches_holds_nothing_up() -> None:
    point = begun()
    point.shown(b"a", paid())
    point.forget(b"a")
    point.forget(b"b")
    assert len(point) == 0


def test_a_place_in_one_source_is_none_in_another() -> None:
    point = begun(100)
    view = paid()
    point.shown(b"a", view)
    point.source_changed()
    assert point.mark_after(tip(50), SAVE_TIP_S, anew=False) is None
    assert point.mark_after(tip(51), SAVE_TIP_S * 2, anew=False) is None, (
        "where the other source would show it again, nobody knows"
    )
    point.committed(b"a", view)
    assert point.mark_after(tip(52), SAVE_TIP_S * 3, anew=False) == tip(51)


def test_a_source_actor_that_starts_anew_forgets_all() -> None:
    point = begun(100)
    point.shown(b"a", paid())
    point.clear()
    assert len(point) == 0
    assert point.mark_after(tip(50), SAVE_TIP_S, anew=False) is None
