"""Postings: balanced whatever they are, and named as the books name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money.ledger import (
    CREDIT,
    MAX_AMOUNT,
    ONCHAIN,
    SALES,
    SAT,
    Posting,
    balances,
    moved,
    user_account,
    user_of,
)
from engine.money.worth import Worth

ACCOUNTS = ["a", "b", "c"]


def worth(minor: int) -> Worth:
    return Worth(currency="EUR", minor=minor, decimals=2, rate="1", rate_at=1)


def test_a_difference_goes_the_way_of_its_sign() -> None:
    assert moved(SAT, SALES, ONCHAIN, 5, worth(3)) == Posting(
        SAT, SALES, ONCHAIN, 5, worth(3)
    )
    assert moved(SAT, SALES, ONCHAIN, -5, worth(-3)) == Posting(
        SAT, ONCHAIN, SALES, 5, worth(3)
    )
    assert moved(SAT, SALES, ONCHAIN, 5, worth(-3)).worth is None
    assert moved(SAT, SALES, ONCHAIN, 5, worth(0)).worth == worth(0)
    assert moved(SAT, SALES, ONCHAIN, -5).worth is None


@pytest.mark.parametrize(
    "wrong",
    [
        (SAT, "a", "b", 0),
        (SAT, "a", "b", -1),
        (SAT, "a", "b", MAX_AMOUNT + 1),
        (SAT, "a", "a", 1),
        (SAT, "", "b", 1),
        (SAT, "a", "", 1),
        ("", "a", "b", 1),
    ],
)
def test_what_no_book_can_hold_is_no_posting(wrong: tuple[str, str, str, int]) -> None:
    with pytest.raises(AssertionError):
        Posting(*wrong)


def test_a_difference_of_nothing_is_no_posting_and_of_one_it_is() -> None:
    with pytest.raises(AssertionError):
        moved(SAT, SALES, ONCHAIN, 0)
    assert moved(SAT, SALES, ONCHAIN, 1).source == SALES
    assert moved(SAT, SALES, ONCHAIN, -1).source == ONCHAIN
    assert MAX_AMOUNT == 9_007_199_254_740_991


def test_the_bounds_are_postings() -> None:
    assert Posting(SAT, "a", "b", 1).amount == 1
    assert Posting(SAT, "a", "b", MAX_AMOUNT).amount == MAX_AMOUNT
    with pytest.raises(AssertionError):
        Posting(SAT, "a", "b", 1, worth(-1))


def test_users_accounts_are_told_from_the_books() -> None:
    assert user_account("alice") == "user:alice"
    assert user_of("user:alice") == "alice"
    assert user_of("onchain") is None
    assert Posting(CREDIT, "issued", "user:alice", 1).user == "alice"
    assert Posting(CREDIT, "user:alice", "spent", 1).user == "alice"
    assert Posting(SAT, SALES, ONCHAIN, 1).user is None


def test_what_takes_a_posting_back_is_its_mirror() -> None:
    posting = Posting(SAT, SALES, ONCHAIN, 5, worth(3))
    assert posting.reversed() == Posting(SAT, ONCHAIN, SALES, 5, worth(3))
    assert not any(balances([posting, posting.reversed()]).values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sat", "credit"]),
            st.permutations(ACCOUNTS),
            st.integers(1, MAX_AMOUNT),
        )
    )
)
def test_balances_are_zero_in_sum_in_each_unit(
    moves: list[tuple[str, list[str], int]],
) -> None:
    postings = [Posting(unit, a, b, amount) for unit, (a, b, _), amount in moves]
    found = balances(postings)
    for unit in ("sat", "credit"):
        assert sum(v for (u, _), v in found.items() if u == unit) == 0
    for account in ACCOUNTS:
        came = sum(p.amount for p in postings if (p.unit, p.target) == ("sat", account))
        went = sum(p.amount for p in postings if (p.unit, p.source) == ("sat", account))
        assert found.get(("sat", account), 0) == came - went
