"""The way in: what the edges (HTTP, WebSocket, SSE) may ask of the engine. A port.

Every method is called from an edge's greenlet and may block it, with a time-out. Errors
are the classes below; an edge turns each into its status. What a method returns is
committed. `actors/edge/gateway.py` implements this; `transport/` knows only this file.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.chain.witness import Standing
from engine.delivery.channel import Channel
from engine.gateways.forwarding import ForwardingGateway
from engine.gateways.ledger import LedgerGateway
from engine.gateways.lightning import LightningGateway
from engine.gateways.refunds import RefundGateway
from engine.gateways.wallets import WalletGateway
from engine.merchants.record import Limits, Merchant
from engine.money.rates import RatesReport
from engine.payment.history import Sum
from engine.payment.model import Payment, Terms
from engine.payment.observations import Observation
from engine.policy.periods import DAY_MS
from engine.ports import Alert, Freshness, Sink
from engine.store.epochs import Epochs, Position
from engine.store.further import Further
from engine.store.records import (
    AttemptView,
    Backlog,
    DeliveryRecord,
    IdempotentAnswer,
    KeyRecord,
    Page,
    Pruned,
    StoredEvent,
)
from engine.store.writes import (
    ApiKey,
    Conflict,
    InboundWebhook,
    KeptAnswer,
    Place,
    Requeue,
)

__all__ = [
    "COUNT_UP_TO",
    "REPLAYED_FOR_MS",
    "CoreState",
    "Gateway",
    "MakeAnswer",
    "NodeHealth",
    "Reading",
    "SessionHandle",
    "SourceState",
    "WatcherState",
]


REPLAYED_FOR_MS = DAY_MS
"""So long an idempotent answer is replayed at least; see `keep_answers_h`."""

COUNT_UP_TO = 1_000
"""Of a channel's backlog: more is told as so much."""

MakeAnswer = Callable[[list[Payment | Conflict]], KeptAnswer | None]
"""Makes the answer to keep with a creation, of what comes of each payment in it."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """How far a source's blocks are read, while there are more than a round reads."""

    height: int  # of the block that was read last
    to_height: int  # of the source's tip
    blocks_read: int  # since it began
    blocks_left: int
    since: int  # ms


class SourceState(msgspec.Struct, frozen=True):
    """One source as the API shows it. Times in ms; lag in seconds."""

    name: str
    kind: str
    state: str  # of its circuit breaker: closed, open, half-open
    active: bool
    tip_height: int | None
    tip_hash: str | None
    last_answer_at: int | None
    lag_s: float | None
    requests: int
    errors: int
    last_error: str | None
    budget_per_min: float | None
    budget_left: float | None
    watched: int
    waiting: int
    standing: Standing | None = None  # None: it has not been asked yet
    reason: str | None = None  # why it is not current
    since_when: int | None = None  # how long it has been so
    reading: Reading | None = None  # blocks, after an absence


class WatcherState(msgspec.Struct, frozen=True):
    """One watcher in the live supervision tree. Times in ms."""

    payment_id: str
    address: str
    status: str
    state: str  # running, restarting, quarantined
    incarnation: int
    restarts: int
    backlog: int
    last_error: str | None
    seen_at: int | None  # last answer of a source
    next_poll_at: int | None
    next_deadline_at: int | None


class CoreState(msgspec.Struct, frozen=True):
    """One of the actors that the node stands on, in order of dependence."""

    name: str
    state: str  # running, restarting
    incarnation: int
    backlog: int


class NodeHealth(msgspec.Struct, frozen=True):
    """Whether the node works, and if not why. `ready`: takes new work."""

    ready: bool
    reasons: tuple[str, ...]
    watchers: int
    quarantined: int
    sessions: int
    freshness: Freshness
    alerts: tuple[Alert, ...]
    last_offset: int
    forwarding_paused: bool = False
    forwarding_at_limit: int = 0  # merchants who may send no more today
    lightning: Mapping[str, int] = {}  # how many accounts are in each state


class SessionHandle(Protocol):
    """A client's session. None of these block."""

    def follow(self, payment_id: str, since: Position | None) -> None:
        """From after the event with the seq `since`; None: from the state. If it counts
        in another epoch the client is told so, and then the state."""

    def unfollow(self, payment_id: str) -> None: ...

    def follow_all(self, after: int, merchant: str | None) -> None: ...

    def close(self) -> None:
        """The client has gone."""


