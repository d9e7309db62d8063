"""What actors say to one another. Commands are imperative, facts past tense.

`reply` is a function that takes the answer; it may be called from any turn, at most
once, and never blocks. Edges pass a future's `set`, actors a `tell` to themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.chain.feed import ChainView, Output, SourceStatus, Tip
from engine.chain.unread import Unread
from engine.chain.witness import CURRENT, Assessment, Best
from engine.errors import SourceError
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment, Terms
from engine.payment.observations import Observation
from engine.ports import Freshness
from engine.runtime.ref import Ref
from engine.store.port import StoreReader
from engine.store.writes import Conflict, Outcome, Row, SourceTip, Write

__all__ = [
    "Alarm",
    "AllWatched",
    "Append",
    "AwaitWrites",
    "BringUp",
    "ChannelChanged",
    "Command",
    "Contradicted",
    "CreatePayments",
    "Created",
    "Deadline",
    "DescribeSources",
    "DescribeWatcher",
    "FreshnessChanged",
    "LookUpInvoice",
    "NotWatched",
    "Nudge",
    "Poll",
    "PollNow",
    "Publish",
    "Read",
    "RestartDue",
    "Retired",
    "RefundMoved",
    "RefundsWatched",
    "ReviewDue",
    "Round",
    "RoundDone",
    "Seen",
    "SourceTick",
    "Unwatch",
    "Watch",
    "WatcherReport",
    "WriteFirst",
]

Reply = Callable[[Any], None]


# -- journal ---------------------------------------------------------------------


class Append(msgspec.Struct, frozen=True):
    """Commit this; the reply gets an `Outcome`."""

    write: Write
    reply: Reply


class AwaitWrites(msgspec.Struct, frozen=True):
    """Say when all that was handed in before is on disk or refused. The reply gets an
    `Outcome` that means nothing: where nothing can be written, nothing is under way."""

    reply: Reply


class WriteFirst(msgspec.Struct, frozen=True):
    """Have this on disk before anything that is handed in later, and with it at the
    latest: what is written then follows from it. It is tried again until it is there,
    or a newer row of the same name is. No answer."""

    row: SourceTip


class Publish(msgspec.Struct, frozen=True):
    """Committed events, in journal order (to the router)."""

    events: tuple[CommittedEvent, ...]


class Read(msgspec.Struct, frozen=True):
    """Ask the store; the reply gets its answer, or the exception it raised."""

    ask: Callable[[StoreReader], Any]
    reply: Reply


# -- watchers --------------------------------------------------------------------


class PollNow(msgspec.Struct, frozen=True):
    """Somebody wants a look at the chain at once. Two pending are one."""

    coalesce = True


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A source's view; `asked_at` (ms) is when the asking began."""

    view: ChainView
    asked_at: int


class Command(msgspec.Struct, frozen=True):
    """An observation from an edge. The reply gets the payment as it is after the
    commit, a `Refused`, a `Conflict` (the webhook was heard before), `Unavailable`, or
    `NotWatched`.
    """

    observation: Observation
    reply: Reply
    beside: Row | None = None  # committed with what follows from it

    def on_dropped(self) -> None:
        """Its watcher was let go with this in its mailbox."""
        self.reply(NotWatched())


class RefundMoved(msgspec.Struct, frozen=True):
    """A refund was made, claimed, withdrawn or paid (to who pays and watches them)."""

    refund_id: str


class LetGo(msgspec.Struct, frozen=True):
    """From an edge: an operator releases the address. Replies as to a `Command`."""

    by: str
    reply: Reply

    def on_dropped(self) -> None:
        """Its watcher was let go with this in its mailbox: it is released already."""
        self.reply(NotWatched())


class NotWatched(msgspec.Struct, frozen=True):
    """In answer to a `Command`: nobody read it, as the payment was let go meanwhile."""


class DescribeWatcher(msgspec.Struct, frozen=True):
    """From an edge. The reply gets a `WatcherReport`."""

    reply: Reply


