"""The ways out of a node, from its sources: each is asked until one answers.

What became of a transaction is said by the first that answers; it is sent by all that
do, so that one that keeps it to itself, or will not have it, stops nothing. Used by
run.py.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import (
    Broadcaster,
    Outpoint,
    Sent,
    Sighting,
    Spender,
    Verdict,
)
from engine.config import Config, SourceConfig
from engine.errors import (
    InvalidTransaction,
    SourceError,
    SourceGarbage,
    SourceUnavailable,
)
from transport.chain.bitcoind_broadcast import BitcoindBroadcaster
from transport.chain.esplora_broadcast import EsploraBroadcaster

__all__ = ["Broadcasters", "make_broadcaster"]

T = TypeVar("T")

_LEAST_FINAL_FIRST = (
    Verdict.TAKEN,
    Verdict.LATER,
    Verdict.LOW_FEE,
    Verdict.CONFLICT,
    Verdict.INVALID,
)
"""What is said of a transaction by several: it is given up only if all give it up."""


class NoEstimate(SourceError):
    """It answers, and has none."""


def make_broadcaster(source: SourceConfig, config: Config) -> Broadcaster | None:
    """None: of a source that is made elsewhere. Raises ValueError."""
    match source.kind:
        case "bitcoind":
            deadline_s = config.rpc_timeout_s
            return BitcoindBroadcaster(source.url, source.shown_as, deadline_s)
        case "esplora":
            return EsploraBroadcaster(source.url, source.shown_as)
    return None


class Broadcasters:
    """Implements `engine.chain.broadcast.Broadcaster` over several, in their order."""

    def __init__(self, ways: Sequence[Broadcaster]) -> None:
        self.name = ", ".join(way.name for way in ways) or "no source"
        self._ways = tuple(ways)

    def send(self, raw: bytes) -> Sent:
        """Taken by any is taken."""
        said: list[Sent] = []
        failure: SourceError | None = None
        for way in self._ways:
            try:
                said.append(way.send(raw))
            except SourceError as error:
                failure = failure or error
        if not said:
            raise failure or SourceUnavailable("no source sends anything")
        return min(said, key=lambda sent: _LEAST_FINAL_FIRST.index(sent.verdict))

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        """One that is not of this id is no answer: another source may have it."""

        def ask(way: Broadcaster) -> bytes:
            raw = way.raw_transaction(txid, block_hash)
            try:
                shown = parse_tx(raw).txid
            except InvalidTransaction as error:
                raise SourceGarbage(f"{way.name}: {txid} is no transaction") from error
            if shown != txid:
                raise SourceGarbage(f"{way.name} gave {shown} for {txid}")
            return raw

        return self._first(ask)

    def fee_rate(self, blocks: int) -> int | None:
        """Of the first that has an estimate."""

        def ask(way: Broadcaster) -> int:
            rate = way.fee_rate(blocks)
            if rate is None:
                raise NoEstimate("no estimate")
            return rate

        try:
            return self._first(ask)
        except NoEstimate:
            return None

    def least_rate(self) -> int:
        return self._first(lambda way: way.least_rate())

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        return self._first(lambda way: way.sighting(raw, after_height, block_hash))

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        return self._first(lambda way: way.spenders(coins, after_height))

    def close(self) -> None:
        for way in self._ways:
            way.close()

    def _first(self, ask: Callable[[Broadcaster], T]) -> T:
        failure: SourceError | None = None
        for way in self._ways:
            try:
                return ask(way)
            except SourceError as error:
                failure = failure or error
        raise failure or SourceUnavailable("there is no source to ask")
