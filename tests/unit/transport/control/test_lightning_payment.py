"""A new payment that Lightning can pay: what is asked of the node, and what is refused.

The invoices are real ones; the node and the gateway before it are doubles.
"""

from typing import Any

import pytest

from engine.errors import (
    EngineBusy,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.errors.codes import Code
from engine.lightning.node import Balance, Can
from engine.lightning.upstream import UpstreamState
from engine.payment.model import Terms
from tests.unit.transport.control.lightning_shop import ADDRESS, NOW, LightningShop
from transport.control.lightning_payment import MAX_INVOICES, Invoices
from transport.http.problems import Problem

BOTH: dict[str, Any] = {"methods": ["onchain", "lightning"], "address": ADDRESS}
ALONE: dict[str, Any] = {"method": "lightning"}


def refused(shop: LightningShop, **body: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        shop.create(**body)
    return caught.value


def paths(problem: Problem) -> list[str]:
    return [error.path for error in problem.errors]


def test_lightning_alone_has_its_invoice_in_place_of_an_address() -> None:
    shop = LightningShop()
    terms = shop.create(
        **ALONE, amount_sat=5_000, description="Two coffees", expires_in_s=600
    )
    (asked,) = shop.asked
    assert asked.payment_id == terms.id
    assert asked.amount_msat == 5_000_000
    assert (asked.description, asked.expires_in_s) == ("Two coffees", 600)
    assert terms.lightning is not None
    assert terms.lightning.node == "till"
    assert terms.lightning.amount_msat == 5_000_000
    assert terms.method == "lightning"
    assert not terms.has_chain
    assert terms.address == f"lightning:{terms.lightning.payment_hash}"
    assert terms.expires_at == terms.lightning.expires_at == NOW + 600_000
    assert terms.confirmations_required == 0
    assert terms.quorum_above_sat is None


def test_the_invoices_own_expiry_is_the_payments() -> None:
    shop = LightningShop()
    shop.made = {"expires_in_s": 660}  # a service that counts in minutes
    for body in (ALONE, BOTH):
        terms = shop.create(**body, amount_sat=5_000, expires_in_s=630)
        assert terms.expires_at == NOW + 660_000
        assert terms.monitor_until == terms.expires_at + 7 * 86_400_000


def test_both_have_an_address_and_an_invoice_and_one_method() -> None:
    for choice, is_unified in (("tabs", False), ("unified", True)):
        terms = LightningShop(bip321=choice).create(**BOTH, amount_sat=5_000)
        assert (terms.method, terms.address) == ("onchain", ADDRESS)
        assert terms.confirmations_required == 3
        assert terms.lightning is not None
        assert terms.lightning.is_unified is is_unified


def test_any_amount_is_an_invoice_without_one_where_the_node_makes_them() -> None:
    shop = LightningShop()
    terms = shop.create(**ALONE, any_amount=True)
    assert shop.asked[0].amount_msat is None
    assert terms.lightning is not None
    assert terms.lightning.amount_msat is terms.amount_sat is None
    shop.can = Can(push=True, description_hash=True, amountless=False, pay=True)
    assert paths(refused(shop, **ALONE, any_amount=True)) == ["/any_amount"]


def test_the_hash_of_a_description_stands_in_its_place() -> None:
    shop = LightningShop(display_name="Ann's")
    shop.create(**ALONE, amount_sat=5_000, description_hash="ab" * 32)
    assert shop.asked[0].description == ""
    assert shop.asked[0].description_hash == "ab" * 32
    shop.create(**ALONE, amount_sat=5_000)
    assert shop.asked[1].description == "Ann's", "what a payer's wallet shows"
    both = {"description": "x", "description_hash": "ab" * 32}
    wrong = refused(shop, **ALONE, amount_sat=5_000, **both)
    assert paths(wrong) == ["/description_hash"]
    shop.can = Can(push=True, description_hash=False, amountless=True, pay=True)
    wrong = refused(shop, **ALONE, amount_sat=5_000, description_hash="ab" * 32)
    assert paths(wrong) == ["/description_hash"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/amount_sat"),
        ({"amount_sat": 1, "any_amount": True}, "/any_amount"),
        ({"amount_sat": 5, "address": ADDRESS}, "/address"),
        ({"amount_sat": 5, "forward_to": ADDRESS}, "/forward_to"),
        ({"amount_sat": 5, "quorum_above_sat": 0}, "/quorum_above_sat"),
        ({"amount_sat": 5, "gateway": "card"}, "/gateway"),
        ({"amount_sat": 5, "methods": ["lightning"]}, "/methods"),
        ({"amount_sat": 0}, "/amount_sat"),
        ({"amount_sat": 2_100_000_000_000_001}, "/amount_sat"),
        ({"amount_sat": 0.001}, "/amount_sat"),
        ({"amount_sat": 5, "description": "x" * 129}, "/description"),
        ({"amount_sat": 5, "description": "a\nb"}, "/description"),
        ({"amount_sat": 5, "description_hash": "AB" * 32}, "/description_hash"),
        ({"amount_sat": 5, "on_warning": "shrug"}, "/on_warning"),
    ],
)
def test_a_promise_that_lightning_does_not_keep_is_refused(
    body: dict[str, Any], path: str
) -> None:
    shop = LightningShop()
    wrong = refused(shop, **{**ALONE, **body})
    assert path in paths(wrong)
    assert wrong.code is Code.INVALID_REQUEST
    assert not shop.asked, "no node is asked for what is refused"


@pytest.mark.parametrize("field", ["description_hash", "on_warning"])
def test_what_only_an_invoice_has_is_refused_without_one(field: str) -> None:
    value = {"description_hash": "ab" * 32, "on_warning": "refuse"}[field]
    body = {"method": "onchain", "address": ADDRESS, "amount_sat": 5_000}
    assert paths(refused(LightningShop(), **body, **{field: value})) == [f"/{field}"]


@pytest.mark.parametrize(
    ("methods", "path"),
    [
        ([], "/methods"),
        (["lightning", "lightning"], "/methods"),
        (["external"], "/methods"),
        (["onchain", "lightning", "onchain"], "/methods"),
    ],
)
def test_wrong_lists_of_methods_are_refused(methods: list[str], path: str) -> None:
    body = {"methods": methods, "address": ADDRESS, "amount_sat": 5_000}
    assert path in paths(refused(LightningShop(), **body))


def test_a_merchant_without_an_account_is_told_which_setting_is_missing() -> None:
    shop = LightningShop()
    shop.account = None
    for body, path in ((ALONE, "/method"), (BOTH, "/methods")):
        wrong = refused(shop, **body, amount_sat=5_000)
        assert paths(wrong) == [path]
        assert "[lightning.<name>]" in wrong.detail
    terms = shop.create(method="onchain", address=ADDRESS, amount_sat=5_000)
    assert terms.lightning is None


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (NodeUnavailable("no answer"), "5"),
        (NodeBusy("slow down", 17.0), "17"),
        (NodeGarbage("not JSON"), "5"),
        (NodeRefused("a key without that right", "key"), "5"),
    ],
)
def test_a_node_that_is_down_is_a_503_that_says_when_to_come_again(
    error: Exception, retry_after: str
) -> None:
    shop = LightningShop()
    shop.error = error
    problem = refused(shop, **ALONE, amount_sat=5_000)
    assert problem.code is Code.LIGHTNING_UNAVAILABLE
    assert problem.headers == {"Retry-After": retry_after}
    assert str(error) in problem.detail


