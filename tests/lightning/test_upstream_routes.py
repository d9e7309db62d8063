"""Lightning connections over HTTP: who sees what of them, and hears of each change."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from actors.facts.published import Published
from actors.facts.upstreams import Reconnect, Upstream, Upstreams
from engine.lightning.account import Account
from engine.lightning.node import Balance, Can
from engine.lightning.upstream import UpstreamReport, UpstreamState, seen_by
from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import wait_until

CAN = Can(push=True, description_hash=True, amountless=False, pay=True)
REASON = "till: POST /graphql: 502 from 10.0.0.7"


class Ref:
    def __init__(self) -> None:
        self.told: list[object] = []

    def tell(self, message: object) -> bool:
        self.told.append(message)
        return True


def report(name: str, state: UpstreamState, **more: Any) -> UpstreamReport:
    return UpstreamReport(
        name=name, kind="blink", state=state, since=1_700_000_000_000, can=CAN, **more
    )


TILL = report("till", UpstreamState.FAILING, reason=REASON, attempts=3,
              merchants=("rose",), forward_to="user")  # fmt: skip
USER = report("user", UpstreamState.LIVE, answered_at=1_700_000_000_000,
              merchants=("rose-owner",))  # fmt: skip
OTHER = report("other", UpstreamState.LIVE, merchants=("lily",))


class Shop:
    """A node whose accounts stand as the test says."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self.reports = {one.name: Published(one) for one in (TILL, USER, OTHER)}
        self.refs = {name: Ref() for name in self.reports}
        lightning: Any = type("Node", (), {"can": CAN})
        self.upstreams = node.node.upstreams = Upstreams(
            (
                name,
                Upstream(
                    Account(name=name, kind="blink", url="https://x.example"),
                    lightning,
                    self.refs[name],  # type: ignore[arg-type]
                    self.reports[name],
                    Published[Balance | None](None),
                ),
            )
            for name in self.reports
        )
        self.keys = {who: node.add_key(who) for who in ("rose", "lily", "nobody")}

    def get(self, who: str | None, path: str, **options: Any) -> requests.Response:
        headers = {}
        if who is not None:
            headers["Authorization"] = f"Bearer {self.keys[who]}"
        return self.node.call("GET", path, headers=headers, **options)

    def becomes(self, name: str, now: UpstreamReport) -> None:
        self.reports[name].publish(now)
        self.upstreams.news.tell(now)

    @contextmanager
    def stream(self, who: str, merchant: str) -> Iterator[Callable[[], dict[str, Any]]]:
        """Gives the next message, whenever it is asked for."""
        path = f"/events/upstreams/{merchant}"
        with self.get(who, path, stream=True) as answer:
            assert answer.status_code == 200, answer.text
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            lines = answer.iter_lines(chunk_size=1)

            def following() -> dict[str, Any]:
                assert "event: upstreams" in (line.decode() for line in lines)
                found: dict[str, Any] = json.loads(next(lines).removeprefix(b"data: "))
                return found

            yield following


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


@pytest.fixture
def shop(node: RunningNode) -> Iterator[Shop]:
    yield Shop(node)
    node.node.upstreams = Upstreams()


def test_an_operator_sees_all_accounts_with_their_reasons(shop: Shop) -> None:
    page = shop.node.get("/v1/upstreams").json()
    assert [one["name"] for one in page["data"]] == ["other", "till", "user"]
    assert page["ready"] is False
    till = page["data"][1]
    assert (till["state"], till["reason"], till["attempts"]) == ("failing", REASON, 3)
    assert (till["forward_to"], till["merchants"]) == ("user", ["rose"])
    assert till["can"]["description_hash"] is True
    assert till["answered_at"] is None
    assert (till["requests"], till["errors"]) == (0, 0)


def test_an_operator_sees_how_often_an_account_was_asked_and_in_vain() -> None:
    with lightning_node() as shop:
        before = _asked(shop)
        assert before["requests"] > 0, "as it began"
        shop.node.create(method="lightning", amount_sat=5_000)
        after = _asked(shop)
        assert after["requests"] > before["requests"], "for the invoice"
        assert after["errors"] == before["errors"]
        shop.refuse_key("purse")
        refused = shop.node.post(
            "/v1/payments", {"method": "lightning", "amount_sat": 1}
        )
        assert refused.status_code == 503
        assert _asked(shop)["errors"] > after["errors"]


def _asked(shop: LightningNode) -> dict[str, Any]:
    page = shop.node.get("/v1/upstreams").json()["data"]
    found: dict[str, Any] = next(one for one in page if one["name"] == "purse")
    return found


