"""The judge of refunds: goes by what was asked, the rows, the events and the chain.

It knows none of the rules by which the engine finds how much may go back, plans a
transaction, or sees one that is not its own. As a world runs: what a payment's refunds
come to is within what it had received, deep enough, when each was accepted; one request
is one refund; each takes its steps one after the other, from one hand; its address is
named once. Transactions that pay one refund exclude each other; one output pays one
refund; it is told once, in the commit that ends it, of what is really there. In the
end: no more went back than came in, nobody got a refund twice, and what was accepted is
paid, or withdrawn, or run out, or waits with an alert or for its owner.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from engine.chain.feed import ChainTx
from engine.payment.events import Event
from engine.payment.model import EventType
from engine.payment.refund import Refund, RefundState
from engine.store.writes import MoveRefund, NewOutgoing, OpenRefund, Write
from tests.simulation.broken import Broken
from tests.simulation.chain import script_of
from tests.simulation.hot_keys import HOT
from tests.simulation.judges.case import is_its_own
from tests.simulation.money_chain import MoneyChain
from tests.simulation.refund_books import ENDED, Known, RefundBooks

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["RefundJudge"]

S = RefundState

TAKES = frozenset({S.OPEN, S.PENDING, S.PAYING, S.PAID})

WAITS = "refund.waits"

LATE_MS = 2 * 3_600_000
"""So long after a link ran out somebody must have noticed."""

WORTH_SAT = 10_000
"""What a coin must have beyond a refund, for that one to pay it for certain."""


class RefundJudge:
    """See the module docstring."""

    def __init__(self, world: World) -> None:
        chain = world.chain
        assert isinstance(chain, MoneyChain)
        self._world = world
        self._chain = chain
        self.refunds: dict[str, Known] = {}
        self.books = RefundBooks(world, chain, self.refunds)
        self._asked: dict[str, set[str]] = {}  # by request, the ids it was given
        self._of_raw: dict[bytes, str] = {}  # signed for which refund
        self._used: dict[tuple[str, int], str] = {}  # output -> the refund it paid
        self._most: Counter[str] = Counter()  # by payment: the most that was there
        self.of_owner: dict[str, list[str]] = {}  # his transactions, by refund
        self._wanted_by_hand: set[str] = set()
        self.never_taken: set[str] = set()  # transactions, by whoever is to send them

    def script_of(self, refund: Refund) -> bytes:
        return parse_address(refund.address, self._world.shape.network).script

    # -- what was asked, and answered ------------------------------------------------

    def on_asked(self, key: str, refund: Refund) -> None:
        """The request is about to ask the engine for it; an attempt may be lost."""
        self._asked.setdefault(key, set()).add(refund.id)

    def on_acknowledged(self, key: str, refund_id: str) -> None:
        if refund_id not in self._asked[key] or refund_id not in self.refunds:
            raise Broken(f"{refund_id} was acknowledged and is not committed")

    def on_claimed(self, refund_id: str, address: str) -> None:
        if self.refunds[refund_id].refund.address != address:
            raise Broken(f"{refund_id}: a claim of {address} is acknowledged, not kept")

    def on_by_hand(self, refund_id: str) -> None:
        """Somebody is about to say so."""
        self._wanted_by_hand.add(refund_id)

    def pays_himself(self, refund: Refund, sat: int) -> None:
        """The owner pays from a wallet that is not ours."""
        outputs = [(script_of("change"), 77), (self.script_of(refund), sat)]
        tx = self._chain.pay(outputs)
        self.of_owner.setdefault(refund.id, []).append(tx.txid)
        self._world.note("owner pays", f"{refund.id} {sat} sat")

    def is_not_seen(self, refund: Refund, txid: str) -> bool:
        """Whether nobody can tell by the chain that this pays it (docs/refunds.md): a
        reorg put it into a block no higher than the tip was at the claim."""
        found = self._chain.outputs(self._chain.now, self.script_of(refund))
        return any(
            o.txid == txid and (o.block_height or 2**31) <= refund.after_height
            for o in found
        )

    # -- what is committed -----------------------------------------------------------

    def on_write(self, write: Write) -> None:
        """One write of a transaction, in their order, as it is committed."""
        ended: list[str] = []
        moved: list[str] = []  # told before, and paid by another transaction
        for row in write.rows:
            if isinstance(row, OpenRefund):
                self._on_opened(row.refund)
            elif isinstance(row, MoveRefund) and row.before is S.PAID:
                moved.append(row.refund.id)
                self.books.moves(row, write)
            elif isinstance(row, MoveRefund):
                self._on_step(row)
                if row.refund.state is S.PAID:
                    ended.append(row.refund.id)
            elif isinstance(row, NewOutgoing) and row.outgoing.cause:
                self._of_raw[row.outgoing.raw] = row.outgoing.cause
        of_refunds = [
            event
            for entry in write.entries
            for event in entry.events
            if event.data.refund is not None
        ]
        told = [e for e in of_refunds if e.type is EventType.REFUNDED]
        if len(of_refunds) - len(told) > len(moved):
            raise Broken(f"another transaction is told, and not kept: {of_refunds}")
        for event in told:
            self._on_told(event)
        named = [e.data.refund.id for e in told if e.data.refund is not None]
        if sorted(named) != sorted(ended):
            raise Broken(f"refunds {ended} are paid, and {named} are told of")

    def _on_opened(self, refund: Refund) -> None:
        if refund.id in self.refunds:
            raise Broken(f"{refund.id} was made twice")
        self.refunds[refund.id] = Known(refund, refund.state)
        for ids in self._asked.values():
            made = ids & self.refunds.keys()
            if refund.id in ids and len(made) > 1:
                raise Broken(f"one request made the refunds {sorted(made)}")
        there = self._there(refund.payment_id)
        self._most[refund.payment_id] = max(self._most[refund.payment_id], there)
        taken = self._taken(refund.payment_id)
        if taken > there:
            raise Broken(f"{refund.payment_id} had {there} sat, refunds take {taken}")

    def _there(self, payment_id: str) -> int:
        """What had come in by then, as deep as was asked for, as was told."""
        book = self._world.rules.judges.books[payment_id]
        return book.deep_sat(max(book.terms.confirmations_required, 1))

    def _taken(self, payment_id: str) -> int:
        return sum(
            known.refund.amount_sat
            for known in self.refunds.values()
            if known.refund.payment_id == payment_id and known.state in TAKES
        )

    def _on_step(self, row: MoveRefund) -> None:
        after, known = row.refund, self.refunds[row.refund.id]
        before = known.refund
        if row.before is not known.state:
            raise Broken(f"{after.id} is {known.state}; {row.before} was taken for it")
        if known.state in ENDED:
            raise Broken(f"{after.id} was {known.state} and is {after.state}")
        same = after.amount_sat == before.amount_sat
        named = before.address and after.address != before.address
        if not same or named or after.payment_id != before.payment_id:
            raise Broken(f"{before} became {after}")
        if known.txs and after.state in {S.CANCELLED, S.EXPIRED}:
            raise Broken(f"{after.id} was sent and is {after.state}")
        known.refund, known.state = after, after.state

    def _on_told(self, event: Event) -> None:
        said = event.data.refund
        if said is None or said.id not in self.refunds:
            raise Broken(f"{event.payment_id} tells of a refund that nobody asked for")
        known = self.refunds[said.id]
        if known.told is not None:
            raise Broken(f"{said.id} is told of once more")
        if known.refund.payment_id != event.payment_id:
            raise Broken(f"{said.id} is told of by another payment")
        known.told = said
        if event.data.by is not None:
            known.by_hand = not self.of_owner.get(said.id)
            if said.id not in self._wanted_by_hand:
                raise Broken(f"nobody said that {said.id} was paid by hand")
            return
        refund = known.refund
        tx = self._chain.txs.get(said.txid)
        place = said.txid, refund.vout
        script = self.script_of(refund)
        if tx is None or refund.vout >= len(tx.outputs):
            raise Broken(f"{said.id} is told to be paid by {place}, which is not there")
        output = tx.outputs[refund.vout]
        if output.script != script or output.amount_sat != said.amount_sat:
            if not said.is_ours and output.amount_sat <= refund.amount_sat:
                pass  # the owner took a fee off: what he sent is seen, not what it cost
            else:
                raise Broken(f"{said} is told of, and {place} is {output}")
        if not said.is_ours:
            self._is_his(said.txid, known)
        elif said.txid not in known.txs:
            raise Broken(f"{said.id} is told to be paid by {place}, another's")
        if self._used.setdefault(place, said.id) != said.id:
            raise Broken(f"{place} paid {self._used[place]} and {said.id}")
        if not self._chain.mined_in.get(said.txid):
            raise Broken(f"{said.id} is told to be paid, and was in no block")

    def _is_his(self, txid: str, known: Known) -> None:
        """The owner sent it. Two of his to one address are alike to whoever looks: what
        he sent for another refund may count for this one, and his for this for that."""
        refund, mine = known.refund, self.of_owner.setdefault(known.refund.id, [])
        if txid in mine:
            return
        for name, his in self.of_owner.items():
            other = self.refunds[name]
            if txid in his and other.refund.address == refund.address:
                if other.state is S.PAID:
                    break
                his.remove(txid)
                his += mine
                self.of_owner[refund.id] = [txid]
                return
        raise Broken(f"{refund.id} is told to be paid by {txid}, another's")

    # -- what is sent ----------------------------------------------------------------

    def cause_of(self, raw: bytes) -> Known | None:
        """The refund that the transaction pays; None: it is no such."""
        name = self._of_raw.get(raw)
        return None if name is None else self.refunds[name]

    def on_send(self, raw: bytes, known: Known) -> None:
        tx, refund = parse_tx(raw), known.refund
        if tx.txid in known.txs:
            return
        first = tx.outputs[0]
        if first.script != self.script_of(refund) or len(tx.outputs) > 2:
            raise Broken(f"{tx.txid} pays somebody else than {refund.id}")
        fee = self._chain.fee_of(tx) if refund.takes_fee else 0
        if not refund.amount_sat - fee <= first.amount_sat <= refund.amount_sat:
            raise Broken(f"{tx.txid} sends {first.amount_sat} sat for {refund}")
        is_again = known.state is S.PAID and bool(known.txs)  # it lost its block
        if known.state in ENDED and not is_again:
            raise Broken(f"{tx.txid} is sent for {refund.id}, which is {known.state}")
        for before in known.txs.values():
            if set(before.spends) & set(tx.spends):
                continue
            if all(self._chain.is_there(coin) for coin in before.spends):
                raise Broken(f"{tx.txid} pays {refund.id} beside {before.txid}")
        known.txs[tx.txid] = tx

    def excludes(self, one: ChainTx, other: ChainTx) -> bool:
        """Whether it is enough that they share a coin: both are for one refund, or the
        first was for one, and given up as no node takes it."""
        return one.txid in self.never_taken or any(
            one.txid in k.txs and other.txid in k.txs for k in self.refunds.values()
        )

    # -- the end ---------------------------------------------------------------------

    def at_end(self) -> None:
        back: Counter[str] = Counter()
        for known in self.refunds.values():
            refund = known.refund
            sat = self._sent_back(known)
            if sat > refund.amount_sat:
                raise Broken(f"{refund.id} of {refund.amount_sat} sat got {sat}")
            back[refund.payment_id] += sat
            self._has_ended(known)
        for payment_id, sat in back.items():
            if sat > self._most[payment_id]:
                most = self._most[payment_id]
                raise Broken(f"{payment_id} had {most} sat, {sat} went back")

    def _sent_back(self, known: Known) -> int:
        """What of it is in the chain, ours and the owner's, or was given in cash."""
        seen, script = self._chain.now, self.script_of_or_none(known.refund)
        ours = self.books.in_chain(known)
        if len(ours) > 1:
            raise Broken(f"{known.refund.id} was paid by {ours}")
        his = [t for t in self.of_owner.get(known.refund.id, ()) if
               self._chain.has(seen, t)]  # fmt: skip
        sat = known.refund.amount_sat if known.by_hand else 0
        for txid in (*ours, *his):
            outputs = self._chain.txs[txid].outputs
            sat += sum(o.amount_sat for o in outputs if o.script == script)
        return sat

    def script_of_or_none(self, refund: Refund) -> bytes | None:
        return self.script_of(refund) if refund.address else None

    def _has_ended(self, known: Known) -> None:
        refund, now = known.refund, self._world.clock.now()
        if known.state is S.PAID:
            self._is_really_paid(known)
        elif known.state is S.OPEN and refund.expires_at < now - LATE_MS:
            raise Broken(f"the link of {refund.id} ran out, and nobody noticed")
        elif known.state is S.PAYING and not self._is_never_taken(known):
            raise Broken(f"{refund.id} is still on its way")
        elif known.state is S.PENDING:
            self._waits_rightly(known)

    def _is_never_taken(self, known: Known) -> bool:
        """Whether somebody calls its transactions invalid, and each time anew; and no
        miner took one."""
        is_refused = bool(self.never_taken & known.txs.keys())
        return is_refused and not self.books.in_chain(known)

    def _is_really_paid(self, known: Known) -> None:
        """By what is in the chain now; or what paid it can never be there any more."""
        if known.by_hand or self._sent_back(known):
            return
        sent = [*known.txs, *self.of_owner.get(known.refund.id, ())]
        gone = [txid for txid in sent if self._is_gone(txid)]
        if len(gone) < len(sent):
            raise Broken(f"{known.refund.id} is told to be paid and nothing is there")

    def _is_gone(self, txid: str) -> bool:
        tx = self._chain.txs.get(txid)
        if tx is None:
            return True
        parents = all(self._chain.is_there(coin) for coin in tx.spends)
        return not parents or self._chain.is_spent(self._chain.now, txid)

    def _waits_rightly(self, known: Known) -> None:
        refund = known.refund
        if found := self.books.in_chain(known):
            raise Broken(f"{refund.id} waits, and {found} paid it")
        label = self._world.life.labels[refund.payment_id]
        if not label.startswith(HOT):
            if not self._is_too_much(refund.payment_id):
                raise Broken(f"{refund.id} was paid by its owner, and nobody was told")
            return
        node = self._world.node
        assert node is not None
        standing = node.alerts.standing(self._world.clock.now())
        if not any((a.kind, a.subject) == (WAITS, refund.id) for a in standing):
            raise Broken(f"{refund.id} waits, and there is no alert")
        payment = self._world.rules.payments[refund.payment_id]
        is_let_go = payment.id in self._world.rules.released
        is_stuck = self._is_too_much(refund.payment_id) or self._is_never_taken(known)
        if not payment.terms.forward_to or is_stuck:
            return
        for output in self._chain.outputs(self._chain.now, script_of(label)):
            coin = output.txid, output.vout
            is_spent = self._chain.spender_in_best(coin) is not None
            enough = refund.amount_sat + WORTH_SAT
            is_known = coin in {(r.txid, r.vout) for r in payment.receipts}
            may_be = is_known or not is_let_go  # nobody looks at what came after
            is_enough = output.amount_sat > enough and is_its_own(payment, output)
            if not is_spent and is_enough and may_be:
                raise Broken(f"{refund.id} waits, and {output} would pay it")

    def _is_too_much(self, payment_id: str) -> bool:
        """What it was of has left the chain."""
        return self._taken(payment_id) > self._there(payment_id)

    # -- the sums --------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """What became of refunds, for the sums."""
        states = Counter(f"refunds_{known.state}" for known in self.refunds.values())
        sent = sum(len(known.txs) > 1 for known in self.refunds.values())
        requests = len(self._asked)
        return {
            **states,
            "refunds_asked": requests,
            "refunds_sent_again": sent,
            "refunds_moved": self.books.moved,
        }
