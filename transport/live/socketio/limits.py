"""How much one client of Socket.IO may ask of us, and how long it may take. No I/O."""

from typing import Final

import msgspec

from transport.live.sinks import QUEUE_BYTES, QUEUE_MESSAGES

__all__ = ["PATH", "SocketioLimits"]

PATH: Final = "/socket.io/"


class SocketioLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds, sizes are bytes."""

    #: Followed invoices of one socket, over all namespaces (`socketio_subscriptions`).
    subscriptions: int = 100
    #: Followed invoices of one merchant, by all its sockets (`socketio_per_merchant`):
    #: each costs 3 KB.
    per_merchant: int = 20_000

    #: The client's library waits for our ping as long as both together. Those of
    #: Socket.IO itself; proxies want something within 60 s.
    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    #: A session that has joined no namespace: a browser does so in its next request.
    connect_timeout_s: float = 15.0
    #: Between two polls there is one round trip: who stays away longer has gone.
    poll_gap_s: float = 20.0
    #: From the probe to the upgrade, as Socket.IO has it.
    upgrade_timeout_s: float = 10.0

    #: One request of a polling client; a message in a WebSocket has its own limit.
    payload_bytes: int = 16_384
    #: Packets in one request: a client that polls says all its subscriptions in one.
    packets: int = 256
    #: Namespaces that one session may have joined.
    namespaces: int = 8
    #: Packets at once, and again in a minute; above the session ends. Twice what a
    #: client says that comes back with all its subscriptions.
    packets_per_min: int = 400
    #: Polling sessions of one address (IPv6: one /64). One in a WebSocket is counted as
    #: a connection; between two polls nothing else counts these.
    polling_per_address: int = 256

    #: What may wait for one slow reader; either one full: the session ends, and its
    #: client comes back with `since`.
    queue_messages: int = QUEUE_MESSAGES
    queue_bytes: int = QUEUE_BYTES
