"""One session of Engine.IO 4: a client, by polling, by WebSocket, or first one then the
other.

python-engineio would hold three greenlets and a queue for each client, 49 KB. Here what
is to be told goes straight to the WebSocket that a client has come by; the queue is
there while it polls, a greenlet while a poll waits, and time is one alarm of the
server's. Nothing here waits but `poll`. What a message means is the owner's business.

    handshake ──> polling ──probe──> upgrading ──"5"──> websocket
        └──────────────────────────────────────────────────┘

While it is upgrading what is told is queued, so that nothing overtakes anything; a poll
is answered with nothing to do (NOOP) and the client ends its polling by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from gevent.event import Event

from engine.policy.token_bucket import TokenBucket
from transport.live.sinks import Wire
from transport.live.socketio import packets
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.packets import Encoded, PacketError
from transport.live.socketio.poll_queue import PollQueue
from transport.live.socketio.probe import UpgradeProbe
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text

__all__ = ["Alarms", "Owner", "Session"]

_log = logging.getLogger("paybell.live")


class Alarms(Protocol):
    """The server's: `transport.server.websocket.write_loop.WriteLoop`."""

    def set_alarm(self, target: Any, due_s: float) -> Any: ...


class Owner(Protocol):
    """Who reads what a session says. Called in a greenlet; may wait in `on_message`."""

    def on_message(self, session: Session, text: str) -> None:
        """A packet of Socket.IO. Raises `PacketError`: the session ends."""

    def on_closed(self, session: Session) -> None:
        """Once. Must not wait."""