def test_what_the_node_refuses_for_good_is_the_callers_mistake() -> None:
    shop = LightningShop()
    shop.error = NodeRefused("more than 21 million", "amount")
    problem = refused(shop, **ALONE, amount_sat=2_100_000_000_000_000)
    assert (problem.code, paths(problem)) == (Code.INVALID_REQUEST, ["/amount_sat"])
    shop.error = NodeRefused("an invoice lasts 24 hours at most")
    problem = refused(shop, **ALONE, amount_sat=5_000, expires_in_s=100_000)
    assert (problem.code, paths(problem)) == (Code.INVALID_REQUEST, ["/method"])
    assert "24 hours" in problem.detail


@pytest.mark.parametrize(
    "made",
    [
        {"amount_msat": 1},
        {"amount_msat": 5_001_000},
        {"amount_msat": None},
        {"network": "mainnet"},
        {"at_s": NOW // 1000 - 86_400},
        {"expires_in_s": 86_400},
        {"has_secret": False},
        {"description": "something else"},
    ],
)
def test_an_invoice_that_was_not_asked_for_is_shown_to_nobody(
    made: dict[str, Any],
) -> None:
    shop = LightningShop()
    shop.made = made
    body = {"amount_sat": 5_000, "expires_in_s": 600, "description": "Two coffees"}
    problem = refused(shop, **ALONE, **body)
    assert problem.code is Code.LIGHTNING_UNAVAILABLE
    assert "lnbc" not in problem.detail
    invoices = Invoices(shop)  # type: ignore[arg-type]
    terms = shop.create(invoices, **BOTH, **body)
    assert terms.lightning is None
    assert codes(invoices, terms) == ["lightning_unavailable"]


def codes(invoices: Invoices, terms: Terms) -> list[str]:
    return [warned.code for warned in invoices.warnings_of(terms.id)]


def test_without_its_node_a_payment_of_both_has_its_address_and_a_warning() -> None:
    shop = LightningShop()
    shop.error = NodeUnavailable("no answer")
    shop.states["till"] = UpstreamState.FAILING
    invoices = Invoices(shop)  # type: ignore[arg-type]
    terms = shop.create(invoices, **BOTH, amount_sat=5_000)
    assert (terms.method, terms.address) == ("onchain", ADDRESS)
    assert terms.lightning is None
    assert codes(invoices, terms) == ["account_not_live", "lightning_unavailable"]
    problem = refused(shop, **BOTH, amount_sat=5_000, on_warning="refuse")
    assert problem.code is Code.LIGHTNING_UNAVAILABLE


def test_an_engine_that_is_busy_says_so_whatever_else_could_be_offered() -> None:
    shop = LightningShop()
    shop.error = EngineBusy("too many invoices to make", 1)
    for body in (ALONE, BOTH):
        with pytest.raises(EngineBusy):
            shop.create(**body, amount_sat=5_000)


def test_s2_5_creating_an_invoice_while_an_account_is_down_warns_first() -> None:
    shop = LightningShop()
    invoices = Invoices(shop)  # type: ignore[arg-type]
    assert codes(invoices, shop.create(invoices, **ALONE, amount_sat=5_000)) == []
    shop.states["user"] = UpstreamState.FAILING
    terms = shop.create(invoices, **ALONE, amount_sat=5_000)
    assert codes(invoices, terms) == ["forward_target_not_live"]
    shop.balance = Balance(spendable_msat=0, credit_msat=1, receivable_msat=4_999_999)
    terms = shop.create(invoices, **ALONE, amount_sat=5_000)
    expected = ["forward_target_not_live", "inbound_capacity", "fee_credit"]
    assert codes(invoices, terms) == expected


@pytest.mark.parametrize("char", ["\u061c", "\u202e", "\u2067", "\u0085", "\n"])
def test_bad_input_a_description_that_turns_text_round_is_refused(char: str) -> None:
    shop = LightningShop()
    problem = refused(shop, **ALONE, amount_sat=5_000, description=f"1{char}2")
    assert [one.path for one in problem.errors] == ["/description"]
    assert not shop.asked


def test_what_others_take_on_the_same_account_is_told_to_nobody() -> None:
    shop, sums = LightningShop(), []
    shop.balance = Balance(spendable_msat=0, credit_msat=0, receivable_msat=4_321_000)
    for shop.others in (0, 1):
        problem = refused(shop, **ALONE, amount_sat=5_000, on_warning="refuse")
        sums.append("4321" in f"{problem.detail} {problem.errors}")
    assert sums == [True, False]


@pytest.mark.parametrize("where", ["request", "record", "both"])
def test_s2_5_and_is_refused_when_told_to(where: str) -> None:
    kept: dict[str, Any] = {} if where == "request" else {"on_warning": "refuse"}
    said: dict[str, Any] = {} if where == "record" else {"on_warning": "refuse"}
    shop = LightningShop(**kept)
    assert shop.create(**ALONE, **said, amount_sat=5_000).lightning is not None
    shop.asked.clear()
    shop.states["user"] = UpstreamState.CONNECTING
    problem = refused(shop, **ALONE, **said, amount_sat=5_000)
    assert problem.code is Code.LIGHTNING_UNAVAILABLE
    assert "Retry-After" in problem.headers
    assert "user is connecting" in problem.detail
    assert not shop.asked
    if where == "record":  # the request may say otherwise
        terms = shop.create(**ALONE, amount_sat=5_000, on_warning="create")
        assert terms.lightning is not None


BANDS = {"lightning_max_sat": 50_000, "onchain_min_sat": 1_000}


@pytest.mark.parametrize(
    ("amount_sat", "methods"),
    [
        (999, (False, True)),
        (1_000, (True, True)),
        (50_000, (True, True)),
        (50_001, (True, False)),
    ],
)
def test_bands_leave_the_methods_that_take_the_sum(
    amount_sat: int, methods: tuple[bool, bool]
) -> None:
    terms = LightningShop(**BANDS).create(**BOTH, amount_sat=amount_sat)
    assert (terms.has_chain, terms.lightning is not None) == methods


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**ALONE, "amount_sat": 50_001}, "lightning_max_sat"),
        (
            {"method": "onchain", "address": ADDRESS, "amount_sat": 999},
            "onchain_min_sat",
        ),
    ],
)
def test_a_sum_that_no_asked_method_takes_is_refused_by_its_limit(
    body: dict[str, Any], said: str
) -> None:
    wrong = refused(LightningShop(**BANDS), **body)
    assert paths(wrong) == ["/amount_sat"]
    assert said in wrong.detail


