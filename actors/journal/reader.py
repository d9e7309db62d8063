"""Reader actors: run queries for actors that must not block.

A blocking actor: each query runs in one of the store's native reader threads while the
greenlet waits. A query that raises is answered with the exception as a value.
"""

from actors.messages import Read
from engine.runtime.actor import Actor
from engine.store.sqlite.threads import Reader

__all__ = ["ReaderActor"]


class ReaderActor(Actor):
    """Answers `Read`."""

    __slots__ = ("_store",)

    blocking = True
    mailbox_limit = 20_000

    def __init__(self, store: Reader) -> None:
        self._store = store

    def on_receive(self, message: object) -> None:
        match message:
            case Read(query, args, reply):
                try:
                    answer = self._store.read(query, *args)
                except Exception as error:  # noqa: BLE001 - an answer like any other
                    reply(error)
                else:
                    reply(answer)