class Gateway(
    ForwardingGateway,
    LedgerGateway,
    LightningGateway,
    RefundGateway,
    WalletGateway,
    Protocol,
):
    """See the module docstring."""

    # payments
    def create(
        self,
        terms: Sequence[Terms],
        keep: MakeAnswer = ...,
        emails: Mapping[str, str] = ...,
    ) -> list[Payment | Conflict]:
        """Create payments in one commit, and keep the answer `keep(created)` with them.
        `emails`: addresses of payers by payment id; they are sealed before they leave.

        An address that is watched already is a `Conflict` in its place. Raises
        `Duplicate` if the Idempotency-Key was used, `EngineBusy`.
        """

    def command(
        self,
        payment: Payment,
        observation: Observation,
        inbound: InboundWebhook | None = None,
    ) -> Payment:
        """Put an observation before a payment's watcher; the payment after the commit.

        `payment` is as the caller found it. One that is over and no longer watched is
        the answer itself if the observation changes nothing: it is not looked up again.
        Raises `Refused`, `Duplicate` (the inbound webhook came before), `EngineBusy`.
        """

    def payment(self, payment_id: str) -> Payment | None: ...

    def customer_email(self, payment_id: str) -> str | None:
        """Where the payer wants mail; None: nobody said, or it is kept no longer.

        For whoever writes to the payer: it stands in no view, event or log. Raises
        `WrongKey`.
        """

    def payment_at(self, address: str) -> Payment | None: ...

    def payments_of(
        self, external_id: str, merchant: str | None = None
    ) -> list[Payment]:
        """The newest `MAX_PAYMENTS` (`engine/payment/order.py`) of an order number,
        newest first; of one merchant, or of all."""

    def list_payments(
        self,
        filters: dict[str, str],
        place: int | None,
        limit: int,
        further: Further = ...,
    ) -> Page:
        """As `StoreReader.list_payments`."""

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        """Outputs that payments to these addresses counted, of those with any."""

    def history(self, payment_id: str, after: int, limit: int) -> list[StoredEvent]: ...

    def events_after(
        self, offset: int, limit: int, merchant: str | None
    ) -> list[StoredEvent]: ...

    def epochs(self) -> Epochs:
        """Those of the journal; they do not change while the node runs."""

    def pruned(self, merchant: str | None) -> Pruned:
        """Which events are kept no longer, of the node or of one merchant."""

    # what the edges remember
    def idempotent_answer(
        self, scope: str, key: str, former: str | None = None
    ) -> IdempotentAnswer | None:
        """The first answer to the key, of the time that answers are kept (24 h by
        default); also one that was kept under the `former` scope."""

    def end_session(self, session_id: str) -> None:
        """Write that a person has logged out. It is remembered for a day at least,
        which is longer than any session lives. Twice is as good as once."""

    def is_session_ended(self, session_id: str) -> bool:
        """Whether somebody has logged out of it, also before the last start."""

    def keys(self) -> list[KeyRecord]: ...

    def save_key(self, key: ApiKey, alert: str | None = None) -> None:
        """`alert`: what a person should hear of it."""

    def revoke_key(self, key_id: str) -> None: ...

    def merchant(self, name: str) -> Merchant:
        """The merchant as it is now, with the node's limits where it has none of its
        own. From memory, no query: asked on every call."""

    def at_lightning_address(self, name: str) -> Merchant | None:
        """Whose Lightning Address has this name before the @. From memory."""

    def limits(self) -> Limits:
        """Of whoever has none of its own."""

    def merchants(self) -> int:
        """Of how many something is kept."""

    def has_webhook_secret(self, provider: str) -> bool:
        """Whether any merchant has a secret of its own for it."""

    def takes_site_tokens(self) -> bool:
        """Whether any merchant takes tokens that its own site makes."""

    def identifies_without_secret(self, merchant: str | None) -> bool:
        """Whether this merchant's order numbers may be asked after by anybody; None:
        whether those of any may."""

    def save_merchant(self, merchant: Merchant, alert: str | None = None) -> None:
        """In place of what is kept of it; `alert`: what a person should hear of."""

    def note_webhook(self, webhook: InboundWebhook) -> None:
        """Log a webhook that concerns no payment's watcher. Raises `Duplicate` if it
        came before. (This and all that changes something may raise `EngineBusy`.)"""

    # tree and sources
    def watchers(self, limit: int, after: str = "") -> list[WatcherState]: ...

    def core(self) -> list[CoreState]:
        """The upper part of the tree: what the watchers depend on."""

    def watcher(self, address: str) -> WatcherState | None: ...

    def poll(self, address: str) -> bool:
        """Look at the chain now; wakes a quarantined watcher. False: not watched."""

    def release(self, address: str, key: str) -> Payment | None:
        """Take the address from the payment that watches it; the payment after that.
        None: not watched. `key`: whose order it is, for the alert; who follows the
        payment does not read that. Raises `Refused`, `EngineBusy`."""

    def sources(self) -> list[SourceState]: ...

    # channels
    def channels(self, merchant: str | None = None) -> list[Channel]:
        """All, or those of one merchant, oldest first; lets others run in between."""

    def channels_page(
        self, merchant: str | None, after: tuple[int, str], limit: int
    ) -> list[Channel]:
        """The next `limit` after one that was made then (ms) and has this id."""

    def channel(self, channel_id: str) -> Channel | None: ...

    def save_channel(self, channel: Channel) -> None: ...

    def remove_channel(self, channel_id: str) -> bool: ...

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]: ...

    def deliveries_of(
        self, payment_id: str, merchant: str | None, after: Place, limit: int
    ) -> list[DeliveryRecord]:
        """See `StoreReader.deliveries_of`."""

    def backlog(
        self, channel_id: str, state: str, after: tuple[str, int], limit: int
    ) -> Backlog:
        """What the channel has not been told; counted up to `COUNT_UP_TO`."""

    def requeue(self, request: Requeue) -> int:
        """Deliver again; how many deliveries that made pending."""

    def history_sums(
        self, step_s: int, merchant: str, series: Sequence[str], since: int, until: int
    ) -> list[Sum]:
        """See `StoreReader.history_sums`."""

    # live
    def open_session(self, name: str, sink: Sink) -> SessionHandle: ...

    def freshness(self) -> Freshness: ...

    def unread(self, payment_id: str) -> Freshness | None:
        """Why the source cannot read all of this payment's address; None: it can. Of
        memory alone."""

    def alerts(self) -> tuple[Alert, ...]:
        """What a person should look at, as long as it is so."""

    def rates(self, wanted: str | None = None) -> RatesReport:
        """What providers of rates say; ask it with `engine.money.rates.rate_of`. Of
        memory alone. `wanted`: the currency of a price, of those of the standard; from
        now on trouble with it is alerted."""

    # node
    def now(self) -> int: ...

    def health(self) -> NodeHealth: ...

    def counters(self) -> dict[str, float]:
        """Counters and gauges for the metrics page, by dotted name."""
