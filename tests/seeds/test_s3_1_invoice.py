"""S3.1 and S3.2: a page written for a backend beside phoenixd gets an invoice and hears
that it was paid, from a Paybell whose Lightning account is phoenixd (the double)."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
import requests
from bolt11 import decode

from tests.lightning.lightning_node import lightning_node
from tests.seeds.documents import PHOENIXD_CURL
from tests.seeds.phoenixd_shop import STEP_S, Shop, phoenixd_shop
from tests.tools import children
from tests.tools.fake_upstream import Answer, Request, reset, text
from tests.tools.node import running_node
from tests.tools.paybell import Paybell
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import WsClient, connect
from transport.seeds.admission import SeedLimits
from transport.seeds.phoenixd_invoice import WAITING

ORDER = "payment-1729684496123-x7k2mq9"
DOCUMENT = {
    "amountSat": 50_000,
    "description": "Homeserver Signup - Basic Plan",
    "externalId": ORDER,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("phoenixd")
    more = ("--seed-calls-per-minute", "1000", "--allowed-origins", "http://shop.test")
    with phoenixd_shop(folder, *more) as started:
        yield started


def creations(shop: Shop) -> int:
    paths = [request.path for request in shop.phoenixd.server.requests]
    return paths.count("/createinvoice")


# -- S3.1 ------------------------------------------------------------------------------


def test_s3_1_the_documents_request_and_its_exact_answer(shop: Shop) -> None:
    made = shop.invoice(DOCUMENT)
    assert made.status_code == 200
    assert list(made.json()) == ["success", "invoice", "paymentHash", "externalId"]
    assert (made.json()["success"], made.json()["externalId"]) == (True, ORDER)
    read = decode(made.json()["invoice"])
    assert read.payment_hash == made.json()["paymentHash"]
    assert (read.amount_msat, read.description) == (50_000_000, DOCUMENT["description"])
    (payment,) = shop.payments(ORDER)
    assert (payment["method"], payment["status"]) == ("lightning", "pending")
    assert payment["amount_sat"] == 50_000


def test_s3_1_as_fetch_sends_it_and_without_a_description(shop: Shop) -> None:
    """The document's page sets no Content-Type: that makes it text/plain."""
    body = json.dumps({"externalId": "plain", "amountSat": 7}).encode()
    for kind in ("text/plain;charset=UTF-8", "application/json", ""):
        made = shop.invoice(body, **{"Content-Type": kind})
        assert made.status_code == 200, made.text
    assert len(shop.payments("plain")) == 1


def test_s3_1_the_same_order_again_is_the_same_invoice_also_once_paid(
    shop: Shop,
) -> None:
    first = shop.made("again")
    before = creations(shop)
    assert shop.made("again") == first
    shop.phoenixd.receive(first["paymentHash"])
    shop.node.wait_for_status(shop.payments("again")[0]["id"], "confirmed")
    assert shop.made("again") == first, "a wallet pays none twice"
    assert creations(shop) == before
    other = shop.made("again", 60_000)
    more = shop.made("again", description="With milk")
    assert len({one["paymentHash"] for one in (first, other, more)}) == 3
    assert len(shop.payments("again")) == 3


def test_s3_1_an_attempt_that_is_over_is_followed_by_a_new_one(shop: Shop) -> None:
    first = shop.made("over")
    (payment,) = shop.payments("over")
    assert shop.node.post(f"/v1/payments/{payment['id']}/cancel").status_code == 200
    assert shop.made("over")["paymentHash"] != first["paymentHash"]


def test_s3_1_what_the_shop_made_itself_is_not_shown(shop: Shop) -> None:
    own = shop.node.create(method="lightning", amount_sat=500, external_id="own")
    made = shop.made("own", 500)
    assert made["paymentHash"] != own["lightning"]["payment_hash"]


def test_s3_1_calls_for_one_order_at_once_are_one_invoice(shop: Shop) -> None:
    before = creations(shop)
    calls = [gevent.spawn(shop.made, "at once") for _ in range(WAITING)]
    gevent.joinall(calls, timeout=STEP_S * PATIENCE, raise_error=True)
    assert len({call.get()["paymentHash"] for call in calls}) == 1
    assert creations(shop) - before == 1


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"amountSat": None}, "/amountSat"),
        ({"amountSat": 0}, "/amountSat"),
        ({"amountSat": -1}, "/amountSat"),
        ({"amountSat": 1.5}, "/amountSat"),
        ({"amountSat": "50000"}, "/amountSat"),
        ({"amountSat": 2_100_000_000_000_001}, "/amountSat"),
        ({"externalId": None}, "/externalId"),
        ({"externalId": ""}, "/externalId"),
        ({"externalId": "x" * 201}, "/externalId"),
        ({"externalId": "a\nb"}, "/externalId"),
        ({"description": "x" * 129}, "/description"),
        ({"description": 7}, "/description"),
    ],
)
def test_s3_1_what_is_wrong_is_a_422_that_names_it(
    shop: Shop, wrong: dict[str, Any], path: str
) -> None:
    before = creations(shop)
    refused = shop.invoice(DOCUMENT | wrong)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == path
    assert creations(shop) == before


def test_s3_1_bodies_without_sense_and_without_end_are_refused(shop: Shop) -> None:
    for body, status in ((b"{", 400), (b"[]", 422), (b"x" * 4_097, 413)):
        assert shop.invoice(body).status_code == status


