"""What is remembered of addresses that cannot be read whole."""

import pytest

from transport.chain import unreadable_addresses
from transport.chain.unreadable_addresses import UnreadableAddresses


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_trouble_holds_for_its_time_and_the_newest_one_counts() -> None:
    clock = Clock()
    addresses = UnreadableAddresses(clock)
    addresses.note("a", "too much", 60.0)
    addresses.note("a", "refused", 30.0, shows_nothing=True)
    clock.now += 29.9
    trouble = addresses.trouble("a")
    assert trouble is not None
    assert (trouble.reason, trouble.shows_nothing) == ("refused", True)
    assert addresses.trouble("b") is None
    clock.now += 0.1
    assert addresses.trouble("a") is None


def test_failures_are_counted_one_after_another() -> None:
    addresses = UnreadableAddresses(Clock())
    assert [addresses.failed("a"), addresses.failed("a"), addresses.failed("b")] == [
        1,
        2,
        1,
    ]
    addresses.answered("a")
    addresses.answered("c")
    assert addresses.failed("a") == 1


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unreadable_addresses, "MAX_ADDRESSES", 3)
    addresses = UnreadableAddresses(Clock())
    for name in "abcd":
        addresses.note(name, "too much", 60.0)
        addresses.failed(name)
    assert addresses.trouble("a") is None
    assert all(addresses.trouble(name) for name in "bcd")
    assert addresses.failed("a") == 1
    assert addresses.failed("d") == 2
