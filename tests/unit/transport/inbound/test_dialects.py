"""What a provider's webhook says, read exactly; what cannot be read, refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors.codes import Code
from engine.money.amount import MAX_SAT, sat_to_btc
from transport.http.problems import Problem
from transport.inbound.dialects import ProviderNotification, read_blockonomics, read_btc

amounts = st.integers(min_value=1, max_value=MAX_SAT)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(["address", "amount", "value", "txid", "status", "more"])


@given(amounts)
def test_no_satoshi_is_lost_however_an_amount_is_written(sat: int) -> None:
    btc = sat_to_btc(sat)
    for payload in (f'"amount":"{btc}"', f'"amount":{btc}', f'"value":{sat}'):
        notification = read_btc(f'{{"address":"bc1x",{payload}}}'.encode())
        assert notification.amount_sat == sat


@given(st.dictionaries(names, json_values))
def test_any_json_is_read_or_refused_and_nothing_else(
    payload: dict[str, object],
) -> None:
    body = json.dumps(payload).encode()
    try:
        notification = read_btc(body)
    except Problem as problem:
        assert problem.status in {400, 422}
    else:
        assert notification.amount_sat is None or 0 < notification.amount_sat <= MAX_SAT
        assert notification.claims_money in {True, False}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        read_btc(body)
    except Problem as problem:
        assert problem.status in {400, 422}


@given(
    st.dictionaries(
        st.sampled_from(["addr", "status", "value", "txid", "rbf"]),
        st.text(max_size=70) | st.from_regex(r"-?[0-9]{1,20}", fullmatch=True),
    )
)
def test_any_callback_is_read_or_refused_and_nothing_else(
    payload: dict[str, str],
) -> None:
    try:
        notification = read_blockonomics(payload)
    except Problem as problem:
        assert problem.status == 422
    else:
        assert notification.claims_money in {True, False}


@pytest.mark.parametrize(
    ("status", "claims"),
    [
        ("", True),
        ("0", True),
        ("2", True),
        ("7", True),
        ("confirmed", True),
        ("-1", False),
        ("dropped", False),
        ("unknown", False),
    ],
)
def test_only_a_status_of_money_on_its_way_claims_something(
    status: str, claims: bool
) -> None:
    notification = ProviderNotification(provider="btc", address="bc1x", status=status)
    assert notification.claims_money is claims


def test_the_key_tells_apart_all_that_can_differ() -> None:
    payload: dict[str, Any] = {"provider": "btc", "address": "bc1x"}
    variants = [
        ProviderNotification(**payload),
        ProviderNotification(**payload, txid="ab" * 32),
        ProviderNotification(**payload, amount_sat=1),
        ProviderNotification(**payload, status="1"),
        ProviderNotification(**payload, replaceable=True),
        ProviderNotification(provider="blockonomics", address="bc1x"),
        ProviderNotification(provider="btc", address="bc1y"),
    ]
    keys = {
        notification.key(payment)
        for notification in variants
        for payment in (None, "pay_1")
    }
    assert len(keys) == 2 * len(variants)
    assert variants[0].key("pay_1") == ProviderNotification(**payload).key("pay_1")


# -- what may be given twice, and what may not -----------------------------------------

TXID = "ab" * 32


def refused(body: bytes | str) -> Problem:
    with pytest.raises(Problem) as caught:
        read_btc(body if isinstance(body, bytes) else body.encode())
    return caught.value


def wrong_in(payload: dict[str, object]) -> dict[str, str]:
    """What is wrong with a payload, by place; all else of it is right."""
    whole = {"address": "bc1x", "value": 1, **payload}
    problem = refused(json.dumps(whole))
    assert problem.code is Code.INVALID_REQUEST
    return {error.path: error.message for error in problem.errors}


@pytest.mark.parametrize("btc", ["0.00001", "0.00001000", 0.00001])
def test_a_sum_in_both_units_is_one_sum(btc: object) -> None:
    payload = {"address": "bc1x", "amount": btc, "value": 1_000}
    assert read_btc(json.dumps(payload).encode()).amount_sat == 1_000


@pytest.mark.parametrize(
    ("amount", "value"), [("0.00001", 999), ("0.00001", 0), ("0", 1), ("1", 1)]
)
def test_two_sums_are_refused(amount: str, value: int) -> None:
    told = wrong_in({"amount": amount, "value": value})
    assert told == {"/value": "is not the same sum as amount"}


@pytest.mark.parametrize(
    "payload",
    [
        '{"address":"bc1x","value":1,"value":2}',
        '{"address":"bc1x","value":1,"value":1}',
        '{"address":"bc1x","address":"bc1y","value":1}',
        '{"address":"bc1x","value":1,"txid":null,"txid":null}',
        '{"address":"bc1x","value":1,"status":0,"status":-1}',
        '{"address":"bc1x","value":1,"more":{"a":1,"a":2}}',
    ],
)
def test_a_key_that_occurs_twice_is_refused_whatever_it_says(payload: str) -> None:
    problem = refused(payload)
    assert problem.code is Code.INVALID_JSON
    assert "occurs twice" in problem.detail


@pytest.mark.parametrize(
    "payload", ['{"status":"\\ud800"}', '{"address":"\\udfff"}', '{"more":"\\ud83d"}']
)
def test_half_a_character_is_no_json(payload: str) -> None:
    """It could be neither logged nor kept."""
    assert refused(payload).code is Code.INVALID_JSON


@pytest.mark.parametrize("payload", ['{"value":NaN}', "[1", "", "9" * 5_000])
def test_what_is_no_json_is_a_400(payload: str) -> None:
    assert refused(payload).code is Code.INVALID_JSON


@pytest.mark.parametrize("payload", ["[]", "1", "null", '"text"'])
def test_a_payload_is_an_object(payload: str) -> None:
    problem = refused(payload)
    assert problem.code is Code.INVALID_REQUEST
    assert [error.path for error in problem.errors] == [""]


# -- the bounds of each field ----------------------------------------------------------


@pytest.mark.parametrize("value", [-1, MAX_SAT + 1, True, 1.5, "1", []])
def test_a_value_is_a_whole_number_of_satoshi_that_there_can_be(value: object) -> None:
    assert list(wrong_in({"value": value})) == ["/value"]


@pytest.mark.parametrize("amount", ["-1", "21000000.00000001", "", True, "1,5", []])
def test_an_amount_is_a_sum_of_bitcoin_that_there_can_be(amount: object) -> None:
    assert list(wrong_in({"amount": amount, "value": None})) == ["/value"]
    problem = refused(json.dumps({"address": "bc1x", "amount": amount}))
    assert [error.path for error in problem.errors] == ["/amount"]


@pytest.mark.parametrize(("value", "sat"), [(0, None), (1, 1), (MAX_SAT, MAX_SAT)])
def test_nothing_and_everything_are_sums(value: int, sat: int | None) -> None:
    payload = {"address": "bc1x", "value": value}
    assert read_btc(json.dumps(payload).encode()).amount_sat == sat
    assert read_blockonomics({"addr": "bc1x", "value": str(value)}).amount_sat == sat
    as_btc = {"address": "bc1x", "amount": sat_to_btc(value)}
    assert read_btc(json.dumps(as_btc).encode()).amount_sat == sat


def test_a_sum_must_be_given_in_one_of_the_units() -> None:
    told = wrong_in({"value": None, "amount": None})
    assert told == {"/value": 'is required: BTC in "amount" or satoshi in "value"'}
    assert refused('{"address":"bc1x"}').errors[0].path == "/amount"


@pytest.mark.parametrize("address", [None, "", 7, "bc1 x", "bc1x\n", "é", "x" * 129])
def test_an_address_is_letters_and_digits(address: object) -> None:
    assert list(wrong_in({"address": address})) == ["/address"]
    problem = None
    try:
        read_blockonomics({"addr": str(address or "")} if address != 7 else {})
    except Problem as error:
        problem = error
    assert problem is not None
    assert problem.errors[0].path == "?addr"


def test_the_longest_address_is_read() -> None:
    longest = "x" * 128
    assert read_blockonomics({"addr": longest}).address == longest
    payload = {"address": longest, "value": 1}
    assert read_btc(json.dumps(payload).encode()).address == longest


@pytest.mark.parametrize("txid", ["", "ab" * 31, TXID + "a", "g" * 64, TXID + "\n", 7])
def test_a_txid_is_64_hexadecimal_digits(txid: object) -> None:
    assert list(wrong_in({"txid": txid})) == ["/txid"]


@pytest.mark.parametrize(
    "txid",
    [
        "WarningThisIsAGeneratedTestPaymentAndNotARealBitcoinTransaction",
        "ab" * 31,
        TXID + "\n",
        "x" * 200,
    ],
)
def test_a_txid_of_blockonomics_test_bench_is_no_mistake_and_claims_nothing(
    txid: str,
) -> None:
    said = read_blockonomics({"addr": "bc1x", "txid": txid, "status": "2"})
    assert said.txid == txid
    assert not said.claims_money


def test_a_txid_without_end_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        read_blockonomics({"addr": "bc1x", "txid": "x" * 201})
    assert [error.path for error in caught.value.errors] == ["?txid"]


def test_a_txid_in_capitals_is_the_same_txid() -> None:
    payload = {"address": "bc1x", "value": 1, "txid": TXID.upper()}
    assert read_btc(json.dumps(payload).encode()).txid == TXID
    assert read_blockonomics({"addr": "bc1x", "txid": TXID.upper()}).txid == TXID
    assert read_blockonomics({"addr": "bc1x", "txid": ""}).txid is None


@pytest.mark.parametrize("status", [True, [], {}, 1.5, "x" * 41, 10**40])
def test_a_status_is_a_number_or_a_short_word(status: object) -> None:
    assert list(wrong_in({"status": status})) == ["/status"]


@pytest.mark.parametrize(
    ("status", "read"),
    [(None, ""), (0, "0"), (-1, "-1"), (" Paid ", "paid"), ("x" * 40, "x" * 40)],
)
def test_a_status_is_read_as_a_word_in_small_letters(status: object, read: str) -> None:
    payload = {"address": "bc1x", "value": 1, "status": status}
    assert read_btc(json.dumps(payload).encode()).status == read


@pytest.mark.parametrize("value", ["-1", "1.5", "x", str(MAX_SAT + 1), "9" * 17, "١"])
def test_a_callbacks_value_is_a_whole_number_of_satoshi(value: str) -> None:
    with pytest.raises(Problem) as caught:
        read_blockonomics({"addr": "bc1x", "value": value})
    assert [error.path for error in caught.value.errors] == ["?value"]


@pytest.mark.parametrize(
    ("status", "read", "claims"),
    [
        ("0", "0", True),
        ("+2", "2", True),
        (" 1 ", "1", True),
        ("-1", "-1", False),
        ("", "unknown", False),
        ("paid", "unknown", False),
        ("9" * 10, "unknown", False),
    ],
)
def test_a_callbacks_status_is_a_number_or_claims_nothing(
    status: str, read: str, claims: bool
) -> None:
    notification = read_blockonomics({"addr": "bc1x", "status": status})
    assert notification.status == read
    assert notification.claims_money is claims


@pytest.mark.parametrize(("rbf", "can"), [("1", True), ("0", False), ("", False)])
def test_a_callback_says_whether_it_can_be_replaced(rbf: str, can: bool) -> None:
    assert read_blockonomics({"addr": "bc1x", "rbf": rbf}).replaceable is can


def test_each_dialect_names_its_provider_and_all_mistakes_at_once() -> None:
    assert read_btc(b'{"address":"bc1x","value":1}').provider == "btc"
    assert read_blockonomics({"addr": "bc1x"}).provider == "blockonomics"
    told = wrong_in({"address": "", "value": -1, "txid": "x", "status": True})
    assert list(told) == ["/address", "/txid", "/status", "/value"]
