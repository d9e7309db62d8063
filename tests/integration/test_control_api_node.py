"""The node itself over the API: health, metrics, watchers, sources, and its limits."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import astuple
from prometheus_client.parser import text_string_to_metric_families

from actors.facts.alerts import Alerts
from actors.facts.published import Published, SourceReport
from engine.chain.witness import Standing
from engine.ports import Alert, Freshness
from tests.tools.node import VERSION, RunningNode, running_node
from transport.http.auth import KeyLimits


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def without_key(node: RunningNode, path: str) -> Any:
    return node.call("GET", path, headers={"Authorization": None})


def test_health_tells_without_a_key_that_the_process_lives(node: RunningNode) -> None:
    response = without_key(node, "/health")
    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["service"]) == ("ok", "paybell")
    assert (body["version"], body["network"]) == (VERSION, "regtest")
    assert body["websocket"] == {"enabled": True, "clients": 0}
    assert body["freshness"]["source"] == "devchain"


def test_ready_tells_without_a_key_that_payments_are_taken(node: RunningNode) -> None:
    response = without_key(node, "/ready")
    assert (response.status_code, response.json()["ready"]) == (200, True)


def test_a_node_that_still_starts_is_not_ready() -> None:
    with running_node() as starting:
        starting.node.booted = Published(False)
        response = without_key(starting, "/ready")
        assert response.status_code == 503
        assert response.headers["Retry-After"]
        assert "brought back" in response.json()["detail"]
        assert response.headers["Content-Type"] == "application/problem+json"


def test_metrics_are_what_prometheus_reads(node: RunningNode) -> None:
    node.create()
    response = node.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(response.text)}
    assert all(name.startswith("paybell_") for name in families)
    assert all(family.documentation for family in families.values())
    assert families["paybell_ready"].samples[0].value == 1
    assert families["paybell_watchers"].samples[0].value >= 1
    assert families["paybell_journal_events"].samples[0].value >= 1
    (tip,) = families["paybell_source_tip_height"].samples
    assert tip.labels == {"source": "devchain"}
    assert tip.value >= 1


BEHIND = "at block 450; block 500 was seen"
REFUSED = "bitcoind: wrong RPC user or password"


class Kept(Alerts):
    """Where nothing is cleared: the node's own source is well, and says so at will."""

    def clear(self, kind: str, subject: str) -> None:
        """Not in this test."""


def test_a_source_that_is_behind_is_an_alert_on_every_page() -> None:
    """The detail, which may be about credentials, is for a key of the whole node."""
    alerts = (
        Alert("source.behind", "old", BEHIND, 1_000),
        Alert("source.failing", "locked", REFUSED, 2_000),
    )
    freshness = Freshness("old", False, 3_000, 450, Standing.BEHIND, BEHIND, 1_000)
    with running_node() as node:
        node.node.source_report = Published(SourceReport(freshness))
        node.node.alerts = Kept(node.node.counters)
        for alert in alerts:
            node.node.alerts.raise_(*astuple(alert))
        health = without_key(node, "/health").json()
        assert health["status"] == "degraded"
        assert health["freshness"] == {
            "source": "old",
            "live": False,
            "since": "1970-01-01T00:00:03.000Z",
            "tip_height": 450,
            "standing": "behind",
            "reason": BEHIND,
            "since_when": "1970-01-01T00:00:01.000Z",
        }
        assert health["alerts"] == {"source.behind": 1, "source.failing": 1}
        assert REFUSED not in without_key(node, "/health").text
        assert without_key(node, "/v1/alerts").status_code == 401
        told = node.get("/v1/alerts").json()["data"]
        assert [alert["detail"] for alert in told] == [BEHIND, REFUSED]
        assert told[1]["since"] == "1970-01-01T00:00:02.000Z"
        page = node.get("/metrics").text
        assert 'paybell_alerts{kind="source.behind"} 1.0' in page
        assert "paybell_fresh 0.0" in page


