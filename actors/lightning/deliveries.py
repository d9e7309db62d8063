"""What a node says was paid, brought to the payments that it was paid for.

No actor: it lives in the turns of an upstream's actor. Several invoices are brought
together (a page), and whoever brings them hears once of all that each has been
committed by its payment, or is no invoice of ours. The same invoice may be brought as
often as one likes: the payment's rules see that it is told once.

A payment has three ways to hear of it. Its watcher is told, and answers when the event
is committed. One that was let go (paid long after its time) is written to at rest. One
whose watcher is quarantined keeps the word in its mailbox, and holds up nobody: the
page goes on, but what was passed over is not committed. So `passed_over` says that no
cursor may be kept from then on: whoever starts anew reads it again.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

import msgspec

from actors.facts.upstreams import MoneyCame
from actors.messages import Command, NotWatched
from actors.node import Node
from engine.errors import Refused, StoreDamaged
from engine.lightning.node import InvoiceSeen, InvoiceStatus
from engine.payment.model import Payment
from engine.payment.observations import InvoicePaid
from engine.payment.rules import follow, is_settled
from engine.runtime.ref import Ref
from engine.store.port import StoreReader
from engine.store.writes import Committed, Entry, Write

__all__ = ["WatcherSaid", "InvoiceDeliveries", "Found", "TryAgain"]

log = logging.getLogger("paybell.lightning")

NEW_MS: Final = 60_000
"""A payment is new for so long; its watcher comes within milliseconds of its commit."""

SOON_S: Final = 0.1
LATER_S: Final = 15.0
"""Between tries: doubled from the one to the other."""

UNANSWERED_S: Final = 30.0
"""A watcher that crashed may have lost the word: it is told again."""


Name = tuple[int, int]
"""Of a batch: the incarnation of the upstream that brings it, and a number."""


class _Batch:
    """Invoices that are brought together."""

    __slots__ = ("done", "left", "name", "names", "tries")

    def __init__(
        self, name: Name, paid: dict[str, InvoiceSeen], done: Callable[[], None]
    ) -> None:
        self.name = name
        self.left = paid  # by hash; not committed yet
        self.done = done
        self.tries = 0
        self.names: dict[str, str] = {}  # payments that were found, by hash


class Found(msgspec.Struct, frozen=True):
    """To the upstream: whose these invoices are, as the store has it."""

    batch: Name
    payments: Mapping[str, Payment | StoreDamaged] | Exception
    of: tuple[str, ...]


class WatcherSaid(msgspec.Struct, frozen=True):
    """To the upstream: what a watcher, or the journal, said of one."""

    batch: Name
    payment_hash: str
    answer: object


class TryAgain(msgspec.Struct, frozen=True):
    """To the upstream, later: the rest of a batch, or one of it."""

    batch: Name
    payment_hash: str = ""


class InvoiceDeliveries:
    """See the module docstring. `pending`: how many invoices are on their way."""

    __slots__ = (
        "_account",
        "_batches",
        "_begun",
        "_node",
        "_ref",
        "passed_over",
        "pending",
    )

    def __init__(self, node: Node, account: str, ref: Ref) -> None:
        """`ref`: the upstream's, which hands over the messages of this file."""
        self._node = node
        self._account = account
        self._ref = ref
        self._batches: dict[Name, _Batch] = {}  # of which something is left
        self._begun = 0
        self.passed_over = False
        self.pending = 0

    def bring(
        self, paid: tuple[InvoiceSeen, ...], done: Callable[[], None] = lambda: None
    ) -> None:
        """`done` is called in a turn of the upstream, once; at once if there are none.
        It is not called if the upstream ends before."""
        assert all(one.status is InvoiceStatus.PAID for one in paid), self._account
        if not paid:
            done()
            return
        self._begun += 1
        name = self._ref.incarnation, self._begun
        batch = _Batch(name, {one.payment_hash: one for one in paid}, done)
        self._batches[name] = batch
        self.pending += len(batch.left)
        self._find(batch, tuple(batch.left))
        self._later(UNANSWERED_S, TryAgain(name))

    def take(self, message: Found | WatcherSaid | TryAgain) -> None:
        batch = self._batches.get(message.batch)
        if batch is None:
            return  # nothing is left of it, or an earlier life brought it
        match message:
            case Found(_, payments, of):
                self._found(batch, payments, of)
            case WatcherSaid(_, payment_hash, answer):
                self._answered(batch, payment_hash, answer)
            case TryAgain(_, ""):
                self._node.counters.add("lightning.told_again", len(batch.left))
                self._find(batch, tuple(batch.left))
                self._later(UNANSWERED_S, message)
            case TryAgain(_, payment_hash):
                if payment_hash in batch.left:
                    self._find(batch, (payment_hash,))

    # -- whose it is -----------------------------------------------------------------

    def _find(self, batch: _Batch, hashes: tuple[str, ...]) -> None:
        tell = self._ref.tell_system
        self._node.read(
            lambda store: _payments_of(store, hashes),
            lambda answer: tell(Found(batch.name, answer, hashes)),
        )

    def _found(
        self,
        batch: _Batch,
        payments: Mapping[str, Payment | StoreDamaged] | Exception,
        of: tuple[str, ...],
    ) -> None:
        for payment_hash in of:
            if payment_hash not in batch.left:
                continue
            if isinstance(payments, Exception):
                self._try_again(batch, payment_hash, repr(payments))
                continue
            payment = payments.get(payment_hash)
            if isinstance(payment, StoreDamaged):  # an alert says so already
                log.error("lightning.paid_to_damaged hash=%s detail=%s", payment_hash,
                          payment)  # fmt: skip
                self._pass_over(batch, payment_hash)
            elif self._is_ours(payment):
                self._tell(batch, payment_hash, payment)
            else:
                self._node.counters.add("lightning.not_ours")
                self._settle(batch, payment_hash)

    def _is_ours(self, payment: Payment | None) -> TypeGuard[Payment]:
        """A node is believed of the invoices that it made, and of no others."""
        invoice = None if payment is None else payment.terms.lightning
        return invoice is not None and invoice.node == self._account

    # -- the payment hears of it -----------------------------------------------------

    def _tell(self, batch: _Batch, payment_hash: str, payment: Payment) -> None:
        tell = self._ref.tell_system
        batch.names[payment_hash] = payment.id
        paid = self._observation(batch.left[payment_hash])

        def reply(answer: object) -> None:
            tell(WatcherSaid(batch.name, payment_hash, answer))

        ref = self._node.watchers.get(payment.id)
        if ref is None or ref.is_stopped:
            self._tell_at_rest(batch, payment_hash, payment, paid)
            return
        told = ref.tell(Command(paid, reply))
        trouble = self._node.watchers.trouble_of(payment.id)
        if trouble is not None and trouble.quarantined:
            log.error("lightning.paid_to_quarantined payment=%s", payment.id)
            self._pass_over(batch, payment_hash)
        elif not told:
            self._try_again(batch, payment_hash, "its watcher has too much to do")

    def _tell_at_rest(
        self, batch: _Batch, payment_hash: str, payment: Payment, paid: InvoicePaid
    ) -> None:
        """Nobody watches it: nobody else writes to it."""
        node, now = self._node, self._node.clock.now()
        is_new = now - payment.terms.created_at < NEW_MS
        if is_new and not is_settled(payment, now):
            self._try_again(batch, payment_hash, "its watcher is starting")
            return
        decided = follow(payment, paid, now, rate_for=node.rate_for)
        if not decided.events:
            self._settle(batch, payment_hash)
            return
        tell = self._ref.tell_system
        write = Write((Entry(decided.payment, tuple(decided.events)),))
        node.append(write, lambda out: tell(WatcherSaid(batch.name, payment_hash, out)))

    def _answered(self, batch: _Batch, payment_hash: str, answer: object) -> None:
        if payment_hash not in batch.left:
            return  # told twice, as the first answer was long in coming
        match answer:
            case Payment() | Committed():
                self._wake_till()
                self._settle(batch, payment_hash)
            case Refused():
                # No rule refuses a node's word; a page must not hang on it if one does.
                log.error("lightning.refused payment=%s hash=%s detail=%s",
                          batch.names[payment_hash], payment_hash, answer)  # fmt: skip
                self._node.counters.add("lightning.refused")
                self._settle(batch, payment_hash)
            case NotWatched():
                self._try_again(batch, payment_hash, "its watcher was let go")
            case _:  # the journal cannot write, or another hand wrote at that moment
                self._try_again(batch, payment_hash, repr(answer))

    def _wake_till(self) -> None:
        """What came may go on; it is queued in the store, and nothing hangs on this."""
        till = self._node.tills.get(self._account)
        if till is not None:
            till.tell(MoneyCame())

    def _pass_over(self, batch: _Batch, payment_hash: str) -> None:
        """It is not committed, and nobody waits for it."""
        self._node.counters.add("lightning.quarantined")
        self.passed_over = True
        self._settle(batch, payment_hash)

    def _settle(self, batch: _Batch, payment_hash: str) -> None:
        del batch.left[payment_hash]
        self.pending -= 1
        assert self.pending >= 0, self._account
        if not batch.left:
            del self._batches[batch.name]
            batch.done()

    def _try_again(self, batch: _Batch, payment_hash: str, why: str) -> None:
        log.info("lightning.tell_again payment=%s hash=%s detail=%s",
                 batch.names.get(payment_hash, ""), payment_hash, why)  # fmt: skip
        wait_s = min(SOON_S * 2 ** min(batch.tries, 10), LATER_S)
        batch.tries += 1
        self._later(wait_s, TryAgain(batch.name, payment_hash))

    def _later(self, wait_s: float, message: TryAgain) -> None:
        self._node.clock.call_later(wait_s, self._ref, message)

    def _observation(self, seen: InvoiceSeen) -> InvoicePaid:
        return InvoicePaid(
            node=self._account,
            payment_hash=seen.payment_hash,
            received_msat=seen.received_msat,
            fee_msat=seen.fee_msat,
            credit_msat=seen.credit_msat,
        )


def _payments_of(
    store: StoreReader, hashes: tuple[str, ...]
) -> dict[str, Payment | StoreDamaged]:
    """Those that are ours."""
    found: dict[str, Payment | StoreDamaged] = {}
    for payment_hash in hashes:
        try:
            payment = store.payment_of_invoice(payment_hash)
        except StoreDamaged as error:  # of this one; the others are well
            found[payment_hash] = error
        else:
            if payment is not None:
                found[payment_hash] = payment
    return found
