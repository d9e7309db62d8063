"""How much the clients of `/ws` and `/ws/payments/…` may ask of us. No I/O."""

import msgspec

__all__ = ["LiveLimits"]


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The node's settings of the names that stand behind."""

    #: Order numbers that one client address may ask after without a secret: a shop's
    #: server that comes back has hundreds at once; guessing all numbers takes ages.
    identifies_per_s: int = 5
    identifies_at_once: int = 300
    #: Identities, subscriptions and invoices of one socket together (`ws_topics`).
    topics: int = 64
    #: Invoices of one merchant that are followed, over all sockets
    #: (`socketio_per_merchant`): each costs about half a KB.
    per_merchant: int = 20_000
