"""What a watcher cannot tell of its payment, and who is told of that.

A deadline may wait, for as long as no source proves what is not there; an address may
be one that a source cannot read. Both are said in the watcher's report at once, and
are alerts when they last. What is left out of the count is logged, once.

No actor: a record that the address actor makes when there is something to say.
"""

import logging
from collections.abc import Iterable

from actors.node import Node
from actors.watching.opinions import Opinions
from engine.chain.feed import ChainView
from engine.chain.shown import SKIPPED
from engine.chain.witness import Standing
from engine.payment.model import WAITED_FOR, Payment
from engine.payment.notes import LeftOut, Note
from engine.payment.review import LONG_WAIT_S, Judgement, ReviewState
from engine.ports import Freshness

__all__ = ["Unknowns", "not_believed", "nothing_open"]

log = logging.getLogger("paybell.payment")

WAITS = "payment.waits"
UNREADABLE = "address.unreadable"
CROWDED = "payment.crowded"
UNPROVABLE = "payment.unprovable"

MAX_NOTES = 50
"""Notes of one watcher that are remembered, and so logged; more is said once."""


def nothing_open(node: Node, payment_id: str) -> None:
    """No alert stands for this payment any more, and nothing is said of its address."""
    node.unread.over(payment_id)
    if len(node.alerts):
        for kind in (WAITS, UNREADABLE, CROWDED, UNPROVABLE):
            node.alerts.clear(kind, payment_id)


def not_believed(source: str, payment_id: str) -> None:
    """Nothing follows from what this source said of the payment."""
    log.warning("view.not_believed source=%s payment=%s detail=more than 21 million"
                " BTC", source, payment_id)  # fmt: skip


class Unknowns:
    """Of one watcher. Moments (`now_s`) are monotonic seconds."""

    __slots__ = (
        "_gap",
        "_gap_since",
        "_is_skipped",
        "_noted",
        "_opinions",
        "_second_since",
    )

    def __init__(self) -> None:
        self._gap: str | None = None  # why the newest view is not all that there is
        self._gap_since = 0.0
        self._is_skipped = False  # blocks that may pay it were not read by anyone
        self._noted: set[tuple[str, str]] = set()
        self._opinions: Opinions | None = None  # of a payment that wants two sources
        self._second_since: float | None = None  # it waits for one to say the same

    def hear(
        self, node: Node, payment: Payment, view: ChainView, asked_at: int
    ) -> ChainView:
        """The view beside what other sources say: see `Opinions`."""
        if self._opinions is None:
            self._opinions = Opinions(node)
        return self._opinions.hear(payment, view, asked_at)

    def heard(self, judged: Judgement, script: bytes, now_s: float) -> None:
        """What became of that view; another source may have to say the same."""
        assert self._opinions is not None, "a view is heard before it is judged"
        if not judged.wants_second:
            self._second_since = None
            return
        if self._second_since is None:
            self._second_since = now_s
        self._opinions.ask(judged.payment, script)

    def seen(self, node: Node, payment_id: str, view: ChainView) -> None:
        """What the newest view says of the address; its clients are shown that, too."""
        self._is_skipped = view.gap == SKIPPED
        if view.gap is None:
            self._gap = None
            node.unread.over(payment_id)
            return
        if self._gap is None:
            self._gap_since = node.clock.monotonic()
        self._gap = f"{view.source} cannot read all of it: {view.gap}"
        before = node.unread.of(payment_id)
        since = node.clock.now() if before is None else before.since_when
        if before is None or before.source != view.source:
            said = Freshness(
                source=view.source,
                live=False,
                since=None,
                standing=Standing.BEHIND,
                reason=f"{view.source} cannot read all of this address:"
                " what it does not show may be there",
                since_when=since,
            )
            node.unread.say(payment_id, said)

    def why(self, review: ReviewState | None) -> str | None:
        """Why nobody can say what became of the payment; None: it can be said."""
        if self._second_since is not None:
            return "it is deep enough, and waits for a second, independent source"
        if review is None or review.overdue is None:
            return self._gap
        return review.reason or "no source has answered since its deadline"

    def alert(self, node: Node, payment: Payment, review: ReviewState | None) -> None:
        """Raise what has lasted, clear what is over."""
        payment_id, merchant = payment.id, payment.terms.merchant
        is_waited_for = payment.status in WAITED_FOR or payment.claims
        now, now_s = node.clock.now(), node.clock.monotonic()
        why = self.why(review) or ""
        waited_s = 0.0 if review is None else review.waited_s(now_s)
        if self._second_since is not None:
            waited_s = max(waited_s, now_s - self._second_since)
        if waited_s >= LONG_WAIT_S and is_waited_for:
            node.alerts.raise_(WAITS, payment_id, why, now, merchant=merchant)
        elif len(node.alerts):
            node.alerts.clear(WAITS, payment_id)
        if self._is_skipped and is_waited_for:  # that does not pass by itself
            gap = self._gap or ""
            node.alerts.raise_(UNPROVABLE, payment_id, gap, now, merchant=merchant)
        elif len(node.alerts):
            node.alerts.clear(UNPROVABLE, payment_id)
        is_unreadable = self._gap is not None and not self._is_skipped
        if is_unreadable and now_s - self._gap_since >= LONG_WAIT_S:
            node.alerts.raise_(UNREADABLE, payment_id, why, now, merchant=merchant)
        elif len(node.alerts):
            node.alerts.clear(UNREADABLE, payment_id)

    def take_notes(self, node: Node, payment: Payment, notes: Iterable[Note]) -> None:
        """Log each once; that there is too much to follow is an alert."""
        payment_id, merchant = payment.id, payment.terms.merchant
        for note in notes:
            if note.why is LeftOut.TOO_MANY:
                node.alerts.raise_(CROWDED, payment_id, note.detail,
                                   node.clock.now(), merchant=merchant)  # fmt: skip
            key = (note.why, note.subject)
            if key in self._noted or len(self._noted) > MAX_NOTES:
                continue
            self._noted.add(key)
            if len(self._noted) > MAX_NOTES:
                log.info("payment.left_out payment=%s detail=and more", payment_id)
            else:
                log.info("payment.left_out payment=%s why=%s detail=%s: %s", payment_id,
                         note.why, note.subject or "outputs", note.detail)  # fmt: skip
