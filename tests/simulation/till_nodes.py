"""Two Lightning accounts for simulated tills: what moves between them, and what they
say of it. Nothing of the till's own rules is used here.

`Network` is the truth: invoices, what each account has, what was taken. `TillNode` pays
from the till's account, `TargetNode` takes. Both fail as nodes do: they do not answer,
answer after they have acted, act after they have not answered, answer what was true a
while ago, say too much or too little of a balance, hand an invoice out twice.

The worst node that is believed possible: it pays an invoice a second time if it is told
to, and so does the target take it. One that keeps keys (Blink's X-Idempotency-Key)
refuses a key that it had within the hour, and says so as if it were out of order.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from engine.errors.lightning import (
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    PaidPage,
    Payout,
    PayoutStatus,
)

__all__ = ["Attempt", "Made", "Network", "TargetNode", "TillNode"]

MINUTE_MS = 60_000
LINGERS_MS = 60_000
"""So long after nobody answered, a request may still be carried out."""

STALE_MS = 30_000
"""So old is what a node's list may show."""


class Made(msgspec.Struct):
    """An invoice of the target's, and how often it was paid."""

    forward_id: str
    payment_hash: str
    amount_msat: int
    expires_at: int
    paid: list[int] = []  # when (ms)


class Attempt(msgspec.Struct):
    """The till's node at work on one invoice. `until`: under way until then."""

    payment_hash: str
    at: int
    until: int
    pays: bool  # at the end; else it fails


class Network:
    """See the module docstring. `now`: the world's clock."""

    def __init__(self, random: Random, now: Callable[[], int], balance_msat: int):
        self.random = random
        self.now = now
        self.till_msat = balance_msat
        self.target_msat = 0
        self.fees_msat = 0
        self.invoices: dict[str, Made] = {}
        self.attempts: list[Attempt] = []
        self.late: list[tuple[int, str, str]] = []  # at, hash, key: not carried out yet
        self.keys: dict[str, int] = {}  # key: when it was last taken
        self.is_calm = False  # nothing fails any more
        self.keeps_keys = random.random() < 0.5
        self.lingers_ms = LINGERS_MS
        if self.keeps_keys and random.random() < 0.8:
            self.lingers_ms = 40 * MINUTE_MS  # only its keys help against that
        self.trouble = random.choice((0.0, 0.1, 0.3, 0.6))
        self.target_down_until = 0
        # A backup of the till's node took its place then: it forgot what it paid.
        self.forgets_at = now() + random.choice((10**12, random.randrange(900_000)))
        self.fee_msat = random.choice((0, 1, 999, 1_000, 3_500))

    def pass_on(self) -> None:
        """What happens by itself up to now, in order of time."""
        now = self.now()
        self.late.sort()
        while self.late and self.late[0][0] <= now:
            at, payment_hash, key = self.late.pop(0)
            try:
                self.begin(payment_hash, key, at)
            except (NodeRefused, NodeUnavailable):
                continue
        for attempt in self.attempts:
            if attempt.pays and attempt.until <= now:
                attempt.pays = False
                self._settle(attempt)

    def begin(self, payment_hash: str, key: str, at: int) -> Attempt:
        """The till's node carries a request to pay out. Raises what it answers then."""
        if self.keeps_keys:
            taken = self.keys.get(key)
            if taken is not None and at < taken + 60 * MINUTE_MS:
                raise NodeUnavailable("409: the idempotency key already exist")
            self.keys[key] = at
        made = self.invoices[payment_hash]
        if at >= made.expires_at:
            raise NodeRefused("the invoice has expired", why="expired")
        on_their_way = sum(
            self.invoices[a.payment_hash].amount_msat + self.fee_msat
            for a in self.attempts
            if a.pays
        )
        if self.till_msat - on_their_way < made.amount_msat + self.fee_msat:
            raise NodeRefused("the balance is too small", why="funds")
        dice = 1.0 if self.is_calm else self.random.random()
        pays, until = True, at
        if dice < 0.1:
            pays = False
        elif dice < 0.25:
            longest = self.random.choice((5, 5, 30, 120, 2 * 24 * 60)) * MINUTE_MS
            until = at + self.random.randrange(1_000, longest)
            pays = self.random.random() < 0.6
        attempt = Attempt(payment_hash, at, until, pays)
        self.attempts.append(attempt)
        if pays and until <= at:
            attempt.pays = False
            self._settle(attempt)
        return attempt

    def _settle(self, attempt: Attempt) -> None:
        made = self.invoices[attempt.payment_hash]
        made.paid.append(attempt.until)
        self.till_msat -= made.amount_msat + self.fee_msat
        self.target_msat += made.amount_msat
        self.fees_msat += self.fee_msat

    def shown(self, payment_hash: str, at: int) -> Payout:
        """How the till's node would tell then."""
        mine = [a for a in self.attempts if a.payment_hash == payment_hash]
        mine = [a for a in mine if a.at <= at]
        paid = [t for t in self.invoices[payment_hash].paid if t <= at]
        if paid and at >= self.forgets_at > max(paid):
            return Payout(status=PayoutStatus.UNKNOWN)
        if paid:
            return Payout(status=PayoutStatus.PAID, fee_msat=self.fee_msat)
        if any(a.until > at for a in mine):
            return Payout(status=PayoutStatus.PENDING)
        if mine and self.random.random() < 0.8:
            return Payout(status=PayoutStatus.FAILED, reason="no route")
        return Payout(status=PayoutStatus.UNKNOWN)

    def fails(self, share: float = 1.0) -> bool:
        return not self.is_calm and self.random.random() < self.trouble * share


