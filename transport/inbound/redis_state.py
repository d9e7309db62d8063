"""What a reader of the node's stream is called, and what is seen of it."""

import msgspec

__all__ = ["StreamNames", "StreamState"]


class StreamNames(msgspec.Struct, frozen=True):
    stream: str
    group: str
    consumer: str

    @property
    def dead(self) -> str:
        return f"{self.stream}:dead"


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """The stream as the node sees it. Times in ms."""

    url: str
    stream: str
    group: str
    consumer: str
    state: str  # reading, waiting (for the journal), unreachable
    since: int
    reason: str | None = None
    taken: int = 0
    duplicates: int = 0
    dead: int = 0  # put aside
    pending: int | None = None  # of the whole group: read, not acknowledged
    lag: int | None = None  # not read yet, as far as Redis knows
    last_id: str | None = None
