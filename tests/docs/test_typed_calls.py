"""Single calls of the pages, typed at one node whose peers are a real Redis and the
doubles of the tests: alerts, Telegram, Redis, and the routes of other systems' sites.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.docs.runs import Runs, here
from tests.docs.shapes import same_shape
from tests.docs.shell import typed
from tests.tools.paybell import API_KEY, Paybell, serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.receiver import Received, Receiver
from tests.tools.redis_server import RedisServer, entries
from tests.tools.telegram_double import TelegramDouble
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

RUN = Runs()
ALERTS = RUN.take("alerts.md", "bash")
ALERT_TOLD = RUN.take("alerts.md", "json")
TELEGRAM = RUN.take("telegram.md", "bash")
STREAM_OUT = RUN.take("redis.md", "bash", "/v1/channels")
STREAM_IN = RUN.take("redis.md", "bash", "redis-cli")
PAYABLE = RUN.take("gateways.md", "toml", "[gateways.payable]")
STATUS_AND_CONFIRM = RUN.take("seeds.md", "bash", "/bitcoin/status")
INVOICE = RUN.take("seeds.md", "bash", "/api/invoice")
INVOICE_MADE = RUN.take("seeds.md", "json", "paymentHash")
SALON_SAYS = RUN.take("seeds.md", "json", "subscribe")
SALON_HEARS = RUN.take("seeds.md", "json", "payment:completed")

AT_NODE = "http://127.0.0.1:8080"
GATEWAY_SECRET = "what-the-gateway-and-the-shop-know"
BOT, CHAT = "110201543:AAHsXYZabcdefghijklmnopqrstuvwxyz12", "-1001234567890"

CONFIG = """
redis = "{redis}"
alert_after_s = 0

[seeds]
bitcoin = "default"
phoenixd = "default"
salon = "salon"

[merchants.salon]
webhook_secrets = {{payable = "{gateway_secret}"}}

[lightning.shop]
kind = "phoenixd"
url = "{phoenixd}"
secret = "{secret}"
merchants = ["default"]

[lightning.gone]
kind = "phoenixd"
url = "http://127.0.0.1:9"
secret = "nobody-listens-there"
merchants = ["salon"]

