"""S4.6: `POST /webhook/<gateway>`, over a real socket, as a gateway calls."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import requests
from msgspec.structs import replace

from tests.seeds.gateway_calls import (
    IN_ANY_ORDER,
    SECRETS,
    Calls,
    node_with_gateways,
)
from tests.tools.node import PATIENCE_S
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    with node_with_gateways() as made:
        yield made


def test_s4_6_a_signed_webhook_makes_and_confirms_the_payment(calls: Calls) -> None:
    answer = calls.say("INV-1", salonId="SALON7", customerRefNo="ann")
    assert answer.status_code == 200
    assert answer.json() == {"Status": 200}
    payment = calls.payment("INV-1")
    assert payment["status"] == "confirmed"
    assert payment["method"] == "external"
    assert payment["address"] is payment["uri"] is payment["amount_sat"] is None
    assert payment["gateway"] == "payable"
    assert (payment["currency"], payment["decimals"]) == ("LKR", 2)
    assert payment["received_minor"] == 2_500
    assert payment["metadata"] == {"customer": "ann", "salonId": "SALON7"}
    assert calls.story(payment["id"]) == ["created", "confirmed"]
    everything = calls.node.get(f"/v1/payments/{payment['id']}/events").text
    assert "external:salon" not in everything + str(payment)


def test_s4_6_the_same_again_is_answered_as_before_and_changes_nothing(
    calls: Calls,
) -> None:
    answers = [calls.say("INV-2") for _ in range(3)]
    assert [answer.json() for answer in answers] == [{"Status": 200}] * 3
    assert calls.story(calls.payment("INV-2")["id"]) == ["created", "confirmed"]


def test_s4_6_new_invoices_are_limited_and_those_that_are_known_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateways = "transport.inbound.gateways"
    monkeypatch.setattr(f"{gateways}.CREATED_AT_ONCE", 2)
    monkeypatch.setattr(f"{gateways}.time", SimpleNamespace(monotonic=int))
    with node_with_gateways(creates_per_minute=1) as few:
        answers = [few.say(f"INV-{number}") for number in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["limit"] == "creates_per_minute"
        assert few.say("INV-0", "REFUNDED").status_code == 200


def test_s4_6_fifty_at_once_confirm_it_once(calls: Calls) -> None:
    """Twenty-five different events, each told twice. One that has no answer in time is
    asked to be told again (503), as gateways do."""

    def tell(number: int) -> int:
        with requests.Session() as session:
            event = {"payableTransactionId": f"tx-{number // 2}"}
            answered: list[int] = []

            def is_answered() -> bool:
                answer = calls.say("INV-3", session=session, **event)
                answered.append(answer.status_code)
                return answer.status_code != 503

            wait_until(is_answered, PATIENCE_S, "an answer")
            return answered[-1]

    with ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(tell, range(50)))
    assert set(codes) == {200}
    story = calls.story(calls.payment("INV-3")["id"])
    assert story == ["created", "confirmed"]


@pytest.mark.parametrize(("words", "status", "story"), IN_ANY_ORDER)
def test_s4_6_words_in_any_order(
    calls: Calls, words: list[str], status: str | None, story: list[str]
) -> None:
    invoice = "-".join(words)
    for word in words:
        assert calls.say(invoice, word).status_code == 200
    found = calls.node.get(f"/v1/payments?external_id={invoice}").json()["data"]
    assert [one["status"] for one in found] == ([status] if status else [])
    if found:
        assert calls.story(found[0]["id"]) == story


def test_s4_6_a_saved_token_is_told_and_no_card_number_is(calls: Calls) -> None:
    token = {"tokenId": "tok_1", "maskedCardNo": "411111xxxxxx1111"}
    calls.say("INV-4", "TOKENIZED", token={**token, "cardScheme": "VISA"})
    calls.say("INV-4", "TOKENIZED", token={"tokenId": "4111 1111 1111 1111"})
    payment = calls.payment("INV-4")
    assert payment["status"] == "pending"
    events = calls.node.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    assert [event["type"] for event in events] == [
        "payment.created",
        "payment.token_saved",
    ]
    assert events[1]["data"]["token"] == {
        "id": "tok_1",
        "display": {"brand": "VISA", "last4": "1111"},
    }


def test_s4_6_another_merchants_secret_opens_its_own_payments_only(
    calls: Calls,
) -> None:
    assert calls.say("INV-5").status_code == 200
    hers = calls.say("INV-5", "REFUNDED", secret=SECRETS["cafe"])
    assert hers.status_code == 200  # of an invoice of its own, of the same name
    assert calls.payment("INV-5")["status"] == "confirmed"
    assert calls.payment("INV-5", "cafe")["status"] == "confirming"
    path = "/webhook/payable/salon"
    assert calls.say("INV-5", secret=SECRETS["cafe"], path=path).status_code == 401
    assert calls.say("INV-5", secret="nobodys-secret").status_code == 401
    assert calls.say("INV-5", path="/webhook/payable/bob").status_code == 404
    assert calls.say("INV-5", path="/webhook/paypal").status_code == 404


def test_s4_6_a_payment_is_created_and_compared_with_what_comes(calls: Calls) -> None:
    made = calls.external(external_id="S-1")
    assert made.status_code == 201, made.text
    payment = made.json()
    assert (payment["amount_minor"], payment["currency"]) == (1_250, "EUR")
    thing = {"id": "pi_1", "currency": "eur", "metadata": {"invoice": "S-1"}}

    def paid(event_id: str, **more: object) -> int:
        kind = "payment_intent.succeeded"
        return calls.stripe(kind, {**thing, **more}, event_id).status_code

    assert paid("evt_1", amount_received=1_000) == 200
    seen = calls.node.payment(payment["id"])
    assert (seen["status"], seen["flags"]) == ("confirming", ["underpaid"])
    assert paid("evt_2", amount_received=1_250, currency="usd") == 200
    assert calls.node.payment(payment["id"])["status"] == "confirming"
    assert paid("evt_3", amount_received=1_250) == 200
    seen = calls.node.payment(payment["id"])
    assert (seen["status"], seen["flags"]) == ("confirmed", [])
    part = {**thing, "amount_refunded": 250}
    assert calls.stripe("charge.refunded", part, "evt_4").status_code == 200
    seen = calls.node.payment(payment["id"])
    assert (seen["status"], seen["flags"]) == ("confirmed", ["underpaid"])
    assert seen["returned_minor"] == 250
    whole = {**thing, "amount_refunded": 1_250}
    assert calls.stripe("charge.refunded", whole, "evt_5").status_code == 200
    assert calls.node.payment(payment["id"])["status"] == "failed"


def test_s4_6_one_payment_of_an_invoice_and_wrong_ones_are_refused(
    calls: Calls,
) -> None:
    assert calls.external(external_id="S-2").status_code == 201
    assert calls.external(external_id="S-2").status_code == 409
    wrong: list[tuple[dict[str, object], str]] = [
        ({}, "/external_id"),
        ({"external_id": "x", "gateway": "paypal"}, "/gateway"),
        ({"external_id": "x", "merchant": "salon"}, "/gateway"),
        ({"external_id": "x", "amount": "12.505"}, "/amount"),
        ({"external_id": "x", "amount": "-1"}, "/amount"),
        ({"external_id": "x", "amount": None}, "/amount"),
        ({"external_id": "x", "amount_minor": 5}, "/amount"),
        ({"external_id": "x", "currency": "euro"}, "/currency"),
        ({"external_id": "x", "address": "bcrt1q"}, "/address"),
        ({"external_id": "x", "method": "onchain"}, "/gateway"),
        ({"external_id": "x", "method": "cash"}, "/method"),
    ]
    for fields, path in wrong:
        answer = calls.external(**fields)
        assert answer.status_code == 422, fields
        assert path in [error["path"] for error in answer.json()["errors"]], fields


def test_s4_6_times_out_of_tolerance_and_unknown_invoices(calls: Calls) -> None:
    thing = {"currency": "eur", "amount_received": 1, "metadata": {"invoice": "S-9"}}
    old = calls.stripe("payment_intent.succeeded", thing, at=1_000_000_000)
    assert old.status_code == 401
    assert "tolerance_s" in old.json()["detail"]
    unknown = calls.stripe("payment_intent.succeeded", thing)
    assert unknown.status_code == 404  # this gateway makes none
    assert calls.external(external_id="S-9", amount="0.01").status_code == 201
    assert calls.stripe("payment_intent.succeeded", thing).status_code == 200
    assert calls.payment("S-9", "cafe")["status"] == "confirmed"


def test_s4_6_a_page_that_follows_it_is_told_at_once(calls: Calls) -> None:
    made = calls.external(external_id="L-1").json()
    port = int(calls.node.url.rpartition(":")[2])
    page = connect("127.0.0.1", port, "/ws")
    assert page.recv_json()["type"] == "connected"
    token = made["client_secret"]
    asked = {"type": "subscribe", "payment_id": made["id"], "token": token}
    page.send_json(asked)
    assert page.recv_json()["state"]["address"] is None
    of = {"invoice": "L-1"}
    thing = {"currency": "eur", "amount_received": 1_250, "metadata": of}
    calls.stripe("payment_intent.succeeded", thing, "evt_live")
    told = page.recv_json()
    while told["type"] == "source":
        told = page.recv_json()
    page.close()
    assert (told["type"], told["seq"]) == ("payment.confirmed", 2)
    assert (told["address"], told["gateway"]) == (None, "stripe")
    assert told["data"]["settled_minor"] == 1_250


def test_s4_6_by_hand(calls: Calls) -> None:
    one = calls.external(external_id="H-1").json()["id"]
    two = calls.external(external_id="H-2").json()["id"]
    cancelled = calls.node.post(f"/v1/payments/{one}/cancel").json()
    confirmed = calls.node.post(f"/v1/payments/{two}/confirm").json()
    assert cancelled["status"] == "cancelled"
    assert confirmed["status"] == "confirmed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 50_000, 400),
        (b'{"a":1,"a":2}', 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"invoiceNo":"x","statusMessage":"SUCCESS"}', 422),
        (b"x" * 65_537, 413),
    ],
)
def test_s4_6_bad_bodies_are_refused_and_explained_to_who_can_sign(
    calls: Calls, body: bytes, status: int
) -> None:
    assert calls.send(body, SECRETS["salon"]).status_code == status
    stranger = calls.send(body, "a-strangers-secret")
    assert stranger.status_code == (413 if status == 413 else 401)


def test_s4_6_every_view_bears_a_payment_without_an_address(calls: Calls) -> None:
    calls.say("INV-6")
    payment = calls.payment("INV-6")
    node = calls.node
    for path in (
        f"/pay/{payment['id']}",
        f"/pay/{payment['id']}.json",
        "/v1/watchers",
        "/v1/events?after=0",
        "/metrics",
        "/health",
        "/openapi.json",
    ):
        answer = node.get(path)
        assert answer.status_code in {200, 404}, (path, answer.text)
        assert "external:salon" not in answer.text, path
    page = node.get(f"/pay/{payment['id']}")
    assert page.status_code == 200
    assert "25.00 LKR" in page.text
    key = f"external:salon:payable:{payment['external_id']}"
    assert node.get(f"/events/balance/{key}").status_code == 404


def test_s4_6_a_salons_page_is_told_of_the_saved_card_and_of_the_payment(
    calls: Calls,
) -> None:
    """Over the plain WebSocket (S4.2), in the document's shapes."""
    port = int(calls.node.url.rpartition(":")[2])
    calls.say("S4-1", "HOLD")
    calls.say("S4-1", "TOKENIZED", token={"tokenId": "tok_a"})
    page = connect("127.0.0.1", port, "/ws/payments/salon/7")
    page.send_json({"type": "subscribe:payment-events", "invoiceId": "S4-1"})
    page.send_json({"type": "ping"})
    assert page.recv_json()["type"] == "pong"
    token = {"tokenId": "tok_b", "maskedCardNo": "xxxx1111", "cardScheme": "VISA"}
    assert calls.say("S4-1", "SUCCESS", token=token).status_code == 200
    told = [page.recv_json() for _ in range(3)]
    page.close()
    assert [(one["type"], one.get("status")) for one in told] == [
        ("payment:status-update", "SUCCESS"),
        ("payment:completed", "SUCCESS"),
        ("payment:token-saved", None),
    ]
    assert told[0]["invoiceId"] == "S4-1"
    assert told[2]["tokenId"] == "tok_b"
    assert told[2]["data"]["last4"] == "1111"
    assert isinstance(told[2]["timestamp"], int)


