"""What is kept of a merchant: replaced as a whole, secrets sealed, limits filled up."""

import msgspec
import pytest

from engine.config import load
from engine.merchants.book import MerchantBook
from engine.merchants.record import (
    Limits,
    Merchant,
    MerchantSettings,
    OwnLimits,
    decode_state,
    encode_state,
)
from engine.merchants.rules import (
    is_sensitive,
    replaced,
    unknown_secrets,
    wants_operator,
)

NODE = Limits(claims=17, claims_total_s=7_201)
NOBODY = Merchant(name="ann", limits=NODE)


def seal(secret: bytes, owner: str) -> str:
    return f"{owner}:{secret.decode()[::-1]}"


def after(before: Merchant, now: int = 5, **said: object) -> Merchant:
    asked = msgspec.convert(said, MerchantSettings)
    return replaced(before, asked, seal, NODE, now)


def test_the_first_word_makes_the_first_version() -> None:
    made = after(NOBODY, display_name="Ann's", webhook_secrets={"btc": "secret-1"})
    assert (made.name, made.version, made.updated_at) == ("ann", 1, 5)
    assert made.display_name == "Ann's"
    assert made.webhook_secrets == {"btc": "merchant ann btc:1-terces"}
    assert made.limits == NODE


def test_even_a_word_that_says_nothing_makes_a_row() -> None:
    assert after(NOBODY).version == 1


def test_what_changes_nothing_is_the_same_merchant() -> None:
    made = after(NOBODY, display_name="Ann's", webhook_secrets={"btc": "secret-1"})
    same = after(made, 9, display_name="Ann's", webhook_secrets={"btc": True})
    assert same is made


def test_what_is_not_said_is_gone_and_a_kept_secret_stays() -> None:
    both = {"btc": "secret-1", "blockonomics": "secret-2"}
    made = after(NOBODY, display_name="Ann's", webhook_secrets=both)
    less = after(made, 9, webhook_secrets={"btc": True, "blockonomics": False})
    assert (less.version, less.updated_at, less.display_name) == (2, 9, "")
    assert less.webhook_secrets == {"btc": made.webhook_secrets["btc"]}


def test_order_numbers_need_a_secret_unless_the_merchant_says_otherwise() -> None:
    made = after(NOBODY, display_name="Ann's")
    assert not made.identify_without_secret
    opened = after(made, identify_without_secret=True, display_name="Ann's")
    assert (opened.version, opened.identify_without_secret) == (2, True)
    assert after(opened, identify_without_secret=True, display_name="Ann's") is opened
    assert not after(opened, display_name="Ann's").identify_without_secret
    assert not wants_operator(made, opened)


def test_the_book_knows_whose_order_numbers_anybody_may_ask_after() -> None:
    book = MerchantBook(NODE)
    assert not book.identifies_without_secret(None)
    opened = after(NOBODY, identify_without_secret=True)
    book.put(opened)
    assert book.identifies_without_secret(None)
    assert book.identifies_without_secret("ann")
    assert not book.identifies_without_secret("bob")
    book.put(after(opened))
    assert not book.identifies_without_secret("ann")
    assert not book.identifies_without_secret(None)


def test_time_does_not_go_back_in_a_record() -> None:
    made = after(NOBODY, 9)
    assert after(made, 3, display_name="x").updated_at == 9


def test_a_secret_that_is_not_there_cannot_be_kept() -> None:
    asked = MerchantSettings(webhook_secrets={"btc": True, "blockonomics": "12345678"})
    assert unknown_secrets(NOBODY, asked) == ["btc"]
    made = after(NOBODY, webhook_secrets={"btc": "secret-1"})
    assert unknown_secrets(made, asked) == []


def test_limits_of_its_own_stand_over_the_nodes() -> None:
    made = after(NOBODY, limits={"claims": 0})
    assert made.limits == Limits(claims=0, claims_total_s=7_201)
    assert OwnLimits().over(NODE) == NODE


def test_each_limit_is_a_setting_and_can_be_one_merchants_own() -> None:
    assert OwnLimits.__struct_fields__ == Limits.__struct_fields__
    config = load({}, {}, {})
    assert config.limits == Limits()
    own = OwnLimits(**dict.fromkeys(OwnLimits.__struct_fields__, 3))
    applies = msgspec.structs.astuple(own.over(config.limits))
    assert applies == (3,) * len(OwnLimits.__struct_fields__)


def test_only_an_operator_changes_limits_and_a_damaged_record() -> None:
    named = after(NOBODY, display_name="Ann's")
    assert not wants_operator(NOBODY, named)
    assert wants_operator(named, after(named, limits={"claims": 1}))
    damaged = decode_state("ann", 3, 1, b"{", NODE)
    assert damaged.is_damaged
    assert wants_operator(damaged, after(damaged, display_name="Ann's"))


def test_a_damaged_record_is_replaced_even_by_nothing() -> None:
    damaged = decode_state("ann", 3, 1, None, NODE)
    mended = after(damaged)
    assert (mended.version, mended.is_damaged) == (4, False)


def test_a_person_hears_of_secrets_only() -> None:
    named = after(NOBODY, display_name="Ann's", limits={"claims": 1})
    assert not is_sensitive(NOBODY, named)
    assert is_sensitive(named, after(named, webhook_secrets={"btc": "secret-1"}))


def test_a_record_is_stored_and_read_as_it_was() -> None:
    made = after(
        NOBODY, display_name="Ann's", limits={"claims": 2},
        webhook_secrets={"btc": "secret-1"}, identify_without_secret=True,
    )  # fmt: skip
    assert decode_state("ann", 1, 5, encode_state(made), NODE) == made
    assert decode_state("ann", 0, 0, b"{}", NODE) == NOBODY


def test_what_is_said_of_a_merchant_is_shown_without_its_secrets() -> None:
    said = MerchantSettings(display_name="Ann's", webhook_secrets={"btc": "canary-12"})
    assert "canary" not in repr(said)


@pytest.mark.parametrize(
    "said",
    [
        {"display_name": "a\x1b[31m"},
        {"display_name": "a\u202eb"},
        {"display_name": "x" * 101},
        {"limits": {"claims": -1}},
        {"limits": {"colour": 1}},
        {"webhook_secrets": {"btc": "short"}},
        {"webhook_secrets": {"btc": 12345678}},
        {"webhook_secrets": {"paypal": "long enough"}},
        {"colour": "blue"},
    ],
)
def test_what_no_merchant_can_be_is_refused(said: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, MerchantSettings)


def test_the_book_knows_everybody_and_who_has_a_row() -> None:
    book = MerchantBook(NODE)
    assert (len(book), "ann" in book, book.get("ann")) == (0, False, NOBODY)
    assert not book.has_secret("btc")
    made = after(NOBODY, webhook_secrets={"btc": "secret-1"})
    book.load([made])
    assert (len(book), "ann" in book, book.get("ann"), list(book)) == (
        1, True, made, [made],
    )  # fmt: skip
    assert book.has_secret("btc")
    assert not book.has_secret("blockonomics")
    book.put(decode_state("bob", 1, 1, b"{", NODE))
    assert book.has_secret("blockonomics"), "nobody knows what a damaged row had"
