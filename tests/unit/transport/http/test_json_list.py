"""A large body is counted before it is read, and read in small pieces."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport.http.big_json import MIB, legit, shapes
from transport.http import json_list, json_values, strict_json
from transport.http.json_list import JsonList, read_list
from transport.http.json_values import has_at_most
from transport.http.problems import Problem
from transport.http.strict_json import MOST_VALUES, canonical, parse_json


def read(body: bytes, most_values: int = 70_000) -> JsonList:
    return read_list(
        body,
        "payments",
        most_values=most_values,
        item_bytes=64 * 1024,
        allowed="a list of payments",
    )


class Turns:
    """What is read between two yields to the hub."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.most_bytes = 0
        self.most_items = 0
        self.items = 0
        self.yields = 0
        monkeypatch.setattr(json_list, "yield_to_hub", self.end)
        monkeypatch.setattr(json_values, "yield_to_hub", self.end)
        monkeypatch.setattr(json_list, "parse_json", self.parse)

    def parse(self, piece: bytes) -> Any:
        self.now += len(piece)
        self.items += 1
        self.most_bytes = max(self.most_bytes, self.now)
        self.most_items = max(self.most_items, self.items)
        return parse_json(piece)

    def end(self) -> None:
        self.now = self.items = 0
        self.yields += 1


# -- counting --------------------------------------------------------------------------


def values_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(values_of, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(values_of, value))
    return 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a,[{"\\é\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text('a,[{"\\', max_size=4), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(_JSON, st.booleans())
def test_values_are_counted_and_not_what_stands_within_texts(
    value: Any, ascii_only: bool
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    count = values_of(value)
    # An opening bracket announces a value, which an empty list or object has not.
    count += body.count(b"[]") + body.count(b"{}") if count > 1 else 0
    assert has_at_most(body, count + 8 * len(body))
    assert not has_at_most(body, values_of(value) - 1)


def test_a_text_full_of_commas_is_one_value() -> None:
    assert has_at_most(json.dumps({"a": ',[{",' * 1_000}).encode(), 2)
    assert not has_at_most(b'{"a":[1,2,3]}', 4)
    assert has_at_most(b'{"a":[1,2,3]}', 5)


@pytest.mark.parametrize("name", shapes(64 * 1024))
def test_64_kib_of_any_shape_are_refused_or_have_few_values(name: str) -> None:
    body = shapes(64 * 1024)[name]
    try:
        value = parse_json(body)
    except Problem as problem:
        assert problem.status == 400
    else:
        assert values_of(value) <= MOST_VALUES


def test_what_has_too_many_values_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "_plain", None)
    with pytest.raises(Problem, match=f"more than {MOST_VALUES} values"):
        parse_json(b"[" + b"1," * MOST_VALUES + b"1]")


# -- reading ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", shapes(MIB // 4))
def test_no_turn_reads_more_than_a_single_request_may_have(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(monkeypatch)
    try:
        read(shapes(MIB // 4)[name])
    except Problem as problem:
        assert problem.status in {400, 422}
    assert turns.most_bytes <= 64 * 1024
    assert turns.most_items <= json_list.TURN_ITEMS


def test_a_full_batch_is_read_in_many_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch)
    body = legit(1_000)
    assert 700_000 < len(body) < MIB
    asked = read(body)
    assert len(asked.items) == 1_000
    assert asked.canonical == canonical(json.loads(body))
    assert turns.most_bytes <= json_list.TURN_BYTES
    assert turns.yields >= len(body) // json_list.TURN_BYTES


def test_a_batch_of_texts_full_of_commas_is_no_batch_of_too_many_values() -> None:
    assert len(read(legit(900, '{"a":[1,2,3]}')).items) == 900


@pytest.mark.parametrize("values", [10, 11])
def test_the_number_of_values_is_bounded_exactly(values: int) -> None:
    body = b'{"payments":[' + b",".join([b"1"] * (values - 2)) + b"]}"
    if values == 10:
        assert len(read(body, 10).items) == 8
    else:
        with pytest.raises(Problem, match="more than 10 values"):
            read(body, 10)


@given(
    st.lists(_JSON, min_size=1, max_size=20),
    st.sampled_from([None, 1]),
    st.sampled_from(["", " ", "\n\t"]),
)
@settings(max_examples=60)
def test_what_is_read_piece_by_piece_is_what_is_read_at_once(
    items: list[Any], indent: int | None, space: str
) -> None:
    text = json.dumps({"payments": items}, indent=indent)
    asked = read(f"{space}{text}{space}".encode())
    assert asked.items == items
    assert asked.canonical == canonical({"payments": items})


def test_an_item_longer_than_a_single_request_is_a_problem_of_its_own() -> None:
    asked = read(json.dumps({"payments": [{}, "a" * 64 * 1024, {}]}).encode())
    first, long, last = asked.items
    assert (first, last) == ({}, {})
    assert isinstance(long, Problem)
    assert long.status == 413


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 400, "not JSON"),
        (b'{"payments":[{}]', 400, "not JSON"),
        (b'{"payments":[{}]}x', 400, "not JSON"),
        (b'{"payments":[{"a":1,"a":2}]}', 400, "'a' occurs twice"),
        (b'{"payments":[{}],"payments":[{}]}', 400, "'payments' occurs twice"),
        (b'{"payments":[{}],"payments":[{},{}]}', 400, "'payments' occurs twice"),
        (b'{"payments":[{}],"pa\\u0079ments":[]}', 400, "'payments' occurs twice"),
        (b'{"payments":[NaN]}', 400, "not JSON"),
        (b'{"payments":["\xff"]}', 400, "UTF-8"),
        (b'{"payments":["\\ud800"]}', 400, "JSON"),
        (b'{"payments":[' + b"9" * 5_000 + b"]}", 400, "too long"),
        (b'{"payments":' + b"[" * 50_000, 400, ""),
        (b"7", 422, "object"),
        (b"[]", 422, "object"),
        (b"{}", 422, "required"),
        (b'{"payments":7}', 422, "a list of payments"),
        (b'{"payments":[],"a":1}', 422, "/a is unknown"),
        (b'{"a":[]}', 422, "1 more"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(
    body: bytes, status: int, part: str
) -> None:
    with pytest.raises(Problem) as caught:
        read(body)
    assert caught.value.status == status
    assert part in caught.value.detail


def test_a_name_may_be_written_with_escapes() -> None:
    assert read(b'{"pa\\u0079ments":[7]}').items == [7]