class WatcherReport(msgspec.Struct, frozen=True):
    """A watcher's own words about itself, for the tree. Times in ms.

    `last_error`: why it cannot say what became of its payment, if so.
    """

    payment: Payment
    seen_at: int | None
    next_poll_at: int | None
    last_error: str | None = None


class ReviewDue(msgspec.Struct, frozen=True):
    """From the supervisor: a deadline of this payment has passed."""


class CoverageEnded(msgspec.Struct, frozen=True):
    """`SourceReport.complete_as_of` is None now and was not: silence is no answer any
    more (source to supervisor, and from him to each watcher)."""


class LookUpInvoice(msgspec.Struct, frozen=True, gc=False):
    """Watcher to upstream: ask the node how this invoice stands, as its time is over.

    The answer comes as a `Command`: `InvoicePaid`, or `InvoiceGone` if the node says
    that it has expired. None comes while the node gives no answer, has the invoice as
    open still, or does not know it: ask again then, with some patience.
    """

    payment_hash: str
    payment_id: str


# -- sources ---------------------------------------------------------------------


class Watch(msgspec.Struct, frozen=True, gc=False):
    """Show `ref` this script as it is, and then what happens to it.

    `known`: the payment's receipts in blocks, from the journal. `since`: whether that
    block is still in the chain is said with each view (`Poll`). A watcher that has been
    shown a script is shown every change of it while
    `SourceReport.complete_as_of` is not None.
    """

    script: bytes
    address: str
    ref: Ref
    known: tuple[Output, ...] = ()
    merchant: str = ""  # in whose turn it is asked for, where there is a budget
    since: Tip | None = None


class Unwatch(msgspec.Struct, frozen=True):
    script: bytes
    ref: Ref


class Poll(msgspec.Struct, frozen=True, gc=False):
    """Look at this script; `blocks` are those whose place in the chain matters.

    `known` are the payment's receipts in blocks: a source that began anew may have
    read none of them. `due` (monotonic s) orders polls that compete for a budget:
    urgent ones are small. `since`: whether that block is still in the chain matters
    where outputs of about its height are not `known`. `by_hand_at` (monotonic s): when
    a person asked for it. `born`: the height of the best tip when the payment was made,
    -1 if none was known; who was asked of others only may have to look back so far.
    """

    script: bytes
    blocks: tuple[tuple[str, int | None], ...] = ()  # (hash, height)
    due: float = 0.0
    known: tuple[Output, ...] = ()
    since: Tip | None = None
    heard: tuple[str, ...] = ()  # another's word is wanted beside these operators'
    by_hand_at: float | None = None
    born: int | None = None


class Contradicted(msgspec.Struct, frozen=True):
    """Watcher to source: this one contradicts two others, which agree."""

    source: str
    detail: str  # one line for people


class SourceTick(msgspec.Struct, frozen=True):
    """The source's own timer."""


class Nudge(msgspec.Struct, frozen=True):
    """Something changed upstream (a push): look now. Two pending are one."""

    coalesce = True


class AllWatched(msgspec.Struct, frozen=True):
    """Supervisor to source: all that is watched from the start was told before."""

    by: int  # its incarnation


class RefundsWatched(msgspec.Struct, frozen=True):
    """The same of addresses where refunds are to arrive, by whoever watches those."""

    by: int  # its incarnation


class Round(msgspec.Struct, frozen=True):
    """One round of work for a feed's worker. Nothing in it changes once it was sent.

    `watch` are scripts to keep from now on, in pieces, `known` those of the journal's
    receipts that pay them, `since` the blocks that are asked about with each view of
    them. `show`: scripts that nobody was shown yet, in pieces; some may be watched no
    longer. `reset`: begin anew, with `watch` all scripts; who is watched or let go
    meanwhile is in the next round.
    """

    number: int
    watch: tuple[tuple[bytes, ...], ...] = ()
    known: Mapping[bytes, tuple[Output, ...]] = {}
    since: Mapping[bytes, Tip] = {}
    show: tuple[tuple[bytes, ...], ...] = ()
    unwatch: tuple[bytes, ...] = ()
    polls: tuple[Poll, ...] = ()
    addresses: Mapping[bytes, str] = {}
    reset: bool = False
    best: Best | None = None  # what its source is held against
    aside: bool = False  # of a source that is not the one which is asked: a few polls