def test_alerts_are_listed_whole_and_in_pages_that_go_on_behind_what_is_over(
    node: RunningNode,
) -> None:
    """Each names whom it concerns; a long name makes no cursor that is refused."""
    alerts = node.node.alerts = Kept(node.node.counters)
    subjects = [f"{number}-{'x' * 300}" for number in range(5)]
    for number, subject in enumerate(subjects):
        whose = "ann" if number % 2 else None
        alerts.raise_("payment.waits", subject, "why", number // 2, None, whose)
    whole = node.get("/v1/alerts").json()
    assert whole["next_cursor"] is None
    assert [alert["subject"] for alert in whole["data"]] == subjects
    assert [a["merchant"] for a in whole["data"]] == [None, "ann", None, "ann", None]
    first = node.get("/v1/alerts?limit=2").json()
    Alerts.clear(alerts, "payment.waits", first["data"][-1]["subject"])
    second = node.get(f"/v1/alerts?limit=2&cursor={first['next_cursor']}").json()
    last = node.get(f"/v1/alerts?cursor={second['next_cursor']}").json()
    seen = [a["subject"] for page in (first, second, last) for a in page["data"]]
    assert sorted(seen) == subjects
    assert last["next_cursor"] is None
    assert node.get("/v1/alerts?cursor=what").status_code == 422


def test_watchers_are_shown_in_pages(node: RunningNode) -> None:
    made = {node.create()["id"] for _ in range(5)}
    seen: list[str] = []
    page = node.get("/v1/watchers?limit=2").json()
    while True:
        seen += [watcher["payment_id"] for watcher in page["data"]]
        if page["next_cursor"] is None:
            break
        page = node.get(f"/v1/watchers?limit=2&cursor={page['next_cursor']}").json()
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


def test_the_tree_begins_with_what_all_watchers_depend_on(node: RunningNode) -> None:
    core = node.get("/v1/watchers").json()["core"]
    names = [actor["name"] for actor in core]
    expected = ["journal", "router", "source", "notifiers", "supervisor"]
    assert [name for name in names if not name.startswith("reader.")] == expected
    assert {(actor["state"], actor["incarnation"]) for actor in core} == {
        ("running", 1)
    }


def test_one_watcher_is_shown_and_polled(node: RunningNode) -> None:
    made = node.create()
    path = f"/v1/watchers/{made['address'].upper()}"
    watcher = node.get(path).json()
    assert (watcher["payment_id"], watcher["state"]) == (made["id"], "running")
    assert watcher["next_deadline_at"] == made["expires_at"]
    polled = node.post(f"{path}/poll")
    assert polled.status_code == 202
    assert polled.json() == {"address": made["address"], "payment_id": made["id"]}


@pytest.mark.parametrize("address", ["nonsense", "%01", "x" * 500])
def test_an_address_that_nobody_watches_is_a_404(
    node: RunningNode, address: str
) -> None:
    assert node.get(f"/v1/watchers/{address}").status_code == 404
    assert node.post(f"/v1/watchers/{address}/poll").status_code == 404
    fresh = node.chain.new_address()
    assert node.get(f"/v1/watchers/{fresh}").status_code == 404


def test_sources_are_shown(node: RunningNode) -> None:
    (source,) = node.get("/v1/sources").json()["data"]
    assert (source["name"], source["state"], source["active"]) == (
        "devchain", "closed", True,
    )  # fmt: skip
    assert source["last_answer_at"].endswith("Z")


def test_a_key_that_calls_too_often_gets_a_429_and_strangers_too() -> None:
    limits = KeyLimits(
        rate_per_s=0.001, burst=3, failure_rate_per_s=0.001, failure_burst=2
    )
    with running_node(auth_limits=limits) as node:
        statuses = [node.get("/v1/sources").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        slowed = node.get("/v1/sources")
        assert int(slowed.headers["Retry-After"]) > 0
        assert slowed.headers["Content-Type"] == "application/problem+json"
        strangers = [without_key(node, "/v1/sources").status_code for _ in range(3)]
        assert strangers == [401, 401, 429]
        assert without_key(node, "/health").status_code == 200


def test_a_crash_in_a_handler_is_a_500_that_tells_nothing() -> None:
    with running_node() as node:

        def crash() -> Any:
            raise RuntimeError("a secret detail")

        node.gateway.sources = crash  # type: ignore[method-assign]
        response = node.get("/v1/sources")
        assert response.status_code == 500
        assert response.headers["Content-Type"] == "application/problem+json"
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert node.get("/health").status_code == 200
