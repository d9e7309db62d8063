"""Numbers that are read digit by digit: a few bytes must not fill the memory."""

from decimal import Decimal

import pytest

from engine.errors import InvalidAmount
from engine.money.currency import minor_of
from transport.http.strict_json import parse_json
from transport.inbound.gateway_body import Body


@pytest.mark.parametrize("text", ["1E+200000000", "1E+99", "-1E-41", "1E+1000000000"])
def test_a_number_of_millions_of_digits_is_never_written_out(text: str) -> None:
    body = Body(parse_json(f'{{"amount": {text}}}'.encode(), exact=True))
    assert body.text(("amount",)) == text
    assert body.raw_text("amount") == text
    with pytest.raises(InvalidAmount):
        minor_of(body.find(("amount",)), 2)


@pytest.mark.parametrize("text", ["12.50", "0.00", "0.0", "21000000.00000001"])
def test_amounts_are_read_as_they_are_written(text: str) -> None:
    body = Body(parse_json(f'{{"amount": {text}}}'.encode(), exact=True))
    assert body.text(("amount",)) == text
    assert body.find(("amount",)) == Decimal(text)
