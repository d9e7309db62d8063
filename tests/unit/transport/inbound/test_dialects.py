"""What a provider's webhook says, read exactly; what cannot be read, refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    payload = {"provider": "btc", "address": "bc1x"}
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