def test_s3_1_pages_of_the_sites_that_are_named_may_read_it(shop: Shop) -> None:
    named = shop.invoice(DOCUMENT, Origin="http://shop.test")
    assert named.headers["Access-Control-Allow-Origin"] == "http://shop.test"
    other = shop.invoice(DOCUMENT, Origin="http://else.test")
    assert "Access-Control-Allow-Origin" not in other.headers


def test_s3_1_while_phoenixd_gives_none_it_is_a_503_and_nothing_is_made(
    shop: Shop,
) -> None:
    own = shop.phoenixd.server.answer

    def refusing(request: Request) -> Answer:
        return reset() if request.path == "/createinvoice" else own(request)

    def another(request: Request) -> Answer:
        if request.path != "/createinvoice":
            return own(request)
        bolt11, payment_hash = shop.phoenixd.bill(1_000)
        return text(json.dumps({"paymentHash": payment_hash, "serialized": bolt11}))

    try:
        for answer in (refusing, another):
            shop.phoenixd.server.answer = answer
            refused = shop.invoice(DOCUMENT | {"externalId": "none"})
            assert refused.status_code == 503, refused.text
            assert refused.json()["code"] == "lightning_unavailable"
            assert int(refused.headers["Retry-After"]) > 0
            assert "lnbc" not in refused.text, "no payer sees another invoice"
    finally:
        shop.phoenixd.server.answer = own
    assert shop.payments("none") == []


def test_s3_1_without_a_lightning_account_it_is_refused(seeded: Paybell) -> None:
    url = seeded.url + "/api/invoice"
    refused = requests.post(url, json=DOCUMENT, timeout=STEP_S * PATIENCE)
    assert refused.status_code == 422
    assert "no Lightning account" in refused.text


@pytest.mark.usefixtures("minute_stands")
def test_s3_1_strangers_are_limited_and_who_has_a_key_is_not() -> None:
    limits = SeedLimits(per_minute=2)
    web = {"seeds": {"phoenixd": "default"}, "seed_limits": limits}
    with lightning_node(web=web) as started:
        url = started.node.url + "/api/invoice"
        codes = [
            requests.post(url, json=DOCUMENT, timeout=STEP_S * PATIENCE).status_code
            for _ in range(3)
        ]
        assert codes == [200, 200, 429]
        key = {"Authorization": f"Bearer {started.node.api_key}"}
        for _ in range(3):
            made = requests.post(
                url, json=DOCUMENT, headers=key, timeout=STEP_S * PATIENCE
            )
            assert made.status_code == 200, made.text


def test_s3_1_the_route_is_there_where_it_is_turned_on() -> None:
    with running_node() as node:
        answer = requests.post(
            node.url + "/api/invoice", json=DOCUMENT, timeout=STEP_S * PATIENCE
        )
        assert answer.status_code == 404


# -- S3.2 ------------------------------------------------------------------------------


def identified(shop: Shop, order: str) -> WsClient:
    client = connect("127.0.0.1", shop.node.port, "/ws")
    assert client.recv_json(STEP_S)["type"] == "connected"
    client.send_json({"type": "identify", "externalId": order})
    assert client.recv_json(STEP_S)["type"] == "identified"
    return client


def test_s3_2_the_page_hears_of_its_payment_with_the_payment_hash(shop: Shop) -> None:
    made = shop.made("flow")
    client = identified(shop, "flow")
    shop.phoenixd.receive(made["paymentHash"], fees_msat=2_000_000)
    told = client.recv_json(STEP_S)
    assert list(told) == [
        "type", "status", "paymentHash", "amountSat", "externalId", "message",
        "timestamp",
    ]  # fmt: skip
    assert (told["type"], told["status"]) == ("payment", "paid")
    assert told["paymentHash"] == made["paymentHash"]
    assert (told["amountSat"], told["externalId"]) == (50_000, "flow")
    client.close()
    late = identified(shop, "flow")
    assert late.recv_json(STEP_S)["paymentHash"] == made["paymentHash"]
    late.close()


def test_s3_2_who_is_identified_before_the_invoice_is_made_hears_of_it(
    shop: Shop,
) -> None:
    client = identified(shop, "first")
    made = shop.made("first", 9)
    shop.phoenixd.receive(made["paymentHash"])
    assert client.recv_json(STEP_S)["amountSat"] == 9
    client.close()


def test_s3_2_the_documents_curl_line_ships_nothing_until_phoenixd_says_so(
    shop: Shop,
) -> None:
    """The line is as it stands; phoenixd has no push that day, and no secret is set."""
    made = shop.made("test-payment-123")
    client = identified(shop, "test-payment-123")
    line = PHOENIXD_CURL.replace("http://localhost:4000", shop.node.url)

    def curl() -> str:
        done = children.run(
            shlex.split(line.replace("\\\n", " ")),
            capture_output=True,
            text=True,
            check=True,
            timeout=STEP_S * PATIENCE,
        )
        return str(json.loads(done.stdout)["status"])

    looked = f"/payments/incoming/{made['paymentHash']}"
    assert curl() == "noted"
    wait_until(lambda: looked in shop.phoenixd.server.paths, STEP_S, "it to be asked")
    assert shop.payments("test-payment-123")[0]["status"] == "pending"
    shop.phoenixd.has_pushes = False
    try:
        shop.phoenixd.receive(made["paymentHash"])
        assert curl() == "duplicate"
        assert client.recv_json(STEP_S)["paymentHash"] == made["paymentHash"]
    finally:
        shop.phoenixd.has_pushes = True
    client.close()
