"""The Python client against a node: asked, followed, killed, told by a webhook."""

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import gevent
import pytest

from paybell_client import (
    Client,
    CursorGone,
    CursorInUse,
    Event,
    PaymentState,
    Problem,
    verify_webhook,
)
from tests.clients.nodes import Restartable, restartable
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    with restartable(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def paybell(node: Restartable) -> Iterator[Client]:
    key = node.key("read", "create", "confirm", "refund", "settings")
    with Client(node.url, key) as client:
        yield client


def newest(paybell: Client) -> str:
    """A cursor after all that has happened so far."""
    page = paybell._calls.call("GET", "/v1/events", query={"after": "newest"})
    return str(page["next"])


def test_a_payment_from_its_creation_to_confirmed(
    node: Restartable, paybell: Client
) -> None:
    payment = paybell.create(amount_sat=5_000, confirmations=2, external_id="py-1")
    assert payment["status"] == "pending"
    assert payment["client_secret"]
    node.pay(payment["address"] or "", 5_000, blocks=2)
    state = PaymentState()
    for event in paybell.events():
        if event["payment_id"] == payment["id"]:
            state.apply(event)
        if state.may_ship:
            break
    assert paybell.get(payment["id"])["status"] == "confirmed"
    story = list(paybell.payment_events(payment["id"]))
    assert [event["seq"] for event in story] == list(range(1, len(story) + 1))
    assert PaymentState.of(story).status == "confirmed"


def test_lists_go_on_from_page_to_page(paybell: Client) -> None:
    made = [paybell.create(amount_sat=1_000, external_id="py-list") for _ in range(5)]
    found = list(paybell.list(limit=2, external_id="py-list"))
    assert [it["id"] for it in found] == [it["id"] for it in reversed(made)]
    first = paybell.page(limit=2, external_id="py-list")
    assert len(first["data"]) == 2
    assert first["next_cursor"]


def test_cancel_confirm_and_refund(node: Restartable, paybell: Client) -> None:
    unpaid = paybell.create(amount_sat=1_000)
    assert paybell.cancel(unpaid["id"])["status"] == "cancelled"
    by_hand = paybell.create(any_amount=True)
    assert paybell.confirm(by_hand["id"])["status"] == "confirmed"
    paid = paybell.create(amount_sat=50_000, confirmations=1)
    node.pay(paid["address"] or "", 50_000, blocks=1)
    node.now.wait_for_status(paid["id"], "confirmed")
    refund = paybell.refund(paid["id"], idempotency_key="r1", amount_sat=10_000)
    again = paybell.refund(paid["id"], idempotency_key="r1", amount_sat=10_000)
    assert refund["id"] == again["id"]
    assert refund["amount_sat"] == 10_000
    assert refund["claim_url"]


def test_a_change_takes_what_is_named_and_only_if_nobody_was_faster(
    paybell: Client,
) -> None:
    made = paybell.create(amount_sat=1_000, external_id="py-2", metadata={"a": 1})
    changed = paybell.change(
        made["id"], if_seq=made["seq"], external_id=None, metadata={"b": True}
    )
    assert changed["external_id"] is None
    assert changed["metadata"] == {"a": 1, "b": True}
    with pytest.raises(Problem) as caught:
        paybell.change(made["id"], if_seq=made["seq"], external_id="py-3")
    assert caught.value.status == 412
    story = PaymentState.of(paybell.payment_events(made["id"]))
    assert (story.status, story.seq) == ("pending", changed["seq"])


def test_the_same_idempotency_key_makes_one_payment(paybell: Client) -> None:
    first = paybell.create(amount_sat=1_000, idempotency_key="order-7")
    assert paybell.create(amount_sat=1_000, idempotency_key="order-7") == first
    assert paybell.create(amount_sat=1_000)["id"] != first["id"]
    with pytest.raises(Problem) as caught:
        paybell.create(amount_sat=2_000, idempotency_key="order-7")
    assert caught.value.status == 422


def test_a_refused_call_says_which_field_and_why(node: Restartable) -> None:
    with Client(node.url, node.key("read", "create")) as paybell:
        with pytest.raises(Problem) as caught:
            paybell.create(amount_sat=-1)
        assert caught.value.status == 422
        assert [it["path"] for it in caught.value.errors] == ["/amount_sat"]
        assert "/amount_sat" in str(caught.value)
        assert caught.value.request_id
        with pytest.raises(Problem) as caught:
            paybell.get("pay_none")
        assert (caught.value.status, caught.value.code) == (404, "payment_not_found")
        with pytest.raises(Problem) as caught:
            paybell.confirm("pay_none")
        assert caught.value.status == 403


def test_a_wrong_key_ends_following_at_once_and_is_in_no_text(
    node: Restartable,
) -> None:
    key = "pbk_" + "x" * 43
    with Client(node.url, key) as paybell:
        with pytest.raises(Problem) as caught:
            next(paybell.events())
        assert caught.value.status == 401
        assert key not in f"{caught.value!r} {paybell!r} {vars(paybell)!r}"


# -- following -------------------------------------------------------------------------


def test_kill_9_in_the_middle_of_following_loses_nothing_and_doubles_nothing(
    node: Restartable, paybell: Client, tmp_path: Path
) -> None:
    begin = newest(paybell)
    cursor, stop = tmp_path / "cursor", threading.Event()
    heard: list[str] = []

    def follow() -> None:
        with Client(node.url, paybell_key) as own:
            events = own.events(cursor_file=cursor, after=begin, stop=stop, wait_s=1.0)
            heard.extend(event["id"] for event in events)

    paybell_key = node.key("read")
    follower = gevent.spawn(follow)
    made = [paybell.create(amount_sat=1_000, confirmations=1) for _ in range(5)]
    wait_until(lambda: heard, PATIENCE_S, "the first event")
    node.now.process.kill()
    node.now.kill()
    node.start()
    paybell.cancel(made[0]["id"])
    for payment in made[1:]:
        node.pay(payment["address"] or "", 1_000, blocks=1)
        node.now.wait_for_status(payment["id"], "confirmed")
    written = [event["id"] for event in islice(_all(paybell, begin), 1_000)]
    wait_until(lambda: heard[-1:] == written[-1:], PATIENCE_S, lambda: f"{heard}")
    stop.set()
    follower.join()
    assert heard == written
    assert cursor.read_text().strip() == newest(paybell)


def _all(paybell: Client, after: str) -> Iterator[Event]:
    page: Any = paybell._calls.call(
        "GET", "/v1/events", query={"after": after, "limit": 1000}
    )
    yield from page["data"]


def test_an_event_whose_handler_died_comes_again_and_no_other(
    paybell: Client, tmp_path: Path
) -> None:
    begin, cursor = newest(paybell), tmp_path / "cursor"
    made = [paybell.create(amount_sat=1_000)["id"] for _ in range(4)]
    heard: list[str] = []

    def follow_until(last: str) -> None:
        for event in paybell.events(cursor_file=cursor, after=begin, limit=3):
            heard.append(event["payment_id"])
            if event["payment_id"] == last:
                raise ZeroDivisionError

    for last in made[:3]:
        with pytest.raises(ZeroDivisionError):
            follow_until(last)
    assert heard == [made[0], made[0], made[1], made[1], made[2]]
    events = paybell.events(cursor_file=cursor)
    assert next(events)["payment_id"] == made[2]
    assert next(events)["payment_id"] == made[3]
    events.close()  # type: ignore[attr-defined]
    assert next(paybell.events(cursor_file=cursor))["payment_id"] == made[3]


def test_who_begins_with_the_newest_hears_what_comes_and_nothing_before(
    paybell: Client, tmp_path: Path
) -> None:
    paybell.create(amount_sat=1_000)
    cursor = tmp_path / "cursor"
    events = paybell.events(cursor_file=cursor, after="newest")
    follower = gevent.spawn(next, events)
    wait_until(cursor.exists, PATIENCE_S, "the place to be kept")
    made = paybell.create(amount_sat=1_000)
    assert follower.get()["payment_id"] == made["id"]


def test_two_who_follow_with_one_cursor_are_one_too_many(
    paybell: Client, tmp_path: Path
) -> None:
    paybell.create(amount_sat=1_000)
    first = paybell.events(cursor_file=tmp_path / "cursor")
    next(first)
    with pytest.raises(CursorInUse):
        next(paybell.events(cursor_file=tmp_path / "cursor"))
    first.close()  # type: ignore[attr-defined]
    next(paybell.events(cursor_file=tmp_path / "cursor"))


def test_a_cursor_of_another_epoch_is_told_and_then_gone_on_from(
    paybell: Client, tmp_path: Path
) -> None:
    cursor = tmp_path / "cursor"
    cursor.write_text("zzzzzzzz-17\n")
    paybell.create(amount_sat=1_000)
    with pytest.raises(CursorGone) as caught:
        next(paybell.events(cursor_file=cursor))
    assert caught.value.after == "zzzzzzzz-17"
    assert cursor.read_text() == "zzzzzzzz-17\n", "nobody was told: it stays"
    told: list[CursorGone] = []
    event = next(paybell.events(cursor_file=cursor, on_gone=told.append))
    assert [gone.code for gone in told] == ["cursor_gone"]
    assert event["offset"] == 1, "of an unknown epoch nothing is sure"
    assert cursor.read_text().strip() == told[0].cursor


def test_what_is_no_cursor_is_never_taken_for_the_beginning(
    paybell: Client, tmp_path: Path
) -> None:
    (tmp_path / "cursor").write_text("")
    with pytest.raises(ValueError, match="no cursor"):
        next(paybell.events(cursor_file=tmp_path / "cursor"))


# -- webhooks --------------------------------------------------------------------------


def test_a_webhook_of_a_real_channel_is_verified(
    node: Restartable, paybell: Client
) -> None:
    with Receiver() as shop:
        made = node.now.post("/v1/channels", url=shop.url("/hook"))
        assert made.status_code == 201, made.text
        payment = paybell.create(amount_sat=1_000, external_id="py-hook")
        (received,) = shop.wait_for(1, timeout_s=PATIENCE_S)
        webhook = verify_webhook(received.body, received.headers, made.json()["secret"])
        assert webhook.event["payment_id"] == payment["id"]
        assert webhook.id == webhook.event["id"]
        node.now.call("DELETE", f"/v1/channels/{made.json()['id']}")