def test_a_merchant_sees_its_own_accounts_without_their_reasons(shop: Shop) -> None:
    answer = shop.get("rose", "/v1/upstreams")
    page = answer.json()
    assert [one["name"] for one in page["data"]] == ["till", "user"]
    assert page["data"][0]["reason"] is None
    assert page["data"][0]["merchants"] is None
    assert page["data"][0]["requests"] is page["data"][0]["errors"] is None
    assert "10.0.0.7" not in answer.text
    assert "rose-owner" not in answer.text
    assert shop.get("lily", "/v1/upstreams").json()["ready"] is True
    assert shop.get("nobody", "/v1/upstreams").json()["data"] == []


def test_whose_accounts_are_seen() -> None:
    everybodys = report("all", UpstreamState.LIVE, forward_to="till")
    ring = [everybodys, TILL, USER, OTHER]
    assert [one.name for one in seen_by(ring, "nobody")] == ["all", "till", "user"]
    assert [one.name for one in seen_by([TILL], "rose")] == ["till"]  # its target left


def test_s2_5_each_connection_begins_anew_by_its_own_button(shop: Shop) -> None:
    def reconnect(name: str, who: str) -> int:
        key = {"Authorization": f"Bearer {shop.keys[who]}"}
        answer = shop.node.call("POST", f"/v1/upstreams/{name}/reconnect", headers=key)
        return answer.status_code

    assert reconnect("till", "rose") == 202
    assert shop.refs["till"].told == [Reconnect()]
    assert shop.refs["user"].told == []
    assert reconnect("user", "rose") == 202
    assert reconnect("till", "lily") == 404  # as one that there is not
    assert reconnect("none", "lily") == 404
    assert shop.refs["till"].told == [Reconnect()]
    assert shop.node.post("/v1/upstreams/other/reconnect").status_code == 202


def test_s2_5_status_of_both_connections_is_told_live(shop: Shop) -> None:
    with shop.stream("rose", "rose") as following:
        first = following()
        assert first["type"] == "upstreams"
        assert first["ready"] is False
        states = {one["name"]: one["state"] for one in first["data"]}
        assert states == {"till": "failing", "user": "live"}
        lilys = report("other", UpstreamState.FAILING, merchants=("lily",))
        shop.becomes("other", lilys)  # not its own
        shop.becomes("till", report("till", UpstreamState.LIVE, merchants=("rose",),
                                    forward_to="user"))  # fmt: skip
        ready = following()
        assert ready["ready"] is True  # "✓ Ready (User + BlinkPOS connected)"
        shop.becomes("user", report("user", UpstreamState.FAILING, reason=REASON))
        lost = following()
        assert lost["ready"] is False
        states = {one["name"]: one["state"] for one in lost["data"]}
        assert states == {"till": "live", "user": "failing"}
        assert REASON not in json.dumps(lost)
    news = shop.upstreams.news
    wait_until(lambda: news.listeners == 0, 10.0, "the stream to be forgotten")


def test_who_may_listen(shop: Shop) -> None:
    for who, merchant, status in (
        ("lily", "rose", 403),
        ("rose", "lily", 403),
        ("nobody", "nobody", 404),
        ("rose", "%2A", 403),
    ):
        answer = shop.get(who, f"/events/upstreams/{merchant}", stream=True)
        assert answer.status_code == status, (who, merchant)
        answer.close()
    stranger = shop.node.call(
        "GET", "/events/upstreams/rose", headers={"Authorization": None}
    )
    assert stranger.status_code == 401
    wrong = shop.get("rose", "/events/upstreams/rose?token=a.b.c")
    assert wrong.status_code == 403


def test_who_came_with_a_token_goes_when_the_sites_secret_is_replaced(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.live.leases.LOOK_S", 0.1)
    news = shop.upstreams.news

    def rules(secret: str) -> None:
        record = {"jwt": {"algorithm": "HS256", "secret": secret}}
        assert shop.node.call("PUT", "/v1/merchants/rose", json=record).ok

    rules(SECRET)
    path = f"/events/upstreams/rose?token={token(claims())}"
    headers = {"Authorization": None}
    with shop.node.call("GET", path, headers=headers, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        coming = answer.iter_content(1)  # kept: it ends the call with itself
        assert next(coming)
        assert news.listeners == 1
        rules("another-secret-of-the-shop-0123456789")
        wait_until(lambda: news.listeners == 0, 20.0, "the stream to end")


def test_health_and_metrics_tell_how_they_stand_and_name_no_reason(shop: Shop) -> None:
    def told() -> bool:
        found: dict[str, int] = shop.node.get("/health").json()["lightning"]
        return found == {"failing": 1, "live": 2}

    wait_until(told, 10.0, "health to be asked anew")
    metrics = shop.node.get("/metrics").text
    assert 'paybell_upstream_state{state="failing",upstream="till"} 1.0' in metrics
    assert 'paybell_upstream_state{state="live",upstream="till"} 0.0' in metrics
    assert "paybell_lightning_pages_total 0.0" in metrics
    assert "10.0.0.7" not in metrics + shop.node.get("/health").text
