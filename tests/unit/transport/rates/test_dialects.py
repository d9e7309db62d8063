"""Each dialect reads whatever JSON there is, or says that it is not its provider's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.rate_providers import DOCUMENTED
from transport.rates.dialect import Dialect, Malformed, Said, Slow
from transport.rates.exact_json import exact_json
from transport.rates.providers import DIALECTS

ALL = [dialect for dialects in DIALECTS.values() for dialect in dialects]

WORDS = [
    *("data", "currency", "rates", "BTC", "error", "result", "XXBTZEUR", "c", "last"),
    *("timestamp", "bitcoin", "last_updated_at", "time", "EUR", "eur", "value"),
    *("EAPI:Rate limit exceeded", "1700000000", "-1", "NaN", ""),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)
    ),
    max_leaves=12,
)


def read(dialect: Dialect, text: str) -> list[Said] | None:
    try:
        return list(dialect.read(exact_json(text.encode())))
    except (Malformed, Slow):
        return None


@given(value=JSON)
def test_whatever_json_there_is_is_read_or_refused(value: Any) -> None:
    text = json.dumps(value)
    for dialect in ALL:
        for said in read(dialect, text) or ():
            assert isinstance(said.currency, str)
            assert said.at_s is None or 0 < said.at_s < 2**33


@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name + d.paths[0][-5:])
@given(data=st.data())
def test_a_documented_answer_with_anything_in_one_place_is_read_or_refused(
    dialect: Dialect, data: st.DataObject
) -> None:
    answer = json.loads(DOCUMENTED[dialect.name])
    place: Any = answer
    while isinstance(place, dict):
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    read(dialect, json.dumps(answer))


@given(st.binary(max_size=200))
def test_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        exact_json(body)
    except Malformed as error:
        assert str(error)
