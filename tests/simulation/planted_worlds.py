"""Bugs on purpose where worlds of their own are needed to see them.

A reward of a miner that counts too soon, one source's word in the place of two, and
what a chain that moves on between two questions makes of a round.
"""

from typing import Any

from msgspec.structs import replace

import actors.watching.opinions
import engine.chain.sync
import engine.payment.depth
import engine.payment.quorum
from engine.chain.feed import Block, BlockFeed, Output, Tip
from engine.payment.model import Receipt, Terms
from engine.payment.quorum import seconded_by
from engine.payment.review import ReviewState
from tests.simulation.plant import Patch, Plant

__all__ = [
    "PLANTED_CROSSINGS",
    "PLANTED_LAST_MINUTES",
    "PLANTED_REWARDS",
    "PLANTED_TWO_WORDS",
]


def a_reward_counts_as_other_money_does(patch: Patch) -> None:
    patch.setattr(Receipt, "depth_needed", lambda _receipt, required: required)


def a_reward_is_not_told_from_other_money(patch: Patch) -> None:
    made = engine.chain.placed_block._output

    def bug(*about: Any) -> Output:
        return replace(made(*about), is_coinbase=False)

    patch.setattr(engine.chain.placed_block, "_output", bug)


def one_source_is_enough_for_any_sum(patch: Patch) -> None:
    patch.setattr(engine.payment.depth, "needs_two", lambda _terms, _sat: False)


def a_source_agrees_with_itself(patch: Patch) -> None:
    patch.setattr(
        actors.watching.opinions,
        "seconded_by",
        lambda words, _operator, now: seconded_by(words, "", now),
    )


def what_another_said_counts_for_a_day(patch: Patch) -> None:
    for module in (engine.payment.quorum, actors.watching.opinions):
        patch.setattr(module, "FRESH_MS", 86_400_000)


def two_that_name_other_blocks_agree(patch: Patch) -> None:
    def bug(_terms: Terms, txid: str, vout: int, _block: str | None) -> Any:
        return txid, vout, ""

    for module in (engine.payment.quorum, engine.payment.depth):
        patch.setattr(module, "key_of", bug)


class _Fitting(str):
    """A hash that is any hash, if somebody asks whether it is another."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


def a_block_of_another_branch_is_joined_on(patch: Patch) -> None:
    """Nobody looks whether it names the block before it."""
    read = engine.chain.sync._block

    def bug(feed: BlockFeed, place: Tip) -> Block:
        block = read(feed, place)
        fits = replace(block.header, prev_hash=_Fitting(block.header.prev_hash))
        return replace(block, header=fits)

    patch.setattr(engine.chain.sync, "_block", bug)


def a_deadline_is_judged_by_what_was_not_read_whole(patch: Patch) -> None:
    may_judge = ReviewState.may_judge

    def bug(self: ReviewState, view: Any, asked_at: int) -> bool:
        return may_judge(self, replace(view, complete=view.gap is None), asked_at)

    patch.setattr(ReviewState, "may_judge", bug)


PLANTED_REWARDS: tuple[Plant, ...] = (
    a_reward_counts_as_other_money_does,
    a_reward_is_not_told_from_other_money,
)
"""Each is found within 20 worlds of `run_rewards`."""

PLANTED_TWO_WORDS: tuple[Plant, ...] = (
    one_source_is_enough_for_any_sum,
    a_source_agrees_with_itself,
    what_another_said_counts_for_a_day,
    two_that_name_other_blocks_agree,
)
"""Each is found within 20 worlds of `run_two_words`."""

PLANTED_CROSSINGS: tuple[Plant, ...] = (a_block_of_another_branch_is_joined_on,)
"""Found within 20 worlds of `run_crossing`."""

PLANTED_LAST_MINUTES: tuple[Plant, ...] = (
    a_deadline_is_judged_by_what_was_not_read_whole,
)
"""Found within 20 worlds of `run_last_minutes`."""
