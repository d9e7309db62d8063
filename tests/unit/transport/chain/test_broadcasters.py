"""Several sources to send by and to ask: one that errs or lies stops nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import Sent, Verdict
from engine.errors import SourceError, SourceGarbage, SourceUnavailable
from tests.unit.actors.money.sweep_stage import paying_tx
from transport.chain.broadcasters import Broadcasters

RAW = paying_tx(b"\x00\x14" + b"\x01" * 20, 5_000, 1)
OTHER = paying_tx(b"\x00\x14" + b"\x02" * 20, 5_000, 2)
TXID = parse_tx(RAW).txid


class Way:
    """Says one thing, or fails."""

    def __init__(self, name: str, says: object) -> None:
        self.name = name
        self._says = says

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        def answer(*_arguments: object) -> object:
            if isinstance(self._says, Exception):
                raise self._says
            return self._says

        return answer


def ways(*said: object) -> Broadcasters:
    return Broadcasters([Way(f"way {n}", one) for n, one in enumerate(said)])


DOWN = SourceUnavailable("down")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ((Verdict.INVALID, Verdict.TAKEN), Verdict.TAKEN),
        ((Verdict.INVALID, Verdict.LATER), Verdict.LATER),
        ((Verdict.INVALID, Verdict.LOW_FEE), Verdict.LOW_FEE),
        ((Verdict.INVALID, Verdict.CONFLICT), Verdict.CONFLICT),
        ((Verdict.CONFLICT, Verdict.LATER), Verdict.LATER),
        ((Verdict.INVALID, Verdict.INVALID), Verdict.INVALID),
        ((Verdict.INVALID,), Verdict.INVALID),
    ],
)
def test_a_transaction_is_given_up_only_if_all_give_it_up(
    said: tuple[Verdict, ...], verdict: Verdict
) -> None:
    for order in (said, said[::-1]):
        found = ways(DOWN, *(Sent(one) for one in order)).send(RAW)
        assert found.verdict is verdict


@pytest.mark.parametrize("lie", [OTHER, b"", b"\x00" * 60, RAW[:-1]])
def test_the_first_that_gives_another_transaction_hides_none(lie: bytes) -> None:
    assert ways(lie, DOWN, RAW).raw_transaction(TXID) == RAW
    with pytest.raises(SourceGarbage):
        ways(lie).raw_transaction(TXID)


def test_an_estimate_is_of_the_first_that_has_one() -> None:
    assert ways(None, 2_000, 9_000).fee_rate(6) == 2_000
    assert ways(DOWN, None, 2_000).fee_rate(6) == 2_000
    assert ways(None, None).fee_rate(6) is None
    with pytest.raises(SourceError):
        ways(DOWN, DOWN).fee_rate(6)
