"""How much one WebSocket may ask of us. No I/O.

`transport.server.limits.ServerLimits` takes these in, so that one object holds all
bounds of the wire edge.
"""

import msgspec

__all__ = ["WebSocketLimits"]


class WebSocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds, sizes are bytes."""

    #: How long one write may wait for a client that does not read. Per write, so
    #: that a stream of events may live for days.
    write_timeout_s: float = 20.0

    #: One WebSocket message in, over all its fragments: 1009. Subscriptions are a
    #: few hundred bytes.
    ws_message_bytes: int = 16_384
    #: Fragments of one message: 1008. Tiny ones cost memory and time per piece.
    ws_fragments: int = 256
    #: Frames in, control frames too: sustained rate and burst; above: 1008. A
    #: client may subscribe to a thousand payments at once when it comes back.
    ws_frames_per_s: float = 200.0
    ws_frames_burst: int = 2_000
    #: What waits for one slow reader; either one full: 1013.
    ws_queue_messages: int = 1_000
    ws_queue_bytes: int = 1024 * 1024
    #: A ping this often keeps proxies from closing (most allow 60 s) ...
    ws_ping_s: float = 30.0
    #: ... and no pong within this means that nobody is there.
    ws_pong_timeout_s: float = 20.0
    #: Close handshake, from our close frame to the end of the socket.
    ws_close_timeout_s: float = 5.0
    #: The same when it is the client's fault (too slow, protocol error).
    ws_fail_timeout_s: float = 2.0
