"""The judge of a till's world. It counts at both accounts, and reads of Paybell what
anybody sees: events, the ledger's rows, the table's words. It sums them up by itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from engine.lightning.till import TillForward, TillState
from engine.payment.model import Status

if TYPE_CHECKING:
    from tests.simulation.till_world import TillWorld

__all__ = ["Wrong", "judge"]

S = TillState


class Wrong(AssertionError):
    """Money was moved twice, or is lost, or is not told as it is."""


def judge(world: TillWorld) -> dict[str, int]:
    """Raises `Wrong`. What became of the forwards, by state."""
    network = world.network
    found: dict[str, int] = {}
    if len(world.forwards()) != len(world.came):
        raise Wrong("a payment has no forward, or two")
    taken_msat = 0
    for forward in world.forwards():
        found[forward.state.value] = found.get(forward.state.value, 0) + 1
        mine = [m for m in network.invoices.values() if m.forward_id == forward.id]
        arrived = [m for m in mine for _ in m.paid]
        net, _, credit = world.came[forward.payment_id]
        if len(arrived) > 1:
            raise Wrong(f"{forward.id} was paid {len(arrived)} times")
        if len(arrived) != (forward.state is S.PAID):
            raise Wrong(f"{forward.id} is {forward.state}, paid {len(arrived)} times")
        if arrived:
            taken = arrived[0].amount_msat + network.fee_msat
            taken_msat += taken
            if taken > net * 1_000:
                raise Wrong(f"{forward.id} took {taken} msat of {net} sat")
        _judge_end(world, forward, credit)
        _judge_told(world, forward, arrived[0].amount_msat if arrived else 0)
    if taken_msat != network.target_msat + network.fees_msat:
        raise Wrong("money came to the target that no forward knows of")
    return found


def _judge_end(world: TillWorld, forward: TillForward, credit: int) -> None:
    """Whatever could be passed on is, or a person sees why not."""
    if forward.state in {S.PAID, S.STUCK, S.LEFT}:
        return
    if forward.state is S.GIVEN_UP and forward.id in world.handled:
        return
    if forward.state is S.WAITING and credit:
        return
    raise Wrong(f"{forward.id} is {forward.state} for ever: {forward.reason}")


def _judge_told(world: TillWorld, forward: TillForward, arrived_msat: int) -> None:
    history = world.store.history(forward.payment_id)
    events = [msgspec.json.decode(stored.wire) for stored in history]
    told = [event["type"] for event in events]
    times = told.count("payment.forwarded")
    if times != (arrived_msat > 0):
        raise Wrong(f"{forward.id} was told {times} times that it has arrived")
    before = told[: told.index("payment.forwarded")] if times else []
    if times and "payment.forwarding" not in before:
        raise Wrong(f"{forward.id} arrived before it was on its way")
    payment = world.store.payment(forward.payment_id)
    assert payment is not None
    swept = sum(e["data"].get("swept_sat", 0) for e in events)
    fee = sum(e["data"].get("swept_fee_sat", 0) for e in events)
    if (swept - fee) * 1_000 != arrived_msat:
        raise Wrong(f"{forward.id}: told {swept} sat, {fee} of it fee")
    _judge_booked(world, forward, swept, fee)
    if forward.state is S.GIVEN_UP and forward.is_untold:
        raise Wrong(f"{forward.id} was given up, and nobody heard of it")
    if (payment.status is Status.FAILED) != (
        forward.state is S.GIVEN_UP and payment.forward is not None
    ):
        raise Wrong(f"{forward.id} is {forward.state}, its payment {payment.status}")
    if (payment.status is Status.FORWARDED) != (forward.state is S.PAID):
        raise Wrong(f"{forward.id} is {forward.state}, its payment {payment.status}")


def _judge_booked(world: TillWorld, forward: TillForward, swept: int, fee: int) -> None:
    net, kept, credit = world.came[forward.payment_id]
    records = world.store.postings_of(forward.payment_id, "")
    booked: Counter[str] = Counter()  # satoshi, by account
    for posting in (record.posting for record in records):
        if posting.unit == "sat":
            booked[posting.target] += posting.amount
            booked[posting.source] -= posting.amount
    right = {
        "sales": -(net + kept + credit),
        "fees": kept + fee,
        "own": swept - fee,
        "lightning:till": net + credit - swept,
    }
    found = {name: sat for name, sat in booked.items() if sat}
    if found != {name: sat for name, sat in right.items() if sat}:
        raise Wrong(f"{forward.id}: booked {found}, not {right}")
