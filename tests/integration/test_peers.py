"""Where other payment systems fail, over real sockets. docs/peers.md says whose fault.

Only what no other test shows; the rest of that page's lines name tests elsewhere.
"""

import hashlib
import hmac
import json
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Upstream
from tests.tools.node import RunningNode, running_node
from tests.tools.paybell import Paybell
from tests.tools.paybell import serving as node_process
from tests.tools.receiver import Received, Receiver, hang, reply
from tests.tools.serving import dial, serving, until
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import WsClient, connect, read_response
from transport.server.websocket.connection import WebSocket

HOOK_SECRET = "test-webhook-secret-0123456789abcdef"
STEP_S = 10.0


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def is_past(monotonic_s: float) -> bool:
    return time.monotonic() > monotonic_s


def make_channel(node: RunningNode, shop: Receiver, **fields: Any) -> str:
    response = node.post("/v1/channels", {"url": shop.url("/hook"), **fields})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def follow(node: RunningNode, payment: dict[str, Any]) -> WsClient:
    token = payment["client_secret"]
    path = f"/ws/balance/{payment['address']}?since=0&token={token}"
    return connect("127.0.0.1", node.server.port, path)


def heard(client: WsClient, last: str = "payment.confirmed") -> list[Any]:
    """The events on a socket, up to the first of the type `last`."""
    told: list[Any] = []
    while not told or told[-1]["type"] != last:
        said = client.recv_json(STEP_S)
        if said["type"].startswith("payment."):
            told.append(said)
    return told


def bodies(requests_: list[Received], payment: dict[str, Any]) -> list[Any]:
    events = [json.loads(received.body)["data"] for received in requests_]
    return [event for event in events if event["payment_id"] == payment["id"]]


def attempts(node: RunningNode, channel: str) -> list[Any]:
    listed: list[Any] = node.get(f"/v1/channels/{channel}/deliveries").json()["data"]
    return listed


# -- one road: whatever makes a payment paid, everybody is told, once ------------------


def by_the_chain(node: RunningNode, payment: dict[str, Any]) -> None:
    node.chain.pay(payment["address"], payment["amount_sat"])
    node.chain.mine(1)


def announced_by_a_webhook(node: RunningNode, payment: dict[str, Any]) -> None:
    said = {"address": payment["address"], "value": payment["amount_sat"]}
    body = json.dumps(said).encode()
    signature = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    for _ in range(2):  # and repeated
        response = node.call(
            "POST", "/webhook/btc", data=body, headers={"X-Signature": signature}
        )
        assert response.status_code == 200, response.text
    by_the_chain(node, payment)


def by_hand(node: RunningNode, payment: dict[str, Any]) -> None:
    for _ in range(2):
        assert node.post(f"/v1/payments/{payment['id']}/confirm").status_code == 200


@pytest.mark.parametrize("road", [by_the_chain, announced_by_a_webhook, by_hand])
def test_whatever_road_a_payment_takes_everybody_is_told_once_and_alike(
    node: RunningNode, road: Callable[[RunningNode, dict[str, Any]], None]
) -> None:
    """LNbits: internal and recovered payments told nobody (3906), others twice."""
    with Receiver() as shop:
        channel = make_channel(node, shop)
        payment = node.create(amount_sat=1_000, confirmations=1)
        client = follow(node, payment)
        road(node, payment)
        node.wait_for_status(payment["id"], "confirmed")
        events = node.get(f"/v1/payments/{payment['id']}/events").json()["data"]
        wait_until(
            lambda: len(attempts(node, channel)) == len(events), STEP_S, "deliveries"
        )
        assert heard(client) == events
        assert bodies(shop.requests, payment) == events
        assert len(shop.requests) == len(events)
        client.close()
        assert node.call("DELETE", f"/v1/channels/{channel}").status_code == 204


def test_a_shop_is_told_though_no_browser_ever_came(node: RunningNode) -> None:
    """SatSale: the open tab drives the detection, and with it the webhook."""
    wait_until(lambda: node.server.websockets == 0, STEP_S, "all browsers to be gone")
    with Receiver() as shop:
        channel = make_channel(node, shop, types=["payment.confirmed"])
        payment = node.create(amount_sat=1_000, confirmations=1)
        by_the_chain(node, payment)
        (told,) = bodies(shop.wait_for(1, STEP_S), payment)
        assert (told["type"], told["received_sat"]) == ("payment.confirmed", 1_000)
        assert node.call("DELETE", f"/v1/channels/{channel}").status_code == 204


# -- nobody waits for a receiver that is slow ------------------------------------------


def test_a_receiver_that_hangs_delays_neither_browsers_nor_other_deliveries(
    node: RunningNode,
) -> None:
    """phoenixd: a slow webhook receiver delays its WebSocket clients.
    BTCPay 3146: one failing delivery holds back all that follow it.
    """
    with Receiver(default=hang()) as dead, Receiver(answers=[hang()]) as half:
        # None is tried again before all that follows is looked at.
        patient = {"timeout_s": 30, "schedule_s": [0, 3_600]}
        channels = [make_channel(node, shop, **patient) for shop in (dead, half)]
        stuck = node.create(amount_sat=1_000, confirmations=1)
        dead.wait_for(1, STEP_S)
        half.wait_for(1, STEP_S)
        client = follow(node, stuck)
        by_the_chain(node, stuck)
        assert heard(client)[-1]["status"] == "confirmed"
        client.close()
        later = node.create(amount_sat=1_000, confirmations=1)
        by_the_chain(node, later)
        node.wait_for_status(later["id"], "confirmed")
        events = node.get(f"/v1/payments/{later['id']}/events").json()["data"]
        half.wait_for(1 + len(events), STEP_S)
        assert bodies(half.requests, later) == events
        assert len(bodies(half.requests, stuck)) == 1, "its next waits for its turn"
        for channel in channels:
            assert node.call("DELETE", f"/v1/channels/{channel}").status_code == 204