def test_a_merchants_own_methods_hold_where_a_request_names_none() -> None:
    shop = LightningShop(methods=("lightning",))
    assert shop.create(amount_sat=5_000).method == "lightning"
    body: dict[str, Any] = {"amount_sat": 5_000, "address": ADDRESS}
    assert shop.create(**body, method="onchain").lightning is None
    both = LightningShop(methods=("onchain", "lightning")).create(**body)
    assert (both.method, both.lightning is not None) == ("onchain", True)


def test_a_batch_has_so_many_invoices_and_no_more() -> None:
    shop = LightningShop()
    invoices = Invoices(shop)  # type: ignore[arg-type]
    for _ in range(MAX_INVOICES):
        shop.create(invoices, **ALONE, amount_sat=5_000)
    with pytest.raises(Problem) as caught:
        shop.create(invoices, **ALONE, amount_sat=5_000)
    assert paths(caught.value) == ["/method"]
    assert len(shop.asked) == MAX_INVOICES
    terms = shop.create(invoices, method="onchain", address=ADDRESS, amount_sat=5_000)
    assert terms.lightning is None, "others go on"


def test_a_batch_asks_a_silent_node_once() -> None:
    shop = LightningShop()
    shop.error = NodeUnavailable("no answer")
    invoices = Invoices(shop)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(Problem):
            shop.create(invoices, **ALONE, amount_sat=5_000)
    assert len(shop.asked) == 1


def test_a_price_in_euro_is_an_invoice_in_satoshi_and_bands_are_of_these() -> None:
    shop = LightningShop(**BANDS)
    price: dict[str, Any] = {
        "amount": "25.00",
        "currency": "EUR",
    }  # at 50,000 EUR: 50,000 sat
    terms = shop.create(**ALONE, **price)
    assert shop.asked[0].amount_msat == 50_000_000
    assert terms.price is not None
    assert terms.lightning is not None
    wrong = refused(shop, **ALONE, amount="25.01", currency="EUR")
    assert paths(wrong) == ["/amount"]
    assert "50020 sat" in wrong.detail
