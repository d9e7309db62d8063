"""A wallet pays to a Lightning Address over a real socket, and what it is refused."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from embit import bech32

from engine.errors import EngineBusy, NodeRefused, NodeUnavailable
from engine.lightning.lnurl import encode_lnurl
from engine.lightning.node import Can
from engine.merchants.record import Merchant
from engine.store.writes import Conflict
from tests.unit.transport.lnurl.lnurl_shop import (
    PUBLIC,
    LnurlShop,
    Refused,
    Wallet,
    lnurl_shop,
)
from transport.lnurl.admission import Admission, LnurlLimits, TooMany

ADDRESS = "cafe@shop.example"


@pytest.fixture
def shop() -> LnurlShop:
    return LnurlShop(comment_length=20)


@pytest.fixture
def wallet(shop: LnurlShop) -> Iterator[Wallet]:
    with lnurl_shop(shop) as opened:
        yield opened


def changed(shop: LnurlShop, **address: Any) -> None:
    """The merchant's record says something else by now."""
    before = shop.record.lightning_address
    assert before is not None
    after = msgspec.structs.replace(before, **address)
    shop.record = msgspec.structs.replace(shop.record, lightning_address=after)


def test_a_wallet_finds_out_what_it_may_pay(wallet: Wallet) -> None:
    found = wallet.look(ADDRESS)
    assert (found["minSendable"], found["maxSendable"]) == (10_000, 5_000_000)
    assert found["commentAllowed"] == 20
    assert json.loads(found["metadata"]) == [
        ["text/plain", "Payment to Café Lisboa"],
        ["text/identifier", ADDRESS],
    ]
    assert found["callback"].startswith(f"{PUBLIC}/lnurl/pay/cafe/")
    assert wallet.answer is not None
    assert wallet.answer.headers["Access-Control-Allow-Origin"] == "*"
    assert wallet.answer.headers["Cache-Control"] == "no-store"


def test_each_callback_is_a_payment_of_its_own(shop: LnurlShop, wallet: Wallet) -> None:
    found = wallet.look(ADDRESS)
    answers = [wallet.pay(found, 21_000, "für Kaffee ☕") for _ in range(2)]
    assert len({answer["pr"] for answer in answers}) == 2
    assert answers[0]["routes"] == []
    assert answers[0]["disposable"] is False
    assert "successAction" not in answers[0]
    first, second = shop.payments.values()
    assert first.id != second.id
    assert (first.terms.method, first.terms.amount_sat) == ("lightning", 21)
    assert first.terms.metadata == {"lnurl": ADDRESS, "comment": "für Kaffee ☕"}
    assert first.terms.expires_at - first.terms.created_at == 600_000


def test_a_tag_names_a_table(shop: LnurlShop, wallet: Wallet) -> None:
    found = wallet.look("cafe+table7@shop.example")
    wallet.pay(found, 10_000)
    (payment,) = shop.payments.values()
    assert payment.terms.metadata == {"lnurl": "cafe+table7@shop.example"}
    assert ["text/tag", "table7"] in json.loads(found["metadata"])


def test_a_wallet_shows_what_the_shop_says_when_it_has_paid() -> None:
    shop = LnurlShop(success_message="Obrigado!")
    with lnurl_shop(shop) as wallet:
        answer = wallet.pay(wallet.look(ADDRESS), 10_000)
        assert answer["successAction"] == {"tag": "message", "message": "Obrigado!"}
        changed(shop, success_page=True)
        answer = wallet.pay(wallet.look(ADDRESS), 10_000)
        newest = [*shop.payments.values()][-1]
        assert answer["successAction"] == {
            "tag": "url",
            "description": "Obrigado!",
            "url": f"{PUBLIC}/pay/{newest.id}",
        }


def test_anybody_may_verify_that_an_invoice_of_a_wallet_was_paid(
    shop: LnurlShop, wallet: Wallet
) -> None:
    answer = wallet.pay(wallet.look(ADDRESS), 10_000)
    open_one = {"status": "OK", "settled": False, "preimage": None, "pr": answer["pr"]}
    assert wallet.get(answer["verify"]) == open_one
    shop.pay(*shop.payments.values())
    assert wallet.get(answer["verify"]) == open_one | {"settled": True}


def test_other_invoices_than_those_of_wallets_are_verified_for_nobody(
    shop: LnurlShop, wallet: Wallet
) -> None:
    answer = wallet.pay(wallet.look(ADDRESS), 10_000)
    (key, payment) = next(iter(shop.payments.items()))
    terms = msgspec.structs.replace(payment.terms, metadata={})
    shop.payments[key] = msgspec.structs.replace(payment, terms=terms)
    for url in (
        answer["verify"],
        f"{PUBLIC}/lnurl/verify/{'0' * 64}",
        f"{PUBLIC}/lnurl/verify/{'A' * 64}",
        f"{PUBLIC}/lnurl/verify/x",
    ):
        with pytest.raises(Refused, match="Not found"):
            wallet.get(url)


