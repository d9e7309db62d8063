"""Numbers that are read digit by digit: a few bytes must not fill the memory."""

from decimal import Decimal

import pytest

from engine.errors import InvalidAmount
from engine.money.currency import minor_of
from transport.http.problems import Problem
from transport.http.strict_json import parse_json


@pytest.mark.parametrize(
    "text", ["1e200000000", "1E+99", "-1e-41", "1e1000000000", "0." + "1" * 200]
)
def test_a_number_of_millions_of_digits_is_refused_unread(text: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_json(f'{{"amount": {text}}}'.encode(), exact=True)
    assert refused.value.status == 400


@pytest.mark.parametrize("text", ["12.50", "0.00", "0.0", "1e3", "21000000.00000001"])
def test_amounts_are_read_as_they_are_written(text: str) -> None:
    assert parse_json(text.encode(), exact=True) == Decimal(text)


def test_an_amount_of_another_source_is_held_to_the_same() -> None:
    with pytest.raises(InvalidAmount):
        minor_of(Decimal("1e200000000"), 2)
