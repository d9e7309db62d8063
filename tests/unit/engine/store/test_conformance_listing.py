"""What a store lists: by what a person has, by flags, by times, in both orders."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random

import pytest
from msgspec.structs import replace

from engine.payment.events import Event, opening
from engine.payment.model import Flag, Payment, Terms
from engine.payment.observations import Observation, Reviewed
from engine.payment.rules import follow
from engine.payment.search import sought
from engine.store.further import ALL, Further, Stretch
from engine.store.writes import Entry, Write
from tests.unit.engine.store.conformance import OpenStore
from tests.unit.payment_cases import T0, mempool, mined, terms, view

MERCHANTS = ("ann", "bob")
PAGE = 3


@dataclass
class Shop:
    """Payments of two merchants, as they are; and when what happened to them."""

    store: OpenStore
    payments: dict[str, Payment] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # by the last event

    def create(self, agreed: Terms) -> None:
        event, payment = opening(agreed)
        self._commit(payment, (event,), agreed.created_at)

    def move(self, name: str, observation: Observation, at: int) -> None:
        decided = follow(self.payments[name], observation, at)
        if decided.events:
            self._commit(decided.payment, tuple(decided.events), at)

    def _commit(self, payment: Payment, events: tuple[Event, ...], at: int) -> None:
        self.store.commit(Write((Entry(payment, events),)))
        self.payments[payment.id] = payment
        self.updated[payment.id] = at
        if payment.id in self.order:
            self.order.remove(payment.id)
        self.order.append(payment.id)

    def listed(self, further: Further, **filters: str) -> list[str]:
        """All pages, one after the other."""
        found: list[str] = []
        place: int | None = None
        for _ in range(100):
            some = self.store.reader.list_payments(filters, place, PAGE, further)
            assert len(some.payments) <= PAGE
            found += [payment.id for payment in some.payments]
            place = some.next_place
            if place is None:
                return found
        raise AssertionError("a listing without end")


def txid(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def shop(store: OpenStore) -> Shop:
    """Some paid, some late, with a clock that is put back once."""
    made, random = Shop(store), Random(7)
    now = T0
    for number in range(24):
        now += -5_000 if number == 12 else random.choice((0, 1_000, 2_000))
        made.create(
            replace(
                terms(amount_sat=1_000 + number % 5),
                id=f"p{number}",
                address=f"address {number}",
                external_id=f"order {number % 6}",
                merchant=MERCHANTS[number % 2],
                created_at=now,
                expires_at=now + 60_000,
                monitor_until=now + 10**9,
            )
        )
        if number % 3 == 0:
            name, at = f"p{number}", now + 500
            if number % 6 == 0:
                at = now + 90_000
                made.move(name, Reviewed(at), at)
            made.move(name, view(mempool(txid(number), 1_000)), at)
            made.move(name, view(mined(txid(number), 998, 1_000)), at + 9)
        now = max(now, T0)
    return made


def newest(shop: Shop) -> list[str]:
    return [*shop.payments][::-1]


Fits = Callable[[Payment], bool]


def ids(shop: Shop, names: list[str], merchant: str | None, fits: Fits) -> list[str]:
    wanted = (shop.payments[name] for name in names)
    return [
        one.id for one in wanted if merchant in {None, one.terms.merchant} and fits(one)
    ]


@pytest.mark.parametrize("merchant", [None, "ann"])
def test_a_payment_is_found_by_whatever_a_person_has_of_it(
    shop: Shop, merchant: str | None
) -> None:
    filters = {} if merchant is None else {"merchant": merchant}

    def found(text: str) -> list[str]:
        return shop.listed(Further(sought=sought(text, "regtest")), **filters)

    def expected(fits: Fits) -> list[str]:
        return ids(shop, newest(shop), merchant, fits)

    assert found("p6") == expected(lambda p: p.id == "p6")
    assert found("order 4") == expected(lambda p: p.terms.external_id == "order 4")
    assert found(txid(9).upper()) == expected(lambda p: p.id == "p9")
    assert found(txid(1)) == []

    def has_sum(sat: int) -> Fits:
        return lambda p: (
            sat == p.terms.amount_sat or sat in {r.amount_sat for r in p.receipts}
        )

    assert found("1003") == expected(has_sum(1_003))
    assert found("0.00001000") == found("1000 sat") == expected(has_sum(1_000))
    assert found("nothing of the kind") == []


def test_one_is_found_by_its_address(store: OpenStore) -> None:
    made, address = Shop(store), "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    made.create(replace(terms(), id="p", address=address))
    made.create(replace(terms(), id="q", address="elsewhere"))
    for text in (address, address.upper(), f"bitcoin:{address}?amount=1"):
        assert made.listed(Further(sought=sought(text, "regtest"))) == ["p"], text


def test_a_transaction_that_was_replaced_still_finds_its_payment(
    store: OpenStore,
) -> None:
    made = Shop(store)
    made.create(replace(terms(), id="p"))
    made.move("p", view(mempool(txid(1), 1_000)), T0 + 1)
    (known,) = made.payments["p"].receipts
    made.move("p", view(), T0 + 10**7)
    assert known.txid == txid(1)
    assert made.listed(Further(sought=sought(txid(1), "regtest"))) == ["p"]


@pytest.mark.parametrize("merchant", [None, "ann"])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_filters_by_flag_and_by_creation_hold_in_both_orders(
    shop: Shop, oldest_first: bool, merchant: str | None
) -> None:
    filters = {} if merchant is None else {"merchant": merchant}
    names = newest(shop)[::-1] if oldest_first else newest(shop)
    for flag in (Flag.LATE, Flag.UNDERPAID):
        found = shop.listed(Further(flag=flag, oldest_first=oldest_first), **filters)
        assert found == ids(shop, names, merchant, partial(_has, flag))
    assert shop.listed(Further(flag=Flag.LATE))
    for stretch in stretches(p.terms.created_at for p in shop.payments.values()):
        further = Further(created=stretch, oldest_first=oldest_first)
        expected = ids(
            shop,
            names,
            merchant,
            partial(_created_in, stretch),
        )
        assert shop.listed(further, **filters) == expected, stretch


@pytest.mark.parametrize("merchant", [None, "bob"])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_by_what_happened_they_come_in_the_order_of_that(
    shop: Shop, oldest_first: bool, merchant: str | None
) -> None:
    filters = {} if merchant is None else {"merchant": merchant}
    names = shop.order if oldest_first else shop.order[::-1]
    for stretch in stretches(shop.updated.values()):
        further = Further(updated=stretch, oldest_first=oldest_first)
        expected = ids(shop, names, merchant, partial(_in, stretch, shop.updated))
        assert shop.listed(further, **filters) == expected, stretch
    paid = [p.confirmed_at for p in shop.payments.values() if p.confirmed_at]
    assert paid
    for stretch in stretches(paid):
        further = Further(confirmed=stretch, oldest_first=oldest_first)
        found = shop.listed(further, **filters)
        expected = ids(
            shop,
            names,
            merchant,
            partial(_confirmed_in, stretch),
        )
        assert found == expected, stretch


@pytest.mark.parametrize("oldest_first", [False, True])
def test_confirmed_at_one_time_and_changed_at_another_has_to_hold_for_both(
    shop: Shop, oldest_first: bool
) -> None:
    both = view(mined(txid(3), 998, 1_000), mempool(txid(99), 1_000))
    shop.move("p3", both, T0 + 200_000)  # it was confirmed long before
    assert shop.order[-1] == "p3"
    names = shop.order if oldest_first else shop.order[::-1]
    paid = [p.confirmed_at for p in shop.payments.values() if p.confirmed_at]
    for confirmed in stretches(paid):
        for updated in stretches(shop.updated.values()):
            further = Further(
                confirmed=confirmed, updated=updated, oldest_first=oldest_first
            )
            fits = partial(_confirmed_in, confirmed)
            expected = {
                name
                for name in ids(shop, names, None, fits)
                if updated.holds(shop.updated[name])
            }
            found = shop.listed(further)
            assert set(found) == expected, (confirmed, updated)
            assert len(found) == len(expected)


def _has(flag: Flag, payment: Payment) -> bool:
    return flag in payment.flags


def _created_in(stretch: Stretch, payment: Payment) -> bool:
    return stretch.holds(payment.terms.created_at)


def _in(stretch: Stretch, times: dict[str, int], payment: Payment) -> bool:
    return stretch.holds(times[payment.id])


def _confirmed_in(stretch: Stretch, payment: Payment) -> bool:
    at = payment.confirmed_at
    return at is not None and stretch.holds(at)


def stretches(times: Iterable[int]) -> list[Stretch]:
    some = sorted(set(times))
    first, middle, last = some[0], some[len(some) // 2], some[-1]
    return [
        Stretch(first, last + 1),
        Stretch(middle, None),
        Stretch(middle, last),
        Stretch(None, middle),
        Stretch(last + 1, last + 2),
    ]


def test_filters_hold_together(shop: Shop) -> None:
    further = Further(sought=sought("order 0", "regtest"), flag=Flag.LATE)
    expected = ids(
        shop,
        newest(shop),
        "ann",
        lambda p: p.terms.external_id == "order 0" and Flag.LATE in p.flags,
    )
    assert shop.listed(further, merchant="ann") == expected
    assert shop.listed(ALL, merchant="ann", status="pending") == ids(
        shop, newest(shop), "ann", lambda p: p.status == "pending"
    )