@pytest.mark.parametrize(
    "query",
    [
        *("", "amount=", "amount=9999", "amount=5001000", "amount=-21000"),
        *("amount=0", "amount=-0", "amount=1", "amount=0.5", "amount=999"),
        *("amount=21.5", "amount=1e6", "amount=21500", "amount=" + "9" * 400),
        *("amount=21000&amount=22000", "amount=%D9%A1%D9%A0%D9%A0%D9%A0%D9%A0"),
        *("amount=21000&comment=%FF", "amount=21000&comment=a%00b"),
        *("amount=21000&comment=a&comment=b", "amount=21000" + "&x=1" * 20),
        "amount=21000&comment=" + "x" * 21,
        "amount=21000&comment=" + "x" * 5_000,
    ],
)
def test_bad_input_amounts_and_comments_out_of_range_are_refused_in_words(
    shop: LnurlShop, wallet: Wallet, query: str
) -> None:
    callback = wallet.look(ADDRESS)["callback"]
    with pytest.raises(Refused, match=r"\.$") as refused:
        wallet.get(f"{callback}?{query}")
    assert len(str(refused.value)) < 100
    assert wallet.answer is not None
    assert wallet.answer.status_code == 200
    assert wallet.answer.headers["Access-Control-Allow-Origin"] == "*"
    assert not shop.asked, "the node was not asked for anything"


def test_bad_input_a_comment_of_10_kb_makes_nothing(
    shop: LnurlShop, wallet: Wallet
) -> None:
    callback = wallet.look(ADDRESS)["callback"].removeprefix(PUBLIC)
    url = f"{wallet.url}{callback}?amount=21000&comment={'x' * 10_240}"
    assert wallet.session.get(url, timeout=30).status_code == 414
    assert not shop.asked


def test_parameters_of_other_wallets_are_passed_over(
    shop: LnurlShop, wallet: Wallet
) -> None:
    callback = wallet.look(ADDRESS)["callback"]
    wallet.get(f"{callback}?nonce=1234&amount=21000&fromnodes=&comment=")
    assert len(shop.payments) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("nobody", "caf%C3%A9", "%F0%9F%98%80", "cafe%2Fx", "x" * 200, "cafe+"),
        *("-cafe", "cafe@shop.example", "%EF%BD%83afe", "cafe%20", "..%2f..%2fv1"),
    ],
)
def test_bad_input_unknown_names_are_refused_in_words(
    wallet: Wallet, name: str
) -> None:
    for path in (f"/.well-known/lnurlp/{name}", f"/lnurl/pay/{name}/x?amount=21000"):
        answer = wallet.session.get(wallet.url + path, timeout=30)
        if answer.status_code == 404:  # a slash makes it another path
            assert "%2" in name
            continue
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ERROR",
            "reason": "There is no such address here.",
        }


@pytest.mark.parametrize("name", ["CAFE", "Cafe", "cAfE+Table7"])
def test_capitals_are_read_as_small_letters(wallet: Wallet, name: str) -> None:
    found = wallet.look(f"{name}@shop.example")
    assert f"{name.lower()}@shop.example" in found["metadata"]


def test_nobody_pays_on_terms_that_he_was_not_shown(
    shop: LnurlShop, wallet: Wallet
) -> None:
    found = wallet.look(ADDRESS)
    changed(shop, description="A boat")
    with pytest.raises(Refused, match="has changed: scan it again"):
        wallet.pay(found, 10_000)
    assert not shop.asked
    wallet.pay(wallet.look(ADDRESS), 10_000)


def test_a_head_request_makes_no_invoice(shop: LnurlShop, wallet: Wallet) -> None:
    callback = wallet.look(ADDRESS)["callback"].removeprefix(PUBLIC)
    answer = wallet.session.head(f"{wallet.url}{callback}?amount=21000", timeout=30)
    assert answer.status_code == 200
    assert not shop.asked


def test_pages_of_any_site_may_ask(wallet: Wallet) -> None:
    answer = wallet.session.options(
        f"{wallet.url}/.well-known/lnurlp/cafe",
        headers={"Origin": "https://wallet.example"},
        timeout=30,
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NodeUnavailable("http://10.0.0.7:9740 gave no answer"), "in a minute"),
        (NodeRefused("the key was revoked", "key"), "in a minute"),
        (NodeRefused("too little for this node", "amount"), "at the moment"),
        (EngineBusy("till has too many invoices to make", 1), "in a minute"),
    ],
)
def test_a_node_in_trouble_is_told_without_its_words(
    shop: LnurlShop, wallet: Wallet, error: Exception, reason: str
) -> None:
    found = wallet.look(ADDRESS)
    shop.error = error
    with pytest.raises(Refused, match=reason) as refused:
        wallet.pay(found, 10_000)
    assert "10.0.0.7" not in str(refused.value)
    assert "key" not in str(refused.value)
    shop.error = None
    wallet.pay(found, 10_000)


