"""What every part of the forwarder has at hand: sources, keys, ids, and how to tell.

No actor; in the forwarder's turns.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from msgspec.structs import replace

from actors.money.steps import AskStore, Commit, Steps, TellPayment, TellRefund
from actors.node import Node
from engine.chain.broadcast import Broadcaster
from engine.errors import SourceError
from engine.payment.coins import block_of
from engine.payment.forwarding import ForwardPart
from engine.payment.model import Payment
from engine.payment.observations import PaidOtherwise
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import paid_otherwise
from engine.payment.refund_sums import difference, paid_out, rests_of
from engine.store.writes import MoveOutgoing, MoveRefund
from engine.wallet.coin import Coin
from engine.wallet.fees import fee_rate
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Signer
from engine.wallet.outgoing import UNDER_WAY, Outgoing, OutgoingKind, OutgoingState
from engine.wallet.plan import Plan, shares_of

__all__ = [
    "CONFLICT",
    "FAILED",
    "REORGED",
    "STUCK",
    "WAITS",
    "ForwarderDesk",
    "news",
    "which",
]

log = logging.getLogger("paybell.forward")

MOST_NAMED = 100
"""Payments in a line of the log, of a transaction that moves the money of more."""

WAITS = "forward.waits"
FAILED = "forward.failed"
CONFLICT = "forward.conflict"
REORGED = "forward.reorged"
STUCK = "forward.stuck"

MAX_MISSING = 3
"""Coins of one plan whose transaction was asked for in vain: a source that is down
costs a few deadlines, not one for each coin."""

S = OutgoingState


class ForwarderDesk:
    """See the module docstring. One for a forwarder's life."""

    def __init__(
        self, node: Node, ways: Broadcaster, signer: Signer, policy: ForwardPolicy
    ) -> None:
        self.node = node
        self.ways = ways
        self.signer = signer
        self.policy = policy
        self.refused: set[str] = set()  # ids whose fee is too low for the mempool now
        self.gave_way: set[str] = set()  # in this round, to one that they had replaced
        self.looked: dict[str, tuple[int | None, float]] = {}
        self.begin = ""  # behind which id the next look at all of them begins
        self.told: dict[str, OutgoingState] = {}  # since this actor began; see `news`

    def forget(self, outgoing_id: str) -> None:
        """Nothing of it is remembered any more."""
        self.looked.pop(outgoing_id, None)
        self.told.pop(outgoing_id, None)
        self.refused.discard(outgoing_id)
        self.node.alerts.clear(STUCK, outgoing_id)

    # -- telling -----------------------------------------------------------------------

    def tell(self, outgoing: Outgoing) -> Steps:
        """Each payment that it takes along, how it stands; what it knows already is not
        told again. That a refund is paid others tell."""
        if outgoing.kind is OutgoingKind.REFUND:
            if outgoing.is_living:
                yield from self._tell_rests(outgoing)
        elif outgoing.state is not S.REPLACED:
            stands_for = yield from self._stands_for(outgoing)
            failed: list[Outgoing] = []
            for name in outgoing.instead_of:
                failed.append((yield AskStore(lambda s, n=name: s.outgoing(n))))  # type: ignore[misc]  # noqa: PERF401 - it yields
            for share in shares_of(outgoing.plan):
                payment: Payment | None = yield AskStore(
                    lambda s, name=share.payment_id: s.payment(name)  # type: ignore[misc]
                )
                if payment is None:
                    continue
                part = ForwardPart(
                    outgoing=outgoing.id,
                    txid=outgoing.txid,
                    amount_sat=share.amount_sat,
                    fee_sat=share.fee_sat,
                    at=outgoing.at,
                    completed_at=outgoing.moved_at
                    if outgoing.state is S.CONFIRMED
                    else None,
                    failed=self._why(outgoing, payment),
                    instead_of=_former(
                        payment, outgoing.id, stands_for, _tried_again(payment, failed)
                    ),
                )
                yield TellPayment(payment.id, part)
        self.told[outgoing.id] = news(outgoing)

    def _tell_rests(self, outgoing: Outgoing) -> Steps:
        """What goes on to the owner beside a refund, to the payments whose coins those
        are. Where the refund was told by another transaction than the one that is in
        the chain, its payment hears that, too."""
        refund: Refund | None = yield AskStore(lambda s: s.refund(outgoing.cause))
        assert refund is not None, outgoing.cause
        stands_for = yield from self._stands_for(outgoing)
        has_arrived = outgoing.state is S.CONFIRMED
        for payment_id, part in rests_of(refund, outgoing):
            payment: Payment | None = yield AskStore(
                lambda s, name=payment_id: s.payment(name)  # type: ignore[misc]
            )
            if payment is not None:
                told = replace(
                    part,
                    completed_at=outgoing.moved_at if has_arrived else None,
                    instead_of=_former(payment, outgoing.id, stands_for),
                )
                yield TellPayment(payment_id, told)
        is_told = refund.state is RefundState.PAID and not refund.by
        if not has_arrived or not is_told or refund.txid == outgoing.txid:
            return
        before: Outgoing | None = yield AskStore(
            lambda s: s.outgoing_of_txid(refund.txid)
        )
        if before is None or before.cause != refund.id:
            return  # its owner's wallet paid it
        fee_sat = paid_out(refund, outgoing).fee_sat
        after = paid_otherwise(refund, outgoing.txid, fee_sat)
        more = difference(refund, before, outgoing)
        word = PaidOtherwise(before=before.txid, refund=more)
        yield TellRefund(refund.payment_id, word, MoveRefund(after, refund.state))

    def _stands_for(self, outgoing: Outgoing) -> Steps:
        """Ids of those in whose place it is; where it was given up and has won all the
        same, of all that spend a coin of it, too."""
        family: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_family(outgoing.family)
        )
        names = {one.id for one in family} | set(outgoing.instead_of)
        if outgoing.state is S.CONFIRMED and outgoing.reason:
            rivals: list[Outgoing] = yield from self.rivals(outgoing)
            names |= {one.id for one in rivals}
        return names

    def _why(self, outgoing: Outgoing, payment: Payment) -> str:
        """Of a payment none of whose coins was lost, its money is sent on anew."""
        if outgoing.state is not S.FAILED:
            return ""
        mine = {c.outpoint for c in outgoing.plan.coins if c.payment_id == payment.id}
        is_concerned = not outgoing.lost or mine & set(outgoing.lost)
        return outgoing.reason if is_concerned else ""

    # -- what signing wants

    def rate(self) -> int:
        """Sat per 1,000 vB. Raises `CannotSpend`, `SourceError`."""
        return fee_rate(self.ways.fee_rate(self.policy.target_blocks), self.policy.fees)

    def previous(self, plan: Plan) -> Steps:
        """The raw transactions that made its coins, by id: what is signed for. Raises
        `SourceError`."""
        found: dict[str, bytes] = {}
        for coin in plan.coins:
            if coin.txid not in found:
                found[coin.txid] = yield from self._made(coin)
        return found

    def some_previous(self, plan: Plan) -> Steps:
        """The same, and the coins whose transaction no source shows; it ends after a
        few of those."""
        found: dict[str, bytes] = {}
        missing: list[Coin] = []
        for coin in plan.coins:
            if coin.txid not in found:
                try:
                    found[coin.txid] = yield from self._made(coin)
                except SourceError:
                    missing.append(coin)
                    if len(missing) >= MAX_MISSING:
                        break
        return found, missing

    def _made(self, coin: Coin) -> Steps:
        payment: Payment | None = yield AskStore(lambda s: s.payment(coin.payment_id))
        block = "" if payment is None else block_of(payment, coin.txid)
        return self.ways.raw_transaction(coin.txid, block)

    def rivals(self, outgoing: Outgoing) -> Steps:
        """All of ours that spend a coin of it, itself and its family among them: the
        chain takes one of those."""
        spent = {coin.outpoint for coin in outgoing.plan.coins}
        found: dict[str, Outgoing] = {}
        for name in sorted({coin.payment_id for coin in outgoing.plan.coins}):
            made: list[Outgoing] = yield AskStore(
                lambda s, n=name: s.outgoing_of_payment(n)  # type: ignore[misc]
            )
            for one in made:
                if not spent.isdisjoint(coin.outpoint for coin in one.plan.coins):
                    found[one.id] = one
        return [found[name] for name in sorted(found)]

    # -- parts -------------------------------------------------------------------------

    def now(self) -> int:
        return self.node.clock.now()

    def new_id(self) -> str:
        """They sort by the time they were made."""
        return f"out_{self.now():012x}{self.node.random.getrandbits(64):016x}"

    def move(self, before: Outgoing, after: Outgoing) -> Steps:
        done: bool = yield Commit((MoveOutgoing(after, before.state),))
        if done:
            self.note(after)
        return done

    def note(self, outgoing: Outgoing) -> None:
        log.info("forward.%s %s sat=%d fee=%d", outgoing.state, which(outgoing),
                 outgoing.sent_sat, outgoing.plan.fee_sat)  # fmt: skip

    def alert(
        self, kind: str, outgoing: Outgoing, detail: str, for_ms: int | None = None
    ) -> None:
        self.node.alerts.raise_(
            kind, outgoing.id, detail, self.now(), for_ms, outgoing.merchant
        )


