"""The judge of money: goes by the chain, the events and the ledger's rows alone.

It knows none of the rules by which the engine credits, books, plans or sends. As a
world runs: nothing is sent that was not committed, nothing to anybody but the owner,
nothing of a payment that was never confirmed; of two transactions that spend one coin,
both spend the same coins, unless the first can never confirm. A credit follows its
confirmation in the same commit, once, and a reversal takes it back. In the end: each
unit's balances are zero in sum; swept, fees and what is left are what was received, to
the satoshi, by the chain as by the ledger; credits are of those payments that the chain
has; and nothing is left that would have paid for its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from engine.chain.feed import ChainTx
from engine.payment.events import Event
from engine.payment.model import EventType, Payment
from engine.store.writes import Committed, NewOutgoing, Outcome, Write
from tests.simulation.broken import Broken
from tests.simulation.chain import script_of
from tests.simulation.cold_keys import COLD
from tests.simulation.hot_keys import HOT
from tests.simulation.judges.case import is_its_own
from tests.simulation.money_chain import MoneyChain

if TYPE_CHECKING:
    from tests.simulation.refund_books import Known
    from tests.simulation.refund_judge import RefundJudge
    from tests.simulation.world import World

__all__ = ["MoneyJudge"]

DEAD_DEPTH = 6
MAX_RATE = 200_000  # sat per 1,000 vB
WORTH_SENDING_SAT = 3_000
"""At 1 sat/vB one coin's way costs 200 at most: a twentieth of this."""

_QUEUED = "SELECT payment_id FROM forward_queue"

E = EventType


