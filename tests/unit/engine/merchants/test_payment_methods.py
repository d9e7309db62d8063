"""Which methods a sum may be paid by: both sides of each limit."""

import msgspec
import pytest

from engine.merchants.payment_methods import in_bands
from engine.merchants.record import MerchantSettings
from engine.merchants.rules import wrong_profile
from engine.money.amount import MAX_SAT

BOTH = ("onchain", "lightning")


@pytest.mark.parametrize(
    ("amount_sat", "offered"),
    [
        (1, ("lightning",)),
        (999, ("lightning",)),
        (1_000, BOTH),
        (1_001, BOTH),
        (49_999, BOTH),
        (50_000, BOTH),
        (50_001, ("onchain",)),
        (2_100_000_000_000_000, ("onchain",)),
        (None, BOTH),  # nobody knows what will come
    ],
)
def test_lightning_is_offered_up_to_its_limit_and_the_chain_from_its_limit_on(
    amount_sat: int | None, offered: tuple[str, ...]
) -> None:
    assert in_bands(BOTH, amount_sat, 50_000, 1_000) == offered
    assert in_bands(BOTH[::-1], amount_sat, 50_000, 1_000) == offered[::-1]


def test_without_limits_every_sum_may_be_paid_as_asked() -> None:
    for methods in (BOTH, ("lightning",), ("onchain",)):
        assert in_bands(methods, 1, None, None) == methods
        assert in_bands(methods, 10**15, None, None) == methods
    assert in_bands(("lightning",), 50_001, 50_000, None) == ()
    assert in_bands(("onchain",), 999, None, 1_000) == ()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"lightning_max_sat": 10_000, "onchain_min_sat": 10_001}, None),
        ({"lightning_max_sat": 10_000, "onchain_min_sat": 10_002}, "onchain_min_sat"),
        ({"lightning_max_sat": 10_000, "onchain_min_sat": 1}, None),
        ({"methods": ["lightning", "lightning"]}, "methods"),
        ({"methods": ["lightning", "onchain"]}, None),
    ],
)
def test_bands_leave_no_sum_without_a_method(
    said: dict[str, object], field: str | None
) -> None:
    wrong = wrong_profile(msgspec.convert(said, MerchantSettings), "regtest")
    assert (wrong and wrong[0]) == field


@pytest.mark.parametrize(
    "said",
    [
        {"methods": []},
        {"methods": ["external"]},
        {"methods": ["lightning", "onchain", "lightning"]},
        {"lightning_max_sat": 0},
        {"lightning_max_sat": MAX_SAT + 1},
        {"onchain_min_sat": 0},
        {"onchain_min_sat": -1},
        {"onchain_min_sat": MAX_SAT + 1},
        {"bip321": "both"},
        {"on_warning": "shrug"},
    ],
)
def test_a_wrong_word_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, MerchantSettings)


def test_the_least_and_the_most_are_taken() -> None:
    for said in (
        {"methods": ["lightning"]},
        {"lightning_max_sat": 1, "onchain_min_sat": 1},
        {"lightning_max_sat": MAX_SAT, "onchain_min_sat": MAX_SAT},
    ):
        taken = msgspec.convert(said, MerchantSettings)
        assert wrong_profile(taken, "regtest") is None
