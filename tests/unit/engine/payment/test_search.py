"""What a person may mean by a text, and the keys by which payments are found."""

from collections.abc import Callable

import pytest

from engine.payment.model import Flag
from engine.payment.search import (
    flag_bits,
    new_sum,
    new_txid,
    sought,
    sum_key,
    sum_keys,
    txid_key,
    txid_keys,
)
from tests.unit.payment_cases import ADDRESS, Told, both, mempool, settled, view


@pytest.mark.parametrize(
    ("text", "sat"),
    [
        ("50000", 50_000),
        (" 50000 sats ", 50_000),
        ("0.0005", 50_000),
        ("0.00050000 btc", 50_000),
        ("1 BTC", 100_000_000),
        ("1", 1),
        ("0", None),
        ("0.000000001", None),
        ("21000001 BTC", None),
        ("-5", None),
        ("1e5", None),
        ("1,5", None),
        ("٥", None),
        ("order 5", None),
    ],
)
def test_a_whole_number_is_satoshi_and_one_with_a_point_bitcoin(
    text: str, sat: int | None
) -> None:
    assert sought(text, "regtest").sum_sat == sat


def test_an_address_is_meant_however_it_is_written() -> None:
    for text in (ADDRESS, ADDRESS.upper(), f"bitcoin:{ADDRESS}?amount=0.1&label=x"):
        assert sought(text, "regtest").address == ADDRESS
    assert sought(ADDRESS, "mainnet").address is None
    assert sought("bitcoin:", "regtest").address is None


def test_a_hash_is_meant_in_capitals_too() -> None:
    assert sought("AB" * 32, "regtest").txid == "ab" * 32
    assert sought("ab" * 31, "regtest").txid is None


@pytest.mark.parametrize("make", [Told, both])
def test_keys_of_a_payment_are_those_of_its_events(make: Callable[[], Told]) -> None:
    """As long as nothing is taken away: what is gone is still found by its event."""
    told = make()
    told(view(mempool("t1", 20_000), mempool("t2", 50_000)))
    if told.payment.terms.lightning is not None:
        told(settled())
    assert sum_keys(told.payment) | txid_keys(told.payment) == told_keys(told)
    told(view(), after_ms=10**7)
    assert sum_keys(told.payment) | txid_keys(told.payment) <= told_keys(told)


def told_keys(told: Told) -> set[int]:
    terms = told.payment.terms
    sums = [new_sum(event, terms) for event in told.events]
    txids = [new_txid(event, terms) for event in told.events]
    return {
        *(sum_key(of, s) for of in (terms.merchant, None) for s in sums if s),
        *(txid_key(txid) for txid in txids if txid),
    }


def test_a_sum_is_one_merchants() -> None:
    assert sum_key("ann", 5) != sum_key("bob", 5) != sum_key("bob", 6)
    assert -(2**47) <= sum_key("ann", 5) < 2**47


def test_each_flag_has_a_bit_of_its_own() -> None:
    assert flag_bits(()) == 0
    assert flag_bits([*Flag]) == sum(flag_bits({flag}) for flag in Flag)
    assert len({flag_bits({flag}) for flag in Flag}) == len(Flag)
