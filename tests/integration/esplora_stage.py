"""An adapter on a double of an explorer, and clocks that a test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.bitcoin.address import parse_address
from engine.chain.feed import Output
from engine.errors import HistoryIncomplete
from tests.tools.esplora_double import EsploraDouble
from transport.chain.esplora import Esplora
from transport.chain.esplora_index import INDEX_AGAIN_S

__all__ = ["ADDRESS", "SCRIPT", "Stage", "esplora_stage"]

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SCRIPT = parse_address(ADDRESS, "regtest").script


@dataclass
class Stage:
    double: EsploraDouble
    esplora: Esplora
    seconds: list[float]

    def outputs(self) -> dict[str, Output]:
        """By transaction; each pays once here."""
        listed = self.esplora.outputs(ADDRESS, SCRIPT)
        found = {output.txid: output for output in listed}
        assert len(found) == len(listed)
        return found

    def warm_up(self) -> None:
        """Until the blocks of all payments have been looked for."""
        for _ in range(20):
            try:
                self.outputs()
            except HistoryIncomplete as more:
                assert "more blocks than were looked for" in more.detail
            else:
                return
        raise AssertionError("always more blocks")

    def wait(self, seconds: float = INDEX_AGAIN_S) -> None:
        self.seconds[0] += seconds

    def asked(self) -> list[str]:
        """What was asked since the last time."""
        paths = self.double.asked
        self.double.forget_asked()
        return paths


@contextmanager
def esplora_stage(double: EsploraDouble) -> Iterator[Stage]:
    seconds = [1_000.0]
    with double:
        source = Esplora(
            double.url,
            "regtest",
            deadline_s=60,
            wall=lambda: seconds[0],
            now=lambda: seconds[0],
        )
        try:
            yield Stage(double, source, seconds)
        finally:
            source.close()
