"""The parts of Socket.IO, put together. Importing this loads python-socketio."""

from collections.abc import Collection

from engine.gateway import Gateway
from transport.http.site_tokens import SiteTokens
from transport.http.strangers import Strangers
from transport.live.doors import Doors
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes
from transport.live.socketio.desk import Desk
from transport.live.socketio.engine import Engine
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.payment_packets import PaymentPackets

__all__ = ["socketio_engine"]


def socketio_engine(
    gateway: Gateway,
    tokens: SiteTokens,
    frames: Frames,
    live: LiveRoutes,
    *,
    salon: str | None = None,
    strangers: Strangers | None = None,
    origins: Collection[str] = (),
    limits: SocketioLimits | None = None,
) -> Engine:
    """`salon`: the merchant whom the seed "salon" names."""
    desk = Desk(
        gateway,
        Doors(tokens, salon),
        PaymentPackets(frames, gateway.now),
        live.creation_listeners,
        live.saved_cards,
        limits,
        live.identify_wait_s,
    )
    return Engine(desk, live, strangers, origins, limits)
