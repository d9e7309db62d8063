"""Simulated clients: they follow payments, lose the connection, and come back.

A client keeps the last seq (or journal offset) it was told, as a browser with
Last-Event-ID does, and checks what it is told against the rules: first the state, then
every event once, in order, from where it was, and nothing that is not committed.
"""

from collections.abc import Callable
from random import Random

from actors.live.messages import Follow, FollowAll, Unfollow
from actors.live.session import open_session
from actors.node import Node
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.runtime.ref import Ref
from engine.store.epochs import Position
from tests.simulation.broken import Broken
from tests.simulation.rules import Rules
from tests.tools.settled_epoch import EPOCH

__all__ = ["SimClient"]

Later = Callable[[int, Callable[[], None]], None]


class _Wire:
    """One connection of a client (a `Sink`); closed, it takes nothing more."""

    def __init__(self, client: "SimClient") -> None:
        self._client = client
        self.open = True
        self.slow = False  # takes no more: the session must end
        self.shown: set[str] = set()  # payments whose state was told
        self.again: set[str] = set()  # followed anew: wait for their state

    def _takes(self) -> bool:
        if self.slow and self.open:
            self._client.lost()
        return self.open

    def has_room(self, again: Callable[[], None]) -> bool:
        return not self.open or self._client.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        if not self._takes():
            return False
        self._client.on_state(self, payment, since)
        return True

    def event(self, event: CommittedEvent) -> bool:
        if not self._takes():
            return False
        self._client.on_event(self, event)
        return True

    def freshness(self, freshness: Freshness) -> bool:
        return self._takes()

    def problem(self, code: StreamCode, message: str) -> bool:
        if self._takes():
            self._client.on_problem(code, message)
        return self.open

    def close(self, code: int, reason: str) -> None:
        if self.open:
            self._client.lost()


class SimClient:
    """One client. `follow_all`: a back office that follows the whole journal."""

    def __init__(
        self,
        name: str,
        rules: Rules,
        random: Random,
        later: Later,
        *,
        follow_all: bool,
        merchant: str | None,
    ) -> None:
        self.name = name
        self.wanted: list[str] = []
        self.last: dict[str, int] = {}  # payment -> last seq told
        self.offset = 0  # follow_all: last offset told
        self.wire: _Wire | None = None
        self.session: Ref | None = None
        self.connections = 0
        self.told = 0
        self._rules = rules
        self._random = random
        self._later = later
        # Some say which epoch they mean, some are of a time when there was none.
        self._epoch = random.choice((None, EPOCH))
        self._follow_all = follow_all
        self._merchant = merchant
        self._connect: Callable[[], Node | None] = lambda: None

    # -- connecting ------------------------------------------------------------------

    def live(self, node: Callable[[], Node | None]) -> None:
        """Begin: connect, and connect again whenever the connection is lost."""
        self._connect = node
        self.connect()

    def connect(self) -> None:
        node = self._connect()
        if self.wire is not None:
            return
        if node is None or not node.health.booted:
            patience = 20_000 if node is not None else 300_000
            self._later(self._random.randrange(500, patience), self.connect)
            return
        self.connections += 1
        self.wire = _Wire(self)
        self.session = open_session(node, f"{self.name}.{self.connections}", self.wire)
        if self._follow_all:
            self.session.tell(FollowAll(self.offset, self._merchant))
        for payment_id in self.wanted:
            last = self.last.get(payment_id)
            since = None if last is None else Position(self._epoch, last)
            self.session.tell(Follow(payment_id, since))

    def follow(self, payment_id: str) -> None:
        if self._follow_all or payment_id in self.wanted:
            return
        self.wanted.append(payment_id)
        if self.session is not None and not self.session.tell(Follow(payment_id, None)):
            self.hang_up()

    def unfollow(self, payment_id: str) -> None:
        self.wanted.remove(payment_id)
        self.last.pop(payment_id, None)
        if self.session is not None and self.wire is not None:
            self.wire.again.add(payment_id)
            if not self.session.tell(Unfollow(payment_id)):
                self.hang_up()

    def hang_up(self) -> None:
        """The client goes; the edge stops its session."""
        session = self.session
        self.lost()
        if session is not None:
            session.stop()

    def come_back(self) -> None:
        """It goes, and is there again at once."""
        if self.wire is not None:
            self.hang_up()
            self.connect()

    def lost(self) -> None:
        """The connection is gone, for whatever reason; it will come back."""
        if self.wire is not None:
            self.wire.open = False
            self.wire = self.session = None
            self._later(self._random.randrange(10, 60_000), self.connect)

    def has_room(self, again: Callable[[], None]) -> bool:
        """Now and then it reads slowly: the backlog goes on some time later."""
        if self._random.random() < 0.9:
            return True
        self._later(self._random.randrange(10, 5_000), again)
        return False

    # -- being told ------------------------------------------------------------------

    def on_state(self, wire: _Wire, payment: Payment, since: int | None) -> None:
        self._rules.check_shown(payment)
        if since is not None and payment.id in wire.again:
            return  # of when it was followed before; now it is from the beginning
        wire.shown.add(payment.id)
        wire.again.discard(payment.id)
        if payment.id not in self.wanted:
            return
        last = self.last.get(payment.id)
        if since is not None and since != last:
            raise Broken(f"{self.name} goes on at {since}, it was told {last}")
        if since is None:
            if last is not None and payment.seq < last:
                raise Broken(f"{self.name} was shown {payment.id} as it was before")
            self.last[payment.id] = payment.seq

    def on_event(self, wire: _Wire, event: CommittedEvent) -> None:
        self._rules.check_told(event)
        self.told += 1
        if self._follow_all:
            self._on_any(event)
            return
        payment_id, seq = event.event.payment_id, event.event.seq
        if payment_id not in self.wanted or payment_id in wire.again:
            return
        if payment_id not in wire.shown:
            raise Broken(f"{self.name} was told an event of {payment_id} first")
        last = self.last.get(payment_id)
        if last is None or seq != last + 1:
            raise Broken(f"{self.name} was told {payment_id} #{seq} after #{last}")
        self.last[payment_id] = seq

    def _on_any(self, event: CommittedEvent) -> None:
        expected = self._next_of_all()
        if event.offset != expected:
            raise Broken(
                f"{self.name} was told event {event.offset}, {expected} was next"
            )
        self.offset = event.offset

    def _next_of_all(self) -> int | None:
        committed = self._rules.committed
        for offset in range(self.offset + 1, len(committed) + 1):
            if self._merchant in {None, committed[offset].merchant}:
                return offset
        return None

    def on_problem(self, code: str, message: str) -> None:
        raise Broken(f"{self.name}: {code}: {message}")

    def missing(self) -> str | None:
        """What a client that has been connected for long was not told, or None."""
        if self.wire is None:
            return f"{self.name} is not connected"
        if self._follow_all:
            after = self._next_of_all()
            return None if after is None else f"{self.name} waits for event {after}"
        for payment_id in self.wanted:
            payment = self._rules.payments.get(payment_id)
            if payment is not None and self.last.get(payment_id) != payment.seq:
                return (
                    f"{self.name} has {payment_id} #{self.last.get(payment_id)},"
                    f" the journal #{payment.seq}"
                )
        return None