class RoundDone(msgspec.Struct, frozen=True):
    """The round is over; `views` are the last of it. Views of scripts that were not
    reached are absent. `assessment`: what the source is worth, and so its views.
    """

    feed: int
    number: int
    asked_at: int
    views: Mapping[bytes, ChainView]
    tip: Tip | None
    requests: int
    error: SourceError | None = None
    more: bool = False
    assessment: Assessment = CURRENT
    status: SourceStatus | None = None  # its last word
    first: SourceStatus | None = None  # its first word, which may have shown more
    disappeared: int = 0  # from its mempool, too many at once to be believed
    unreadable: tuple[bytes, ...] = ()  # asked, and answered with what nobody can read
    read: Tip | None = None  # up to here a block feed's blocks have been read
    blocks: int = 0  # that were read in this round
    height: int | None = None  # of the last block that was read
    is_stuck: bool = False  # the blocks that follow are not there: to begin anew
    anew: bool = False  # nothing told where to go on: the latest blocks were read
    unread: Unread | None = None  # blocks that it has skipped
    unread_read: Unread | None = None  # that others had skipped, and it has read
    look: Callable[[bytes], ChainView] | None = None  # see `SourceReport`


class DescribeSources(msgspec.Struct, frozen=True):
    """The reply gets a tuple of `SourceState`."""

    reply: Reply


class FreshnessChanged(msgspec.Struct, frozen=True):
    freshness: Freshness


# -- supervisor ------------------------------------------------------------------


def _no_rows(_answers: list[Payment | Conflict]) -> tuple[Row, ...]:
    return ()


class CreatePayments(msgspec.Struct, frozen=True):
    """Create these payments in one commit, and the rows beside them.

    `rows(created)` is called with the payments that can be created, to make rows (an
    idempotent answer) that stand or fall with them. The reply gets a `Payment` or a
    `Conflict` for each, or one `Unavailable` or `Conflict` for all. `owned`: the ids
    of those that may not be: their addresses were drawn from another merchant's wallet.
    """

    terms: tuple[Terms, ...]
    reply: Reply
    rows: Callable[[list[Payment | Conflict]], tuple[Row, ...]] = _no_rows
    owned: frozenset[str] = frozenset()


class Created(msgspec.Struct, frozen=True):
    """The journal's answer to a creation (to the supervisor, from itself)."""

    answers: tuple[Payment | Conflict, ...]
    outcome: Outcome
    reply: Reply


class TellMore(msgspec.Struct, frozen=True):
    """Tell the next watchers that coverage has ended (supervisor, to itself)."""


class BringUp(msgspec.Struct, frozen=True):
    """Start these payments' watchers, then call `done` (supervisor, to itself)."""

    payments: tuple[Payment, ...]
    done: Callable[[], None]


class Deadline(msgspec.Struct, frozen=True):
    """Watcher to supervisor: review me at this time (ms)."""

    payment_id: str
    at: int


class Retired(msgspec.Struct, frozen=True):
    """To the supervisor: the payment is over and released; its watcher must end."""

    payment_id: str
    address: str


class RestartDue(msgspec.Struct, frozen=True):
    name: str


class Alarm(msgspec.Struct, frozen=True):
    """The supervisor's own timer: the earliest of all deadlines has come."""


# -- channels --------------------------------------------------------------------


class ChannelChanged(msgspec.Struct, frozen=True):
    """A channel was made, changed, removed, or has deliveries to repeat."""

    channel_id: str | None  # None: any of them
    merchant: str | None = None  # if any: those of this merchant only
