"""Invoices are read as BOLT 11 says, and only what was asked for comes through."""

from contextlib import suppress
from hashlib import sha256

import bolt11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidInput, InvoiceMismatch
from engine.lightning.agreed import Invoice
from engine.lightning.bech32 import read_bech32
from engine.lightning.invoice import (
    EXPIRY_SLACK_S,
    MAX_INVOICE_LENGTH,
    MAX_MSAT,
    check_invoice,
    read_invoice,
)
from engine.lightning.node import InvoiceAsked, InvoiceMade
from tests.tools.bech32_text import bech32_text, to_groups
from tests.tools.invoices import KEY, PAYEE, make_invoice
from tests.unit.engine.lightning import bolt11_vectors as bolt

HASH = sha256(b"a preimage").hexdigest()
NOW_S = 1_790_000_000
NOW = NOW_S * 1000
ALL_COINS = 21_000_000 * 10**8 * 1000


@pytest.mark.parametrize(
    ("text", "network", "amount_msat", "description"),
    [
        (bolt.DONATION, "mainnet", None, "Please consider supporting this project"),
        (bolt.COFFEE, "mainnet", 250_000_000, "1 cup coffee"),
        (bolt.NONSENSE, "mainnet", 250_000_000, "ナンセンス 1杯"),
        (bolt.LIST, "mainnet", 2_000_000_000, None),
        (bolt.TESTNET, "testnet", 2_000_000_000, None),
        (bolt.ROUTES, "mainnet", 2_000_000_000, None),
        (bolt.P2SH, "mainnet", 2_000_000_000, None),
        (bolt.P2WPKH, "mainnet", 2_000_000_000, None),
        (bolt.P2WSH, "mainnet", 2_000_000_000, None),
        (bolt.BEANS, "mainnet", 2_500_000_000, "coffee beans"),
        (bolt.BEANS.upper(), "mainnet", 2_500_000_000, "coffee beans"),
        (bolt.SKIPPED, "mainnet", 2_500_000_000, "coffee beans"),
        (bolt.METADATA, "mainnet", 1_000_000_000, "payment metadata inside"),
    ],
)
def test_the_examples_of_bolt_11_are_read(
    text: str, network: str, amount_msat: int | None, description: str | None
) -> None:
    read = read_invoice(text)
    assert (read.network, read.amount_msat) == (network, amount_msat)
    assert (read.payment_hash, read.payee) == (bolt.HASH, bolt.NODE)
    assert read.created_at == 1_496_314_658_000
    assert read.has_payment_secret
    assert read.description == description
    hashed = sha256(bolt.CAKE.encode()).hexdigest()
    assert read.description_hash == (None if description else hashed)
    assert read.bolt11 == text.lower()


def test_an_amount_in_pico_bitcoin_and_an_expiry_of_a_week() -> None:
    read = read_invoice(bolt.PICO)
    assert read.amount_msat == 967_878_534
    assert (read.payment_hash, read.description) == (bolt.PICO_HASH, bolt.PICO_TEXT)
    assert read.created_at == 1_572_468_703_000
    assert read.expires_at - read.created_at == 604_800_000


def test_without_an_expiry_it_is_an_hour_and_with_one_that() -> None:
    for text, wanted in ((bolt.DONATION, 3_600_000), (bolt.COFFEE, 60_000)):
        read = read_invoice(text)
        assert read.expires_at - read.created_at == wanted


def test_the_invalid_examples_of_bolt_11_are_refused_for_what_is_wrong() -> None:
    said = {
        "an unknown feature that is demanded": "unknown feature 100",
        "a wrong checksum": "checksum is wrong",
        "no prefix": "no bech32 text: a prefix",
        "mixed case": "all in small or all in big",
        "a signature of nobody": "signature of the invoice is none",
        "too short": "too short for an invoice",
        "an unknown multiplier": "does not begin as an invoice does",
        "parts of a millisatoshi": "parts of a millisatoshi",
    }
    assert said.keys() == bolt.INVALID.keys()
    for why, words in said.items():
        with pytest.raises(InvalidInput, match=words):
            read_invoice(bolt.INVALID[why])


