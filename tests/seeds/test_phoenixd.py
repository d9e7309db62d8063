"""S3: a website and a backend written for phoenixd, unchanged, over real sockets."""

import hashlib
import hmac
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests

from tests.browser.chromium import Chromium
from tests.seeds.documents import PHOENIXD_CURL, PHOENIXD_JS, WSCAT
from tests.seeds.pages import opened
from tests.tools import children
from tests.tools.livenode import live_node
from tests.tools.node import RunningNode, running_node
from tests.tools.paybell import Paybell
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import WsClient, connect
from transport.seeds.admission import SeedLimits

NODE_MODULES = Path(__file__).parents[1] / "node" / "node_modules"
SECRET = "phoenixd-webhook-secret"
CLAIM = {"externalId": "order-1", "paymentHash": "abc123", "amountSat": 50_000}
STEP_S = 15.0


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    """Whose merchant `cafe` has a secret for phoenixd."""
    web = {"seeds": {"phoenixd": "cafe"}, "broadcasts_per_minute": 1_000}
    with running_node(web=web) as started:
        body = {"webhook_secrets": {"phoenixd": SECRET}}
        put = started.call("PUT", "/v1/merchants/cafe", json=body)
        assert put.status_code == 200, put.text
        yield started


def post(url: str, body: bytes, **headers: str) -> Any:
    url += "/api/webhook"
    return requests.post(url, data=body, headers=headers, timeout=STEP_S * PATIENCE)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Phoenix-Signature": digest}


def ws(node: Paybell | RunningNode) -> WsClient:
    port = node.port if isinstance(node, Paybell) else node.server.port
    client = connect("127.0.0.1", port, "/ws")
    hello = client.recv_json(STEP_S)
    assert set(hello) == {"type", "message", "timestamp"}
    assert hello["type"] == "connected"
    return client


def identify(client: WsClient, external_id: str, **more: str) -> Any:
    client.send_json({"type": "identify", "externalId": external_id, **more})
    return client.recv_json(STEP_S)


# -- S3.2 ------------------------------------------------------------------------------


