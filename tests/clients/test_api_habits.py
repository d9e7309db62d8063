"""Habits of the API that a client leans on, over a real socket: listing and cursors."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

from tests.tools.node import RunningNode, running_node


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
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
