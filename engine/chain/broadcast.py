"""The port by which what we sign leaves, and by which we see where it is.

A source takes a transaction (or says why not), hands out raw transactions, knows what
fee others pay, and shows where a transaction of ours lies. Bitcoin Core, Esplora and
the dev chain implement it. Everything may be asked again: a transaction that is sent
twice is the same transaction.

What a source says is a claim: raw transactions are hashed by whoever signs, a fee rate
is held within bounds, and that ours is gone is believed for sending it again, no more.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

__all__ = ["Broadcaster", "Outpoint", "Sent", "Sighting", "Spender", "Verdict"]

Outpoint = tuple[str, int]
"""A transaction's id, as people read it, and the number of its output."""


class Verdict(StrEnum):
    """What a source made of a transaction."""

    TAKEN = "taken"  # it is in its mempool, or was there, or in a block
    CONFLICT = "conflict"  # a coin of it is spent otherwise, or is not there
    LOW_FEE = "low_fee"  # it pays less than the mempool asks, or than what it replaces
    LATER = "later"  # it may be taken when there is room, or a block more
    INVALID = "invalid"  # by no node, ever


class Sent(msgspec.Struct, frozen=True):
    """`words`: the source's, fit for a log."""

    verdict: Verdict
    words: str = ""


class Sighting(msgspec.Struct, frozen=True):
    """Where a source has it: in a block (`depth` from 1), in its mempool, or not."""

    in_mempool: bool = False
    block_hash: str = ""
    height: int | None = None
    depth: int = 0

    @property
    def is_known(self) -> bool:
        return self.in_mempool or self.depth > 0


class Spender(msgspec.Struct, frozen=True):
    """Who has spent a coin, and how deep that lies; 0: in no block."""

    txid: str
    depth: int


class Broadcaster(Protocol):
    """Port: see the module docstring. All block, and raise `SourceError`."""

    name: str

    def send(self, raw: bytes) -> Sent: ...

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        """`block_hash`: where it lies, for a source that has no index of them."""

    def fee_rate(self, blocks: int) -> int | None:
        """What confirms within so many blocks, sat per 1,000 vB, and never less than
        the source takes; None: it has no estimate."""

    def least_rate(self) -> int:
        """What the source takes now at least, sat per 1,000 vB."""

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        """Of a transaction that was made when the chain had that height. `block_hash`:
        where it was last."""

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        """Of those coins that are spent, by whom; as far as the source can tell."""

    def close(self) -> None:
        """Leave no connection open. It may be asked again."""