def test_s4_6_its_page_shows_the_sum_and_nothing_of_a_chain(calls: Calls) -> None:
    calls.say("INV-PAGE")
    page = calls.node.get(calls.payment("INV-PAGE")["checkout_url"])
    assert page.status_code == 200
    assert "25.00 LKR" in page.text
    for word in ("test money", "bitcoin:", "external:", "confirmations"):
        assert word not in page.text, word


def test_s4_6_an_invoices_digits_are_the_shops_own(calls: Calls) -> None:
    """Every tenth number of a time in ms has the check digit of a card."""
    assert calls.say("INV-1795833311495").status_code == 200
    assert calls.payment("INV-1795833311495")["status"] == "confirmed"


@pytest.mark.parametrize("how", ["damaged", "sealed with another key"])
def test_s4_6_one_merchants_unreadable_secret_stops_no_other(
    calls: Calls, how: str
) -> None:
    merchants = calls.node.node.merchants
    cafe = merchants.get("cafe")
    broken = replace(cafe, is_damaged=True)
    if how != "damaged":
        sealed = calls.node.vault.seal(b"x", "somebody else's")
        broken = replace(cafe, webhook_secrets={"payable": sealed})
    merchants.put(broken)
    try:
        assert calls.say(f"INV-{how[:4]}").status_code == 200
        unknown = calls.say("INV-CAFE", secret=SECRETS["cafe"])
        assert unknown.status_code == 503, "it may be the café's: it is to come again"
    finally:
        merchants.put(cafe)
    assert calls.say("INV-CAFE", secret=SECRETS["cafe"]).status_code == 200
