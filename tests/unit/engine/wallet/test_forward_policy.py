"""What a look at a transaction of ours means, and where money may go."""

import pytest
from msgspec.structs import replace

from engine.chain.broadcast import Sighting
from engine.wallet.forward_policy import ForwardPolicy, seen_as
from engine.wallet.outgoing import OutgoingState
from tests.unit.engine.store.outgoing_cases import outgoing

S = OutgoingState

POOL = Sighting(in_mempool=True)
GONE = Sighting()
MINED = Sighting(False, "aa", 9, 1)
DEEP = Sighting(False, "aa", 9, 3)


@pytest.mark.parametrize(
    ("before", "sighting", "after"),
    [
        (S.BROADCAST, POOL, S.SEEN),
        (S.BROADCAST, GONE, S.BROADCAST),
        (S.BROADCAST, DEEP, S.CONFIRMED),
        (S.SEEN, GONE, S.BROADCAST),
        (S.SEEN, MINED, S.SEEN),
        (S.SEEN, DEEP, S.CONFIRMED),
        (S.CONFIRMED, POOL, S.SEEN),
        (S.CONFIRMED, GONE, S.BROADCAST),
        (S.CONFIRMED, MINED, S.SEEN),
        (S.CONFIRMED, DEEP, S.CONFIRMED),
        (S.REPLACED, POOL, S.REPLACED),
        (S.REPLACED, DEEP, S.CONFIRMED),
        (S.PREPARED, DEEP, S.PREPARED),
        (S.FAILED, MINED, S.FAILED),
        (S.FAILED, DEEP, S.CONFIRMED),
    ],
)
def test_a_look_moves_a_transaction_by_what_it_shows(
    before: OutgoingState, sighting: Sighting, after: OutgoingState
) -> None:
    there = replace(outgoing(1), state=before)
    assert seen_as(there, sighting, 3, 5).state is after


def test_what_has_arrived_knows_its_block_and_forgets_it_when_that_is_lost() -> None:
    there = replace(outgoing(1), state=S.SEEN)
    arrived = seen_as(there, DEEP, 3, 5)
    assert (arrived.block_hash, arrived.block_height) == ("aa", 9)
    assert (arrived.moved_at, arrived.is_open) == (5, True)
    lost = seen_as(arrived, GONE, 3, 6)
    assert (lost.block_hash, lost.block_height) == ("", None)


def test_a_look_that_shows_nothing_new_leaves_it_the_same() -> None:
    there = replace(outgoing(1), state=S.SEEN)
    assert seen_as(there, POOL, 3, 5) is there
    assert seen_as(there, MINED, 3, 5) is there  # a block counts when it is so deep
    other = Sighting(False, "bb", 9, 3)
    moved_on = seen_as(seen_as(there, DEEP, 3, 5), other, 3, 6)
    assert (moved_on.block_hash, moved_on.moved_at) == ("bb", 5)
    assert seen_as(moved_on, other, 3, 7) is moved_on


@pytest.mark.parametrize("needed", [0, 1])
def test_the_first_block_is_the_least_that_can_be_asked_for(needed: int) -> None:
    there = replace(outgoing(1), state=S.SEEN)
    assert seen_as(there, MINED, needed, 5).state is S.CONFIRMED
    assert seen_as(there, POOL, needed, 5).state is S.SEEN


def test_money_goes_to_named_destinations_only_unless_any_will_do() -> None:
    policy = ForwardPolicy(destinations=frozenset({"here"}))
    assert policy.allows("here")
    assert not policy.allows("there")
    assert not ForwardPolicy().allows("here")
    assert ForwardPolicy(anywhere=True).allows("there")
