"""Transactions of ours that spend the same coins, and which of them stands. Pure.

Those that bump one another are a family; one that was given up leaves its coins to
another. The chain takes one of them all: mostly the last, and at times another that a
miner had. That a node calls one invalid is its opinion, and no reason to give up those
that are in mempools already.
"""

from collections.abc import Iterable, Sequence

from engine.wallet.outgoing import UNDER_WAY, Outgoing, OutgoingState, moved

__all__ = ["bump_waits", "giving_way", "put_back"]

MOST_DOUBLINGS = 10
"""After so many bumps that no node took, the wait grows no more."""

S = OutgoingState


def put_back(refused: Outgoing, family: Iterable[Outgoing], at: int) -> Outgoing | None:
    """The one that a bump which no node takes was to take the place of, under way once
    more: it may be in mempools still. None: there is no such."""
    for one in family:
        if one.id == refused.replaces and one.state is S.REPLACED:
            return moved(one, S.BROADCAST, at, reason="")
    return None


def giving_way(
    before: Outgoing, after: Outgoing, rivals: Iterable[Outgoing], at: int
) -> list[tuple[OutgoingState, Outgoing]]:
    """One that was given up has won: whoever stood in its place, or took a coin of it
    for something else, loses it; each with the state that it was in."""
    if before.is_living or after.state is not S.CONFIRMED:
        return []
    spent = {coin.outpoint for coin in after.plan.coins}
    losers: list[tuple[OutgoingState, Outgoing]] = []
    for one in rivals:
        if one.id == after.id or one.state not in UNDER_WAY:
            continue
        reason = f"{after.id} won"
        if one.family == after.family:
            loser = moved(one, S.REPLACED, at, reason=reason)
        else:
            coins = (coin.outpoint for coin in one.plan.coins)
            lost = tuple(coin for coin in coins if coin in spent)
            loser = moved(one, S.FAILED, at, reason=reason, lost=lost)
        losers.append((one.state, loser))
    return losers


def bump_waits(family: Sequence[Outgoing], now: int, bump_after_s: int) -> str:
    """Why there is no further bump yet, where no node took the last: the wait doubles
    with each, as each is a row that stays. Empty: there may be one now."""
    refused = [one for one in family if one.state is S.FAILED]
    if not refused:
        return ""
    last = max(refused, key=lambda one: one.moved_at)
    doublings = min(len(refused) - 1, MOST_DOUBLINGS)
    if now - last.moved_at >= bump_after_s * 1_000 << doublings:
        return ""
    return last.reason
