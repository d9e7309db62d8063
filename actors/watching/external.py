"""The actor of an external payment: what its gateway says of it, one at a time."""

from actors.watching.chainless import ChainlessActor

__all__ = ["ExternalActor"]


class ExternalActor(ChainlessActor):
    """Waits for its gateway's word; time alone ends that."""

    __slots__ = ()