class MoneyJudge:
    """See the module docstring."""

    def __init__(self, world: World, chain: MoneyChain) -> None:
        self._world = world
        self._chain = chain
        self._signed: set[bytes] = set()  # committed
        self.sent: dict[str, ChainTx] = {}  # by txid, in the order of their first time
        self._credited: Counter[str] = Counter()  # by payment: 1 or 0
        self._confirmed: set[str] = set()  # payments that ever were
        self.by_script: dict[bytes, str] = {}  # of the hot wallet -> payment
        self.bumps = 0
        self.refunds: RefundJudge | None = None  # of worlds in which money goes back
        self.is_limited = False  # only so much may go in a day

    # -- what is committed -----------------------------------------------------------

    def on_commit(self, batch: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        for write, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Committed):
                for entry in write.entries:
                    self._on_events(entry.events)
                for row in write.rows:
                    if isinstance(row, NewOutgoing):
                        self._signed.add(row.outgoing.raw)

    def _on_events(self, events: Sequence[Event]) -> None:
        for before, event in zip((None, *events), events, strict=False):
            name = event.payment_id
            if event.type is E.CREDITED:
                if before is None or before.type is not E.CONFIRMED:
                    raise Broken(f"{name} is credited without its confirmation")
                self._credited[name] += 1
            elif event.type is E.REVERSED and self._credited[name]:
                self._credited[name] -= 1
            elif event.type is E.CONFIRMED:
                self._confirmed.add(name)
            if self._credited[name] > 1:
                raise Broken(f"{name} is credited twice")
        for event, after in zip(events, (*events[1:], None), strict=True):
            is_credited = after is not None and after.type is E.CREDITED
            name, is_confirmed = event.payment_id, event.type is E.CONFIRMED
            if is_confirmed and not is_credited and self._has_credit(name):
                raise Broken(f"{name} was confirmed and not credited")

    def _has_credit(self, payment_id: str) -> bool:
        return self._world.rules.payments[payment_id].terms.credit is not None

    # -- what is sent ----------------------------------------------------------------

    def on_send(self, raw: bytes) -> None:
        tx = parse_tx(raw)
        if raw not in self._signed:
            raise Broken(f"{tx.txid} was sent and is not committed")
        if tx.txid in self.sent:
            return
        back = None if self.refunds is None else self.refunds.cause_of(raw)
        if self.refunds is None or back is None:
            self._goes_where_it_should(tx)
        else:
            self.refunds.on_send(raw, back)
            self._goes_back(tx, back)
        for before in self.sent.values():
            self._is_alone(before, tx)
        self.sent[tx.txid] = tx

    def _goes_where_it_should(self, tx: ChainTx) -> None:
        payments = [self._payment_of(coin) for coin in tx.spends]
        for payment in payments:
            if payment.id not in self._confirmed:
                raise Broken(f"{tx.txid} spends {payment.id}, which was not confirmed")
        places = {payment.terms.forward_to for payment in payments}
        merchants = {payment.terms.merchant for payment in payments}
        if len(places) != 1 or len(merchants) != 1 or "" in places:
            raise Broken(f"{tx.txid} takes along what goes to {places} of {merchants}")
        owner = parse_address(places.pop(), payments[0].terms.network).script
        if [output.script for output in tx.outputs] != [owner]:
            raise Broken(f"{tx.txid} pays somebody else than its owner")
        if not 0 < self._chain.fee_of(tx) * 1_000 <= MAX_RATE * 500 * len(tx.spends):
            raise Broken(f"{tx.txid} has a fee of {self._chain.fee_of(tx)}")

    def _goes_back(self, tx: ChainTx, back: Known) -> None:
        """From coins of its own payment, or of others that are paid; the rest of them
        goes on to their owner."""
        payments = [self._payment_of(coin) for coin in tx.spends]
        for payment in payments:
            is_own = payment.id == back.refund.payment_id
            if not is_own and payment.id not in self._confirmed:
                raise Broken(f"{tx.txid} spends {payment.id}, which was not confirmed")
            if payment.terms.merchant != back.refund.merchant:
                raise Broken(f"{tx.txid} spends {payment.id}, another merchant's")
        for rest in tx.outputs[1:]:
            for payment in payments:
                place = payment.terms.forward_to
                if not place or parse_address(place, payment.terms.network).script != (
                    rest.script
                ):
                    raise Broken(f"{tx.txid} sends the rest of {payment.id} elsewhere")

    def _payment_of(self, coin: tuple[str, int]) -> Payment:
        txid, vout = coin
        if not self._chain.is_ours(coin):
            raise Broken(f"{coin} is no coin of ours")
        script = self._chain.txs[txid].outputs[vout].script
        for name, label in self._world.life.labels.items():
            payment = self._world.rules.payments.get(name)
            if payment is not None and script_of(label) == script:
                return payment
        raise Broken(f"{coin} was paid to nobody")

    def _is_alone(self, before: ChainTx, tx: ChainTx) -> None:
        """A coin is spent once, or again by a bump of the same inputs."""
        if not set(before.spends) & set(tx.spends):
            return
        if set(before.spends) == set(tx.spends):
            self.bumps += 1
            return
        if self.refunds is not None and self.refunds.excludes(before, tx):
            return
        if all(self._chain.is_there(coin) for coin in before.spends):
            raise Broken(f"{tx.txid} spends again what {before.txid} spends")

    # -- the end ---------------------------------------------------------------------

    def at_end(self) -> None:
        self._ledger_is_zero()
        seen = self._chain.now
        swept, fees = self._by_chain()
        booked = self._by_ledger()
        for payment in self._world.rules.payments.values():
            label = self._world.life.labels[payment.id]
            if not self._is_told(payment):
                continue
            in_chain = sum(
                output.amount_sat
                for output in self._chain.outputs(seen, script_of(label))
                if is_its_own(payment, output)
            )
            mine = booked[payment.id]
            taken = mine["sales"] + mine["held"]
            if payment.receipts and -taken != in_chain and self._is_over(payment):
                raise Broken(f"{payment.id}: {-taken} is booked, the chain {in_chain}")
            gone = swept[payment.id] + fees[payment.id]
            is_mixed = self.refunds is not None and self.refunds.books.touches(
                payment.id
            )
            of_wallet = label.startswith(HOT) and not is_mixed
            if of_wallet and mine["own"] + mine["fees"] != gone:
                raise Broken(f"{payment.id}: {mine} is booked as swept, not {gone}")
            self._credit_is_right(payment, mine)
        self._owners_have_it(booked)
        self._nothing_is_left()

    def _is_told(self, payment: Payment) -> bool:
        """Whether somebody watched it to the end."""
        return payment.id not in self._world.rules.released

    def _is_over(self, payment: Payment) -> bool:
        return payment.status not in {"pending", "confirming"}

    def _ledger_is_zero(self) -> None:
        rows = self._world.store.rows(
            "SELECT merchant, unit, sum(balance), sum(mirror) FROM ledger_balances"
            " GROUP BY 1, 2"
        )
        for merchant, unit, total, mirror in rows:
            if total or mirror:
                raise Broken(f"the ledger of {merchant} in {unit} is {total}, not 0")

    def _by_ledger(self) -> dict[str, Counter[str]]:
        """By payment, what its postings come to; of users, their credits."""
        found: dict[str, Counter[str]] = {
            name: Counter() for name in self._world.rules.payments
        }
        for name, source, target, amount in self._world.store.rows(
            "SELECT payment_id, source, target, amount FROM ledger"
        ):
            found[name][target] += amount
            found[name][source] -= amount
        return found

    def _by_chain(self) -> tuple[Counter[str], Counter[str]]:
        """What our transactions in the best chain took of each payment and brought its
        owner; the fee of one of several payments counts to the first but in sums."""
        arrived: Counter[str] = Counter()
        for tx in self.in_chain():
            for txid, vout in tx.spends:
                amount = self._chain.txs[txid].outputs[vout].amount_sat
                arrived[self._payment_of((txid, vout)).id] += amount
        return arrived, Counter()

    def in_chain(self) -> list[ChainTx]:
        """Our transactions that the best chain has."""
        seen = self._chain.now
        best = [tx for tx in self.sent.values() if self._chain.has(seen, tx.txid)]
        waiting = [tx.txid for tx in best if tx.txid in seen.pool]
        if waiting:
            raise Broken(f"{waiting} are in the mempool still")
        coins = Counter(coin for tx in best for coin in tx.spends)
        if any(times > 1 for times in coins.values()):
            raise Broken("the simulated chain spends a coin twice")
        return best

    def _credit_is_right(self, payment: Payment, mine: Counter[str]) -> None:
        credit = payment.terms.credit
        if credit is None:
            return
        is_paid = payment.confirmed_at is not None
        has = mine[f"user:{credit.account}"]
        if has != (credit.credits if is_paid else 0):
            raise Broken(f"{payment.id} has {has} credits; is it paid: {is_paid}")
        if is_paid != bool(self._credited[payment.id]):
            raise Broken(f"{payment.id}: its events credit it otherwise")

    def _owners_have_it(self, booked: dict[str, Counter[str]]) -> None:
        ours = self.in_chain()
        sent = sum(output.amount_sat for tx in ours for output in tx.outputs)
        fees = sum(self._chain.fee_of(tx) for tx in ours)
        said = sum(mine["own"] for mine in booked.values())
        paid = sum(mine["fees"] for mine in booked.values())
        back = sum(mine["refunds"] for mine in booked.values())
        if self.refunds is not None:
            self.refunds.books.are_right(back, said + back - sent, paid - fees)
        elif (said, paid, back) != (sent, fees, 0):
            raise Broken(f"owners have {sent} for {fees}, the books {said} for {paid}")

    def _nothing_is_left(self) -> None:
        """What a limit holds up must be waiting for its day."""
        waiting = set()
        if self.is_limited:
            waiting = {n for (n,) in self._world.store.rows(_QUEUED)}
        for payment in self._world.rules.payments.values():
            label = self._world.life.labels[payment.id]
            to = payment.terms.forward_to
            if not to or payment.id in waiting or payment.confirmed_at is None:
                continue
            if label.startswith(COLD):
                continue  # it is with its owner
            if not self._is_told(payment) or self._is_owed(payment):
                continue
            for output in self._chain.outputs(self._chain.now, script_of(label)):
                coin = output.txid, output.vout
                is_spent = self._chain.spender_in_best(coin) is not None
                is_worth_it = output.amount_sat >= WORTH_SENDING_SAT
                if not is_spent and is_worth_it and is_its_own(payment, output):
                    raise Broken(f"{payment.id}: {output} was never sent on")

    def _is_owed(self, payment: Payment) -> bool:
        """Whether a refund of it waits: then it stays."""
        return self.refunds is not None and self.refunds.books.is_owed(payment.id)