def which(outgoing: Outgoing) -> str:
    """The fields of a line about it: its own, and whose money moves."""
    ids = sorted({coin.payment_id for coin in outgoing.plan.coins})
    shown = f"payment{'s' * (len(ids) > 1)}={','.join(ids[:MOST_NAMED])}"
    more = f" more={len(ids) - MOST_NAMED}" if len(ids) > MOST_NAMED else ""
    return (
        f"outgoing={outgoing.id} tx={outgoing.txid} merchant={outgoing.merchant}"
        f" {shown}{more}"
    )


def news(outgoing: Outgoing) -> OutgoingState:
    """What of its state is told: under way is under way."""
    return S.BROADCAST if outgoing.state in UNDER_WAY else outgoing.state


def _former(
    payment: Payment,
    outgoing_id: str,
    stands_for: set[str],
    tried_again: Collection[str] = (),
) -> str:
    """The part that is known in the place of this one. One that has failed stays, if
    it is not tried again."""
    parts = () if payment.forward is None else payment.forward.parts
    names = (p.outgoing for p in parts if not p.failed or p.outgoing in tried_again)
    return next((n for n in names if n != outgoing_id and n in stands_for), "")


def _tried_again(payment: Payment, failed: list[Outgoing]) -> set[str]:
    """Those of which the payment has no coin that counts as lost."""
    return {
        one.id
        for one in failed
        if not any(c.payment_id == payment.id and c.outpoint in one.lost
                   for c in one.plan.coins)
    }  # fmt: skip
