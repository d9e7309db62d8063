"""What happens to refunds by itself: links run out, and what arrives is told.

For each address where a pending refund is to go there is a watch, whoever pays it: a
merchant's own wallet, or we. What is paid is told by the payment, through its watcher
(or beside it, if it has none any more), in the commit that ends the refund. All that
this actor knows it reads back at its start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.messages import Command, NotWatched, PollNow, RefundMoved, RefundsWatched
from actors.money.damaged import REFUND, sound
from actors.money.refund_watch import RefundWatch, watch_of
from actors.node import Node
from engine.chain.feed import ChainView, Output
from engine.payment.model import GivenBack, Payment
from engine.payment.observations import RefundPaid
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import expired, paid
from engine.payment.refund_seen import paid_by
from engine.payment.refund_sums import paid_out
from engine.payment.rules import follow
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.store.refund_port import REFUNDS_PER_PAGE
from engine.store.writes import Committed, Conflict, Entry, MoveRefund, Write
from engine.wallet.outgoing import Outgoing

__all__ = ["RefundsActor", "given_back"]

log = logging.getLogger("paybell.refunds")

LOOK_S = 15.0
"""Between looks for links that ran out, while there are more than one look takes."""

LONGEST_MS = 3_600_000
"""So long in advance it is known when the next link runs out: an idle node is not asked
for them again and again."""

AGAIN_S = 5.0
"""After something that could not be written."""


class LookDue(msgspec.Struct, frozen=True):
    """From its own timer. `at` (ms): which; only the last one counts."""

    at: int


class Arrived(msgspec.Struct, frozen=True):
    """From a watch: what is at an address."""

    address: str
    view: ChainView


class RefundEnded(msgspec.Struct, frozen=True):
    """What became of the commit that ends the refund."""

    refund: Refund
    output: tuple[str, int]
    answer: Any


def given_back(refund: Refund, *, is_ours: bool) -> GivenBack:
    """What is told of a refund that is paid. `is_ours`: with coins at our addresses."""
    amount = refund.amount_sat
    if refund.takes_fee:
        amount -= refund.fee_sat
    return GivenBack(
        id=refund.id,
        amount_sat=amount,
        txid=refund.txid,
        fee_sat=refund.fee_sat,
        is_ours=is_ours,
        worth=refund.worth,
    )


class RefundWatchDue(msgspec.Struct, frozen=True):
    """From its own timer: the watch of this address is to look again, if it ended."""

    address: str


class RefundsActor(Actor):
    """See the module docstring."""

    __slots__ = ("_look_at", "_node", "_pending", "_scope", "_used", "_watches")

    mailbox_limit = 20_000

    def __init__(self, node: Node, watches: dict[str, Ref]) -> None:
        """`watches`: by address; it outlives this actor, so that none goes on alone."""
        self._node = node
        self._watches = watches
        self._pending: dict[str, dict[str, Refund]] = {}  # by address, by id
        # Outputs that are known to have paid a refund, by address.
        self._used: dict[str, set[tuple[str, int]]] = {}
        self._look_at: int | None = None  # ms, of the timer that counts
        self._scope: ActorScope

    def on_start(self) -> None:
        self._scope = ActorScope(
            dispatcher=self._node.dispatcher,
            factory=self._watch_of,
            parent=self.ref,
            mailbox_limit=RefundWatch.mailbox_limit,
        )
        self._stop_watches()
        self._read_page("")

    def on_receive(self, message: object) -> None:
        match message:
            case RefundMoved(refund_id):
                self._read(lambda store: store.refund(refund_id), self._moved)
            case Arrived(address, view):
                self._arrived(address, view)
            case RefundEnded(refund, output, answer):
                self._on_told(refund, output, answer)
            case Exited(ref, reason=reason) if reason is not ExitReason.STOPPED:
                self._node.clock.call_later(AGAIN_S, self.ref, RefundWatchDue(ref.name))
            case RefundWatchDue(address):
                watch = self._watches.get(address)
                if watch is not None:
                    watch.start()  # one that lives is left as it is
            case LookDue(at):
                if at == self._look_at:
                    self._look_at = None
                    self._look()

    def on_stop(self) -> None:
        self._stop_watches()

    def _stop_watches(self) -> None:
        for ref in self._watches.values():
            ref.kill()
            ref.stop()
        self._watches.clear()

    def _watch_of(self, address: str) -> Actor:
        refunds = self._pending.get(address) or {}
        merchant = next((r.merchant for r in refunds.values()), "")
        ref = self.ref
        return RefundWatch(
            self._node, address, merchant, lambda a, view: ref.tell(Arrived(a, view))
        )

    # -- what there is ---------------------------------------------------------------

    def _read(self, ask: Callable[..., Any], then: Callable[[Any], None]) -> None:
        self.await_reply(lambda reply: self._node.read(ask, reply), then)

    def _read_page(self, after: str) -> None:
        self._read(
            lambda store: store.refunds_in(RefundState.PENDING, after),
            self._on_page,
        )

    def _on_page(self, page: Any) -> None:
        if not isinstance(page, list):
            raise RuntimeError(f"cannot read the pending refunds: {page!r}")
        for refund in sound(self._node, REFUND, page):
            self._moved(refund)
        if len(page) == REFUNDS_PER_PAGE:
            self._read_page(page[-1].id)
        else:
            self._node.source.tell_system(RefundsWatched(self.ref.incarnation))
            self._look()

    def _look(self) -> None:
        until = self._node.clock.now() + LONGEST_MS
        self._read(lambda store: store.refunds_due(until), self._run_out)

    def _run_out(self, found: Any) -> None:
        """Some at a time: there are more at the next look."""
        now = self._node.clock.now()
        if not isinstance(found, list):  # it could not be read
            self._look_by(now + round(LOOK_S * 1_000))
            return
        ordered: list[Refund] = sound(self._node, REFUND, found)
        due = [refund for refund in ordered if refund.expires_at <= now]
        if not due:
            self._look_by(ordered[0].expires_at if ordered else now + LONGEST_MS)
            return
        rows = [MoveRefund(expired(refund, now), refund.state) for refund in due]
        for row in rows[1:]:
            self._node.append(Write(rows=(row,)), lambda _outcome: None)

        def then(_outcome: Any) -> None:
            for refund in due:
                log.info("refund.expired refund=%s payment=%s", refund.id,
                         refund.payment_id)  # fmt: skip
            self._look_by(now + round(LOOK_S * 1_000))

        self.await_reply(
            lambda reply: self._node.append(Write(rows=(rows[0],)), reply), then
        )

    def _look_by(self, at: int) -> None:
        """Look at this time (ms), or before."""
        if self._look_at is None or at < self._look_at:
            self._look_at = at
            wait_s = max(at - self._node.clock.now(), 0) / 1_000
            self._node.clock.call_later(wait_s, self.ref, LookDue(at))

    def _moved(self, refund: Any) -> None:
        """A refund as it is in the store."""
        if not isinstance(refund, Refund):
            return
        if refund.state is RefundState.OPEN:
            self._look_by(refund.expires_at)
        if not refund.address:
            return
        there = self._pending.setdefault(refund.address, {})
        if refund.state is RefundState.PENDING:
            there[refund.id] = refund
        else:
            there.pop(refund.id, None)
        if there and refund.address not in self._watches:
            self._watches[refund.address] = ref = Ref(self._scope, refund.address)
            self._node.source.tell_system(
                watch_of(self._node, refund.address, refund.merchant, ref)
            )
            ref.start()
        elif not there:
            del self._pending[refund.address]
            self._used.pop(refund.address, None)
            watch = self._watches.pop(refund.address, None)
            if watch is not None:
                watch.stop()

    # -- what arrives ----------------------------------------------------------------

    def _arrived(self, address: str, view: ChainView) -> None:
        used = self._used.get(address, ())
        found = list(paid_by(self._pending.get(address, {}).values(), view, used))
        if found:
            self._tell_all(found)

    def _tell_all(self, found: list[tuple[Refund, Output]]) -> None:
        """One after the other; each is asked for and read back. What we sent ourselves
        pays the refund that it was made for, and no other to the same address."""
        (refund, output), *more = found
        payment_id, txid = refund.payment_id, output.txid

        def then(answer: Any) -> None:
            payment, ours = answer if isinstance(answer, tuple) else (None, None)
            if ours is not None and ours.cause != refund.id:
                its_own = self._pending.get(refund.address, {}).get(ours.cause)
                if its_own is None:
                    self._is_used(refund, output)
                else:
                    more.insert(0, (its_own, output))
            elif isinstance(payment, Payment):
                self._tell(payment, refund, output, ours)
            if more:
                self._tell_all(more)

        self._read(
            lambda store: (store.payment(payment_id), store.outgoing_of_txid(txid)),
            then,
        )

    def _is_used(self, refund: Refund, output: Output) -> None:
        """It pays none that is pending; another that is there may."""
        if refund.address in self._pending:
            place = output.txid, output.vout
            self._used.setdefault(refund.address, set()).add(place)
            self._look_again(refund.address)

    def _look_again(self, address: str) -> None:
        """Its view is shown once more."""
        watch = self._watches.get(address)
        if watch is not None:
            self._node.clock.call_later(AGAIN_S, watch, PollNow())

    def _tell(
        self,
        payment: Payment,
        refund: Refund,
        output: Output,
        ours: Outgoing | None,
    ) -> None:
        """`ours`: it was made for this refund and given up, as no node took it, and a
        miner did."""
        now = self._node.clock.now()
        after = paid(refund, output.txid, output.vout, now)
        if ours is None:
            after = replace(after, outgoing_id=f"{output.txid}:{output.vout}")
            back = given_back(after, is_ours=False)
        else:
            out = paid_out(refund, ours)
            after = replace(after, outgoing_id=ours.family, fee_sat=out.fee_sat)
            back = replace(given_back(after, is_ours=True), amount_sat=out.amount_sat)
        told = RefundPaid(refund=back)
        row = MoveRefund(after, refund.state)
        me, ref = self.ref, self._node.watchers.get(payment.id)

        def done(answer: Any) -> None:
            me.tell_system(RefundEnded(refund, (output.txid, output.vout), answer))

        def reply(answer: Any) -> None:
            if isinstance(answer, NotWatched):
                self._tell_at_rest(payment, told, row, done)
            else:
                done(answer)

        if ref is not None and not ref.is_stopped:
            ref.tell(Command(told, reply, row))
        else:
            self._tell_at_rest(payment, told, row, done)

    def _tell_at_rest(
        self,
        payment: Payment,
        told: RefundPaid,
        row: MoveRefund,
        reply: Callable[[Any], None],
    ) -> None:
        """Nobody else writes to it; if somebody does all the same, the `seq` is another
        and it is told at the next look."""
        decided = follow(payment, told, self._node.clock.now())
        entries: tuple[Entry, ...] = ()
        if decided.events:
            entries = (Entry(decided.payment, tuple(decided.events)),)
        self._node.append(Write(entries, (row,)), reply)

    def _on_told(self, refund: Refund, output: tuple[str, int], answer: Any) -> None:
        is_used = isinstance(answer, Payment | Committed) or (
            isinstance(answer, Conflict) and answer.what == "refund"
        )
        if is_used and refund.address in self._pending:
            # A conflict: another refund was paid by it, or this one is paid already.
            self._used.setdefault(refund.address, set()).add(output)
        if isinstance(answer, Payment | Committed):
            log.info("refund.paid refund=%s payment=%s", refund.id, refund.payment_id)
        else:
            log.warning("refund.not_told refund=%s payment=%s detail=%s", refund.id,
                        refund.payment_id, answer)  # fmt: skip
            self._look_again(refund.address)
        self._read(lambda store: store.refund(refund.id), self._moved)