def test_an_invoice_that_is_another_than_was_asked_for_reaches_no_wallet(
    shop: LnurlShop, wallet: Wallet
) -> None:
    found = wallet.look(ADDRESS)
    shop.made = {"description_hash": "0" * 64}
    with pytest.raises(Refused, match="in a minute"):
        wallet.pay(found, 10_000)
    shop.made = {"amount_msat": 10_001}
    with pytest.raises(Refused, match="in a minute"):
        wallet.pay(found, 10_000)
    assert not shop.payments


def test_a_payment_that_cannot_be_kept_is_told(shop: LnurlShop, wallet: Wallet) -> None:
    found = wallet.look(ADDRESS)
    shop.conflict = Conflict("address", "address is taken")
    with pytest.raises(Refused, match="at the moment"):
        wallet.pay(found, 10_000)


NO_HASH = Can(push=True, description_hash=False, amountless=True, pay=True)


def without_account(shop: LnurlShop) -> None:
    shop.account = None


def without_hash(shop: LnurlShop) -> None:
    shop.can = NO_HASH


def below_band(shop: LnurlShop) -> None:
    shop.record = msgspec.structs.replace(shop.record, lightning_max_sat=9)


def of_another(shop: LnurlShop) -> None:
    shop.holder = Merchant(name="ann")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_account, "no Lightning account"),
        (without_hash, "hash of a description"),
        (below_band, "lightning_max_sat is less"),
        (of_another, "Another merchant"),
    ],
)
def test_what_cannot_be_offered_is_not_and_the_shop_reads_why(
    shop: LnurlShop, wallet: Wallet, spoil: Any, reason: str
) -> None:
    told = wallet.session.get(f"{wallet.url}/v1/merchants/default/lightning_address")
    assert told.json() == {
        "offered": True,
        "reason": None,
        "address": ADDRESS,
        "lnurl": encode_lnurl(f"{PUBLIC}/.well-known/lnurlp/cafe"),
        "uri": "lightning:" + encode_lnurl(f"{PUBLIC}/.well-known/lnurlp/cafe"),
        "url": f"{PUBLIC}/.well-known/lnurlp/cafe",
    }
    spoil(shop)
    with pytest.raises(Refused, match=r"no payments at the moment|no such|has no"):
        wallet.look(ADDRESS)
    told = wallet.session.get(f"{wallet.url}/v1/merchants/default/lightning_address")
    assert told.json()["offered"] is False
    assert reason in told.json()["reason"]


def test_without_a_public_url_nothing_is_offered(shop: LnurlShop) -> None:
    with lnurl_shop(shop, public_url="") as wallet:
        with pytest.raises(Refused, match="at the moment"):
            wallet.look(ADDRESS)
        told = wallet.session.get(
            f"{wallet.url}/v1/merchants/default/lightning_address"
        ).json()
        assert told["reason"].endswith("set --public-url.")
        assert told["address"] is told["lnurl"] is told["uri"] is None


def test_a_band_of_the_merchant_bounds_the_address(
    shop: LnurlShop, wallet: Wallet
) -> None:
    shop.record = msgspec.structs.replace(shop.record, lightning_max_sat=100)
    assert wallet.look(ADDRESS)["maxSendable"] == 100_000


def test_bad_input_a_flood_of_callbacks_is_bounded(shop: LnurlShop) -> None:
    limits = LnurlLimits(per_minute=1_000, open=40)
    with lnurl_shop(shop, limits=limits) as wallet:
        found = wallet.look(ADDRESS)
        for _ in range(4):
            wallet.pay(found, 10_000)
        with pytest.raises(Refused, match="are open"):
            wallet.pay(found, 10_000)
        assert wallet.answer is not None
        assert wallet.answer.status_code == 429
        assert int(wallet.answer.headers["Retry-After"]) > 0
        assert len(shop.asked) == 4, "each costs an invoice at the node"


def test_who_comes_back_when_he_was_told_to_is_not_too_early(
    shop: LnurlShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lnurl_shop(shop) as wallet:
        callback = wallet.look(ADDRESS)["callback"]

        def place(_self: Admission, _merchant: str, _client: str) -> None:
            raise TooMany("This address is busy.", 2.4)

        monkeypatch.setattr(Admission, "place", place)
        with pytest.raises(Refused, match="busy"):
            wallet.get(f"{callback}?amount=21000")
        assert wallet.answer is not None
        assert wallet.answer.headers["Retry-After"] == "3"


def test_the_lnurl_of_an_address_leads_to_it(wallet: Wallet) -> None:
    told = wallet.session.get(f"{wallet.url}/v1/merchants/default/lightning_address")
    words = told.json()["lnurl"].lower().removeprefix("lnurl1")
    values = [bech32.CHARSET.index(letter) for letter in words]
    url = bytes(bech32.convertbits(values[:-6], 5, 8, False)).decode()
    assert wallet.get(url)["tag"] == "payRequest"


def test_another_merchants_address_is_not_shown(wallet: Wallet) -> None:
    for name in ("ann", "a b"):
        answer = wallet.session.get(
            f"{wallet.url}/v1/merchants/{name}/lightning_address"
        )
        assert answer.status_code == 404