def test_an_invoice_without_a_payment_secret_is_read_and_said_to_have_none() -> None:
    assert not read_invoice(bolt.NO_SECRET).has_payment_secret


@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet", "regtest"])
def test_the_network_stands_in_the_prefix(network: str) -> None:
    text = make_invoice(HASH, amount_msat=10**11, at_s=NOW_S, network=network)
    assert read_invoice(text).network == network
    for other in {"mainnet", "testnet", "signet", "regtest"} - {network}:
        with pytest.raises(InvalidInput, match=f"is of {network}, not {other}"):
            read_invoice(text, other)


@pytest.mark.parametrize("amount_msat", [1, 10, 999, 1000, 10**11, ALL_COINS - 1])
def test_amounts_from_1_msat_to_21_million_btc(amount_msat: int) -> None:
    text = make_invoice(HASH, amount_msat=amount_msat, at_s=NOW_S)
    assert read_invoice(text).amount_msat == amount_msat


def test_all_bitcoin_that_there_will_be_and_no_more() -> None:
    """Written by hand: of whole thousands of bitcoin the library makes too few."""
    _, values = read_bech32(bolt.DONATION)
    for prefix in ("lnbc21000000", "lnbc21000000000m", "lnbc21000000000000000000p"):
        read = read_invoice(bech32_text(prefix, values))
        assert read.amount_msat == ALL_COINS == MAX_MSAT


@pytest.mark.parametrize(
    "prefix",
    [
        *("lnbc21000001", "lnbc21000000000000000010p", "lnbc0", "lnbc01", "lnbc-1"),
        *("lnbc1.5", "lnbc1uu", "lnbcm", "lnbc١", "lnsb1", "lnbc1 ", "bc1", "lnbc1p"),
        "lnbc" + "9" * 60,
    ],
)
def test_amounts_that_are_none_or_more_than_there_is_are_refused(prefix: str) -> None:
    _, values = read_bech32(bolt.DONATION)
    with pytest.raises(InvalidInput):
        read_invoice(bech32_text(prefix, values))


def test_what_is_too_long_is_refused_unread() -> None:
    long = make_invoice(HASH, amount_msat=1, at_s=NOW_S, description="d" * 639)
    assert read_invoice(long).description == "d" * 639
    with pytest.raises(InvalidInput, match="at most"):
        read_invoice(bolt.DONATION + "q" * MAX_INVOICE_LENGTH)


def test_an_expiry_that_never_comes_is_refused() -> None:
    longest = 100 * 366 * 86_400
    read = read_invoice(
        make_invoice(HASH, amount_msat=1, at_s=NOW_S, expires_in_s=longest)
    )
    assert read.expires_at == NOW + longest * 1000
    with pytest.raises(InvalidInput, match="a hundred years"):
        read_invoice(
            make_invoice(HASH, amount_msat=1, at_s=NOW_S, expires_in_s=longest + 1)
        )


def test_the_first_of_two_hashes_counts_as_it_does_for_the_payer() -> None:
    prefix, values = read_bech32(make_invoice(HASH, amount_msat=1, at_s=NOW_S))
    second = b"\x01" + bytes((1, 20)) + to_groups(bytes(32))
    _, doubled = prefix, values[:-104] + second + values[-104:]
    read = read_invoice(bech32_text(prefix, doubled))
    assert read.payment_hash == HASH
    assert read.payee != PAYEE, "what is signed has changed"


def with_field(text: str, tag: int, groups: bytes) -> str:
    """The invoice with one more field, whoever has signed it then."""
    prefix, values = read_bech32(text)
    head = bytes((tag, *divmod(len(groups), 32)))
    return bech32_text(prefix, values[:-104] + head + groups + values[-104:])