class Wscat:
    """`wscat -c <url>`, with npm's `ws` below it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._out = folder / "wscat.txt"
        with self._out.open("w") as out:
            self.process = children.start(
                ["node", "-e", WSCAT, url.replace("http://", "ws://") + "/ws"],
                stdin=-1,
                stdout=out,
                env={"NODE_PATH": str(NODE_MODULES), "PATH": "/usr/bin:/usr/local/bin"},
            )

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_for(self, kind: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            lines = self._out.read_text(encoding="utf-8").split("\n")[:-1]
            messages: list[dict[str, Any]] = [json.loads(line[2:]) for line in lines]
            return next((m for m in messages if m["type"] == kind), None)

        message = wait_until(found, STEP_S, f"wscat to print {kind}")
        assert message is not None
        return message

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def test_s3_2_wscat_and_the_documents_curl_line(
    seeded: Paybell, tmp_path: Path
) -> None:
    """The webhook is logged, and tells nothing: the chain confirms, then it is told."""
    wscat = Wscat(seeded.url, tmp_path)
    try:
        wscat.type('{"type":"identify","externalId":"test-payment-123"}')
        assert wscat.wait_for("connected")["timestamp"].endswith("Z")
        assert wscat.wait_for("identified")["externalId"] == "test-payment-123"
        line = PHOENIXD_CURL.replace("http://localhost:4000", seeded.url)
        done = children.run(
            shlex.split(line.replace("\\\n", " ")),
            capture_output=True,
            text=True,
            check=True,
            timeout=STEP_S * PATIENCE,
        )
        assert json.loads(done.stdout)["status"] == "noted"
        payment = seeded.create(
            amount_sat=50_000, confirmations=1, external_id="test-payment-123"
        )
        assert seeded.payment(payment["id"])["status"] == "pending"
        seeded.post("/dev/pay", address=payment["address"], amount_sat=50_000)
        seeded.post("/dev/mine", blocks=1)
        told = wscat.wait_for("payment")
    finally:
        wscat.close()
    assert set(told) == {
        "type",
        "status",
        "paymentHash",
        "amountSat",
        "externalId",
        "message",
        "timestamp",
    }
    assert (told["status"], told["amountSat"]) == ("paid", 50_000)
    assert told["externalId"] == "test-payment-123"


def test_s3_2_an_unknown_order_is_identified_too(seeded: Paybell) -> None:
    client = ws(seeded)
    answer = identify(client, "test-123")
    assert set(answer) == {"type", "externalId", "timestamp"}
    assert (answer["type"], answer["externalId"]) == ("identified", "test-123")
    client.close()


def test_s3_2_the_documents_script_in_a_browser(
    seeded: Paybell, chromium: Chromium, tmp_path: Path
) -> None:
    script = PHOENIXD_JS.replace("localhost:4000", seeded.url.removeprefix("http://"))
    page = opened(chromium, tmp_path, script)
    payment = seeded.create(
        amount_sat=50_000, confirmations=1, external_id="payment-1729684496123-x7k2mq9"
    )
    seeded.post("/dev/pay", address=payment["address"], amount_sat=50_000)
    seeded.post("/dev/mine", blocks=1)
    page.wait_for("#word", text="paid")
    page.close()


# -- S3.3 ------------------------------------------------------------------------------


def status_of(node: RunningNode, payment: dict[str, Any]) -> tuple[str, int]:
    found = node.payment(payment["id"])
    return found["status"], found["seq"]


def test_s3_3_a_signed_webhook_is_logged_once_and_confirms_nothing(
    node: RunningNode,
) -> None:
    payment = node.create(amount_sat=50_000, external_id="order-1", merchant="cafe")
    pretty = json.dumps(
        {"type": "payment_received", "timestamp": 1712785550079, **CLAIM,
         "payerNote": None, "payerKey": None},
        indent=4,
    ).encode()  # fmt: skip
    for status in ("noted", "duplicate"):
        answer = post(node.url, pretty, **signed(pretty))
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert status_of(node, payment) == ("pending", 1)
    assert payment["id"] not in post(node.url, pretty, **signed(pretty)).text


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_s3_3_what_the_content_type_says_is_passed_over(
    node: RunningNode, kind: str
) -> None:
    body = json.dumps(CLAIM | {"paymentHash": f"of {kind}"}).encode()
    answer = post(node.url, body, **{"Content-Type": kind}, **signed(body))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Phoenix-Signature": ""},
        {"X-Phoenix-Signature": "00" * 32},
        {"X-Phoenix-Signature": "é"},
        signed(b"another body"),
        signed(json.dumps(CLAIM).encode(), "another-secret"),
    ],
)
def test_s3_3_with_a_secret_what_is_not_signed_with_it_is_a_401(
    node: RunningNode, headers: dict[str, str]
) -> None:
    coded = {name: value.encode() for name, value in headers.items()}
    body = json.dumps(CLAIM).encode()
    answer = requests.post(
        node.url + "/api/webhook", data=body, headers=coded, timeout=STEP_S * PATIENCE
    )
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ({}, "/paymentHash"),
        ({"paymentHash": ""}, "/paymentHash"),
        ({"paymentHash": 7}, "/paymentHash"),
        ({"paymentHash": "a", "amountSat": -1}, "/amountSat"),
        ({"paymentHash": "a", "amountSat": 1.5}, "/amountSat"),
        ({"paymentHash": "a", "externalId": "x" * 201}, "/externalId"),
        ({"paymentHash": "a", "externalId": "a\nb"}, "/externalId"),
        ([], ""),
    ],
)
def test_s3_3_what_is_wrong_is_a_422_that_names_it(
    node: RunningNode, claim: Any, path: str
) -> None:
    body = json.dumps(claim).encode()
    answer = post(node.url, body, **signed(body))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


def test_s3_3_bodies_without_sense_and_without_end_are_refused(
    node: RunningNode,
) -> None:
    for body, status in ((b"{", 400), (b"x" * 4_097, 413)):
        assert post(node.url, body, **signed(body)).status_code == status


@pytest.mark.usefixtures("minute_stands")
def test_s3_3_without_a_secret_strangers_learn_nothing_and_are_limited() -> None:
    limits = SeedLimits(per_minute=3)
    web = {"seeds": {"phoenixd": "default"}, "seed_limits": limits}
    with running_node(web=web) as open_node:
        payment = open_node.create(amount_sat=50_000, external_id="order-1")
        claims = [CLAIM, {"externalId": "test", "paymentHash": "abc"}]
        answers = [post(open_node.url, json.dumps(c).encode()) for c in claims]
        assert answers[0].text == answers[1].text, "whether there is such an order"
        assert status_of(open_node, payment) == ("pending", 1)
        post(open_node.url, b"{}")
        refused = post(open_node.url, b"{}")
        assert refused.status_code == 429
        assert refused.json()["limit"] == "seed_calls_per_minute"


# -- S3.4 ------------------------------------------------------------------------------


def broadcast(node: RunningNode, **body: Any) -> int:
    answer = node.post("/v1/broadcast", body)
    assert answer.status_code == 200, answer.text
    told: int = answer.json()["clients"]
    return told


def test_s3_4_an_operator_tells_all_clients(node: RunningNode) -> None:
    clients = [ws(node) for _ in range(3)]
    assert broadcast(node, message="We close at six") == 3
    for client in clients:
        told = client.recv_json(STEP_S)
        assert set(told) == {"type", "message", "timestamp"}
        assert (told["type"], told["message"]) == ("broadcast", "We close at six")
        client.close()
    wait_until(lambda: broadcast(node, message="Anybody?") == 0, STEP_S, "them to go")


def test_s3_4_or_those_who_follow_a_payment_of_one_merchant(node: RunningNode) -> None:
    theirs, ours, nobodys = (ws(node) for _ in range(3))
    for client, merchant in ((theirs, "shop"), (ours, "cafe")):
        made = node.create(amount_sat=1_000, external_id="o", merchant=merchant)
        secret = made["client_secret"]
        assert identify(client, "o", token=secret)["type"] == "identified"
    told = wait_until(
        lambda: broadcast(node, message="Coffee is ready", merchant="cafe"),
        STEP_S,
        "the client to follow its payment",
    )
    assert told == 1
    assert ours.recv_json(STEP_S)["message"] == "Coffee is ready"
    assert broadcast(node, message="All") == 3
    for client in (theirs, ours, nobodys):
        assert client.recv_json(STEP_S)["message"] == "All"
        client.close()


def test_s3_4_it_is_an_operators_right_and_bounded(node: RunningNode) -> None:
    body = {"message": "x"}
    key = {"Authorization": f"Bearer {node.add_key('cafe')}"}
    assert node.call("POST", "/v1/broadcast", json=body, headers=key).status_code == 403
    nobody = requests.post(
        node.url + "/v1/broadcast", json=body, timeout=STEP_S * PATIENCE
    )
    assert nobody.status_code == 401
    for wrong in ("", "x" * 1_001, "a\nb", 7):
        assert node.post("/v1/broadcast", {"message": wrong}).status_code == 422
    with running_node(web={"broadcasts_per_minute": 1}) as strict:
        assert broadcast(strict, message="one") == 0
        refused = strict.post("/v1/broadcast", {"message": "two"})
        assert refused.status_code == 429
        assert refused.json()["limit"] == "broadcasts_per_minute"


def test_s3_4_who_answers_no_ping_is_closed_and_told_nothing_more(
    tmp_path: Path,
) -> None:
    # So long that the one that answers is not late, however busy the machine is.
    limits = {"ws_ping_s": 0.1, "ws_pong_timeout_s": 10.0}
    with live_node(tmp_path, limits=limits) as live:
        alive, silent = (
            connect("127.0.0.1", live.server.port, "/ws") for _ in range(2)
        )
        reader = gevent.spawn(alive.expect_close)
        silent.auto_pong = False
        assert silent.expect_close() == 1011
        silent.sock.close()
        wait_until(lambda: len(live.live.talks_of(None)) == 1, STEP_S, "one to be left")
        assert live.live.open == 1
        assert not reader.ready(), "the one that answers is connected"
        alive.sock.close()
        reader.kill()


# -- S3.5 and S3.6 ---------------------------------------------------------------------


def clients_now(node: RunningNode) -> int:
    health = requests.get(node.url + "/health", timeout=STEP_S * PATIENCE).json()
    assert health["status"] == "ok"
    assert isinstance(health["service"], str)
    assert health["websocket"]["enabled"] is True
    count: int = health["websocket"]["clients"]
    return count


def test_s3_5_health_counts_the_clients_as_the_document_says(node: RunningNode) -> None:
    wait_until(lambda: clients_now(node) == 0, STEP_S, "earlier clients to be gone")
    clients = [ws(node) for _ in range(3)]
    assert clients_now(node) == 3, "before they identify, too"
    clients[0].close()
    wait_until(lambda: clients_now(node) == 2, STEP_S, "the one that left to be gone")
    for client in clients[1:]:
        client.close()


def test_s3_6_who_comes_back_and_identifies_again_is_told_again(
    seeded: Paybell,
) -> None:
    payment = seeded.create(amount_sat=1_000, confirmations=1, external_id="again-1")
    seeded.post("/dev/pay", address=payment["address"], amount_sat=1_000)
    seeded.post("/dev/mine", blocks=1)
    for _ in range(2):
        client = ws(seeded)
        assert identify(client, "again-1")["type"] == "identified"
        assert client.recv_json(STEP_S)["status"] == "paid"
        client.close()


def test_s3_7_every_webhook_is_logged(seeded: Paybell) -> None:
    body = json.dumps({"externalId": "never-made", "paymentHash": "ff"}).encode()
    assert post(seeded.url, body).status_code == 200
    seeded.wait_for_log("webhook.unknown_order provider=phoenixd payment=None")