def test_what_an_endpoint_answered_is_there_to_be_seen(node: RunningNode) -> None:
    """BTCPay 1160, lightning-charge 3: retries of one's own, and the status shown."""
    with Receiver(answers=[reply(500), reply(403)]) as shop:
        channel = make_channel(node, shop, schedule_s=[0, 0, 0, 0])
        payment = node.create(amount_sat=1_000)
        shop.wait_for(3, STEP_S)
        wait_until(lambda: len(attempts(node, channel)) == 3, STEP_S, "three attempts")
        listed = attempts(node, channel)
        assert [attempt["status"] for attempt in listed] == [200, 403, 500]
        assert len({r.headers["webhook-id"] for r in shop.requests}) == 1
        assert {r["payment_id"] for r in listed} == {payment["id"]}
        assert node.call("DELETE", f"/v1/channels/{channel}").status_code == 204


# -- a source that fails and comes back ------------------------------------------------

OUTAGES = {
    "429": ("/address/", fake.text("slow down", 429, Retry_After="1")),
    "cut off": ("/address/", fake.cut_off("[" + " " * 100 + "]")),
    "reset": ("", fake.reset()),
}
"""Which requests fail, and how."""


class Outage:
    """Stands between a node and an explorer, and passes on what it is asked."""

    def __init__(self, between: Upstream, url: str) -> None:
        self._between, self._url = between, url
        self.end()

    def begin(self, paths: str, answer: fake.Answer) -> None:
        def fail(request: fake.Request) -> fake.Answer:
            return answer if paths in request.path else self._pass_on(request)

        self._between.answer = fail

    def end(self) -> None:
        self._between.answer = self._pass_on

    def _pass_on(self, request: fake.Request) -> fake.Answer:
        got = requests.get(self._url + request.path, timeout=STEP_S * PATIENCE)
        return fake.text(got.content, got.status_code)


def wait_for_another_error(shop: Paybell, address: str) -> None:
    """The source was asked for the address, and failed."""

    def errors() -> int:
        return int(shop.get("/v1/sources").json()["data"][0]["errors"])

    before = errors()
    shop.post(f"/v1/watchers/{address}/poll")
    wait_until(lambda: errors() > before, 2 * STEP_S, "the source to fail")


def test_a_source_that_comes_back_is_read_on_without_a_restart(tmp_path: Path) -> None:
    """LNbits 244, bitcoinswitch 11: only a restart helps. BTCPay 31, 1302: never seen,
    or expired though paid. SatSale, joinmarket-ng 222: an error is a balance of zero.
    """
    for name in ("chain", "shop"):
        (tmp_path / name).mkdir()
    with node_process(tmp_path / "chain") as chain, Upstream() as between:
        source = ("--source", f"esplora={between.url}/dev/esplora")
        budget = ("--esplora-per-minute", "6000", "--poll-by-hand-s", "0")
        outage = Outage(between, chain.url)
        with node_process(tmp_path / "shop", *source, *budget) as shop:
            for name, (paths, answer) in OUTAGES.items():
                outage.begin(paths, answer)
                address = chain.post("/dev/address").json()["address"]
                payment = shop.create(
                    address=address, amount_sat=7_000, confirmations=2, expires_in_s=1
                )
                over = time.monotonic() + 1.2
                chain.post("/dev/pay", address=address, amount_sat=7_000)
                chain.post("/dev/mine", blocks=2)
                wait_until(partial(is_past, over), 5, "its deadline")
                wait_for_another_error(shop, address)
                assert shop.payment(payment["id"])["status"] == "pending", name
                outage.end()
                shop.post(f"/v1/watchers/{address}/poll")
                paid = shop.wait_for_status(payment["id"], "confirmed")
                assert (paid["received_sat"], paid["flags"]) == (7_000, []), name


# -- the wire --------------------------------------------------------------------------


def data_segments_in(client: WsClient) -> int:
    """TCP segments with data that came so far: tcpi_data_segs_in of TCP_INFO."""
    info = client.sock.getsockopt(6, 11, 160)
    return int(struct.unpack_from("I", info, 152)[0])


def test_a_small_answer_is_one_tcp_segment() -> None:
    """pywsgi writes head and body apart: 44 ms for each keep-alive answer."""
    with serving() as server:
        client = dial(server)
        for answers in (1, 2, 3):
            client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read_response(client, 5)
            assert client.status == 200
            assert data_segments_in(client) == answers


def test_no_connection_waits_for_more_to_send() -> None:
    """TCP_NODELAY is not inherited from anywhere: without it a second small frame
    waits for the acknowledgement of the first.
    """
    seen: list[int] = []

    def look(websocket: WebSocket) -> None:
        raw = websocket._raw  # the kernel knows, and nobody else
        seen.append(raw.getsockopt(6, 1))

    with serving(routes=lambda _environ: look) as server:
        client = connect("127.0.0.1", server.port)
        assert client.accepted
        until(lambda: bool(seen))
        client.close()
    assert seen == [1]
