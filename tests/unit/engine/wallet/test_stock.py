"""A stock of addresses: in order, each to one, and back if it was not used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wallet.stock import Ready, Stock


class Numbers:
    """A source whose addresses say their index."""

    def addresses(self, first: int, count: int) -> list[str]:
        return [f"a{index}" for index in range(first, first + count)]

    def path(self, index: int) -> str:
        return f"m/{index}"


def stock(first: int = 5, target: int = 4, waiting: set[str] | None = None) -> Stock:
    return Stock(Numbers(), first, target, waiting)


def fill(one: Stock, known: set[str] | None = None) -> None:
    first = one.next_index
    one.add(first, Numbers().addresses(first, one.missing), known or set())


def taken(one: Stock) -> int:
    found = one.take()
    assert found is not None
    return found.index


def test_it_gives_out_in_the_order_of_the_index_and_says_when_there_is_none() -> None:
    one = stock()
    assert one.source.path(5) == "m/5"
    assert one.take() is None
    assert one.missing == 4
    fill(one)
    assert (len(one), one.missing, one.next_index) == (4, 0, 9)
    assert [taken(one) for _ in range(4)] == [5, 6, 7, 8]
    assert one.take() is None
    fill(one)
    assert taken(one) == 9


def test_what_comes_back_is_next_and_what_was_used_never_is() -> None:
    one = stock()
    fill(one)
    first, second, third = taken(one), taken(one), taken(one)
    one.give_back(third)
    one.give_back(first)
    one.used(second)
    one.give_back(second)
    assert [taken(one) for _ in range(3)] == [first, third, 8]
    assert one.take() is None


def test_what_is_known_or_was_brought_by_somebody_is_passed_over() -> None:
    waiting: set[str] = set()
    one, other = stock(waiting=waiting), stock(100, waiting=waiting)
    fill(one, {"a6"})
    fill(other)
    assert waiting == {"a5", "a7", "a8", "a100", "a101", "a102", "a103"}
    waiting.discard("a5")
    assert taken(one) == 7
    assert "a7" not in waiting
    one.give_back(7)
    assert "a7" in waiting
    waiting.discard("a7")
    assert taken(one) == 8
    assert taken(other) == 100


def test_what_is_over_is_drawn_again_before_new_ones_and_once() -> None:
    one = stock()
    fill(one)
    free = [Ready(1, "a1", "p1"), Ready(2, "a2", "p2")]
    one.add_again(free)
    one.add_again(free)
    assert len(one) == 6
    assert one.take() == free[0]
    one.add_again(free)
    assert one.take() == free[1]
    one.give_back(1)
    one.add_again(free)
    assert [taken(one), taken(one)] == [1, 5]


def test_nothing_is_derived_out_of_order() -> None:
    one = stock()
    with pytest.raises(AssertionError, match="out of order"):
        one.add(6, ["a6"], set())


@given(st.lists(st.sampled_from(["take", "fill", "back", "use", "brought"])))
def test_no_address_is_with_two_at_a_time_or_comes_back_after_its_use(
    steps: list[str],
) -> None:
    waiting: set[str] = set()
    one = stock(0, 3, waiting)
    held: list[int] = []
    used: set[int] = set()
    for step in steps:
        if step == "fill":
            fill(one)
        elif step == "brought" and waiting:
            address = min(waiting)
            waiting.discard(address)
            used.add(int(address[1:]))
        elif step == "take" and (found := one.take()) is not None:
            assert found.index not in held
            assert found.index not in used
            assert found.address == f"a{found.index}"
            held.append(found.index)
        elif step == "back" and held:
            one.give_back(held.pop(0))
        elif step == "use" and held:
            used.add(held[0])
            one.used(held.pop(0))
