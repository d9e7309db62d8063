"""Who is a current witness, who is behind and why, and how the best tip is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import SourceStatus, Tip
from engine.chain.witness import (
    CURRENT,
    HEALED_AFTER_S,
    MAX_TIP_AGE_S,
    Best,
    Standing,
    assess,
    best_after,
    is_lower,
)

NOW = 1_800_000_000_000
NOW_S = NOW // 1000
NETWORKS = ["mainnet", "testnet", "signet", "regtest"]
BEST = Best(Tip(500, "b500"), NOW - 600_000)


def at(height: int, block: str | None = None, **more: object) -> SourceStatus:
    tip = Tip(height, block or f"b{height}")
    return SourceStatus(tip, **more)  # type: ignore[arg-type]


def reason(
    status: SourceStatus, best: Best | None = BEST, network: str = "regtest"
) -> str:
    found = assess(status, best, NOW, network)
    assert found.standing is Standing.BEHIND
    assert not found.is_current
    assert found.reason is not None
    assert "\n" not in found.reason
    return found.reason


# -- behind the best -------------------------------------------------------------------


def test_who_shows_the_best_tip_or_a_better_one_is_current() -> None:
    for status in (at(500), at(501), at(9_000)):
        assert assess(status, BEST, NOW, "regtest") == CURRENT
    assert assess(at(3), None, NOW, "regtest") == CURRENT, "nobody has shown more"


def test_who_is_lower_than_the_best_tip_is_behind_and_says_by_what() -> None:
    assert reason(at(450), network="signet") == "at block 450; block 500 was seen"


def test_a_block_or_two_excuse_nothing_else() -> None:
    late = assess(at(499), BEST, NOW, "regtest")
    assert (late.standing, late.is_slight) == (Standing.BEHIND, True)
    for said in ({"mempool_loaded": False}, {"doubt": "its index is old"}):
        found = assess(at(499, **said), BEST, NOW, "regtest")
        assert (found.standing, found.is_slight) == (Standing.BEHIND, False)


def test_a_regtest_chain_that_was_made_anew_is_told_how_to_go_on() -> None:
    assert "new --db" in reason(at(5))
    assert "new --db" not in reason(at(5), network="signet")


def test_another_block_at_the_same_height_is_not_behind() -> None:
    assert assess(at(500, "other"), BEST, NOW, "regtest") == CURRENT


@pytest.mark.parametrize(("height", "slight"), [(499, True), (498, True), (497, False)])
def test_a_block_or_two_may_be_on_their_way(height: int, slight: bool) -> None:
    found = assess(at(height), BEST, NOW, "regtest")
    assert (found.standing, found.is_slight) == (Standing.BEHIND, slight)


def test_work_counts_for_more_than_height_where_both_are_known() -> None:
    best = replace(BEST, chainwork=1_000)
    assert assess(at(499, chainwork=1_001), best, NOW, "regtest") == CURRENT
    assert "less work" in reason(at(505, chainwork=999), best)
    assert assess(at(505), best, NOW, "regtest") == CURRENT, "height, if one is silent"
    assert reason(at(499), best)


# -- by its own word -------------------------------------------------------------------


def test_a_first_download_is_no_witness() -> None:
    status = at(1_000, initial_download=True, headers=860_000)
    told = reason(status, None, "mainnet")
    assert told == "still in its first download (block 1,000 of 860,000)"


def test_a_node_that_knows_of_more_blocks_than_it_has_is_behind() -> None:
    assert assess(at(500, headers=502), BEST, NOW, "regtest") == CURRENT
    assert reason(at(500, headers=503)) == "at block 500, and knows of block 503 itself"


def test_a_mempool_that_is_not_loaded_proves_nothing() -> None:
    assert reason(at(500, mempool_loaded=False)) == "its mempool is not loaded yet"


def test_what_its_adapter_doubts_is_the_reason() -> None:
    assert (
        reason(at(500, doubt="its index is at block 37")) == "its index is at block 37"
    )


@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet"])
def test_a_tip_that_is_implausibly_old_for_the_network_is_behind(network: str) -> None:
    oldest = NOW_S - MAX_TIP_AGE_S[network]
    assert assess(at(500, tip_time_s=oldest), BEST, NOW, network) == CURRENT
    told = reason(at(500, tip_time_s=oldest - 1), network=network)
    assert "old by this machine's clock" in told
    ahead = at(500, tip_time_s=NOW_S + 7_000)
    assert assess(ahead, BEST, NOW, network) == CURRENT


@given(st.integers(0, NOW_S), st.booleans())
def test_regtest_is_never_stale_for_age_alone(time_s: int, downloading: bool) -> None:
    """Core calls it a first download if its tip is a day old at its start."""
    status = at(500, tip_time_s=time_s, headers=500, initial_download=downloading)
    assert assess(status, BEST, NOW, "regtest") == CURRENT


def test_a_quiet_signet_is_not_stale_and_one_without_blocks_is() -> None:
    quiet = at(500, tip_time_s=NOW_S - 5 * 86_400, headers=500, initial_download=True)
    assert assess(quiet, BEST, NOW, "signet") == CURRENT
    empty = at(0, tip_time_s=NOW_S - 5 * 86_400, headers=0, initial_download=True)
    assert "first download" in reason(empty, None, "signet")
    downloading = replace(quiet, headers=900)
    assert "first download" in reason(downloading, None, "signet")
    assert "first download" in reason(quiet, None, "mainnet")


# -- the best tip ----------------------------------------------------------------------


def test_the_best_tip_is_the_highest_and_notes_when_it_was_shown_last() -> None:
    best = best_after(None, at(500), NOW, "regtest")
    assert best == Best(Tip(500, "b500"), NOW)
    assert best_after(best, at(450), NOW + 5, "regtest") is best
    assert best_after(best, at(500, "other"), NOW + 5, "regtest") is best
    again = best_after(best, at(500, chainwork=7), NOW + 5, "regtest")
    assert again == Best(Tip(500, "b500"), NOW + 5, 7)
    assert best_after(again, at(500), NOW + 9, "regtest") == Best(
        Tip(500, "b500"), NOW + 9, 7
    ), "who is silent of the work takes nothing from what is known of it"
    assert best_after(again, at(501), NOW + 9, "regtest") == Best(
        Tip(501, "b501"), NOW + 9
    )


def test_a_tip_in_doubt_is_never_the_best() -> None:
    assert best_after(BEST, at(300_500, doubt="it leaps"), NOW, "regtest") is BEST
    assert best_after(None, at(5, doubt="it leaps"), NOW, "regtest") is None


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_a_tip_higher_than_a_chain_can_grow_is_never_the_best(network: str) -> None:
    assert best_after(BEST, at(300_500), NOW, network) is BEST
    day_later = NOW + 86_400_000
    grown = best_after(BEST, at(500 + 200), day_later, network)
    assert grown is not None
    assert grown.tip.height == 700
    assert assess(at(500), BEST, NOW, network).is_current, "the lie holds up nobody"


def test_a_lie_that_was_believed_heals_when_the_real_chain_grows_past_it() -> None:
    lied = best_after(BEST, at(503, "lie"), NOW, "mainnet")
    assert lied is not None
    assert not assess(at(501), lied, NOW, "mainnet").is_current
    assert assess(at(503), lied, NOW, "mainnet").is_current
    grown = best_after(lied, at(504), NOW, "mainnet")
    assert grown is not None
    assert grown.tip == Tip(504, "b504")


def test_a_lie_far_above_is_outgrown_by_a_day_of_new_blocks_and_by_waiting_never() -> (
    None
):
    lie = Best(Tip(300_500, "lie"), NOW)
    later = NOW + (HEALED_AFTER_S + 1_000) * 1000
    still = at(500, tip_time_s=NOW_S - 5)
    assert best_after(lie, still, later, "mainnet") is lie, "it stands still"
    old = at(640, tip_time_s=NOW_S + HEALED_AFTER_S - 1)
    assert best_after(lie, old, later, "mainnet") is lie
    future = at(640, tip_time_s=NOW_S + HEALED_AFTER_S * 9)
    assert best_after(lie, future, later, "mainnet") is lie, "no clock says that"
    catching_up = at(640, tip_time_s=NOW_S + HEALED_AFTER_S + 1, initial_download=True)
    assert best_after(lie, catching_up, later, "mainnet") is lie
    grown = at(640, tip_time_s=NOW_S + HEALED_AFTER_S + 1)
    best = best_after(lie, grown, later, "mainnet")
    assert best == Best(Tip(640, "b640"), later)
    assert assess(grown, best, later, "mainnet").is_current


# -- whatever is said ------------------------------------------------------------------

STATUSES = st.builds(
    SourceStatus,
    st.builds(Tip, st.integers(0, 60), st.sampled_from(["a", "b"])),
    tip_time_s=st.none() | st.integers(NOW_S - 9_000_000, NOW_S + 90_000),
    headers=st.none() | st.integers(0, 80),
    initial_download=st.booleans(),
    mempool_loaded=st.booleans(),
    chainwork=st.none() | st.integers(0, 50),
    doubt=st.none() | st.just("doubt"),
)
BESTS = st.none() | st.builds(
    Best,
    st.builds(Tip, st.integers(0, 60), st.sampled_from(["a", "b"])),
    st.integers(NOW - 10**9, NOW),
    st.none() | st.integers(0, 50),
)


@given(STATUSES, BESTS, st.sampled_from(NETWORKS))
def test_a_current_witness_is_never_less_than_the_best(
    status: SourceStatus, best: Best | None, network: str
) -> None:
    found = assess(status, best, NOW, network)
    assert (found.reason is None) == found.is_current
    assert found.standing is not Standing.FAILING
    if found.is_current:
        assert best is None or not is_lower(status.tip, status.chainwork, best)
        assert status.mempool_loaded
        assert status.doubt is None
        assert (status.headers or 0) <= status.tip.height + 2


@given(STATUSES, BESTS, st.sampled_from(NETWORKS))
def test_the_best_tip_only_grows_but_for_what_has_outgrown_it(
    status: SourceStatus, best: Best | None, network: str
) -> None:
    after = best_after(best, status, NOW, network)
    if after is None:
        assert best is None
        assert status.doubt is not None
        return
    if best is not None and after.tip != best.tip:
        assert after.tip == status.tip
        outgrown = (status.tip_time_s or 0) > best.shown_at / 1000 + HEALED_AFTER_S
        assert outgrown or not is_lower(after.tip, after.chainwork, best)
    assert best_after(after, status, NOW, network) == after, "once said is twice said"
