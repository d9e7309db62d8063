"""How an endpoint is reached: a channel's own headers and authorities; tests of it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
import requests
from standardwebhooks import Webhook

from tests.tools.certificates import self_signed
from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver, hang, reply
from tests.tools.wait import wait_until
from transport.control import deliveries
from transport.http.asking_limits import AskingLimits
from transport.outbound.webhook import new_secret

CHANNELS = "/v1/channels"
SECRET = new_secret()


@pytest.fixture
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def test_own_headers_and_credentials_are_sent_and_never_shown(
    node: RunningNode,
) -> None:
    with Receiver() as shop:
        basic = {"username": "shop", "password": "PASSWORD1"}
        made = node.post(
            CHANNELS,
            {
                "url": shop.url(),
                "headers": {"X-Api-Key": "SECRETKEY"},
                "basic_auth": basic,
            },
        )
        channel = made.json()
        place = f"{CHANNELS}/{channel['id']}"
        node.post(f"{place}/test")
        node.call("PATCH", place, json={"basic_auth": None, "description": "x"})
        tried = node.post(f"{place}/test")
        first, second = shop.wait_for(2)
    sent = base64.b64decode(first.headers["authorization"].removeprefix("Basic "))
    assert sent == b"shop:PASSWORD1"
    assert first.headers["x-api-key"] == second.headers["x-api-key"] == "SECRETKEY"
    assert "authorization" not in second.headers
    assert channel["header_names"] == ["X-Api-Key", "Authorization"]
    shown = node.get(place)
    assert shown.json()["header_names"] == ["X-Api-Key"]
    kept = b"".join(path.read_bytes() for path in node.database.parent.iterdir())
    for secret in ("SECRETKEY", "PASSWORD1", first.headers["authorization"][6:]):
        for answer in (made, shown, tried, node.get(CHANNELS)):
            assert secret not in answer.text
        assert secret.encode() not in kept


def test_a_channel_may_believe_an_authority_of_its_own(
    node: RunningNode, tmp_path: Path
) -> None:
    server, ca_file = self_signed(tmp_path, "127.0.0.1")
    with Receiver(tls=server) as shop:
        channel = node.post(CHANNELS, {"url": shop.url()}).json()
        place = f"{CHANNELS}/{channel['id']}"
        refused = node.post(f"{place}/test").json()
        pem = {"ca_pem": ca_file.read_text()}
        changed = node.call("PATCH", place, json=pem).json()
        accepted = node.post(f"{place}/test").json()
        node.call("PATCH", place, json={"ca_pem": None})
        refused_again = node.post(f"{place}/test").json()
    assert (channel["has_own_ca"], changed["has_own_ca"]) == (False, True)
    assert refused["error"].startswith("tls: ")
    assert accepted["delivered"]
    assert refused_again["error"].startswith("tls: ")


@pytest.mark.parametrize(
    "pem", ["text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", 7]
)
def test_what_is_no_certificate_is_refused(node: RunningNode, pem: object) -> None:
    response = node.post(CHANNELS, {"url": "https://shop.example/", "ca_pem": pem})
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == ["/ca_pem"]


def test_tests_of_one_merchant_are_limited_and_anothers_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "time", SimpleNamespace(monotonic=int))
    limits = AskingLimits(channel_tests_per_minute=3)
    with running_node(web={"asking_limits": limits}) as node, Receiver() as shop:
        mine, other = (
            node.post(CHANNELS, {"url": shop.url(), "merchant": merchant}).json()
            for merchant in ("mine", "other")
        )
        tests = [node.post(f"{CHANNELS}/{mine['id']}/test") for _ in range(4)]
        assert node.post(f"{CHANNELS}/{other['id']}/test").status_code == 200
    assert [test.status_code for test in tests] == [200, 200, 200, 429]
    assert tests[-1].headers["Retry-After"] == "20"
    assert tests[-1].json()["limit"] == "channel_tests_per_minute"


def test_a_merchant_waits_for_few_endpoints_at_one_time() -> None:
    at_a_time = AskingLimits().channel_tests_open
    with running_node() as node, Receiver(default=hang()) as shop:
        asked = {"url": shop.url(), "timeout_s": 30}
        channel = node.post(CHANNELS, asked).json()
        place = f"{CHANNELS}/{channel['id']}/test"
        key = {"Authorization": f"Bearer {node.api_key}"}
        waiting = [
            gevent.spawn(requests.post, node.url + place, headers=key)
            for _ in range(at_a_time)
        ]
        shop.wait_for(at_a_time)
        refused = node.post(place)
        assert refused.status_code == 429
        assert refused.json()["limit"] == "channel_tests_open"
        gevent.killall(waiting)


def test_a_shop_that_refuses_one_event_hears_the_rest_and_what_it_was_not_told(
    node: RunningNode,
) -> None:
    with Receiver([reply(400), reply(422)]) as shop:
        channel = node.post(
            CHANNELS,
            {
                "url": shop.url(),
                "secret": SECRET,
                "schedule_s": [0, 0.1, 3600],
                "refused_attempts": 2,
            },
        ).json()
        payment = node.create(amount_sat=1_000)
        shop.wait_for(2)
        txid = node.chain.pay(payment["address"], 1_000)
        shop.wait_for(3)
        node.chain.mine(1)
        told = [
            Webhook(SECRET).verify(each.body, each.headers) for each in shop.wait_for(4)
        ]
    assert (channel["refused_attempts"], channel["refused_s"]) == (2, 3_600)
    assert [(each["data"]["seq"], each.get("skipped")) for each in told[:3]] == [
        (1, None), (1, None), (2, [1]),
    ]  # fmt: skip
    assert all("skipped" not in each for each in told[3:])

    def logged() -> bool:
        log = node.get(f"{CHANNELS}/{channel['id']}/deliveries").json()["data"]
        return {(e["seq"], e["status"]) for e in log} >= {(1, 400), (1, 422)}

    wait_until(logged, 10, "both refusals in the log")
    missed = node.get(f"/v1/payments/{payment['id']}/events?after=0").json()["data"]
    assert txid in {event["txid"] for event in missed}
    assert missed[0]["id"] == told[0]["data"]["id"]
