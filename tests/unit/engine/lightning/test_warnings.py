"""What a shop is warned of before an invoice is made."""

import pytest

from engine.lightning.account import Account
from engine.lightning.node import Balance, Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.lightning.warnings import WarningCode, warnings_of

CAN = Can(push=True, description_hash=True, amountless=True, pay=True)
TILL = Account(name="till", kind="phoenixd", url="http://n", forward_to="user")


def upstreams(**states: UpstreamState) -> dict[str, UpstreamReport]:
    return {
        name: UpstreamReport(name=name, kind="phoenixd", state=state, since=1, can=CAN)
        for name, state in states.items()
    }


def codes(
    states: dict[str, UpstreamReport],
    balance: Balance | None = None,
    amount_msat: int | None = 5_000_000,
) -> list[WarningCode]:
    found = warnings_of(TILL, states, balance, amount_msat)
    assert all(warned.message for warned in found), "a sentence for people"
    return [warned.code for warned in found]


READY = upstreams(till=UpstreamState.LIVE, user=UpstreamState.LIVE)


def test_nothing_is_said_while_both_are_connected() -> None:
    assert codes(READY) == []


@pytest.mark.parametrize(
    "state",
    [UpstreamState.CONNECTING, UpstreamState.BEHIND, UpstreamState.FAILING],
)
def test_each_account_that_is_not_live_is_named(state: UpstreamState) -> None:
    assert codes(upstreams(till=state, user=UpstreamState.LIVE)) == ["account_not_live"]
    told = warnings_of(TILL, upstreams(till=UpstreamState.LIVE, user=state), None, 1)
    assert [w.code for w in told] == ["forward_target_not_live"]
    assert f"user is {state}" in told[0].message
    both = ["account_not_live", "forward_target_not_live"]
    assert codes(upstreams(till=state, user=state)) == both
    assert codes({}) == both


@pytest.mark.parametrize(
    ("receivable_msat", "amount_msat", "warned"),
    [
        (5_000_000, 5_000_000, False),
        (4_999_999, 5_000_000, True),
        (0, None, True),  # any amount: of none that it takes
        (1, None, False),
        (None, 5_000_000, False),  # the node does not say
    ],
)
def test_an_invoice_above_what_the_channels_take_is_warned_of(
    receivable_msat: int | None, amount_msat: int | None, warned: bool
) -> None:
    balance = Balance(spendable_msat=0, receivable_msat=receivable_msat)
    found = codes(READY, balance, amount_msat)
    assert found == (["inbound_capacity"] if warned else [])


def test_an_account_whose_money_stays_has_no_target_to_be_down() -> None:
    stays = Account(name="till", kind="phoenixd", url="http://n")
    found = warnings_of(stays, upstreams(till=UpstreamState.FAILING), None, 1)
    assert [warned.code for warned in found] == ["account_not_live"]


def test_fee_credit_is_told_before_more_of_it_comes() -> None:
    assert codes(READY, Balance(spendable_msat=9, credit_msat=1)) == ["fee_credit"]
    assert codes(READY, Balance(spendable_msat=9)) == []


def test_sums_of_an_account_that_others_use_too_are_not_told() -> None:
    balance = Balance(spendable_msat=0, credit_msat=7_000, receivable_msat=8_000)
    own = warnings_of(TILL, READY, balance, 9_000)
    shared = warnings_of(TILL, READY, balance, 9_000, is_shared=True)
    assert [one.code for one in shared] == [one.code for one in own]
    assert [any(digit in one.message for digit in "78") for one in own] == [True] * 2
    assert not any(char.isdigit() for one in shared for char in one.message)
