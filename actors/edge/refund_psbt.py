"""A refund as a transaction for the merchant's own wallet to sign (a PSBT).

Coins at addresses of wallets that are only watched may have been spent by their owner:
a source is asked. All PSBTs that were given out for one refund spend one coin in
common, so that only one of them can ever be mined, whoever signs how many. Blocks the
request's greenlet for as long as the source takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from gevent.lock import BoundedSemaphore
from msgspec.structs import replace

from actors.edge.refunds import RefundEdge
from engine.errors import CannotSpend, EngineBusy, Refused
from engine.payment.coins import block_of, deep_coins
from engine.payment.model import Payment
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import given_out, refundable_sat, taken_sat
from engine.payment.refund_sums import in_order, plan_refund
from engine.wallet.coin import Coin, Outpoint
from engine.wallet.descriptor import kept_descriptor
from engine.wallet.fees import fee_rate
from engine.wallet.forwards import Forwards
from engine.wallet.plan import Plan
from engine.wallet.psbt import to_psbt

__all__ = ["RefundPsbt"]

OTHERS = 100
"""Newest paid payments of the merchant whose coins are looked at."""


class RefundPsbt(RefundEdge):
    """Implements the rest of `engine.gateways.refunds.RefundGateway`."""

    _one_at_a_time = BoundedSemaphore(1)

    def refund_psbt(self, refund: Refund) -> tuple[bytes, Plan]:
        """One at a time: of two that are made at once, the second must know which coin
        is in the first."""
        with self._one_at_a_time:
            return self._refund_psbt(self._store.refund(refund.id) or refund)

    def _refund_psbt(self, refund: Refund) -> tuple[bytes, Plan]:
        payment = self.payment(refund.payment_id)
        forwards = self._node.forwards
        if payment is None or forwards is None:
            raise EngineBusy("no source of the chain can be asked", 5)
        if refund.state is not RefundState.PENDING:
            raise Refused(f"this refund is {refund.state}; a pending one is paid")
        if refund.outgoing_id:
            raise Refused("a transaction of this node may pay it yet")
        if refundable_sat(payment) < taken_sat(self.refunds_of(payment.id)):
            raise Refused("what was received is not there any more")
        fresh = self._node.source_report.now.freshness
        if fresh.tip_height is None or not fresh.live:
            raise EngineBusy("no source of the chain is current", 5)
        coins = self._watched_coins(payment, forwards)
        if not coins:
            raise CannotSpend(
                "funds", "no coin of the merchant's watched wallets is left here"
            )
        coins = self._with_anchor(refund, in_order(coins, payment.id), forwards)
        network = self._node.settings.network
        record = self.merchant(refund.merchant)
        policy, ways = forwards.policy, forwards.ways
        plan = plan_refund(
            refund,
            coins,
            payment.terms.forward_to or record.forward_to or None,
            fee_rate(ways.fee_rate(policy.target_blocks), policy.fees),
            fresh.tip_height,
            network,
        )
        previous = {
            coin.txid: ways.raw_transaction(coin.txid, self._block_of(coin))
            for coin in plan.coins
        }
        descriptors = {
            row.id: kept_descriptor(row.descriptor, network)
            for row in self._store.wallets(refund.merchant)
            if row.descriptor
        }
        made = to_psbt(plan, previous, descriptors)
        anchor = "{}:{}".format(*plan.coins[0].outpoint)
        after = given_out(refund, self.now(), plan.outputs[0].amount_sat)
        after = replace(after, anchor=anchor)
        if after != refund:
            self.move_refund(refund, after)
        return made, plan

    def _watched_coins(self, payment: Payment, forwards: Forwards) -> list[Coin]:
        """The payment's own coins first, of those that nobody has spent."""
        filters = {"merchant": payment.terms.merchant, "status": "confirmed"}
        others = self._store.list_payments(filters, None, OTHERS).payments
        found = deep_coins(payment)
        for other in others:
            goes = other.terms.forward_to == payment.terms.forward_to
            if other.id != payment.id and goes:  # as the rest of a coin will
                found += deep_coins(other)
        keys = forwards.signer.keys
        found = [coin for coin in found if not keys.holds(coin.wallet)]
        spent = _spent(found, forwards)
        return [coin for coin in found if coin.outpoint not in spent]

    def _with_anchor(
        self, refund: Refund, coins: list[Coin], forwards: Forwards
    ) -> list[Coin]:
        """The coin that earlier PSBTs of the refund spend, before all others. If it is
        spent, one of them may have been signed; if that is deep and not the refund,
        none of them ever can."""
        if not refund.anchor:
            return coins
        txid, _, vout = refund.anchor.partition(":")
        anchor = txid, int(vout)
        first = [coin for coin in coins if coin.outpoint == anchor]
        if first:
            return [*first, *(coin for coin in coins if coin.outpoint != anchor)]
        height = max(refund.after_height - 1, 0)
        by = forwards.ways.spenders([anchor], height).get(anchor)
        if by is not None and by.depth >= SPENT_DEPTH:
            return coins
        raise Refused(
            f"the coin {refund.anchor} of the PSBT that was given out is spent: it may"
            " have been signed. Another is made when that is six blocks deep and has"
            " not paid the refund"
        )

    def _block_of(self, coin: Coin) -> str:
        payment = self.payment(coin.payment_id)
        return "" if payment is None else block_of(payment, coin.txid)


SPENT_DEPTH = 6


def _spent(coins: Iterable[Coin], forwards: Forwards) -> set[Outpoint]:
    asked = list(coins)
    if not asked:
        return set()
    lowest = min(coin.height or 0 for coin in asked)
    places = [coin.outpoint for coin in asked]
    return set(forwards.ways.spenders(places, max(lowest - 1, 0)))
