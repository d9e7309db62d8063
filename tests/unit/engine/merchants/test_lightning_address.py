"""Whose a Lightning Address is: one name, one merchant, and who may give it."""

import msgspec
import pytest

from engine.merchants.book import MerchantBook
from engine.merchants.record import Limits, Merchant, MerchantSettings
from engine.merchants.rules import (
    is_sensitive,
    replaced,
    wants_operator,
    wrong_profile,
)


def said(**words: object) -> MerchantSettings:
    return msgspec.convert(words, MerchantSettings)


def named(before: Merchant, name: str | None) -> Merchant:
    address = None if name is None else {"name": name}
    asked = said(lightning_address=address)
    return replaced(before, asked, lambda s, _: s.decode(), Limits(), 5)


def of(merchant: str, name: str | None) -> Merchant:
    return named(Merchant(name=merchant), name)


@pytest.mark.parametrize("name", ["", "Ann", "ann ", "a@b", "-ann", "ann\n", "x" * 65])
def test_a_name_has_few_characters(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        said(lightning_address={"name": name})


def test_limits_stand_in_their_order() -> None:
    wrong = {"name": "ann", "min_sat": 11, "max_sat": 10}
    mistake = wrong_profile(said(lightning_address=wrong), "regtest")
    assert mistake == ("lightning_address/min_sat", "must not be more than max_sat")
    assert wrong_profile(said(lightning_address=wrong | {"min_sat": 10}), "x") is None


@pytest.mark.parametrize(
    ("before", "after", "operator"),
    [
        *((None, "ann", False), ("ann", None, False), ("bob", "ann", False)),
        *((None, "bob", True), ("ann", "bob", True), ("bob", "bob", False)),
    ],
)
def test_any_other_name_than_its_own_is_the_operators_to_give(
    before: str | None, after: str | None, operator: bool
) -> None:
    was = of("ann", before)
    assert wants_operator(was, named(was, after)) is operator


def test_a_person_hears_of_a_name_that_is_another_or_gone() -> None:
    ann = of("ann", "ann")
    assert not is_sensitive(of("ann", None), ann)
    assert not is_sensitive(ann, named(ann, "ann"))
    assert is_sensitive(ann, named(ann, "bob")) == "the name of its Lightning Address"
    assert is_sensitive(ann, named(ann, None)) == "the name of its Lightning Address"


def test_the_book_finds_a_merchant_by_the_name() -> None:
    book = MerchantBook()
    assert book.at_lightning_address("") is None
    ann = of("ann", "tips")
    book.load([ann, of("bob", None)])
    assert book.at_lightning_address("tips") is ann
    assert book.at_lightning_address("ann") is None
    moved = named(ann, "ann")
    book.put(moved)
    assert book.at_lightning_address("tips") is None
    assert book.at_lightning_address("ann") is moved
    again = named(moved, "ann")
    book.put(again)
    assert book.at_lightning_address("ann") is again
    book.put(named(moved, None))
    assert book.at_lightning_address("ann") is None


def test_who_has_a_name_keeps_it() -> None:
    book = MerchantBook()
    ann, bob = of("ann", "tips"), of("bob", "tips")
    book.load([ann, bob])
    assert book.at_lightning_address("tips") is ann
    book.put(named(bob, None))
    assert book.at_lightning_address("tips") is ann