{gateway}
"""


class Stage(NamedTuple):
    node: Paybell
    redis: RedisServer
    folder: Path

    def type(self, text: str, replaced: dict[str, str]) -> str:
        return typed(
            here(text, replaced), self.folder, KEY=API_KEY, PAYBELL=self.node.url
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("typed")
    with (
        RedisServer("user user on >password ~* &* +@all") as redis,
        PhoenixdDouble() as phoenixd,
    ):
        text = CONFIG.format(
            redis=redis.url,
            phoenixd=phoenixd.url,
            secret=phoenixd.limited,
            gateway_secret=GATEWAY_SECRET,
            gateway=PAYABLE.text,
        )
        (folder / "paybell.toml").write_text(text, encoding="utf-8")
        options = ("--config", "paybell.toml", "--allow-private-webhooks")
        with serving(folder, *options) as node:
            key = node.post("/v1/keys", name="shop", merchant="default").json()["key"]
            (folder / "shop.key").write_text(key, encoding="utf-8")
            yield Stage(node, redis, folder)


def test_the_channel_of_alerts_is_told_what_the_page_shows(stage: Stage) -> None:
    """An account that does not answer is such an alert."""
    with Receiver() as ops:
        replaced = {AT_NODE: stage.node.url, "https://ops.example/hook": ops.url("/")}
        channel = json.loads(stage.type(ALERTS.text, replaced))
        assert channel["types"] == ["alert.*"]

        def raised() -> list[Received]:
            """Others may come and be over on a busy machine."""
            kind = "alert.raised"
            return [one for one in ops.requests if json.loads(one.body)["type"] == kind]

        told = wait_until(raised, 30, lambda: f"an alert: {ops.requests}")[0]
        body = json.loads(told.body)
        assert same_shape(body, json.loads(ALERT_TOLD.text)) == []
        assert told.headers["webhook-id"] == body["data"]["id"]
        stage.node.call("DELETE", f"/v1/channels/{channel['id']}")


def test_the_chat_of_telegrams_page_is_written_to(stage: Stage) -> None:
    with TelegramDouble(token=BOT, chats={CHAT: []}) as telegram:
        replaced = {
            AT_NODE: stage.node.url,
            '"chat_id":': f'"api_url": "{telegram.url}", "chat_id":',
        }
        channel = json.loads(stage.type(TELEGRAM.text, replaced))
        assert channel["settings"]["chat_id"] == CHAT
        tried = stage.node.post(f"/v1/channels/{channel['id']}/test").json()
        assert tried["delivered"], tried
        assert len(telegram.wait_for(CHAT, 1)) == 1
        stage.node.call("DELETE", f"/v1/channels/{channel['id']}")


def test_the_stream_of_redis_page_has_each_event_of_a_payment(stage: Stage) -> None:
    url = f"redis://user:password@127.0.0.1:{stage.redis.port}/0"
    replaced = {"rediss://user:password@redis.example:6380/0": url}
    channel = json.loads(stage.type(STREAM_OUT.text, replaced))
    assert channel["settings"]["stream"] == "paybell:events"
    assert channel["sealed_settings"] == ["url"]
    made = stage.node.create(amount_sat=1_000, external_id="order-1")
    wait_until(
        lambda: any(
            json.loads(fields["event"])["payment_id"] == made["id"]
            for _, fields in entries(stage.redis, "paybell:events")
        ),
        30,
        "the stream to have the event",
    )
    stage.node.call("DELETE", f"/v1/channels/{channel['id']}")


def test_what_redis_page_puts_into_the_stream_pays_the_invoice(stage: Stage) -> None:
    _, _, rest = STREAM_IN.text.partition("body '")
    body = rest.partition("'")[0]
    signature = hmac(GATEWAY_SECRET.encode(), body.encode(), sha256).hexdigest()
    replaced = {"redis-cli": f"redis-cli -p {stage.redis.port}", "5f…": signature}
    stage.type(STREAM_IN.text, replaced)

    def found() -> list[dict[str, Any]]:
        answer = stage.node.get("/v1/payments?external_id=A-17").json()
        return [one for one in answer["data"] if one["status"] == "confirmed"]

    (paid,) = wait_until(
        found, 30, lambda: str(entries(stage.redis, "payment:events:dead"))
    )
    assert (paid["merchant"], paid["gateway"]) == ("salon", "payable")
    assert entries(stage.redis, "payment:events:dead") == []


def test_the_status_of_a_payment_is_asked_and_it_is_processed(stage: Stage) -> None:
    node = stage.node
    made = node.create(amount_sat=5_000, confirmations=1)
    node.post("/dev/pay", address=made["address"], amount_sat=5_000)
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(made["id"], "confirmed")
    replaced = {AT_NODE: node.url, "pay_…": made["id"], "{token}": API_KEY}
    said = stage.type(STATUS_AND_CONFIRM.text, replaced)
    status, done = map(json.loads, said.splitlines())
    assert (status["payment_id"], status["status"]) == (made["id"], "confirmed")
    assert done["message"] in {"Payment processed", "Already processed"}


def test_the_invoice_of_phoenixds_site_is_what_the_page_shows(stage: Stage) -> None:
    made = json.loads(stage.type(INVOICE.text, {AT_NODE: stage.node.url}))
    shown = json.loads(INVOICE_MADE.text)
    assert same_shape(made, shown) == []
    assert made["externalId"] == shown["externalId"]
    assert made["invoice"].startswith("lnbcrt500u1")


def test_the_salons_page_is_told_what_the_page_shows(stage: Stage) -> None:
    node = stage.node
    key = node.post("/v1/keys", name="salon", merchant="salon").json()["key"]
    wanted = {"amount_sat": 1_000, "confirmations": 1, "external_id": "inv-1"}
    by_salon = {"Authorization": f"Bearer {key}"}
    made = node.call("POST", "/v1/payments", json=wanted, headers=by_salon).json()
    client = connect("127.0.0.1", node.port, "/ws/payments/salon/s1")
    assert client.accepted
    client.send_text(SALON_SAYS.text.strip())
    node.post("/dev/pay", address=made["address"], amount_sat=1_000)
    node.post("/dev/mine", blocks=1)
    for line in SALON_HEARS.text.splitlines():
        shown, told = json.loads(line), client.recv_json(timeout_s=30)
        assert (told["type"], told["status"]) == (shown["type"], shown["status"])
        assert told.keys() == shown.keys()
        assert shown["data"].keys() <= told["data"].keys()
    client.close()