class Session:
    """See the module docstring. Also the `Listener` of a WebSocket it began in."""

    __slots__ = (
        "_alarm",
        "_alarms",
        "_allowance",
        "_idle_since_s",
        "_limits",
        "_next_ping_s",
        "_owner",
        "_poller",
        "_pong_due_s",
        "_posting",
        "_probe",
        "_queue",
        "_seatless_since_s",
        "_wire",
        "begins_by_polling",
        "client",
        "closed",
        "seats",
        "sid",
    )

    def __init__(
        self,
        sid: str,
        client: str,
        owner: Owner,
        alarms: Alarms,
        limits: SocketioLimits,
        *,
        begins_by_polling: bool,
    ) -> None:
        """`client`: its address, as it is counted."""
        now_s = time.monotonic()
        self.sid = sid
        self.client = client
        self.begins_by_polling = begins_by_polling
        self.seats: dict[str, Any] = {}  # by namespace; the owner's
        self.closed = False
        self._owner = owner
        self._alarms = alarms
        self._limits = limits
        self._wire: Wire | None = None  # of the WebSocket, once it has one
        self._probe: UpgradeProbe | None = None  # a WebSocket that is to take over
        self._queue: PollQueue | None = None  # once something is told to a poll
        self._poller: Event | None = None  # while a poll waits
        self._posting = False
        self._allowance: TokenBucket | None = None
        self._next_ping_s = now_s + limits.ping_interval_s
        self._pong_due_s = 0.0  # 0.0: no ping is unanswered
        self._idle_since_s = now_s  # no poll waits since
        self._seatless_since_s = now_s
        self._alarm = alarms.set_alarm(self, now_s + limits.connect_timeout_s)

    def __repr__(self) -> str:
        transport = "polling" if self._wire is None else "websocket"
        return f"<Session {transport}{' closed' if self.closed else ''}>"

    @property
    def is_polling(self) -> bool:
        return self._wire is None

    def set_alarm(self, target: Any, due_s: float) -> Any:
        """For whoever has a seat here; what it returns has `cancel`."""
        return self._alarms.set_alarm(target, due_s)

    def unseated(self) -> None:
        """It has left its last namespace."""
        self._seatless_since_s = time.monotonic()

    # What it says: a greenlet of its WebSocket or of its request.

    def on_message(self, message: str | bytes) -> None:
        """One packet from the WebSocket."""
        try:
            self.receive(message)
        except PacketError as error:
            self.fail(str(error))

    def ended(self) -> None:
        """The WebSocket has."""
        self.close("the WebSocket ended")

    def receive(self, packet: str | bytes) -> None:
        """Raises `PacketError`; then the caller ends the session."""
        if self.closed:
            return
        if packet == packets.PONG and self._pong_due_s:
            self._pong_due_s = 0.0
            self._next_ping_s = time.monotonic() + self._limits.ping_interval_s
            return
        self._take_allowance()
        if isinstance(packet, bytes):
            raise PacketError("a binary packet")
        if packets.is_message(packet):
            self._owner.on_message(self, packet[1:])
        elif packet == packets.CLOSE:
            self.close("the client closed it")
        elif packet not in (packets.PONG, packets.NOOP, packets.UPGRADE):
            raise PacketError("a packet of a kind that no client sends here")

    def receive_all(self, payload: str) -> None:
        """One polling request. Raises `PacketError`."""
        if self._posting:
            raise PacketError("a second request before the first was answered")
        found = payload.split(packets.SEPARATOR, self._limits.packets)
        if len(found) > self._limits.packets:
            raise PacketError("too many packets in one request")
        self._posting = True
        try:
            for packet in found:
                self.receive(packet)
        finally:
            self._posting = False

    def _take_allowance(self) -> None:
        if self._allowance is None:
            most = self._limits.packets_per_min
            self._allowance = TokenBucket.full(most / 60, most)
        self._allowance, wait_s = self._allowance.take(time.monotonic())
        if wait_s:
            raise PacketError("too many packets")

    # What it is told: from anywhere, never waits. False: it is over.

    def send(self, packet: str) -> bool:
        if self._wire is not None:
            return self._wire.send(encode_text(packet.encode()))
        return self._put(packet)

    def send_event(self, encoded: Encoded) -> bool:
        """The way of an event to thousands: the same bytes, straight to each socket."""
        if self._wire is not None:
            return self._wire.send_event(encoded.frame)
        return self._put(encoded.text)

    def has_room(self, again: Callable[[], None]) -> bool:
        """For more of a backlog; else `again` is called when there is."""
        if self._wire is not None:
            return self._wire.has_room(again)
        return self._queue is None or self._queue.has_room(again)

    def _put(self, text: str) -> bool:
        if self.closed:
            return False
        if self._queue is None:
            self._queue = PollQueue(self._limits)
        if not self._queue.put(text):
            self.close("it reads too slowly")
            return False
        if self._poller is not None and not self._is_pausing:
            self._poller.set()
        return True

    # Polling: the greenlet of a request.

    def poll(self, hold: Callable[[], None]) -> str:
        """Packets for the client; waits until there are some. `hold` is called before
        waiting; when the client hangs up meanwhile, the session is over.

        Raises `PacketError`.
        """
        if self._poller is not None:
            raise PacketError("a second poll before the first was answered")
        if not self._queue and not self.closed and not self._is_pausing:
            self._wait_for_packets(hold)
        if self.closed:
            return packets.CLOSE
        if self._wire is None and not self._is_pausing and self._queue:
            self._idle_since_s = time.monotonic()  # also who never had to wait
            return self._queue.take()
        self._take_allowance()  # who polls again and again for nothing
        return packets.NOOP

    @property
    def _is_pausing(self) -> bool:
        """The client is about to end its polling: nothing more is told that way."""
        return self._probe is not None and self._probe.is_answered

    def _wait_for_packets(self, hold: Callable[[], None]) -> None:
        self._poller = Event()
        try:
            hold()
            self._poller.wait(self._limits.ping_interval_s + 1)
        except BaseException:
            self.close("its poll was given up")
            raise
        finally:
            self._poller = None
            self._idle_since_s = time.monotonic()

    # WebSocket.

    def begin_in(self, websocket: WebSocket, opened: str) -> None:
        """It comes by WebSocket from its beginning."""
        assert self._wire is None
        websocket.listen(self)
        self._wire = self._wire_of(websocket)
        self.send(opened)

    def probe_by(self, websocket: WebSocket) -> None:
        """A WebSocket wants to take over."""
        if self.closed or self._probe is not None or self._wire is not None:
            websocket.close(1008, "this session has a WebSocket already")
            return
        due_s = time.monotonic() + self._limits.upgrade_timeout_s
        self._probe = UpgradeProbe(self, websocket, due_s)
        websocket.listen(self._probe)
        self._set_alarm(due_s)

    def pause_polling(self) -> None:
        """The probe was answered: a poll that waits ends, with nothing."""
        if self._poller is not None:
            self._poller.set()

    def upgrade(self, websocket: WebSocket) -> None:
        """The client says that it polls no more: what waits goes to the WebSocket."""
        wire = self._wire_of(websocket)
        self._probe, self._wire = None, wire
        if self._poller is not None:
            self._poller.set()
        queue, self._queue = self._queue, None
        if queue:
            for packet in queue.take().split(packets.SEPARATOR):
                wire.send(encode_text(packet.encode()))

    def upgrade_failed(self, probe: UpgradeProbe) -> None:
        """It goes on by polling."""
        if self._probe is not probe:
            return
        self._probe = None
        self._idle_since_s = time.monotonic()
        if self._queue and self._poller is not None:
            self._poller.set()

    def _wire_of(self, websocket: WebSocket) -> Wire:
        limits = self._limits
        return Wire(websocket, limits.queue_messages, limits.queue_bytes)

    # The end.

    def fail(self, reason: str) -> None:
        """It did what no client does: nothing more of it is looked at."""
        _log.debug("socketio.refused reason=%s", reason)
        if self._wire is not None:
            self._wire.websocket.refuse(1008, reason)
        self.close(reason)

    def close(self, reason: str) -> None:
        """Its client comes back, if it is there."""
        if self.closed:
            return
        self.closed = True
        self._alarm.cancel()
        self._queue = None
        if self._poller is not None:
            self._poller.set()
        for websocket in self._websockets():
            websocket.close(1000, reason)
        self._owner.on_closed(self)

    def _websockets(self) -> list[WebSocket]:
        found = [] if self._wire is None else [self._wire.websocket]
        return found if self._probe is None else [*found, self._probe.websocket]

    # Time: the server's write loop.

    def on_alarm(self, now_s: float) -> None:
        if self.closed:
            return
        reason = self._overdue(now_s)
        if reason:
            self.close(reason)
            return
        if self._probe is not None and now_s >= self._probe.due_s:
            self._probe.give_up("no upgrade in time")
        if not self._pong_due_s and now_s >= self._next_ping_s:
            self._pong_due_s = now_s + self._limits.ping_timeout_s
            self.send(packets.PING)
        if not self.closed:
            self._set_alarm(self._next_due(now_s))

    def _overdue(self, now_s: float) -> str:
        limits = self._limits
        if self._pong_due_s and now_s >= self._pong_due_s:
            return "our ping was not answered"
        seatless_until_s = self._seatless_since_s + limits.connect_timeout_s
        if not self.seats and now_s >= seatless_until_s:
            return "no namespace was joined in time"
        if self._is_away and now_s >= self._idle_since_s + limits.poll_gap_s:
            return "no poll came in time"
        return ""

    @property
    def _is_away(self) -> bool:
        return self._wire is None and self._poller is None and self._probe is None

    def _next_due(self, now_s: float) -> float:
        limits = self._limits
        dues = [self._pong_due_s or self._next_ping_s]
        if not self.seats:
            dues.append(self._seatless_since_s + limits.connect_timeout_s)
        if self._is_away:
            dues.append(self._idle_since_s + limits.poll_gap_s)
        if self._probe is not None and self._probe.due_s > now_s:
            dues.append(self._probe.due_s)
        return min(dues)

    def _set_alarm(self, due_s: float) -> None:
        self._alarm.cancel()
        self._alarm = self._alarms.set_alarm(self, due_s)
