"""Reader actors: ask the store for actors that must not block.

A blocking actor: its greenlet waits while the store reads, in a native thread of its
own. What the store raises is answered as a value.
"""

from actors.messages import Read
from engine.runtime.actor import Actor
from engine.store.port import StoreReader

__all__ = ["ReaderActor"]


class ReaderActor(Actor):
    """Answers `Read`."""

    __slots__ = ("_store",)

    blocking = True
    mailbox_limit = 20_000

    def __init__(self, store: StoreReader) -> None:
        self._store = store

    def on_receive(self, message: object) -> None:
        match message:
            case Read(ask, reply):
                try:
                    answer = ask(self._store)
                except Exception as error:  # noqa: BLE001 - an answer like any other
                    reply(error)
                else:
                    reply(answer)
