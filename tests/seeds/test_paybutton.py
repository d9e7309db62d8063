"""S1: a website written for PayButton, unchanged, over real sockets."""

import hashlib
import hmac
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.browser.chromium import Chromium
from tests.seeds.documents import PAYBUTTON_CURL, PAYBUTTON_JS
from tests.seeds.pages import opened
from tests.seeds.paybutton_site import FORM, STEP_S, at, made, post, watch
from tests.tools import children
from tests.tools.node import RunningNode, running_node
from tests.tools.paybell import Paybell
from tests.tools.sseclient import SseClient
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import connect
from transport.seeds.admission import SeedLimits

HOOK_SECRET = b"test-webhook-secret-0123456789abcdef"  # the node's, of running_node


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    web = {
        "seeds": {"paybutton": "default"},
        "webhook_btc_secret": None,
        "seed_limits": SeedLimits(per_minute=1_000),
    }
    with running_node(web=web) as started:
        yield started


# -- S1.1 ------------------------------------------------------------------------------


def test_s1_1_payment_takes_a_form_and_answers_as_paybutton(node: RunningNode) -> None:
    answer = made(node)
    assert answer == {
        "address": answer["address"],
        "priceInUSD": 25.0,
        "priceInBTC": 0.0005,
        "email": FORM["email"],
        "created_at": answer["created_at"],
        "expired_at": answer["expired_at"],
        "description": "A lamp",
        "name": "Ann",
        "site": "lamps.example",
    }
    payment = at(node, answer["address"])
    assert (payment["amount_sat"], payment["merchant"]) == (50_000, "default")
    assert payment["metadata"]["description"] == "A lamp"
    assert node.gateway.customer_email(payment["id"]) == FORM["email"]
    assert FORM["email"] not in json.dumps(payment)
    stored = node.gateway.payment(payment["id"])
    assert stored is not None
    assert stored.terms.poll_interval_s == 60


def test_s1_1_payment_fast_takes_json_and_is_looked_at_every_15_s(
    node: RunningNode,
) -> None:
    body = {"email": "bob@example.com", "price": 12.5, "amount_sat": 20_000}
    answer = post(node.url + "/payment-fast", json.dumps(body))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said == {
        "message": "Payment request processed with fast polling",
        "email": "bob@example.com",
        "price": 12.5,
        "description": "",
        "name": "",
        "site": "",
        "currency": "BTC",
        "polling": "15s",
        "address": said["address"],
        "qr_code": f"bitcoin:{said['address']}",
        "priceInBTC": 0.0002,
    }
    stored = node.gateway.payment_at(said["address"])
    assert stored is not None
    assert stored.terms.poll_interval_s == 15


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("path", ["/payment", "/payment-fast"])
def test_s1_1_what_the_content_type_says_is_passed_over(
    node: RunningNode, path: str, kind: str
) -> None:
    for body in (urlencode(FORM), json.dumps(FORM | {"price": 2, "amount_sat": 7_000})):
        assert post(node.url + path, body, kind).status_code == 200


def test_s1_1_a_form_in_parts_is_what_browsers_make_of_form_data(
    node: RunningNode,
) -> None:
    parts = {name: (None, value) for name, value in FORM.items()}
    answer = requests.post(
        node.url + "/payment", files=parts, timeout=STEP_S * PATIENCE
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Ann"


def test_s1_1_a_price_without_a_rate_is_refused_and_says_why(node: RunningNode) -> None:
    unchanged = {n: v for n, v in FORM.items() if n != "amount_sat"}
    answer = post(node.url + "/payment", urlencode(unchanged))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "/amount_sat"
    assert "no exchange rate" in error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", ""),
        ("price", "-1"),
        ("price", "nan"),
        ("price", "inf"),
        ("price", "1e12"),
        ("amount_sat", "0"),
        ("amount_sat", "1.5"),
        ("name", "a\r\nb"),
        ("description", "x" * 501),
    ],
)
def test_s1_1_what_is_wrong_is_a_422_that_names_it(
    node: RunningNode, field: str, value: str
) -> None:
    answer = post(node.url + "/payment", urlencode(FORM | {field: value}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/{field}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"email=%ff", 400),
        (b"email=a&email=b", 400),
        (b"&".join(b"a%d=1" % n for n in range(33)), 400),
        (b"--", 400),
        (b"--x\r\n\r\n--x--", 400),
        (b"--\xff\r\nx", 400),
        (b"x" * 16_385, 413),
    ],
)
def test_s1_1_bodies_without_sense_are_refused(
    node: RunningNode, body: bytes, status: int
) -> None:
    assert post(node.url + "/payment", body).status_code == status


