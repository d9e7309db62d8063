"""What the actors of one node share: ports, settings, and each other's refs.

`actors/root.py` fills in the refs when it builds the tree; after that nothing is put in
place of another here. A fact that changes is published by the one actor whose it is;
here it can only be read. (What all may do: count, and ask journal and readers.)
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import TypeVar

import msgspec

from actors.facts.alerts import Alerts
from actors.facts.counters import Counters
from actors.facts.order_counts import OrderCounts
from actors.facts.published import (
    ForwardingReport,
    Health,
    JournalReport,
    Published,
    Readable,
    SourceReport,
    UnreadAddresses,
    WantedCurrencies,
    Watchers,
)
from actors.facts.redeliveries import Redeliveries
from actors.facts.status_counts import StatusCounts
from actors.facts.upstreams import Upstreams
from actors.messages import Append, AwaitWrites, Read, WriteFirst
from engine.chain.restart_point import RestartPoint
from engine.errors import StoreUnavailable
from engine.merchants.book import MerchantBook
from engine.money.rates import Rate, RatesReport, rate_of
from engine.payment.model import Terms
from engine.runtime.clock import Clock
from engine.runtime.ref import Dispatcher, Ref
from engine.store.port import StoreReader
from engine.store.writes import Outcome, SourceTip, Unavailable, Write
from engine.wallet.forwards import Forwards
from engine.wallet.keyring import Keyring
from engine.wallet.stock import WalletSettings

__all__ = ["Node", "Settings"]

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True):
    """What the actors go by. Times in seconds."""

    poll_slow_s: int = 600  # how often to look at a payment that nobody waits for
    poll_ageing_s: int = 3_600  # each time this old, the wait between polls doubles
    recheck_s: int = 3_600  # a payment over its time whose money is still on its way
    session_buffer: int = 1_000  # events a session holds while its backlog is read
    network: str = "regtest"
    poll_by_hand_s: int = 10  # between looks at an address where looks have a budget
    wallets: WalletSettings = WalletSettings()
    keep_answers_h: int = 24  # hours; so long an Idempotency-Key is answered as before


class Node:
    """See the module docstring."""

    def __init__(
        self,
        clock: Clock,
        dispatcher: Dispatcher,
        random: Random,
        settings: Settings,
        yield_to_hub: Callable[[], None] = lambda: None,
        merchants: MerchantBook | None = None,
        keyring: Keyring | None = None,
        rest: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.clock = clock
        self.dispatcher = dispatcher
        self.random = random
        self.settings = settings
        self.yield_to_hub = (
            yield_to_hub  # lets others run, in long work of blocking actors
        )
        self.rest = rest  # seconds; a blocking actor that others are to catch up with
        # What actors publish; each alone holds the side that writes.
        self.source_report: Readable[SourceReport] = Published(SourceReport())
        self.journal_report: Readable[JournalReport] = Published(JournalReport())
        self.writes_waiting: Readable[int] = Published(0)  # the journal's: how many
        self.booted: Readable[bool] = Published(False)  # the supervisor's
        self.gave_up: Readable[bool] = Published(False)  # the root's
        self.sessions: Readable[int] = Published(0)  # the router's: how many
        # The rates actor's; ask it with `engine.money.rates.rate_of`.
        self.rates: Readable[RatesReport] = Published(RatesReport())
        self.priced_in = WantedCurrencies()  # the gateway's; the rates actor reads
        self.watchers: Watchers  # the supervisor's
        self.watches_refunds = False  # there is an actor for that: the source waits
        self.restart_point = RestartPoint()  # the source's; watchers say what they have
        self.counters = Counters()
        self.statuses = StatusCounts()  # the supervisor's and the watchers'
        # The gateway's; all may ask it. One that is empty is a book all the same: it
        # has the node's own limits.
        self.merchants = MerchantBook() if merchants is None else merchants
        # Opened before the start, and not after; without one all wallets are watched.
        self.keyring = Keyring(lambda _w, _s: None) if keyring is None else keyring
        self.forwarding: Readable[ForwardingReport] = Published(ForwardingReport())
        # Of sources: who runs them. The root's, before anybody runs.
        self.operators: Mapping[str, str] = {}
        self.alerts = Alerts(self.counters)  # anybody raises and clears them
        self.orders = OrderCounts()  # the supervisor's; it is asked for silence
        self.redeliveries = Redeliveries()  # the journal's; notifiers ask
        self.unread = UnreadAddresses()  # the watchers'; the gateway asks
        self.journal: Ref
        self.router: Ref
        self.supervisor: Ref
        self.source: Ref
        self.notifiers: Ref
        self.alert_notifier: Ref
        self.refunds: Ref
        self.forwards: Forwards | None = None  # None: nothing is signed or sent
        self.upstreams = Upstreams()  # Lightning accounts
        self.tills: Mapping[str, Ref] = {}  # who passes on what comes to an account
        self.readers: list[Ref] = []
        self.client_readers: list[Ref] = []  # for live clients; none: as all others
        self._next_reader = self._next_client_reader = 0

    @property
    def health(self) -> Health:
        """As it is now."""
        journal = self.journal_report.now
        return Health(
            journal=journal.trouble,
            booted=self.booted.now,
            fatal=journal.fatal or self.gave_up.now,
        )

    def rate_for(self, terms: Terms) -> Rate | None:
        """What bitcoin is worth now in the currency that the payment is booked in: that
        of its price, or else of the merchant's accounts. From memory."""
        currency = (
            self.merchants.get(terms.merchant).accounting_currency
            if terms.price is None
            else terms.price.currency
        )
        if not currency:
            return None
        rate = rate_of(self.rates.now, currency, self.clock.now())
        return rate if isinstance(rate, Rate) else None

    def append(self, write: Write, reply: Callable[[Outcome], None]) -> None:
        """Commit `write`; `reply` gets the outcome, also when the journal is full."""
        if not self.journal.tell(Append(write, reply)):
            reply(Unavailable("the journal has too much to do"))

    def write_first(self, row: SourceTip) -> None:
        """Commit `row` before anything that is handed in later, or with it."""
        self.journal.tell_system(WriteFirst(row))

    def read(
        self, ask: Callable[[StoreReader], T], reply: Callable[[T | Exception], None]
    ) -> None:
        """Ask the store; `reply` gets the answer, or an exception as a value."""
        self._next_reader = (self._next_reader + 1) % len(self.readers)
        if not self.readers[self._next_reader].tell(Read(ask, reply)):
            reply(RuntimeError("too many queries wait"))

    def read_written(
        self, ask: Callable[[StoreReader], T], reply: Callable[[T | Exception], None]
    ) -> None:
        """As `read`, once all that was handed in before is on disk or refused: for who
        takes another's place, whose last write may still be on its way there."""
        written = AwaitWrites(lambda _outcome: self.read(ask, reply))
        if not self.journal.tell(written):  # in its turn: it overtakes no write
            advice = "it is asked again; it is slow, or has just crashed"
            reply(StoreUnavailable("the journal has too much to do", advice))

    def read_for_client(
        self, ask: Callable[[StoreReader], T], reply: Callable[[T | Exception], None]
    ) -> None:
        """As `read`, for a session: readers of their own, so that what thousands of
        clients ask for delays no delivery, and no payment that is brought back."""
        readers = self.client_readers or self.readers
        self._next_client_reader = (self._next_client_reader + 1) % len(readers)
        if not readers[self._next_client_reader].tell(Read(ask, reply)):
            reply(RuntimeError("too many queries wait"))
