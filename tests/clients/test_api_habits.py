"""Habits of the API that a client leans on, over a real socket: listing and cursors."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.money.rates import Policy
from engine.store.writes import NewTill, Write
from tests.tools.node import RunningNode, running_node
from tests.unit.engine.store.till_cases import forward
from transport.rates.providers import FixedRates

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    rates = FixedRates({"EUR": Decimal(50_000)})
    with running_node(rates=([rates], Policy())) as running:
        yield running


def found(node: RunningNode, **asked: object) -> list[str]:
    answer = node.get(f"/v1/payments?{urlencode(asked)}")
    assert answer.status_code == 200, answer.text
    return [payment["id"] for payment in answer.json()["data"]]


def test_a_payment_is_searched_by_what_a_person_has_of_it(node: RunningNode) -> None:
    made = node.create(merchant="sought", external_id="A-17", amount_sat=123_457)
    node.create(merchant="sought", external_id="A-18", amount_sat=123_458)
    for text in (
        made["id"],
        "A-17",
        made["address"],
        made["uri"],
        "123457",
        "0.00123457",
        "0.00123457 BTC",
        "123457 sat",
    ):
        assert found(node, search=text) == [made["id"]], text
    assert found(node, search="A-17", merchant="other") == []
    assert found(node, search="no such thing") == []


def test_payments_of_a_time_are_found_and_the_oldest_come_first_if_asked_for(
    node: RunningNode,
) -> None:
    made = [node.create(merchant="times") for _ in range(3)]
    first = datetime.fromisoformat(made[0]["created_at"])
    names = [payment["id"] for payment in made]
    at, later = first.isoformat(), (first + timedelta(hours=1)).isoformat()
    of = {"merchant": "times"}
    assert found(node, **of, created_after=at) == names[::-1]
    assert found(node, **of, created_after=at, order="oldest") == names
    assert found(node, **of, created_before=at) == []
    assert found(node, **of, created_after=later) == []
    assert found(node, **of, confirmed_after=at) == []
    node.post(f"/v1/payments/{names[0]}/cancel")
    assert found(node, **of, updated_after=at)[0] == names[0]
    assert found(node, **of, updated_after=at, order="oldest")[-1] == names[0]
    node.post(f"/v1/payments/{names[1]}/confirm")
    assert found(node, **of, confirmed_after=at, confirmed_before=later) == [names[1]]


def test_every_cursor_goes_by_one_word_and_the_old_ones_still_do(
    node: RunningNode,
) -> None:
    made = node.create(merchant="cursors")
    node.post(f"/v1/payments/{made['id']}/cancel")
    for path, old in (
        (f"/v1/payments/{made['id']}/events?limit=1", "next_after"),
        ("/v1/events?limit=1", "next"),
    ):
        page = node.get(path).json()
        assert page["next_cursor"] == page[old] is not None
        rest = node.get(f"{path}&cursor={page['next_cursor']}").json()
        assert rest["data"]
        assert rest == node.get(f"{path}&after={page[old]}").json()
        both = node.get(f"{path}&cursor={page['next_cursor']}&after=1")
        assert both.status_code == 422
        assert "must be left out beside cursor" in both.text
    page = node.get("/v1/payments?merchant=cursors&order=oldest&limit=1").json()
    assert page["next_cursor"] is None


def test_what_tills_pass_on_comes_in_pages_by_the_same_word(node: RunningNode) -> None:
    for number in range(1, 53):
        row = forward(number, merchant="till-pages", payment_id=f"pay_till_{number}")
        node.gateway._commit(Write(rows=(NewTill(row),)))
    path = "/v1/forwarding/lightning?merchant=till-pages"
    page = node.get(path).json()
    assert len(page["data"]) == 50
    assert page["next_cursor"] == page["data"][-1]["id"]
    rest = node.get(f"{path}&cursor={page['next_cursor']}").json()
    assert rest["next_cursor"] is None
    ids = [one["id"] for one in (*page["data"], *rest["data"])]
    assert ids == sorted(ids, reverse=True)
    assert len({*ids}) == 52
    assert rest == node.get(f"{path}&before={page['next_cursor']}").json()
    both = node.get(f"{path}&cursor={ids[0]}&before={ids[1]}")
    assert both.status_code == 422
    assert "must be left out beside cursor" in both.text


def test_every_moment_is_told_as_rfc_3339(node: RunningNode) -> None:
    """Of each list, and of what stands in it, whatever a field of time is called."""
    price = {"amount": "5.00", "currency": "EUR"}
    made = node.post("/v1/payments", {"merchant": "moments", **price}).json()
    node.chain.pay(made["address"], made["amount_sat"])
    node.chain.mine(3)
    node.wait_for_status(made["id"], "confirmed")
    hook = {"url": "https://shop.example/hook", "merchant": "moments"}
    assert node.post("/v1/channels", hook).ok
    seen: set[str] = set()
    for path in (
        *(f"/v1/payments/{made['id']}{more}" for more in ("", "/events", "/refunds")),
        *("/v1/payments", "/v1/events", "/v1/channels", "/v1/keys", "/v1/alerts"),
        *("/v1/sources", "/v1/watchers", "/v1/rates", "/v1/wallets", "/v1/history"),
        *(
            "/v1/forwarding/lightning?merchant=till-pages",
            "/v1/merchants/moments",
            "/health",
        ),
        *("/v1/upstreams", "/v1/refunds", "/v1/accounts", "/ready"),
    ):
        answer = node.get(path)
        assert answer.status_code == 200, (path, answer.text)
        for name, value in moments(answer.json()):
            assert RFC_3339.fullmatch(str(value)), (path, name, value)
            seen.add(name)
    (created, *_) = node.get(f"/v1/payments/{made['id']}/events").json()["data"]
    at_ms = created["data"]["terms"]["created_at"]
    assert isinstance(at_ms, int), "a piece of the journal, as docs/events.md says"
    assert seen >= {"at", "created_at", "expires_at", "confirmed_at", "rate_at"}, seen


def moments(body: Any) -> Iterator[tuple[str, str]]:
    """Every value under the name of a moment. Not what an event has in `data`, which is
    a piece of the journal."""
    parts = body.items() if isinstance(body, dict) else ()
    for name, value in parts:
        if name == "data" and "seq" in body:
            continue
        if name.endswith("_at") or name in {"at", "now", "since", "until"}:
            values = value if isinstance(value, list) else [value]
            yield from ((name, one) for one in values if one is not None)
        else:
            yield from moments(value)
    for one in body if isinstance(body, list) else ():
        yield from moments(one)


def metric(node: RunningNode, name: str) -> float:
    lines = node.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def test_the_metrics_tell_payments_by_status_and_answers_by_route(
    node: RunningNode,
) -> None:
    before = {s: metric(node, by_status(s)) for s in ("pending", "cancelled")}
    route = 'method="POST",route="/v1/payments"'
    asked = metric(node, f"paybell_http_request_seconds_count{{{route}}}")
    errors = metric(node, 'paybell_http_requests_total{status="4xx"}')
    names = [node.create()["id"] for _ in range(3)]
    node.post(f"/v1/payments/{names[0]}/cancel")
    node.get("/v1/payments?colour=blue")
    assert metric(node, by_status("pending")) == before["pending"] + 2
    assert metric(node, by_status("cancelled")) == before["cancelled"] + 1
    count = metric(node, f"paybell_http_request_seconds_count{{{route}}}")
    assert count == asked + 3
    assert metric(node, 'paybell_http_requests_total{status="4xx"}') == errors + 1
    assert metric(node, 'paybell_outbox{state="dead"}') == 0


def by_status(status: str) -> str:
    return f'paybell_payments{{status="{status}"}}'
