"""What comes in is read strictly, and every mistake is told with its place."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BodyTooLarge
from engine.money.amount import MAX_SAT
from engine.payment.model import Status
from transport.http.cursors import number_cursor, read_number
from transport.http.inputs import (
    ChannelPatch,
    ChannelRequest,
    PaymentRequest,
    RedeliverRequest,
)
from transport.http.params import CursorQuery, PaymentsQuery
from transport.http.problems import Problem
from transport.http.request_json import (
    BATCH_BYTES,
    check,
    json_body,
    query,
    typed,
)
from transport.http.strict_json import canonical


def environ(body: bytes, kind: str = "application/json") -> dict[str, Any]:
    return {
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": kind,
        "wsgi.input": io.BytesIO(body),
    }


def refused(body: bytes, kind: str = "application/json") -> Problem:
    with pytest.raises(Problem) as caught:
        json_body(environ(body, kind))
    return caught.value


def errors_of(value: Any, kind: Any = PaymentRequest) -> dict[str, str]:
    result = check(value, kind)
    assert isinstance(result, tuple), "nothing was found wrong"
    return {error.path: error.message for error in result}


# -- JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1}x', "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a":"\xc3"}', "UTF-8"),
        (b'{"a":"\\ud800"}', "UTF-8"),
        (b'{"\\udfff":1}', "UTF-8"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1,"a":2}', "'a' occurs twice"),
        (b'{"a":[{"b":1,"c":2,"b":1}]}', "'b' occurs twice"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b"9" * 5_000, "too long"),
    ],
)
def test_what_is_not_strict_json_is_a_400_that_says_why(body: bytes, part: str) -> None:
    problem = refused(body)
    assert problem.status == 400
    assert part in problem.detail


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
     "application/json; charset=latin-1"],
)  # fmt: skip
def test_another_content_type_is_a_415(kind: str) -> None:
    assert refused(b"{}", kind).status == 415


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
    ],
)
def test_json_may_name_its_charset(kind: str) -> None:
    assert json_body(environ(b'{"a":1}', kind)) == {"a": 1}


def test_a_compressed_body_is_a_415() -> None:
    with pytest.raises(Problem) as caught:
        json_body({**environ(b"{}"), "HTTP_CONTENT_ENCODING": "gzip"})
    assert caught.value.status == 415


def test_a_body_over_64_kib_is_refused_before_it_is_read() -> None:
    body = b'"' + b"a" * 65_535 + b'"'
    with pytest.raises(BodyTooLarge):
        json_body(environ(body))


def test_a_batch_may_be_a_mebibyte_and_no_more() -> None:
    largest = b'"' + b"a" * (2**20 - 2) + b'"'
    assert len(json_body(environ(largest), BATCH_BYTES)) == 2**20 - 2
    with pytest.raises(BodyTooLarge):
        json_body(environ(largest + b" "), BATCH_BYTES)


def test_an_empty_body_is_an_empty_object_only_where_it_may_be() -> None:
    assert json_body(environ(b"", ""), may_be_empty=True) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(json_values)
def test_valid_json_is_read_as_it_was_meant(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json_body(environ(text.encode())) == value


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.none()))
def test_the_canonical_form_knows_no_order_of_keys(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical(value) == canonical(turned)


@given(json_values)
def test_nothing_that_json_can_say_breaks_the_check_of_a_payment(value: Any) -> None:
    result = check(value, PaymentRequest)
    assert isinstance(result, PaymentRequest | tuple)


# -- fields ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount", [0, -1, 1.5, 50_000.0, 1e3, True, "50000", MAX_SAT + 1, 10**40, [], {}]
)
def test_what_is_no_amount_of_satoshi_is_refused_with_what_is(amount: Any) -> None:
    errors = errors_of({"amount_sat": amount})
    assert list(errors) == ["/amount_sat"]
    assert "between 1 and 2100000000000000" in errors["/amount_sat"]


@pytest.mark.parametrize("amount", [1, MAX_SAT, None])
def test_the_bounds_of_an_amount_are_allowed(amount: Any) -> None:
    assert typed({"amount_sat": amount}, PaymentRequest).amount_sat == amount


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confirmations", -1),
        ("confirmations", 101),
        ("confirmations", None),
        ("confirmations", 1.0),
        ("expires_in_s", 0),
        ("expires_in_s", 30 * 86_400 + 1),
        ("poll_interval_s", 4),
        ("poll_interval_s", 3_601),
        ("tolerance_sat", -1),
        ("external_id", ""),
        ("external_id", "x" * 201),
        ("external_id", "a\nb"),
        ("external_id", "a\n"),
        ("external_id", "a\x00"),
        ("external_id", 7),
        ("merchant", ""),
        ("merchant", "*"),
        ("merchant", "shop\n"),
        ("merchant", "x" * 65),
        ("merchant", "../etc"),
        ("metadata", []),
        ("metadata", {"a": 1.5}),
        ("metadata", {"a": {"b": 1}}),
        ("metadata", {"a": [1]}),
        ("metadata", {"a": "x" * 501}),
        ("metadata", {"": 1}),
        ("metadata", {"k" * 41: 1}),
        ("metadata", {"a": 2**53}),
        ("metadata", {str(n): n for n in range(51)}),
        ("address", 5),
        ("address", "x" * 129),
        ("method", None),
    ],
)
def test_each_field_has_its_bounds(field: str, value: Any) -> None:
    errors = errors_of({field: value})
    assert list(errors) == [f"/{field}"]
    assert errors[f"/{field}"].startswith("must be ")


def test_all_mistakes_are_told_at_once() -> None:
    errors = errors_of({"amount_sat": 0, "confirmations": 101, "nonsense": 1})
    assert set(errors) == {"/amount_sat", "/confirmations", "/nonsense"}
    assert "known fields: method, address, amount_sat" in errors["/nonsense"]


def test_an_unknown_key_is_told_as_a_json_pointer_and_not_at_full_length() -> None:
    errors = errors_of({"a/b~c": 1, "x" * 500: 1})
    assert "/a~1b~0c" in errors
    assert max(len(path) for path in errors) < 50


def test_no_more_than_twenty_mistakes_are_told() -> None:
    assert len(errors_of({f"k{n}": 1 for n in range(500)})) == 20


@pytest.mark.parametrize("value", [None, [], 5, "text", True])
def test_a_body_must_be_an_object(value: Any) -> None:
    assert list(errors_of(value)) == [""]


def test_messages_do_not_repeat_text_that_may_be_secret() -> None:
    errors = errors_of({"url": "https://a", "secret": "hunter2" * 40}, ChannelRequest)
    assert "hunter2" not in str(errors)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout_s", 0.5),
        ("timeout_s", 31),
        ("schedule_s", []),
        ("schedule_s", [-1]),
        ("schedule_s", [604_801]),
        ("schedule_s", [0] * 21),
        ("types", ["payment.nothing"]),
        ("types", "payment.created"),
        ("enabled", "yes"),
        ("url", None),
        ("rotate_secret", 1),
    ],
)
def test_each_field_of_a_channel_has_its_bounds(field: str, value: Any) -> None:
    assert list(errors_of({field: value}, ChannelPatch)) == [f"/{field}"]


@pytest.mark.parametrize("since", ["2026-01-02", "2026-01-02T03:04:05", 5, None])
def test_a_time_needs_its_zone(since: Any) -> None:
    assert list(errors_of({"since": since}, RedeliverRequest)) == ["/since"]


def test_a_field_that_must_be_there_is_missed() -> None:
    assert "is required" in errors_of({}, RedeliverRequest)["/since"]


# -- query strings -----------------------------------------------------------------


def test_a_query_string_is_typed() -> None:
    found = query(
        {"QUERY_STRING": "limit=5&status=pending&merchant=a%20b"}, PaymentsQuery
    )
    assert (found.limit, found.status, found.merchant) == (5, Status.PENDING, "a b")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=x", "?limit"),
        ("limit=", "?limit"),
        ("status=paid", "?status"),
        ("nonsense=1", "?nonsense"),
        ("limit=1&limit=2", "?limit"),
    ],
)
def test_a_wrong_query_parameter_is_a_422_that_names_it(text: str, path: str) -> None:
    with pytest.raises(Problem) as caught:
        query({"QUERY_STRING": text}, PaymentsQuery)
    assert caught.value.status == 422
    assert caught.value.errors[0].path == path


@pytest.mark.parametrize("text", ["limit", "a=%ff", "&".join(["a=1"] * 50)])
def test_a_query_string_that_cannot_be_read_is_a_400(text: str) -> None:
    with pytest.raises(Problem) as caught:
        query({"QUERY_STRING": text}, PaymentsQuery)
    assert caught.value.status == 400


@given(st.integers(min_value=1, max_value=(1 << 62) - 1))
def test_a_cursor_leads_back_to_where_it_came_from(position: int) -> None:
    assert read_number(number_cursor(position)) == position


@pytest.mark.parametrize("position", [0, -1, 1 << 62, 10**19])
def test_a_cursor_is_no_position_that_there_cannot_be(position: int) -> None:
    with pytest.raises(Problem) as caught:
        read_number(number_cursor(position))
    assert caught.value.errors[0].path == "?cursor"


@given(st.text(max_size=60))
def test_an_invented_cursor_is_a_422_or_a_position(text: str) -> None:
    try:
        assert read_number(text) is not None
    except Problem as problem:
        assert problem.status == 422


# -- what is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("1000", '"1000"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("x" * 41, "a text of 41 characters"),
        (2**128, "a number of many digits"),
        (-1, "-1"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "an object of 1"),
    ],
)
def test_a_mistake_says_what_is_allowed_and_what_came(value: Any, shown: str) -> None:
    told = errors_of({"confirmations": value})["/confirmations"]
    assert told == f"must be a whole number of blocks between 0 and 100 (got {shown})"


def test_a_parameter_of_the_query_is_told_as_it_came() -> None:
    with pytest.raises(Problem) as caught:
        query({"QUERY_STRING": "limit=1000"}, CursorQuery)
    assert caught.value.detail == (
        '?limit must be a whole number between 1 and 200 (got "1000")'
    )


def test_a_wrong_secret_is_not_repeated() -> None:
    told = errors_of({"url": "https://a.example", "secret": "hunter2"}, ChannelRequest)
    assert "hunter2" not in str(told)
    assert told["/secret"].endswith("(got a text of 7 characters)")
    told = errors_of({"url": "ftp://a.example/hunter2"}, ChannelRequest)
    assert told["/url"].endswith("(got a text of 23 characters)")
    assert errors_of("hunter2")[""] == "must be an object (got a text of 7 characters)"