class _Node:
    """What no till asks of a node."""

    can = Can(push=False, description_hash=False, amountless=False, pay=True)

    def __init__(self, network: Network) -> None:
        self.network = network

    def paid_since(self, cursor: str) -> PaidPage:
        raise AssertionError

    def stream(self, *_args: Any) -> None:
        raise AssertionError

    def _trouble(self) -> None:
        if self.network.fails(0.5):
            raise self.network.random.choice(
                (NodeUnavailable("down"), NodeBusy("slow down"), NodeGarbage("<html>"))
            )


class TillNode(_Node):
    """The till's account: it pays."""

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        raise AssertionError

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        raise AssertionError

    def balance(self) -> Balance:
        self._trouble()
        network = self.network
        network.pass_on()
        lie = network.random.choice((0.0, 0.5, 3.0)) if network.fails(0.5) else 1.0
        return Balance(spendable_msat=int(network.till_msat * lie))

    def payout(self, payment_hash: str) -> Payout:
        self._trouble()
        network = self.network
        network.pass_on()
        at = network.now()
        if network.fails():
            at -= network.random.randrange(STALE_MS)
        return network.shown(payment_hash, at)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        network, now = self.network, self.network.now()
        network.pass_on()
        payment_hash = bolt11.removeprefix("lnsim")
        if network.fails(0.4):  # it is carried out later, or never
            if network.random.random() < 0.7:
                at = now + network.random.randrange(network.lingers_ms)
                network.late.append((at, payment_hash, key))
            raise NodeUnavailable("no answer")
        if network.fails(0.2):
            raise NodeBusy("slow down", retry_after_s=2.0)
        if network.fails(0.2):
            raise NodeRefused("no route", why="route")
        attempt = network.begin(payment_hash, key, now)
        if network.fails():  # it is done, and nobody hears of it
            raise network.random.choice((NodeUnavailable("late"), NodeGarbage("null")))
        if attempt.until > now:
            return Payout(status=PayoutStatus.PENDING)
        return network.shown(payment_hash, now)


class TargetNode(_Node):
    """The account that the money goes on to: it takes."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._last: InvoiceMade | None = None
        self._was_seen = False  # by who asked for it

    def _trouble(self) -> None:
        network, now = self.network, self.network.now()
        if not network.is_calm:
            if now < network.target_down_until:
                raise NodeUnavailable("the target is down")
            if network.fails(0.05):
                down = network.random.randrange(6 * 60 * MINUTE_MS)
                network.target_down_until = now + down
        super()._trouble()

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        network = self.network
        self._trouble()
        assert asked.amount_msat is not None
        if self._last is not None and network.fails(0.2):
            made = network.invoices[self._last.payment_hash]
            # Nobody else has it: it is of who gets it now, and does not refuse it.
            if not self._was_seen and made.amount_msat == asked.amount_msat:
                made.forward_id = asked.payment_id
                self._was_seen = True
            return self._last  # the one that it made for somebody before
        payment_hash = f"{network.random.getrandbits(256):064x}"
        network.invoices[payment_hash] = Made(
            forward_id=asked.payment_id,
            payment_hash=payment_hash,
            amount_msat=asked.amount_msat,
            expires_at=network.now() + asked.expires_in_s * 1_000,
        )
        self._last = InvoiceMade(
            bolt11=f"lnsim{payment_hash}", payment_hash=payment_hash
        )
        self._was_seen = not network.fails(0.3)
        if not self._was_seen:  # made, and nobody sees it
            raise NodeUnavailable("late")
        return self._last

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        self._trouble()
        network, now = self.network, self.network.now()
        network.pass_on()
        made = network.invoices[payment_hash]
        if made.paid:
            status = InvoiceStatus.PAID
        elif now < made.expires_at + (MINUTE_MS if network.fails() else 0):
            status = InvoiceStatus.OPEN
        elif network.fails(0.3):
            status = InvoiceStatus.UNKNOWN  # it keeps none that ran out unpaid
        else:
            status = InvoiceStatus.EXPIRED
        return InvoiceSeen(payment_hash=payment_hash, status=status)

    def payout(self, payment_hash: str) -> Payout:
        raise AssertionError

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        raise AssertionError

    def balance(self) -> Balance:
        return Balance(spendable_msat=self.network.target_msat)
