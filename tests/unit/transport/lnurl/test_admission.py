"""How many invoices wallets may have made of one address, and one client of them."""

from types import SimpleNamespace

import pytest

from transport.lnurl import admission
from transport.lnurl.admission import AT_ONCE, Admission, LnurlLimits, TooMany

MINUTE_MS = 60_000


class Shop:
    """Payments that were made, of which some are paid; and a clock."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, per_minute: int = 1_000, most: int = 20
    ) -> None:
        self.seconds = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.seconds)
        monkeypatch.setattr(admission, "time", clock)
        self.paid: set[str] = set()
        self.looks = 0
        self.made = 0
        limits = LnurlLimits(per_minute=per_minute, open=most)
        self.admission = Admission(limits, self.is_open, self.now)

    def now(self) -> int:
        return round(self.seconds * 1_000)

    def is_open(self, payment_id: str) -> bool:
        self.looks += 1
        return payment_id not in self.paid

    def call(self, client: str, merchant: str = "cafe") -> str:
        """The payment, or why there is none."""
        self.seconds += 0.3  # below the rate of one address
        try:
            with self.admission.place(merchant, client) as made:
                self.made += 1
                name = f"pay_{self.made}"
                made(name, self.now() + 10 * MINUTE_MS)
                return name
        except TooMany as error:
            assert error.wait_s > 0
            return str(error)


FULL = "Too many payments to this address are open."


def test_one_client_has_a_tenth_of_the_open_invoices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch)
    assert [shop.call("a") for _ in range(3)] == ["pay_1", "pay_2", FULL]
    assert shop.call("b") == "pay_3", "a flood from one place leaves room for others"
    assert shop.call("a", "bar") == "pay_4", "and for other shops"


def test_all_clients_together_have_no_more_than_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch)
    told = [shop.call(f"client {number}") for number in range(25)]
    assert told[:20] == [f"pay_{number}" for number in range(1, 21)]
    assert told[20:] == [FULL] * 5


def test_what_is_paid_or_has_expired_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch, most=2)
    assert [shop.call("a"), shop.call("b"), shop.call("c")] == ["pay_1", "pay_2", FULL]
    shop.paid.add("pay_1")
    shop.seconds += 10
    assert shop.call("c") == "pay_3"
    shop.seconds += 11 * 60
    looks = shop.looks
    assert [shop.call("a"), shop.call("b")] == ["pay_4", "pay_5"]
    assert shop.looks == looks, "what has expired needs no look at the store"


def test_a_full_address_looks_at_its_payments_now_and_then_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch, most=2)
    for _ in range(12):
        shop.call("a")
        shop.call("b")
    assert shop.looks <= 2 * 3, "7 s of knocking: two looks, at two payments each"


def test_a_client_has_so_many_in_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch, per_minute=3, most=1_000)
    told = [shop.call("a") for _ in range(5)]
    assert told[:3] == ["pay_1", "pay_2", "pay_3"]
    assert told[3:] == ["Too many requests from your network."] * 2
    assert shop.call("b") == "pay_4"
    shop.seconds += 60
    assert shop.call("a") == "pay_5"


def test_an_address_has_so_many_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch, most=10_000)
    monkeypatch.setattr(Shop, "now", lambda self: 0)
    busy = 0
    for number in range(200):
        shop.seconds -= 0.3  # all at one moment
        busy += shop.call(f"client {number}") == "This address is busy."
    assert busy == 200 - admission.BURST


def test_a_node_that_hangs_holds_few_calls_of_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch)
    places = [shop.admission.place("cafe", f"client {n}") for n in range(AT_ONCE)]
    for place in places:
        place.__enter__()
    assert shop.call("x") == "This address is busy."
    assert shop.call("x", "bar") == "pay_1"
    for place in places:
        place.__exit__(None, None, None)
    assert shop.call("x") == "pay_2"


def test_a_call_that_made_nothing_takes_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch, most=1)
    with pytest.raises(OSError), shop.admission.place("cafe", "a"):
        raise OSError
    assert shop.call("a") == "pay_1"
    assert shop.call("b") == FULL


def test_nothing_is_kept_of_an_address_that_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(monkeypatch, most=1)
    assert shop.call("a") == "pay_1"
    shop.seconds += 11 * 60
    place = shop.admission.place("cafe", "a")
    with place:
        assert not shop.admission._open
        assert shop.admission._making == {"cafe": 1}
    assert not shop.admission._making