@pytest.mark.parametrize("bit", [64, 66, 100, 102, 998])
def test_a_demand_for_what_nobody_knows_is_refused_and_a_wish_is_not(bit: int) -> None:
    text = make_invoice(HASH, amount_msat=1, at_s=NOW_S)
    for asked, is_refused in ((bit, True), (bit + 1, False), (62, False), (8, False)):
        number = 1 << asked
        groups = bytes(number >> 5 * n & 31 for n in range(asked // 5, -1, -1))
        if is_refused:
            with pytest.raises(InvalidInput, match=f"unknown feature {asked}"):
                read_invoice(with_field(text, 5, groups))
        else:
            assert read_invoice(with_field(text, 5, groups)).payment_hash == HASH


def test_a_payee_that_is_named_must_have_signed_it() -> None:
    decoded = bolt11.decode(bolt.BEANS)
    for tag in decoded.tags:
        if tag.char.value == "n":
            tag.data = PAYEE
    named = bolt11.encode(decoded, KEY, keep_payee=True)
    assert read_invoice(named).payee == bolt11.decode(named).payee == PAYEE
    other = bolt11.encode(decoded, "11" * 32, keep_payee=True)
    with pytest.raises(InvalidInput, match="did not sign"):
        read_invoice(other)


@given(st.text(max_size=300))
def test_nothing_but_invalid_input_comes_of_any_text(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_invoice(text)


@settings(max_examples=150)
@given(
    values=st.binary(max_size=200).map(lambda data: bytes(it & 31 for it in data)),
    prefix=st.sampled_from(["lnbc", "lnbcrt10n", "lntbs1", "lntb25m"]),
    cut=st.integers(0, 60),
)
def test_any_fields_in_good_bech32_are_read_or_refused(
    values: bytes, prefix: str, cut: int
) -> None:
    _, good = read_bech32(bolt.BEANS)
    for data in (values, good[:7] + values + good[-104:], good[:cut] + values):
        with suppress(InvalidInput):
            read_invoice(bech32_text(prefix, data))


@settings(max_examples=25)
@given(
    amount_msat=st.one_of(st.none(), st.integers(1, 999 * 10**11)),
    at_s=st.integers(1, 2**35 - 1),
    expires_in_s=st.one_of(st.none(), st.integers(1, 10**8)),
    network=st.sampled_from(["mainnet", "testnet", "signet", "regtest"]),
    description=st.text(max_size=60),
    is_hashed=st.booleans(),
)
def test_it_is_read_as_the_library_reads_it(
    amount_msat: int | None,
    at_s: int,
    expires_in_s: int | None,
    network: str,
    description: str,
    is_hashed: bool,
) -> None:
    hashed = sha256(description.encode()).hexdigest() if is_hashed else None
    text = make_invoice(
        sha256(description.encode()).hexdigest(),
        amount_msat=amount_msat,
        at_s=at_s,
        expires_in_s=expires_in_s,
        network=network,
        description=description,
        description_hash=hashed,
    )
    ours, theirs = read_invoice(text, network), bolt11.decode(text)
    assert ours.payment_hash == theirs.payment_hash
    assert ours.amount_msat == theirs.amount_msat
    assert ours.created_at == theirs.date * 1000
    assert ours.expires_at == theirs.expiry_time * 1000
    assert ours.description == theirs.description
    assert ours.description_hash == theirs.description_hash
    assert ours.payee == theirs.payee
    assert ours.has_payment_secret


# What was asked for.


def asked(amount_msat: int | None = 50_000_000, **changed: object) -> InvoiceAsked:
    fields: dict[str, object] = {
        "payment_id": "pay_1",
        "amount_msat": amount_msat,
        "description": "Order 7",
        "expires_in_s": 900,
    }
    return InvoiceAsked(**(fields | changed))  # type: ignore[arg-type]


def made(
    payment_hash: str = HASH, named: str | None = None, **fields: object
) -> InvoiceMade:
    given: dict[str, object] = {
        "amount_msat": 50_000_000,
        "at_s": NOW_S,
        "expires_in_s": 900,
        "description": "Order 7",
    }
    text = make_invoice(payment_hash, **(given | fields))  # type: ignore[arg-type]
    return InvoiceMade(bolt11=text, payment_hash=named or payment_hash)


def check(invoice: InvoiceMade, wanted: InvoiceAsked | None = None) -> Invoice:
    return check_invoice(invoice, wanted or asked(), "regtest", NOW, "shop")


def test_what_was_asked_for_may_be_shown() -> None:
    invoice = made()
    assert check(invoice) == Invoice(
        node="shop",
        payment_hash=HASH,
        bolt11=invoice.bolt11,
        amount_msat=50_000_000,
        expires_at=NOW + 900_000,
    )


def test_one_without_an_amount_where_any_amount_was_asked_for() -> None:
    assert check(made(amount_msat=None), asked(None)).amount_msat is None


@pytest.mark.parametrize("amount_msat", [1, ALL_COINS - 1])
def test_the_least_and_the_most_amount(amount_msat: int) -> None:
    invoice = made(amount_msat=amount_msat)
    assert check(invoice, asked(amount_msat)).amount_msat == amount_msat
    with pytest.raises(InvoiceMismatch, match="msat"):
        check(invoice)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"named": "00" * 32}, "payment hash"),
        ({"amount_msat": 50_000_001}, "50000001 msat"),
        ({"amount_msat": None}, "None msat"),
        ({"network": "mainnet"}, "of mainnet, not regtest"),
        ({"network": "signet"}, "of signet"),
        ({"has_secret": False}, "no payment secret"),
        ({"at_s": NOW_S - 1000}, "has expired"),
        ({"at_s": NOW_S - 900}, "has expired"),
        ({"expires_in_s": 86_400}, "expires in 86400 s, not 900"),
        ({"expires_in_s": None}, "expires in 3600 s, not 900"),
        ({"expires_in_s": 901 + EXPIRY_SLACK_S}, "expires in"),
        ({"expires_in_s": 899 - EXPIRY_SLACK_S}, "expires in"),
        ({"description": "Order 8"}, "description"),
        ({"description": ""}, "description"),
        ({"description_hash": "11" * 32}, "description"),
    ],
)
def test_another_invoice_than_was_asked_for_is_never_shown(
    changed: dict[str, object], why: str
) -> None:
    with pytest.raises(InvoiceMismatch, match=why):
        check(made(**changed))  # type: ignore[arg-type]


