"""The port of a Lightning node, held by a real Electrum."""

from collections.abc import Iterator

import pytest

from engine.lightning.node import Can
from tests.lightning.conformance import (
    Conformance,
    asked,
    made_of,
    paid_hashes,
    read_on,
)
from tests.lightning.conformance_faults import ConformanceUnderFaults, FaultyRig
from tests.lightning.electrum_rig import ElectrumRig, Hop, Pipe
from transport.devnet.network import LightningNetwork


class TestElectrum(Conformance, ConformanceUnderFaults):
    CAN = Can(push=True, description_hash=False, amountless=True, pay=True)
    SILENCE_S = 15.0  # a real one may take its time for an answer

    @pytest.fixture
    def rig(self, network: LightningNetwork) -> Iterator[ElectrumRig]:
        with Hop(network.shop) as hop, Pipe(network.shop) as pipe:
            rig = ElectrumRig(network, hop, pipe)
            rig.node.create(asked())  # there is one to be listened for
            try:
                yield rig
            finally:
                rig.restore_key()

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("transport.lightning.electrum_look.PAGE", 2)

    def test_none_is_lost_at_the_edges_of_pages(self, rig: FaultyRig) -> None:
        """As of the others, with fewer: real payments take half a second each."""
        _, cursor = read_on(rig.node, "")
        made = [one.payment_hash for one in made_of(rig, 7)]
        rig.pay_in_at_once(made[:5])
        late = iter(made[5:])
        told: set[str] = set()
        more = True
        while more:
            page = rig.node.paid_since(cursor)
            told |= {one.payment_hash for one in page.paid}
            cursor, more = page.cursor, page.more
            if (one_more := next(late, None)) is not None:
                rig.pay_in(one_more)
        assert told | paid_hashes(rig.node, cursor) >= set(made)
