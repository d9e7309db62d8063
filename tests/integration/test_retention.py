"""What is kept no longer, as clients meet it: never silence, never half a story."""

from collections.abc import Iterator

import pytest
from gevent.event import AsyncResult

from engine.payment.model import Terms
from engine.store.writes import Committed, Outcome, Prune, Release, Write
from tests.tools.livenode import KEY, LiveNode, live_node

BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("retention")) as started:
        yield started


@pytest.fixture(scope="module")
def old(node: LiveNode) -> Terms:
    """A payment that was paid, and whose events retention took; another came after."""
    terms = node.create(confirmations_required=1)
    node.chain.pay_many([(terms.address, 50_000)])
    node.chain.mine(1)
    paid = node.wait_for(terms.id, "confirmed")
    node.create()
    done: AsyncResult[Outcome] = AsyncResult()
    node.node.append(
        Write(rows=(Release(terms.id), Prune(terms.id, paid.seq))), done.set
    )
    outcome = done.get(timeout=30)
    assert isinstance(outcome, Committed)
    assert outcome.changed == paid.seq + 1
    return terms


def present(node: LiveNode) -> str:
    return node.gateway.epochs().present


def test_the_payment_is_still_shown_and_says_from_where_its_events_are_kept(
    node: LiveNode, old: Terms
) -> None:
    payment = node.gateway.payment(old.id)
    assert payment is not None
    assert payment.status == "confirmed"
    assert node.gateway.history(old.id, 0, 10) == []


def test_a_reader_of_everything_whose_cursor_is_too_old_is_told_where_to_go_on(
    node: LiveNode, old: Terms
) -> None:
    through = node.gateway.pruned(None).through
    answer = node.ask("/v1/events?after=1", headers=BEARER)
    assert (answer.status, answer.json["code"]) == (410, "cursor_gone")
    assert answer.json["cursor"] == f"{present(node)}-{through}"
    assert "--keep-events-days" in answer.json["detail"]
    gone_on = node.ask(f"/v1/events?after={answer.json['cursor']}", headers=BEARER)
    assert gone_on.status == 200
    assert [event["payment_id"] for event in gone_on.json["data"]] != [old.id]


def test_who_begins_at_the_beginning_has_missed_nothing(
    node: LiveNode, old: Terms
) -> None:
    answer = node.ask("/v1/events?after=0", headers=BEARER)
    assert answer.status == 200
    assert old.id not in {event["payment_id"] for event in answer.json["data"]}


@pytest.mark.parametrize("with_epoch", [True, False])
def test_a_live_client_that_was_away_too_long_begins_anew(
    node: LiveNode, old: Terms, with_epoch: bool
) -> None:
    since = f"{present(node)}-1" if with_epoch else "1"
    client = node.watch(old.address, f"?since={since}")
    marker, state = client.recv_json(), client.recv_json()
    assert (marker["type"], marker["code"]) == ("error", "begins_anew")
    assert (state["type"], state["status"]) == ("state", "confirmed")
    client.close()


def test_a_live_client_that_has_read_all_goes_on_where_it_was(
    node: LiveNode, old: Terms
) -> None:
    payment = node.gateway.payment(old.id)
    assert payment is not None
    client = node.watch(old.address, f"?since={present(node)}-{payment.seq}")
    assert client.recv_json()["type"] == "state"
    client.close()


def test_a_stream_begins_anew_too(node: LiveNode, old: Terms) -> None:
    path = f"/events/balance/{old.address}"
    reader = node.stream(path, **{"Last-Event-ID": f"{present(node)}-1"})
    problem, state = reader.next(), reader.next()
    assert (problem.kind, problem.data["code"]) == ("problem", "begins_anew")
    assert (state.kind, state.data["status"]) == ("state", "confirmed")
    reader.close()