def test_an_amount_where_any_amount_was_asked_for_is_a_mismatch() -> None:
    with pytest.raises(InvoiceMismatch, match="50000000 msat, not None"):
        check(made(), asked(None))


def test_an_answer_that_is_no_invoice_is_a_mismatch() -> None:
    for text in ("", "lnbcrt1", bolt.INVALID["a wrong checksum"], "q" * 10_000):
        with pytest.raises(InvoiceMismatch, match="cannot be used"):
            check(InvoiceMade(bolt11=text, payment_hash=HASH))


@pytest.mark.parametrize("off_s", [-EXPIRY_SLACK_S, EXPIRY_SLACK_S])
def test_a_node_whose_clock_or_minutes_differ_a_little_is_believed(off_s: int) -> None:
    assert check(made(expires_in_s=900 + off_s)).expires_at == NOW + 1000 * (
        900 + off_s
    )


def test_a_description_may_come_as_its_hash_and_a_hash_must() -> None:
    hashed = sha256(b"Order 7").hexdigest()
    assert check(made(description_hash=hashed)).payment_hash == HASH
    wanted = asked(description="", description_hash=hashed)
    assert check(made(description_hash=hashed), wanted).payment_hash == HASH
    for other in (made(description_hash="11" * 32), made(description="Order 7")):
        with pytest.raises(InvoiceMismatch, match="description"):
            check(other, wanted)


def test_who_asks_for_no_text_takes_what_the_node_says() -> None:
    assert check(made(description="a till"), asked(description="")).node == "shop"