def test_s1_1_who_names_the_address_must_have_a_key(node: RunningNode) -> None:
    """A payer who names his own would pay himself, and the shop would ship."""
    given = urlencode(FORM | {"address": node.chain.new_address()})
    url = node.url + "/payment"
    assert post(url, given).status_code == 401
    theirs = node.add_key("cafe")
    refused = post(url, given, Authorization=f"Bearer {theirs}")
    assert refused.status_code == 403
    answer = post(url, given, Authorization=f"Bearer {node.api_key}")
    assert answer.status_code == 200
    again = post(url, given, Authorization=f"Bearer {node.api_key}")
    assert again.status_code == 409


@pytest.mark.usefixtures("minute_stands")
def test_s1_1_strangers_are_limited_by_settings_that_the_refusal_names() -> None:
    limits = SeedLimits(per_minute=2, per_hour=3)
    web = {"seeds": {"paybutton": "default"}, "seed_limits": limits}
    with running_node(web=web) as strict:
        answers = [post(strict.url + "/payment", urlencode(FORM)) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert answers[2].json()["limit"] == "seed_calls_per_minute"
        assert int(answers[2].headers["Retry-After"]) > 0


def test_s1_1_without_its_setting_there_is_no_such_route() -> None:
    with running_node() as plain:
        assert post(plain.url + "/payment", urlencode(FORM)).status_code == 404
        assert "/payment" not in plain.get("/openapi.json").json()["paths"]


def test_s1_1_the_document_says_what_these_routes_are(node: RunningNode) -> None:
    paths = node.get("/openapi.json").json()["paths"]
    for path in ("/payment", "/payment-fast"):
        described = paths[path]["post"]
        assert "Compatibility with PayButton" in described["summary"]
        assert "x-www-form-urlencoded" in str(described["requestBody"])


# -- S1.2 and S1.6 ---------------------------------------------------------------------


def test_s1_2_the_message_has_paybuttons_fields_and_words(node: RunningNode) -> None:
    address = made(node)["address"]
    client = watch(node, address)
    state = client.recv_json(STEP_S)
    assert (state["type"], state["status"], state["seq"]) == ("state", "waiting", 1)
    assert (state["balance"], state["balanceBTC"], state["email"]) == (0.0, 0.0, "")
    assert state["timestamp"].endswith("Z")
    assert "metadata" not in state, "a stranger is told no more than of any payment"
    node.chain.pay(address, 50_000)
    node.chain.mine(3)
    told = [state]
    while told[-1]["status"] != "confirmed":
        message = client.recv_json(STEP_S)
        told += [message] if "status" in message else []
    assert {m["status"] for m in told[:-1]} == {"waiting"}
    last = told[-1]
    assert (last["balance"], last["balanceBTC"]) == (25.0, 0.0005)
    assert (last["address"], last["email"]) == (address, "")
    assert (last["type"], last["seq"]) == ("payment.confirmed", told[-2]["seq"] + 1)
    client.close()


def test_s1_2_who_has_a_key_hears_our_own_words(node: RunningNode) -> None:
    address = made(node)["address"]
    headers = {"Authorization": f"Bearer {node.api_key}"}
    port, path = node.server.port, f"/ws/balance/{address}"
    client = connect("127.0.0.1", port, path, headers=headers)
    state = client.recv_json(STEP_S)
    assert (state["status"], state["metadata"]["name"]) == ("pending", "Ann")
    assert "balanceBTC" not in state
    client.close()


def test_s1_2_a_cancelled_payment_has_failed(node: RunningNode) -> None:
    address = made(node)["address"]
    node.post(f"/v1/payments/{at(node, address)['id']}/cancel")
    client = watch(node, address)
    assert client.recv_json(STEP_S)["status"] == "failed"
    client.close()


def test_s1_2_other_payments_are_told_as_ever(node: RunningNode) -> None:
    client = watch(node, node.create(amount_sat=1_000)["address"])
    state = client.recv_json(STEP_S)
    assert state["status"] == "pending"
    assert "balanceBTC" not in state
    client.close()


def test_s1_2_the_documents_script_in_a_browser(
    seeded: Paybell, chromium: Chromium, tmp_path: Path
) -> None:
    """From a file, on the dev chain, without a setting for its origin."""
    address = made(seeded)["address"]
    script = PAYBUTTON_JS.replace("your-service", seeded.url.removeprefix("http://"))
    page = opened(chromium, tmp_path, script.replace("bc1q...", address))
    assert page.text("#word") == "waiting"
    seeded.post("/dev/pay", address=address, amount_sat=50_000)
    seeded.post("/dev/mine", blocks=3)
    page.wait_for("#word", text="paid")
    page.close()


def test_s1_6_the_stream_of_events_has_the_same_fields(node: RunningNode) -> None:
    address = made(node)["address"]
    path = f"/events/balance/{address}"
    stream = SseClient("127.0.0.1", node.server.port, path, {})
    state = stream.next()
    assert (state.kind, state.data["status"]) == ("state", "waiting")
    assert state.data["balanceBTC"] == 0.0
    stream.close()


# -- S1.3 to S1.5 ----------------------------------------------------------------------


def test_s1_3_the_documents_curl_line(seeded: Paybell) -> None:
    """Nobody has a secret here, so anybody may call; nothing is told of it."""
    line = PAYBUTTON_CURL.replace("http://localhost:8080", seeded.url)
    address = made(seeded)["address"]
    for said in ("test_address", address):
        done = children.run(
            shlex.split(line.replace("\\\n", " ").replace("test_address", said)),
            capture_output=True,
            text=True,
            check=True,
            timeout=STEP_S * PATIENCE,
        )
        assert json.loads(done.stdout) == {"status": "noted", "payment_id": None}
    (payment,) = seeded.get(f"/v1/payments?address={address}").json()["data"]
    assert (payment["status"], payment["seq"]) == ("pending", 1)


def test_s1_3_where_there_is_a_secret_a_missing_signature_stays_401() -> None:
    web = {"seeds": {"paybutton": "default"}}
    with running_node(web=web) as signed:
        address = made(signed)["address"]
        body = json.dumps({"address": address, "amount": 0.001})
        assert post(signed.url + "/webhook/btc", body).status_code == 401
        query = urlencode({"addr": address, "status": 0, "value": 1_000})
        assert signed.get(f"/webhook/btc?{query}").status_code == 401


def test_s1_4_an_unsigned_word_is_logged_once_and_never_credited(
    node: RunningNode,
) -> None:
    address = made(node)["address"]
    body = json.dumps({"address": address, "value": 50_000, "txid": "ab" * 32})
    url = node.url + "/webhook/btc"
    answers = [post(url, body).json()["status"] for _ in range(2)]
    assert answers == ["noted", "duplicate"]
    theirs = node.create(amount_sat=1_000, merchant="cafe")["address"]
    body = json.dumps({"address": theirs, "value": 1_000})
    assert post(url, body).json() == {"status": "noted", "payment_id": None}
    assert [at(node, a)["seq"] for a in (address, theirs)] == [1, 1]


def test_s1_4_a_signed_webhook_is_told_at_once_and_s1_5_the_chain_tells_no_second_time(
) -> None:  # fmt: skip
    """Who has no browser's patience hears the claim; money is what the chain shows."""
    with running_node(web={"seeds": {"paybutton": "default"}}) as signed:
        address = made(signed)["address"]
        client = watch(signed, address)
        assert client.recv_json(STEP_S)["status"] == "waiting"
        txid = signed.chain.pay(address, 50_000)
        claim = {"address": address, "amount": 0.0005, "txid": txid}
        body = json.dumps(claim).encode()
        digest = hmac.new(HOOK_SECRET, body, hashlib.sha256).hexdigest()
        url = signed.url + "/webhook/btc"
        assert post(url, body, **{"X-Signature": digest}).status_code == 200
        signed.chain.mine(3)
        told: list[dict[str, Any]] = []
        while not told or told[-1]["status"] != "confirmed":
            message = client.recv_json(STEP_S)
            told += [message] if "seq" in message else []
        client.close()
    kinds = [message["type"] for message in told]
    assert kinds.count("payment.detected") == 1
    assert kinds.count("payment.confirmed") == 1
    assert [m["seq"] for m in told] == [*range(2, 2 + len(told))], "each once"
    assert {m["status"] for m in told[:-1]} == {"waiting"}


def test_s1_5_with_no_webhook_at_all_the_chain_is_looked_at(node: RunningNode) -> None:
    address = made(node, "/payment-fast")["address"]
    node.chain.pay(address, 50_000)
    node.chain.mine(3)
    wait_until(lambda: at(node, address)["status"] == "confirmed", STEP_S, "paid")


def test_s1_8_many_websites_share_one_node_and_need_no_database(
    node: RunningNode,
) -> None:
    sites = [f"shop-{n}.example" for n in range(5)]
    found = {site: made(node, site=site)["address"] for site in sites}
    assert len(set(found.values())) == 5
    for site, address in found.items():
        assert at(node, address)["metadata"]["site"] == site


def test_a_page_of_an_allowed_site_may_call_and_read_the_answer() -> None:
    web = {
        "seeds": {"paybutton": "default"},
        "allowed_origins": ("https://lamps.example",),
    }
    with running_node(web=web) as node:
        url, allow = node.url + "/payment-fast", "Access-Control-Allow-Origin"
        asked = {"Origin": "https://lamps.example"}
        before = requests.options(url, headers=asked, timeout=STEP_S * PATIENCE)
        assert before.status_code == 204
        assert before.headers[allow] == "https://lamps.example"
        assert "Content-Type" in before.headers["Access-Control-Allow-Headers"]
        answer = post(url, urlencode(FORM), **asked)
        assert answer.headers[allow] == "https://lamps.example"
        refused = post(url, "", **asked)
        assert (refused.status_code, refused.headers[allow]) == (422, asked["Origin"])
        other = post(url, urlencode(FORM), Origin="https://evil.example")
        assert allow not in other.headers
