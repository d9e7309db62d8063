"""Rows S2.1, S2.2 and S2.6: a point of sale on Blink, whose connections and keys the
server holds. Over real sockets: a process, and Blink as a double beside it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.seeds.blink_stage import WHSEC, BlinkShop, blink_shop, hash_of
from tests.seeds.socketio_clients import node_clients
from tests.tools import site_token
from tests.tools.sseclient import SseClient
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

POLL_S = 1  # of the user's account; the till's is looked at once an hour


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlinkShop]:
    folder = tmp_path_factory.mktemp("blink")
    options = ("--seed", "blink=default", "--seed", "salon=default")
    with blink_shop(
        folder, *options, till=["poll_s = 3600"], user=[f"poll_s = {POLL_S}"]
    ) as shop:
        rules = {"algorithm": "HS256", "secret": site_token.SECRET}
        said = shop.node.call("PUT", "/v1/merchants/default", json={"jwt": rules})
        assert said.status_code == 200, said.text
        yield shop


def test_s2_1_each_account_has_one_connection_of_the_server(shop: BlinkShop) -> None:
    for account in (shop.till, shop.user):
        (connection,) = shop.double.sockets.subscribed(account)
        first = connection.received[0]
        assert first == {
            "type": "connection_init", "payload": {"X-API-KEY": account.key},
        }  # fmt: skip
    kinds = {name: one["kind"] for name, one in shop.upstreams().items()}
    assert kinds == {"till": "blink", "user": "blink"}


def test_s2_1_nothing_is_polled_while_the_connection_is_up(shop: BlinkShop) -> None:
    """But for a look at the stated interval, where an invoice is open."""
    shop.invoice(5)
    shop.invoice(5, merchant="owner")
    began_s, till = time.time(), len(shop.double.asked_of(shop.till))
    (connection,) = shop.double.sockets.subscribed(shop.till)
    pings = len(connection.received)

    def looks() -> int:
        asked = shop.double.asked_at(shop.user)
        return sum(field == "transactions" and at > began_s for field, at in asked)

    wait_until(lambda: looks() > 2, 20, "three looks")
    wait_until(lambda: len(connection.received) > pings, 20, "a sign of life")
    # Each a little earlier than stated, by a tenth at most (`interval_s`).
    assert looks() <= (time.time() - began_s) / (0.9 * POLL_S) + 3
    assert len(shop.double.asked_of(shop.till)) == till


def test_s2_2_a_till_invoice_is_made_through_the_api_and_seen_when_it_is_paid(
    shop: BlinkShop,
) -> None:
    asked = len(shop.double.asked_of(shop.till))
    payment = shop.invoice(1_234, external_id="table 7", description="Two coffees")
    assert shop.double.asked_of(shop.till)[asked:] == ["lnInvoiceCreate"]
    assert payment["status"] == "pending"
    invoice = shop.double.bank.invoices[hash_of(payment)]
    assert invoice.wallet is shop.till.btc
    assert (invoice.amount_sat, invoice.memo) == (1_234, "Two coffees")
    shop.double.pay_from_outside(hash_of(payment))
    paid = shop.node.wait_for_status(payment["id"], "confirmed")
    assert paid["received_sat"] == paid["confirmed_sat"] == 1_234
    assert shop.story(payment) == [
        "payment.created", "payment.detected", "payment.confirmed",
    ]  # fmt: skip
    # It was told; nobody asked.
    assert shop.double.asked_of(shop.till)[asked:] == ["lnInvoiceCreate"]


def test_s2_2_it_is_told_on_every_kind_of_connection(shop: BlinkShop) -> None:
    payment = shop.invoice(500, external_id="told")
    token, port = payment["client_secret"], shop.node.port
    socket = connect("127.0.0.1", port, "/ws")
    socket.send_json({"type": "subscribe", "payment_id": payment["id"], "token": token})
    while socket.recv_json(30)["type"] != "subscribed":
        pass
    stream = SseClient(
        "127.0.0.1", port, f"/events/payment/{payment['id']}?token={token}", {}
    )
    with node_clients() as clients:
        page = clients.open(
            f"{shop.node.url}/payments/default",
            auth={"token": site_token.token(site_token.claims())},
            transports=["websocket"],
        )
        page.next("connect")
        page.ask("subscribe:payment-events", {"invoiceId": "told"})
        shop.double.pay_from_outside(hash_of(payment))
        done = page.event("payment:completed", 20)
        assert (done["invoiceId"], done["status"]) == ("told", "SUCCESS")
        page.close()
    story = ["payment.detected", "payment.confirmed"]
    events = stream.events()
    assert [next(events).kind for _ in range(2)] == story
    heard: list[str] = []
    while "payment.confirmed" not in heard:
        heard.append(socket.recv_json(30).get("type", ""))
    assert [kind for kind in heard if kind.startswith("payment.")] == story
    socket.close()
    stream.close()


def test_s2_2_repeats_and_strangers_receipts_change_nothing(shop: BlinkShop) -> None:
    payment = shop.invoice(700)
    tx = shop.double.pay_from_outside(hash_of(payment))
    shop.node.wait_for_status(payment["id"], "confirmed")
    stranger = shop.double.bank.new_invoice(shop.till.btc, 99, 10)
    shop.double.pay_from_outside(stranger.payment_hash)
    for _ in range(3):
        shop.double._notify(tx)
    other = shop.invoice(800)
    shop.double.pay_from_outside(hash_of(other))
    shop.node.wait_for_status(other["id"], "confirmed")
    assert shop.story(payment).count("payment.confirmed") == 1
    assert shop.node.payment(payment["id"])["received_sat"] == 700


def test_s2_1_a_signed_webhook_makes_blink_be_asked(shop: BlinkShop) -> None:
    """The push was lost, and the till is looked at once an hour."""
    payment = shop.invoice(900)
    body = json.dumps(
        {"eventType": "receive.lightning",
         "transaction": {"initiationVia": {"paymentHash": hash_of(payment)}}}
    )  # fmt: skip
    # A claim: where Blink knows of nothing, nothing happens.
    assert _told(shop, body, "msg_early") == "noted"
    wait_until(
        lambda: "invoiceByPaymentHash" in shop.double.asked_of(shop.till), 20, "a look"
    )
    assert shop.node.payment(payment["id"])["status"] == "pending"
    shop.double.pay_from_outside(hash_of(payment), tell=False)
    assert _told(shop, body, "msg_early") == "duplicate"
    assert _told(shop, body, "msg_late") == "noted"
    shop.node.wait_for_status(payment["id"], "confirmed")


def _told(shop: BlinkShop, body: str, message_id: str) -> str:
    at = datetime.fromtimestamp(int(time.time()), UTC)
    headers = {
        "svix-id": message_id,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": Webhook(WHSEC).sign(message_id, at, body),
    }
    answered = shop.node.session.post(
        f"{shop.node.url}/webhook/lightning/till", body.encode(), headers=headers,
        timeout=60,
    )  # fmt: skip
    assert answered.status_code == 200, answered.text
    status: str = answered.json()["status"]
    return status


def test_s2_1_what_was_missed_is_fetched_after_a_reconnect(shop: BlinkShop) -> None:
    payments = [shop.invoice(100 + number) for number in range(3)]
    port = shop.double.sockets.port
    shop.double.sockets.stop()
    wait_until(
        lambda: shop.upstreams()["till"]["state"] != "live", 20, "it to be noticed"
    )
    for payment in payments:
        shop.double.pay_from_outside(hash_of(payment))
    shop.double.sockets.start(port)
    shop.node.call("POST", "/v1/upstreams/till/reconnect")
    for payment in payments:
        shop.node.wait_for_status(payment["id"], "confirmed")
        assert shop.story(payment).count("payment.confirmed") == 1
    shop.wait_live()


def test_s2_1_a_black_hole_is_found_and_nothing_is_missed(tmp_path: Path) -> None:
    with blink_shop(tmp_path, silence_s=2) as shop:
        payment = shop.invoice(321)
        sockets = shop.double.sockets
        held = wait_until(lambda: sockets.subscribed(shop.till), 20, "a connection")
        for connection in held:  # no reset, no end: it just says nothing any more
            connection.black_hole = True
        shop.double.pay_from_outside(hash_of(payment))
        shop.node.wait_for_status(payment["id"], "confirmed")
        assert shop.story(payment).count("payment.confirmed") == 1
        shop.wait_live()
        wait_until(lambda: sockets.subscribed(shop.till) != held, 20, "another")


def test_s2_6_the_endpoint_says_only_whether_accounts_are_configured(
    shop: BlinkShop,
) -> None:
    answered = shop.node.session.get(
        f"{shop.node.url}/api/blink/blinkpos-credentials", timeout=60
    )
    assert answered.status_code == 200
    assert answered.json() == {"blinkpos": True, "user": False}


def test_s2_6_no_key_is_in_any_answer_page_or_log(shop: BlinkShop) -> None:
    payment = shop.invoice(77)
    shop.double.pay_from_outside(hash_of(payment))
    shop.node.wait_for_status(payment["id"], "confirmed")
    old = shop.double.revoke(shop.user)  # errors are told, too
    shop.node.call("POST", "/v1/upstreams/user/reconnect")
    wait_until(lambda: shop.upstreams()["user"]["state"] == "failing", 20, "it to fail")
    document = shop.node.get("/openapi.json").json()
    paths = [
        path.replace("{payment_id}", payment["id"]).replace("{name}", "default")
        for path, methods in document["paths"].items()
        if "get" in methods and not path.startswith("/events")
    ]
    paths += [payment["checkout_url"], "/docs", "/metrics", "/dashboard", "/pos"]
    texts = {"the log": shop.node.err, "the output": shop.node.out}
    for path in paths:
        if "{" not in path:
            query = "?limit=1&wait_s=0" if path == "/v1/events" else ""
            texts[path] = shop.node.get(path + query).text
    assert len(texts) > 20
    for name, text in texts.items():
        for secret in (shop.till.key, old, WHSEC):
            assert secret not in text, name
    assert "user" in texts["/v1/upstreams"]
