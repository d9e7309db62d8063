"""A node's database, opened for serving: the lock, the writer and the readers."""

from pathlib import Path
from types import TracebackType
from typing import Self

from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.threads import ReaderThreads, WriterThread

__all__ = ["SqliteStore"]


class SqliteStore:
    """`writer`, `reader` and `inner_reader` implement the port. Who asks from outside
    reads in threads of his own, `reader`: however many do, nothing that the node itself
    wants to know waits behind them. No other process can open it until it is closed (or
    this process ends)."""

    def __init__(self, path: str | Path, network: str | None = None) -> None:
        """Raises `CannotOpenStore`, also if the database is another network's."""
        self._lock = DatabaseLock(str(path))
        self._lock.__enter__()
        try:
            self.writer = WriterThread(path, network)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self.reader = ReaderThreads(path)
        self.inner_reader = ReaderThreads(path)

    def relies_on_key(self) -> bool:
        """Whether it holds what only the node's key opens. Raises `StoreUnreadable`."""
        return self.reader.relies_on_key()

    def note(self, url: str) -> None:
        """Tell whoever is turned away where this node listens."""
        self._lock.note(url)

    def close(self) -> None:
        """What was submitted is committed first."""
        self.reader.close()
        self.inner_reader.close()
        self.writer.close()
        self._lock.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
