"""Sizes, dust and fee rates, and which coins may be spent."""

import pytest
from msgspec.structs import replace

from engine.errors import CannotSpend
from engine.wallet.coin import COINBASE_DEPTH, SpendKind, is_mature, spend_kind
from engine.wallet.fees import FeeRules, fee_rate
from engine.wallet.size import (
    MAX_STANDARD_WEIGHT,
    dust_sat,
    fee_of,
    output_weight,
    tx_weight,
    vsize_of,
)
from tests.unit.engine.wallet.coins import KINDS, coin, key
from tests.unit.engine.wallet.plans import (
    P2PKH,
    P2SH,
    P2TR,
    P2WPKH,
    P2WSH,
    RULES,
)


@pytest.mark.parametrize(
    ("script", "sat"),
    [(P2PKH, 546), (P2SH, 540), (P2WPKH, 294), (P2WSH, 330), (P2TR, 330)],
)
def test_dust_is_what_core_says(script: bytes, sat: int) -> None:
    assert dust_sat(script) == sat  # Bitcoin Core, GetDustThreshold, at 3 sat/vB


def test_only_a_witness_program_is_cheap_to_spend() -> None:
    assert dust_sat(b"\x6a" + P2TR[1:]) == 3 * (43 + 148)
    assert dust_sat(b"\x51" * 10) == 3 * (19 + 148)
    assert MAX_STANDARD_WEIGHT == 400_000  # Bitcoin Core, MAX_STANDARD_TX_WEIGHT


@pytest.mark.parametrize(
    ("kind", "weight"),
    # one input, one P2WPKH output; of P2PKH the marker and flag are counted for nothing
    [("p2pkh", 759), ("p2sh-p2wpkh", 530), ("p2wpkh", 438), ("p2tr", 396)],
)
def test_weights_are_those_of_signed_transactions(kind: SpendKind, weight: int) -> None:
    script = key("w", 0).script(kind)
    assert tx_weight([script], [P2WPKH]) == weight
    assert output_weight(P2WPKH) == 4 * 31


def test_counts_above_252_take_more_bytes() -> None:
    one = tx_weight([P2WPKH], [P2TR])
    more = tx_weight([P2WPKH], [P2TR] * 253)
    assert more - one == 252 * output_weight(P2TR) + 4 * 2
    many = tx_weight([P2WPKH] * 253, [P2TR])
    assert many - tx_weight([P2WPKH] * 252, [P2TR]) == 272 + 4 * 2


def test_fees_are_rounded_up() -> None:
    assert [vsize_of(weight) for weight in (400, 401, 404)] == [100, 101, 101]
    assert fee_of(400, 1_000) == 100
    assert fee_of(400, 1_001) == 101
    assert fee_of(401, 1_001) == 102


@pytest.mark.parametrize(
    ("estimate", "rate"),
    [(1, 1_000), (999, 1_000), (5_000, 5_000), (200_001, 200_000), (10**12, 200_000)],
)
def test_an_estimate_is_taken_within_floor_and_cap(estimate: int, rate: int) -> None:
    assert fee_rate(estimate, RULES) == rate


@pytest.mark.parametrize("estimate", [None, 0, -1])
def test_no_estimate_waits_or_is_what_the_rules_say(estimate: int | None) -> None:
    with pytest.raises(CannotSpend, match="no source has an estimate") as caught:
        fee_rate(estimate, RULES)
    assert caught.value.why == "rate"
    assert fee_rate(estimate, FeeRules(absent_sat_kvb=3_000)) == 3_000
    assert fee_rate(estimate, FeeRules(absent_sat_kvb=10**9)) == 200_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor_sat_kvb": 999},
        {"floor_sat_kvb": 3_000, "cap_sat_kvb": 2_999},
        {"max_percent": 0},
        {"max_percent": 101},
    ],
)
def test_rules_that_cannot_be_are_none(wrong: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        FeeRules(**wrong)
    FeeRules(floor_sat_kvb=1_000, cap_sat_kvb=1_000, max_percent=100)


def test_kinds_are_told_by_the_script() -> None:
    for kind in KINDS:
        assert spend_kind(key("w", 1).script(kind)) == kind
    assert spend_kind(P2WSH) is None
    for script in (P2PKH, P2SH, P2WPKH, P2TR):
        for place in (0, 1, len(script) - 1):
            other = bytearray(script)
            other[place] ^= 0xFF
            if script in (P2WPKH, P2TR) and place == len(script) - 1:
                continue  # part of the hash
            assert spend_kind(bytes(other)) is None, (script.hex(), place)
    assert spend_kind(P2WPKH + b"\0") is None


def test_a_coinbase_is_spent_after_a_hundred_blocks_and_others_from_the_first() -> None:
    mined = replace(coin("p2wpkh", 1, 1_000), is_coinbase=True, height=500)
    assert COINBASE_DEPTH == 100
    assert not is_mature(mined, 598)
    assert is_mature(mined, 599)  # the next block is the 600th
    other = replace(mined, is_coinbase=False)
    assert is_mature(other, 500)
    assert not is_mature(other, 499)  # a tip that went back
    assert not is_mature(replace(other, height=None), 10**6)
