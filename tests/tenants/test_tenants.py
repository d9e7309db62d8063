"""One tenant's worst day costs another nothing.

A merchant with nearly all that a large database holds makes every call of the API,
again and again, while another orders and is told. What is judged is order, rows and
steps of SQLite, not time (docs/reliability.md, "Neighbours", says why the size of the
database does not matter for them): how long the other waits is measured by `make bench
ARGS=tenants`, on 2,000,000 events. PAYBELL_TENANTS sets how many payments of five
events there are.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import gevent
import pytest

from engine.merchants.scopes import Scope
from engine.secrets.vault import Vault
from engine.store.writes import PurgeDeliveries, RemoveChannel, Requeue
from tests.tenants.calls import ANN, CALLS, CHANNEL, HOOK_SECRET, Caller
from tests.tenants.meter import Meter
from tests.tools.many_events import EVENTS_EACH, fill
from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver
from tests.tools.wait import PATIENCE, wait_until
from transport.http.auth import KeyLimits
from transport.http.strangers import StrangerLimits
from transport.server.limits import CallLimits

PAYMENTS = int(os.environ.get("PAYBELL_TENANTS", "4000"))
pytestmark = pytest.mark.timeout_s(120 + PAYMENTS / 400)
OFTEN: dict[str, Any] = {"rate_per_s": 1e6, "burst": 1_000_000}

STEPS = 30_000
"""Of SQLite, in one turn: some ms. A walk through the database is 200,000."""

ROWS = 200
"""Changed in one turn."""

MORE: dict[str, tuple[int, int]] = {
    "create_payments": (150_000, 1_000),  # 50 in one transaction
    "redeliver_range": (300_000, 3_000),  # 1,000 deliveries in one step
    "followEvents": (100_000, ROWS),  # a page of 1,000
}
"""What one turn of these may take: as large as the page or the batch that is asked
for, however large the database is."""

WITHOUT = {
    "get_refund_psbt": {403, 503},
    "retry_forward": {403, 409},
    "resume_till_forward": {403, 404},
    "give_up_till_forward": {403, 404},
    "reconnect_upstream": {404},
    "followUpstreams": {404},
    "openSalonSocket": {404},
    "openMerchantSocket": {404},
}
"""What wants something that this node has not: coins of payments that are on the chain,
which this one never saw, a Lightning account, or rules for a site's tokens."""


def prepare(path: Path, vault: Vault) -> None:
    fill(
        path,
        payments=PAYMENTS,
        owner=lambda n: ANN if n % 100 else "bob",
        channels={CHANNEL: ANN},
        seal=lambda name: vault.seal(b"s" * 32, name),
    )


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    web = {
        "auth_limits": KeyLimits(**OFTEN, failure_rate_per_s=1e6, failure_burst=10**6),
        "webhook_limits": CallLimits(**OFTEN),
        "stranger_limits": StrangerLimits(**OFTEN),
        "webhook_btc_secret": HOOK_SECRET,
    }
    with running_node(web=web, prepare=prepare) as running:
        yield running


@pytest.fixture(scope="module")
def meter(node: RunningNode) -> Meter:
    return Meter(node)


@pytest.fixture(scope="module")
def ann(node: RunningNode) -> Caller:
    return Caller(node, node.add_key(ANN, "test", Scope.REFUND))


@pytest.fixture(scope="module")
def operator(node: RunningNode) -> Caller:
    return Caller(node, node.api_key)


def test_every_operation_is_called(node: RunningNode) -> None:
    paths = node.get("/openapi.json").json()["paths"]
    names = {o["operationId"] for path in paths.values() for o in path.values()}
    assert CALLS.keys() == names, "give it its calls in CALLS"


@pytest.mark.parametrize("name", CALLS)
def test_no_call_takes_a_long_turn(
    meter: Meter, ann: Caller, operator: Caller, name: str
) -> None:
    with meter.during() as turns:
        answers = [call(who) for call in CALLS[name] for who in (ann, operator)]
    if name in WITHOUT:
        assert {a.status_code for a in answers} == WITHOUT[name], answers
    else:
        assert all(answer.status_code < 500 for answer in answers), answers
        assert any(answer.ok for answer in answers), [a.text for a in answers]
    steps, rows = MORE.get(name, (STEPS, ROWS))
    long = [turn for turn in turns if turn.steps > steps or turn.rows > rows]
    assert long == []


def test_the_judge_sees_a_walk_through_the_database(
    meter: Meter, node: RunningNode
) -> None:
    def walk(sql: Any) -> None:
        sql.execute("SELECT count(*) FROM events WHERE length(body) > 1").fetchall()

    with meter.during() as turns:
        node._store.reader._run(walk)
    assert max(turn.steps for turn in turns) > 3 * STEPS


def test_a_redelivery_of_everything_goes_step_by_step(
    meter: Meter, ann: Caller
) -> None:
    first = len(meter.batches)
    everything = {"since": "2020-01-01T00:00:00Z"}
    answer = ann.ask("POST", "/v1/redeliver", everything)
    deliveries = PAYMENTS * EVENTS_EACH * 99 // 100
    assert answer.json()["requeued"] >= deliveries
    steps = [rows for batch in meter.batches[first:] for rows in _steps(batch)]
    assert len(steps) >= deliveries // 1_000


def _steps(batch: Any) -> list[Any]:
    long = (Requeue, RemoveChannel, PurgeDeliveries)
    return [row for write in batch for row in write.rows if isinstance(row, long)]


def test_while_one_does_all_it_can_another_orders_and_is_told(
    meter: Meter, node: RunningNode, ann: Caller
) -> None:
    """Each order of bob's is answered and told, in order; no batch of the journal
    holds more than one step of ann's."""
    ended: list[bool] = []
    first = len(meter.batches)
    answers: list[int] = []
    with Receiver() as shop:
        key = {"Authorization": f"Bearer {node.add_key('bob')}"}
        hook = node.post("/v1/channels", {"url": shop.url("/bob")}, **key)
        assert hook.status_code == 201, hook.text
        busy = [gevent.spawn(_all_calls, ann, n, ended, answers) for n in range(3)]
        orders = [_order(node, key) for _ in range(8)]
        told = shop.wait_for(len(orders), 30 * PATIENCE)
        wait_until(
            lambda: len(answers) > 30 and any(map(_steps, meter.batches[first:])),
            30 * PATIENCE,
            "ann to be busy meanwhile, with what takes steps, too",
        )
        ended.append(True)
        gevent.joinall(busy, timeout=60 * PATIENCE, raise_error=True)
    bodies = [request.body.decode() for request in told]
    for order in orders:
        assert any(order in body for body in bodies), f"{order} was not told"
    assert max(answers) < 500
    steps = [len(_steps(batch)) for batch in meter.batches[first:]]
    assert max(steps) == 1, "ann was busy, and had one step in a batch"
    longest = max(meter.turns[-len(steps) :], key=lambda turn: turn.steps)
    assert longest.steps < 3 * max(steps_ for steps_, _ in MORE.values()), longest


def _order(node: RunningNode, key: dict[str, str]) -> str:
    made = node.post("/v1/payments", {"amount_sat": 1_000}, **key)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def _all_calls(ann: Caller, seed: int, ended: list[bool], answers: list[int]) -> None:
    random = Random(seed)
    while not ended:
        names = [*CALLS]
        random.shuffle(names)
        for name, call in ((one, call) for one in names for call in CALLS[one]):
            if ended:
                break
            status = call(ann).status_code
            # What wants coins is refused in peace, too.
            answers.append(200 if status in WITHOUT.get(name, ()) else status)
