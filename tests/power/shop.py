"""A shop's traffic for the journal: batches as the writer thread is given them.

Payments are created, paid, confirmed, replaced and released, told to a channel,
delivered and heard of by webhooks; some writes conflict and must leave no trace. All
events come from the real rules (`decide`), as the sums are checked later by replay.
"""

from collections.abc import Sequence
from random import Random

from engine.chain.feed import Output
from engine.payment.events import opening
from engine.payment.model import EventType, Payment
from engine.store.sqlite import outbox, queries
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    Committed,
    DeliveryResult,
    Entry,
    InboundWebhook,
    KeptAnswer,
    Outcome,
    Release,
    Requeue,
    SourceTip,
    Write,
)
from tests.unit.journal_cases import channel, decided
from tests.unit.payment_cases import T0, mempool, mined, terms, view

__all__ = ["Shop"]

FIRST_TIP = 1_000

_NOTES = (0, 0, 0, 20, 20, 80, 80, 300, 300, 3_000, 9_000)
"""Sizes of what a shop notes with a payment; 9,000 bytes overflow their page."""


class Shop:
    """What was committed so far, and a source of what comes next."""

    def __init__(self, journal: Journal, random: Random) -> None:
        self._journal = journal
        self._random = random
        sql = journal.connection
        watched = [p for p in queries.watched(sql) if isinstance(p, Payment)]
        self._payments: dict[str, Payment] = {p.id: p for p in watched}
        self._chain: dict[str, tuple[Output, ...]] = {
            p.id: tuple(
                mempool(r.txid, r.amount_sat)
                if r.block_height is None
                else mined(r.txid, r.block_height, r.amount_sat)
                for r in p.receipts
            )
            for p in watched
        }
        known = queries.source_tip(sql, "node")
        self._tip = FIRST_TIP if known is None else known.height
        self._made = journal.last_offset * 100
        self._has_channel = bool(outbox.channels(sql))

    def batch(self) -> list[Write]:
        """Writes of one group commit, each about another payment."""
        random = self._random
        size = random.choice((1, 1, 1, 2, 3, 8, 20))
        writes: list[Write] = []
        if not self._has_channel:
            writes.append(channel("ch_all"))
            writes.append(channel("ch_one", "default", EventType.CONFIRMED))
        watched = random.sample(sorted(self._payments), min(size, len(self._payments)))
        writes += [w for name in watched if (w := self._about(self._payments[name]))]
        writes += [self._creation() for _ in range(random.choice((0, 0, 1, 2, size)))]
        if random.random() < 0.3:
            writes.append(self._beside())
        if random.random() < 0.5:
            self._tip += 1
            tip = SourceTip("node", self._tip, f"{self._tip:064d}")
            writes.append(Write(rows=(tip,)))
        return writes or [self._creation()]

    def learn(self, batch: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        self._has_channel = True
        for write, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Committed):
                continue
            for entry in write.entries:
                self._payments[entry.payment.id] = entry.payment
            for row in write.rows:
                if isinstance(row, Release):
                    self._payments.pop(row.payment_id, None)

    def _creation(self) -> Write:
        self._made += 1
        random, name = self._random, f"pay_{self._made}"
        address = f"address of {name}"
        if self._payments and random.random() < 0.05:  # taken: a conflict
            address = random.choice(
                sorted(self._payments.values(), key=str)
            ).terms.address
        note = "x" * random.choice(_NOTES)
        event, payment = opening(
            terms(id=name, address=address, metadata={"note": note})
        )
        answer = KeptAnswer("shop", name, b"hash", 201, b"{}", T0)
        return Write(entries=(Entry(payment, (event,)),), rows=(answer,))

    def _about(self, payment: Payment) -> Write | None:
        random, name = self._random, payment.id
        if payment.seq > 4 and random.random() < 0.2:
            return Write(rows=(Release(name),))
        outputs = self._chain.get(name, ())
        match random.choice(("pay", "mine", "mine", "lose", "look")):
            case "pay" if len(outputs) < 3:
                self._made += 1
                amount = random.choice((50_000, 50_000, 20_000, 1_234))
                outputs = (*outputs, mempool(f"tx{self._made}", amount))
            case "mine":
                outputs = tuple(
                    mined(o.txid, self._tip, o.amount_sat)
                    if o.block_height is None
                    else o
                    for o in outputs
                )
            case "lose":
                outputs = tuple(o for o in outputs if o.block_height is not None)
        self._chain[name] = outputs
        write = decided(payment, view(*outputs, tip=self._tip))
        return write if write.entries[0].events else None

    def _beside(self) -> Write:
        """A webhook heard, a delivery made, or one asked for again."""
        random = self._random
        self._made += 1
        owed = self._journal.connection.execute(
            'SELECT payment_id, "offset", seq, attempts FROM outbox WHERE channel_id ='
            " 'ch_all' AND state = 'pending' ORDER BY \"offset\" LIMIT 1"
        ).fetchone()
        if owed is None or random.random() < 0.3:
            body = random.randbytes(random.choice((30, 2_000)))
            heard = InboundWebhook(
                "blockonomics", f"h{self._made}", T0, None, "taken", body
            )
            return Write(rows=(heard,))
        name, offset, seq, tries = owed
        if random.random() < 0.2:
            return Write(rows=(Requeue(channel_id="ch_all", payment_id=name, at=T0),))
        result = DeliveryResult(
            channel_id="ch_all",
            payment_id=name,
            offset=offset,
            seq=seq,
            attempt=tries + 1,
            at=T0,
            latency_ms=3,
            status=200,
            outcome="delivered",
            error=None,
            state="delivered",
            next_at=0,
        )
        return Write(rows=(result,))
