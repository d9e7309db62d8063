"""The past in numbers, as the API tells it: over a real socket."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from engine.payment.history import Fact, measured, sums_of
from engine.payment.times import iso
from engine.store.history_writes import AddHistory
from engine.store.writes import Write
from tests.tools.node import RunningNode, running_node

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def now() -> int:
    """ms. What follows from it is asked until then: an hour may end meanwhile."""
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def node(now: int) -> Iterator[RunningNode]:
    with running_node() as running:
        facts = [
            Fact(
                offset=n,
                type=kind,
                at=now - hours * HOUR_MS,
                merchant=merchant,
                waited_ms=waited_ms,
                booked_sat=sat,
            )
            for n, (kind, hours, merchant, waited_ms, sat) in enumerate(
                [
                    ("payment.created", 2, "ann", None, 0),
                    ("payment.created", 2, "bob", None, 0),
                    ("payment.detected", 2, "ann", 4_000, 0),
                    ("payment.confirmed", 1, "ann", 600_000, 50_000),
                ]
            )
        ]
        noted = measured({"sessions": 3, "backlog": 7, "errors:devchain": 2}, now)
        rows = AddHistory(sums_of(facts)), AddHistory(noted)
        running.gateway._commit(Write(rows=rows))
        yield running


def history(node: RunningNode, query: str, **headers: str) -> dict[str, Any]:
    found = node.get(f"/v1/history?{query}", **headers)
    assert found.status_code == 200, found.text
    said: dict[str, Any] = found.json()
    assert all(len(column) == len(said["at"]) for column in said["values"].values())
    return said


def test_every_step_has_a_value(node: RunningNode, now: int) -> None:
    said = history(node, f"series=payments&until={iso(now)}")
    assert (said["step_s"], len(said["at"])) == (3_600, 168)
    at = [datetime.fromisoformat(time) for time in said["at"]]
    assert {later - earlier for earlier, later in pairwise(at)} == {timedelta(hours=1)}
    assert said["at"][0] == said["since"]
    values = said["values"]
    assert (sum(values["created"]), sum(values["confirmed"])) == (2, 1)
    assert values["value_sat"][-2] == 50_000
    assert values["created"][-3] == 2


def test_a_merchants_key_sees_its_own_and_no_other(node: RunningNode) -> None:
    bob = {"Authorization": f"Bearer {node.add_key('bob')}"}
    assert sum(history(node, "series=payments", **bob)["values"]["created"]) == 1
    assert sum(history(node, "merchant=bob")["values"]["created"]) == 1
    for query in ("merchant=ann", "series=load", "series=sources"):
        assert node.get(f"/v1/history?{query}", **bob).status_code == 403, query
    assert node.get("/v1/history?step=minute", **bob).status_code == 422


def test_how_long_it_took_is_told_by_quantiles(node: RunningNode, now: int) -> None:
    asked = f"series=detection&merchant=ann&until={iso(now)}"
    said = history(node, asked)["values"]
    assert said["n"][-3:] == [1, 0, 0]
    assert 2_800 < said["p50_ms"][-3] <= 5_700
    assert said["p99_ms"][-1] is None
    confirmed = history(node, "series=confirmation&step=day")["values"]
    assert sum(confirmed["n"]) == 1


def test_the_operator_sees_load_and_errors(node: RunningNode) -> None:
    said = history(node, "series=load&step=minute")["values"]
    assert 3 in said["sessions"]
    assert 7 in said["backlog"]
    assert None in said["sessions"], "a minute of which nobody knows"
    assert 2 in history(node, "series=sources")["values"]["errors:devchain"]


@pytest.mark.parametrize(
    "query",
    [
        "series=nothing",
        "step=second",
        "since=2020-01-01",
        "since=2100-01-01T00:00:00Z",
        "step=minute&since=2001-01-01T00:00:00Z&until=2001-01-02T00:00:00Z",
        "until=1970-01-01T00:00:00Z",
    ],
)
def test_what_cannot_be_asked_is_told(node: RunningNode, query: str) -> None:
    assert node.get(f"/v1/history?{query}").status_code == 422


def test_a_time_before_all_that_is_kept_begins_where_something_is(
    node: RunningNode,
) -> None:
    said = history(node, "step=minute&since=2001-01-01T00:00:00Z")
    assert len(said["at"]) <= 3_000
    far = history(
        node, "step=day&since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z"
    )
    assert len(far["at"]) <= 3_000
