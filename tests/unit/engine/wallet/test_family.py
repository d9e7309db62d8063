"""Which of those that bump one another stands, where one is refused or wins."""

import pytest
from msgspec.structs import replace

from engine.wallet.family import bump_waits, giving_way, put_back
from engine.wallet.outgoing import Outgoing, OutgoingState
from tests.unit.engine.store.outgoing_cases import coin, outgoing

S = OutgoingState

HOUR_MS = 3_600_000


def bump(number: int, state: OutgoingState, **more: object) -> Outgoing:
    values: dict[str, object] = {
        "first": "out_000001",
        "replaces": f"out_{number - 1:06d}",
        **more,
    }
    return replace(outgoing(number), state=state, **values)


FIRST = replace(outgoing(1), state=S.REPLACED, reason="bumped by out_000002")


def test_what_a_refused_bump_bumped_is_under_way_again() -> None:
    second, third = bump(2, S.REPLACED), bump(3, S.FAILED)
    back = put_back(third, [FIRST, second, third], 7)
    assert back == replace(second, state=S.BROADCAST, moved_at=7, reason="")


@pytest.mark.parametrize("state", [S.CONFIRMED, S.SEEN, S.FAILED])
def test_only_what_it_replaced_is_put_back(state: OutgoingState) -> None:
    first, second = replace(outgoing(1), state=state), bump(2, S.FAILED)
    assert put_back(second, [first, second], 7) is None
    assert put_back(first, [first, second], 7) is None


@pytest.mark.parametrize("before", [S.REPLACED, S.FAILED])
def test_all_that_are_under_way_give_way_to_the_one_that_won(
    before: OutgoingState,
) -> None:
    first = replace(outgoing(1), state=before)
    won = replace(first, state=S.CONFIRMED)
    third = bump(3, S.SEEN)
    family = [first, bump(2, S.FAILED), third]
    ((was, loser),) = giving_way(first, won, family, 7)
    assert (was, loser.id, loser.state) == (S.SEEN, third.id, S.REPLACED)
    assert loser.reason == "out_000001 won"


def test_who_took_its_coins_for_something_else_has_lost_those() -> None:
    """It was given up, its coins were sent on anew, and a miner took it."""
    mine, other = coin(1, "p1"), coin(2, "p2")
    given_up = outgoing(1, mine, state=S.FAILED)
    won = replace(given_up, state=S.CONFIRMED)
    sweep = outgoing(2, mine, other, state=S.SEEN, instead_of=(given_up.id,))
    ((was, loser),) = giving_way(given_up, won, [given_up, sweep], 7)
    assert (was, loser.id, loser.state) == (S.SEEN, sweep.id, S.FAILED)
    assert (loser.lost, loser.reason) == ((mine.outpoint,), "out_000001 won")


def test_nothing_gives_way_to_one_that_was_to_win_or_has_not() -> None:
    seen, second = replace(outgoing(1), state=S.SEEN), bump(2, S.SEEN)
    won = replace(seen, state=S.CONFIRMED)
    assert giving_way(seen, won, [seen, second], 7) == []
    assert giving_way(FIRST, FIRST, [FIRST, second], 7) == []


def test_the_wait_for_another_bump_doubles_with_each_that_no_node_took() -> None:
    family = [FIRST]
    assert bump_waits(family, 0, 3_600) == ""
    hours = []
    for hour in range(40):
        if not bump_waits(family, hour * HOUR_MS, 3_600):
            hours.append(hour)
            at = hour * HOUR_MS
            family.append(bump(2 + hour, S.FAILED, moved_at=at, reason="why"))
    assert hours == [0, 1, 3, 7, 15, 31]
    assert bump_waits(family, 40 * HOUR_MS, 3_600) == "why"


def test_the_wait_is_bounded() -> None:
    family = [bump(n, S.FAILED, moved_at=0, reason="why") for n in range(2, 60)]
    assert bump_waits(family, 1_023 * HOUR_MS, 3_600) == "why"
    assert bump_waits(family, 1_024 * HOUR_MS, 3_600) == ""
