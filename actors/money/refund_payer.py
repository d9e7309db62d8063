"""Pays refunds from keys that are held: a part of the forwarder's rounds.

A pending refund whose merchant's coins we can sign for becomes a transaction of ours:
the signed bytes, the claim on its coins and the refund's step are one write, which also
looks once more whether the payment is still as it was. From then on the forwarder looks
after it like after any other; when it has arrived, its payment tells so, in the commit
that ends the refund. A refund whose transaction can never be mined waits for another.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from actors.messages import RefundMoved
from actors.money.damaged import REFUND, sound
from actors.money.following import Follower
from actors.money.refunds import given_back
from actors.money.steps import AskStore, Commit, Steps, TellRefund
from actors.node import Node
from engine.errors import CannotSpend, EngineError, Refused, StoreDamaged
from engine.payment.coins import deep_coins
from engine.payment.model import Payment
from engine.payment.observations import RefundPaid
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import paid, paying, refundable_sat, taken_sat, unpaid
from engine.payment.refund_sums import in_order, paid_out, plan_refund
from engine.store.records import DamagedRow
from engine.store.refund_port import REFUNDS_PER_PAGE
from engine.store.writes import MoveRefund, NewOutgoing, QueueForward, Row
from engine.wallet.coin import Coin, Outpoint
from engine.wallet.forward_policy import SETTLED_DEPTH, ForwardPolicy
from engine.wallet.outgoing import Outgoing, OutgoingKind, OutgoingState
from engine.wallet.plan import Plan

__all__ = ["RefundPayer", "excludes", "is_too_soon", "of_tries_first"]

log = logging.getLogger("paybell.refunds")

WAITS = "refund.waits"

LOOK_S = 60.0
"""Between two tries of a refund that could not be paid."""

OTHERS = 200
"""Newest paid payments of the merchant whose coins are looked at."""

S = OutgoingState


class RefundPayer:
    """One for a forwarder's life. In its turns."""

    def __init__(self, node: Node, follower: Follower, policy: ForwardPolicy) -> None:
        self._node = node
        self._follower = follower
        self._policy = policy
        self._tried: dict[str, float] = {}  # monotonic s, by refund that waits

    # -- paying ------------------------------------------------------------------------

    def pay_all(self) -> Steps:
        after = ""
        while True:
            page: list[Refund | DamagedRow] = yield AskStore(
                lambda s, a=after: s.refunds_in(RefundState.PENDING, a)  # type: ignore[misc]
            )
            for refund in sound(self._node, REFUND, page):
                if self._is_due(refund):
                    yield from self._pay(refund)
            if len(page) < REFUNDS_PER_PAGE:
                return
            after = page[-1].id

    def is_owed(self, payment_id: str) -> Steps:
        """Whether a refund of the payment may want its coins."""
        refunds: list[Refund] = yield AskStore(lambda s: s.refunds_of(payment_id))
        return any(refund.is_living for refund in refunds)

    def _is_due(self, refund: Refund) -> bool:
        now_s = self._node.clock.monotonic()
        if now_s - self._tried.get(refund.id, -LOOK_S) < LOOK_S:
            return False
        if len(self._tried) > 10_000:
            self._tried.clear()
        self._tried[refund.id] = now_s
        return True

    def _pay(self, refund: Refund) -> Steps:
        try:
            made = yield from self._prepare(refund)
        except (EngineError, TimeoutError) as error:  # the others do not wait for it
            self._node.alerts.raise_(
                WAITS,
                refund.id,
                f"a refund of {refund.amount_sat} sat waits: {error}",
                self._node.clock.now(),
                self._stands_for_ms(),
                refund.merchant,
            )
            return
        if made is not None:
            self._node.alerts.clear(WAITS, refund.id)
            self._tried.pop(refund.id, None)
            yield from self._follower.follow(made)

    def _stands_for_ms(self) -> int:
        """The alert of one that waits: past the next try, however seldom rounds are."""
        return int(2 * max(LOOK_S, self._policy.every_s) * 1_000)

    def _prepare(self, refund: Refund) -> Steps:
        """The transaction, committed; None: it is not ours to pay, or not any more."""
        payment: Payment | None = yield AskStore(lambda s: s.payment(refund.payment_id))
        if payment is None or refund.psbt_at:
            return None  # a wallet that is not ours may have signed already
        coins = yield from self._coins(payment)
        if not coins:
            derived = payment.terms.derived
            if derived is None or not self._follower.signer.keys.holds(derived.wallet):
                return None  # the merchant's own wallet pays
            raise CannotSpend(
                "funds",
                "what came in has gone on to its owner, and no other coin of the"
                " merchant is here: pay it from the wallet that they went to",
            )
        refunds: list[Refund] = yield AskStore(lambda s: s.refunds_of(payment.id))
        if refundable_sat(payment) < taken_sat(refunds):
            raise Refused("what was received is not there any more")
        before: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_of_payment(payment.id)
        )
        tries: list[Outgoing] = yield from self._tries(refund)
        failed = {one.id for one in (*before, *tries) if one.cause == refund.id}
        fresh = self._node.source_report.now.freshness
        tip = fresh.tip_height
        if tip is None or not fresh.live:
            raise CannotSpend("rate", "no source of the chain is current")
        plan = plan_refund(
            refund,
            of_tries_first(in_order(coins, payment.id), tries),
            self._onward(payment),
            self._follower.rate(),
            tip,
            self._node.settings.network,
        )
        if not excludes(plan, tries):
            raise CannotSpend(
                "funds",
                "its transaction that no node took may yet be mined, and no coin of it"
                " is here to be spent instead",
            )
        previous = yield from self._follower.previous(plan)
        signed = self._follower.signer.sign(plan, previous)
        same: Outgoing | None = yield AskStore(
            lambda s: s.outgoing_of_txid(signed.txid)
        )
        if same is not None and same.cause != refund.id:
            # One of the same sum to the same address, whose coins are free as no node
            # took it: a transaction pays one refund.
            raise Refused(f"its transaction is that of another refund ({same.cause})")
        now = self._node.clock.now()
        if is_too_soon(signed.txid, tries, now):
            raise Refused(f"no node takes the transaction that pays it ({signed.txid})")
        made = Outgoing(
            id=self._follower.new_id(),
            kind=OutgoingKind.REFUND,
            merchant=refund.merchant,
            txid=signed.txid,
            raw=signed.raw,
            plan=plan,
            to=refund.address,
            vsize=signed.vsize,
            at=now,
            moved_at=now,
            height=max(tip - SETTLED_DEPTH, 0),
            cause=refund.id,
            instead_of=tuple(sorted(failed)),
        )
        out = paid_out(refund, made)
        after = paying(refund, made.id, made.txid, 0, out.amount_sat, out.fee_sat)
        row = MoveRefund(after, refund.state, payment.seq)
        if not (yield Commit((NewOutgoing(made), row))):
            return None
        log.info("refund.prepared refund=%s payment=%s outgoing=%s tx=%s sat=%d fee=%d",
                 refund.id, payment.id, made.id, made.txid, out.amount_sat,
                 plan.fee_sat)  # fmt: skip
        self._moved(refund)
        return made

    def _tries(self, refund: Refund) -> Steps:
        """The transactions of ours that were to pay it before."""
        if not refund.outgoing_id:
            return []
        last: Outgoing | None = yield AskStore(lambda s: s.outgoing(refund.outgoing_id))
        if last is None:
            return []
        found: list[Outgoing] = yield AskStore(lambda s: s.outgoing_family(last.family))
        for name in sorted({n for one in found for n in one.instead_of}):
            one = yield AskStore(lambda s, n=name: s.outgoing(n))  # type: ignore[misc]
            if one is not None and one.cause == refund.id:
                found.append(one)
        return found

    def _moved(self, refund: Refund) -> None:
        """Whoever watches its address hears of it."""
        self._node.refunds.tell(RefundMoved(refund.id))

    def _onward(self, payment: Payment) -> str | None:
        """Where the rest of a coin goes."""
        record = self._node.merchants.get(payment.terms.merchant)
        for place in (payment.terms.forward_to, record.forward_to):
            if place and self._policy.allows(place):
                return place
        return None

    # -- coins -------------------------------------------------------------------------

    def _coins(self, payment: Payment) -> Steps:
        """Coins that we can sign for and that are in no other transaction of ours: the
        payment's own, then those of the merchant's newest paid payments whose money
        goes to the same place, as the rest of a coin goes there."""
        coins: list[Coin] = yield from self._free(payment)
        filters = {"merchant": payment.terms.merchant, "status": "confirmed"}
        page = yield AskStore(lambda s: s.list_payments(filters, None, OTHERS))
        for other in page.payments:
            if other.id != payment.id and self._onward(other) == self._onward(payment):
                with suppress(StoreDamaged):  # the others have coins, too
                    coins += yield from self._free(other)
        return coins

    def _free(self, payment: Payment) -> Steps:
        found = deep_coins(payment)
        keys = self._follower.signer.keys
        found = [coin for coin in found if keys.holds(coin.wallet)]
        if not found:
            return []
        taken: set[Outpoint] = set()
        made: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_of_payment(payment.id)
        )
        for outgoing in made:
            taken.update(outgoing.lost)
            if outgoing.is_living:
                taken.update(coin.outpoint for coin in outgoing.plan.coins)
        return [coin for coin in found if coin.outpoint not in taken]

    # -- what became of them -----------------------------------------------------------

    def settle_all(self) -> Steps:
        """Those whose transaction is on its way; and those that wait for another one,
        as a miner may have had what no node took."""
        for state in (RefundState.PAYING, RefundState.PENDING):
            yield from self._settle_in(state)

    def _settle_in(self, state: RefundState) -> Steps:
        after = ""
        while True:
            page: list[Refund | DamagedRow] = yield AskStore(
                lambda s, a=after: s.refunds_in(state, a)  # type: ignore[misc]
            )
            for refund in sound(self._node, REFUND, page):
                if not refund.outgoing_id:
                    continue  # nothing was made for it yet
                try:
                    yield from self._settle(refund)
                except (EngineError, TimeoutError) as error:  # at the next round
                    log.warning("refund.not_told refund=%s payment=%s detail=%s",
                                refund.id, refund.payment_id, error)  # fmt: skip
            if len(page) < REFUNDS_PER_PAGE:
                return
            after = page[-1].id

    def _settle(self, refund: Refund) -> Steps:
        tries: list[Outgoing] = yield from self._tries(refund)
        assert tries, refund.id
        family = [one for one in tries if one.family == refund.outgoing_id]
        # One that was given up, too: a miner may have it all the same.
        arrived = [one for one in tries if one.state is S.CONFIRMED]
        if arrived:
            yield from self._arrived(refund, arrived[0])
        elif refund.state is RefundState.PAYING and all(
            one.state in {S.FAILED, S.REPLACED} for one in family
        ):
            yield from self._failed(refund, family)

    def _arrived(self, refund: Refund, outgoing: Outgoing) -> Steps:
        out = paid_out(refund, outgoing)
        after = paid(refund, outgoing.txid, 0, self._node.clock.now())
        after = replace(after, outgoing_id=outgoing.family, fee_sat=out.fee_sat)
        told = given_back(after, is_ours=True)
        told = replace(told, amount_sat=out.amount_sat)
        row = MoveRefund(after, refund.state)
        yield TellRefund(refund.payment_id, RefundPaid(refund=told), row)
        self._moved(refund)

    def _failed(self, refund: Refund, family: Sequence[Outgoing]) -> Steps:
        """It waits for another; its coins are free, and go on if they are to."""
        rows: list[Row] = [MoveRefund(unpaid(refund), refund.state)]
        names = {c.payment_id for one in family for c in one.plan.coins}
        for name in sorted(names):
            payment: Payment | None = yield AskStore(lambda s, n=name: s.payment(n))  # type: ignore[misc]
            if payment is not None and payment.terms.forward_to:
                rows.append(QueueForward(name, refund.merchant, payment.seq))
        yield Commit(tuple(rows))
        self._moved(refund)


def of_tries_first(coins: Sequence[Coin], tries: Sequence[Outgoing]) -> list[Coin]:
    """In their order, but first what an earlier try was to spend."""
    spent = {coin.outpoint for one in tries for coin in one.plan.coins}
    return sorted(coins, key=lambda coin: coin.outpoint not in spent)


def is_too_soon(txid: str, tries: Sequence[Outgoing], now: int) -> bool:
    """Whether the same bytes were called invalid, and it is not yet twice as long since
    the first time: each try is a row that stays, and a node that changes its mind is
    one that was mended."""
    times = [one.at for one in tries if one.txid == txid]
    if not times:
        return False
    return now - max(times) < max(max(times) - min(times), round(LOOK_S * 1_000))


def excludes(plan: Plan, tries: Sequence[Outgoing]) -> bool:
    """Whether none of the tries can be mined beside the plan: that a node would not
    take one does not keep a miner from it. One whose coin is lost never can."""
    spends = {coin.outpoint for coin in plan.coins}
    return all(
        one.lost or any(coin.outpoint in spends for coin in one.plan.coins)
        for one in tries
    )
