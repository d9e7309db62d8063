"""One reading of JSON for what clients send and what others answer."""

from decimal import Decimal

import pytest

from transport.bodies.strict_decoder import NotANumber, RepeatedKey, strict_decoder
from transport.http.problems import Problem
from transport.http.strict_json import parse_json
from transport.rates.dialect import Malformed
from transport.rates.exact_json import exact_json


def test_a_key_that_is_there_twice_is_named() -> None:
    with pytest.raises(RepeatedKey) as caught:
        strict_decoder().decode('{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}')
    assert caught.value.key == "c"


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_named(name: str) -> None:
    with pytest.raises(NotANumber) as caught:
        strict_decoder().decode(f'{{"a": [{name}]}}')
    assert caught.value.name == name


def test_numbers_are_made_by_the_parsers_that_are_given() -> None:
    text = '{"a": [1, 1.10], "b": {}}'
    assert strict_decoder().decode(text) == {"a": [1, 1.1], "b": {}}
    assert str(strict_decoder(parse_float=Decimal).decode(text)["a"][1]) == "1.10"
    assert isinstance(strict_decoder(parse_int=Decimal).decode(text)["a"][0], Decimal)


@pytest.mark.parametrize(
    ("body", "to_a_client", "of_a_provider"),
    [
        (b'{"a": 1, "a": 1}', "the key 'a' occurs twice", "a key twice"),
        (b"[NaN]", "NaN is not a JSON value", "a number that is none"),
    ],
)
def test_who_reads_it_says_in_its_own_words_what_is_wrong(
    body: bytes, to_a_client: str, of_a_provider: str
) -> None:
    with pytest.raises(Problem, match=to_a_client):
        parse_json(body)
    with pytest.raises(Malformed, match=of_a_provider):
        exact_json(body)
