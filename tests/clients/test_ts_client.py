"""The TypeScript client: what it decides as the Python one does, and against a node."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paybell_client import PaymentState
from tests.clients.events import event
from tests.clients.nodes import Restartable, restartable
from tests.clients.packed import Packed
from tests.clients.test_python_calls import ok, problem
from tests.clients.test_python_webhooks import BODY, NOW, OTHER, SECRET, forged, headers
from tests.tools import children
from tests.tools.ports import free_ports
from tests.tools.receiver import Receiver, hang, hang_up, reply
from tests.tools.wait import wait_until

pytestmark = pytest.mark.timeout_s(240)
PATIENCE_S = 30.0
KEY = "pbk_of_a_test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    with restartable(tmp_path_factory.mktemp("node")) as running:
        yield running


# -- the same decisions ----------------------------------------------------------------


def verify(body: bytes, sent: dict[str, str], secrets: Any, now: int = NOW) -> Any:
    text = base64.b64encode(body).decode()
    asked = {"body": text, "bytes": True, "headers": sent, "secrets": secrets}
    return {"step": "verify", "now": now, **asked}


def test_a_webhook_is_believed_and_refused_as_by_the_python_client(
    packed: Packed,
) -> None:
    believed = [
        verify(BODY, headers(SECRET), SECRET),
        verify(BODY, headers(SECRET, OTHER), OTHER),
        verify(BODY, headers(OTHER), [SECRET, OTHER]),
        verify(BODY, headers(SECRET, at=NOW - 300), SECRET),
        {
            **verify(BODY, headers(SECRET), SECRET),
            "body": BODY.decode(),
            "bytes": False,
        },
    ]
    refused = [verify(body, sent, SECRET) for body, sent in forged().values()]
    refused += [verify(BODY, headers(SECRET, at=NOW + s), SECRET) for s in (-301, 301)]
    for body in (b"[]", b"{", b'{"type": "x"}', b"\xff"):
        refused.append(verify(body, headers(SECRET, body=body), SECRET))
    wrong = ["", "whsec_", "whsec_AAAA", SECRET[6:]]
    mistaken = [verify(BODY, headers(SECRET), secret) for secret in wrong]
    told = packed.steps([*believed, *refused, *mistaken])
    for one in told[: len(believed)]:
        assert one["value"]["event"]["seq"] == 3
        assert one["value"]["skipped"] == [2]
    names = [one["error"]["name"] for one in told[len(believed) :]]
    assert names == ["WebhookRefused"] * len(refused) + ["TypeError"] * len(mistaken)
    assert SECRET[6:] not in json.dumps(told[-len(mistaken) :])


def test_where_webcrypto_is_a_module_only_it_is_found(packed: Packed) -> None:
    """As in Node 18."""
    hidden = "data:text/javascript,delete globalThis.crypto"
    nobody = {"url": f"http://127.0.0.1:{free_ports(1)[0]}", "attempts": 1}
    steps = [
        verify(BODY, headers(SECRET), SECRET),
        verify(BODY, headers(OTHER), SECRET),
        {"step": "call", "method": "create", "options": nobody, "given": [{}]},
    ]
    believed, refused, unsent = packed.steps(steps, "--import", hidden)
    assert believed["value"]["id"] == "evt_x"
    assert refused["error"]["name"] == "WebhookRefused"
    assert unsent["error"]["name"] == "Unreachable"
    assert not unsent["error"]["mayHaveHappened"], "nobody listens there"


def test_an_alert_has_no_event(packed: Packed) -> None:
    body = b'{"type":"alert.raised","timestamp":"t","data":{"kind":"x"}}'
    told = packed.step(**verify(body, headers(SECRET, body=body), SECRET))
    assert told["event"] is None


def _stories() -> list[list[dict[str, Any]]]:
    """Of two restores, and with the edges of what may be shipped, in many orders."""
    told = [
        *(event(n, at=n, status="confirming") for n in (1, 2)),
        event(3, at=3, status="confirmed"),
        *(event(n, epoch="zzzzzzzz", at=10 + n, status="pending") for n in (2, 3)),
        event(2, epoch="", at=20, status="failed", received_sat=7),
        event(3, epoch="", at=21, status="confirmed", flags=["late"]),
        event(4, epoch="", at=21, status="forwarded"),
    ]
    # Each step is prime to 8: all are told, one twice.
    steps = (1, 3, 5, 7)
    return [
        [told[(start + step * n) % len(told)] for n in range(len(told) + 1)]
        for start in range(len(told))
        for step in steps
    ]


def test_a_state_is_the_python_clients_after_each_event(packed: Packed) -> None:
    stories = _stories()
    told = packed.steps([{"step": "state", "events": events} for events in stories])
    for events, one in zip(stories, told, strict=True):
        state = PaymentState()
        for said, found in zip(events, one["value"], strict=True):
            assert found["isNews"] == state.apply(said)
            assert state.event is not None
            ours = (state.event["id"], state.status, state.may_ship, state.is_paid)
            theirs = [found[name] for name in ("id", "status", "mayShip", "isPaid")]
            assert list(ours) == theirs
            assert found["kept"] == state.dump(), "one reads what the other wrote"
        assert state.status == "forwarded"


def test_of_any_number_of_epochs_the_same_few_are_kept(packed: Packed) -> None:
    events = [event(1, epoch=f"{n:08}", at=n // 2) for n in range(40)]
    events += [event(1, epoch="zzzzzzzz", at=3), event(2, epoch=f"{39:08}", at=99)]
    told = packed.step(step="state", events=events)
    state = PaymentState()
    for said, found in zip(events, told, strict=True):
        assert found["isNews"] == state.apply(said)
        kept = [one["id"] for one in json.loads(found["kept"])]
        assert kept == [one["id"] for one in json.loads(state.dump())]


def test_before_the_first_event_nothing_is_known_of_it(packed: Packed) -> None:
    told = packed.step(step="kept")
    nothing: dict[str, Any] = {
        "event": None,
        "paymentId": "",
        "status": "pending",
        "flags": [],
    }
    sums = {"seq": 0, "receivedSat": 0, "isPaid": False, "kept": "[]"}
    assert told == {**nothing, **sums}
    texts = ['{"a": 1}', "7", '"[]"', "null", "true"]
    refused = packed.steps([{"step": "kept", "text": text} for text in texts])
    assert [it["error"]["message"] for it in refused] == ["not what dump() wrote"] * 5


def test_what_is_no_event_of_this_payment_is_refused(packed: Packed) -> None:
    wrongs: list[dict[str, Any]] = [
        {"id": "evt_x_1"},
        {"seq": 0},
        {"seq": "3"},
        {"at": "yesterday"},
        {"status": None},
        {"flags": "late"},
        {"received_sat": 1.5},
        {"payment_id": "pay_2"},
        {"payment_id": 7},
    ]
    steps = [
        {"step": "state", "events": [event(1), {**event(2), **wrong}]}
        for wrong in wrongs
    ]
    assert [it["error"]["name"] for it in packed.steps(steps)] == ["TypeError"] * 9
    assert len(packed.step(step="state", events=[event(1), event(2)])) == 2


# -- what is repeated, and what is not -------------------------------------------------


def call(node: Receiver, method: str, *given: Any, **options: Any) -> dict[str, Any]:
    options = {"url": node.url("/"), "key": KEY, **options}
    return {"step": "call", "options": options, "method": method, "given": given}


def test_it_repeats_what_is_safe_with_the_same_idempotency_key(packed: Packed) -> None:
    busy = problem(503, "busy", ("Retry-After", "0"))
    bad_gateway = reply(502, [("Content-Type", "text/html")], b"<html>")
    with (
        Receiver(answers=[hang_up(), busy, bad_gateway, ok()]) as made,
        Receiver(default=hang_up()) as changed,
        Receiver(default=problem(422, "invalid_request")) as refused,
        Receiver(default=problem(429, "rate_limited", ("Retry-After", "31"))) as later,
        Receiver(default=reply(302, [("Location", "http://127.0.0.1:1/")])) as moved,
        Receiver(default=reply(200, [("Content-Type", "text/html")], b"<h1>")) as page,
        Receiver(default=hang()) as silent,
    ):
        patch = ("pay_1/../x?y", {"description": None}, {"ifSeq": 3})
        told = packed.steps(
            [
                call(made, "create", {"amount_sat": 1}),
                call(changed, "change", *patch),
                call(refused, "create", {}),
                call(later, "create", {}),
                call(moved, "get", "pay_1"),
                call(page, "get", "pay_1"),
                # So long that it has asked, however busy the machine is.
                call(silent, "get", "pay_1", timeoutMs=5_000, attempts=1),
            ]
        )
        assert told[0]["value"]["id"] == "pay_1"
        assert len({it.headers["idempotency-key"] for it in made.requests}) == 1
        assert len(made.requests) == 4
        names = [it["error"]["name"] for it in told[1:]]
        assert names == [
            *("Unreachable", "Problem", "Problem"),
            *("NotPaybell", "NotPaybell", "Unreachable"),
        ]
        assert told[1]["error"]["mayHaveHappened"]
        others = (changed, refused, later, moved, page, silent)
        assert [len(it.requests) for it in others] == [1] * 6
        (request,) = changed.requests
        assert request.target == "/v1/payments/pay_1%2F..%2Fx%3Fy"
        assert request.headers["if-match"] == '"3"'
        assert json.loads(request.body) == {"description": None}
        assert request.headers["authorization"] == f"Bearer {KEY}"


# -- against a node --------------------------------------------------------------------


def test_a_payment_is_made_listed_cancelled_confirmed_and_refunded(
    node: Restartable, packed: Packed
) -> None:
    key = node.key("read", "create", "confirm", "refund")
    options = {"url": node.url, "key": key}

    def ask(method: str, *given: Any) -> Any:
        return packed.step(step="call", options=options, method=method, given=given)

    asked = {"amount_sat": 50_000, "confirmations": 1, "external_id": "ts-1"}
    paid = ask("create", asked, {"idempotencyKey": "ts-1"})
    assert ask("create", asked, {"idempotencyKey": "ts-1"}) == paid
    node.pay(paid["address"], 50_000, blocks=1)
    node.now.wait_for_status(paid["id"], "confirmed")
    story = ask("paymentEvents", paid["id"])
    assert PaymentState.of(story).may_ship
    by_hand, over = ask("create", asked), ask("create", asked)
    by_hand_id, over_id = by_hand["id"], over["id"]
    assert ask("confirm", by_hand_id)["status"] == "confirmed"
    assert ask("cancel", over_id)["status"] == "cancelled"
    found = ask("list", {"external_id": "ts-1", "limit": 2})
    assert [it["id"] for it in found] == [over_id, by_hand_id, paid["id"]]
    changed = ask(
        "change", paid["id"], {"metadata": {"a": 1}}, {"ifSeq": story[-1]["seq"]}
    )
    assert changed["metadata"] == {"a": 1}
    refund = ask("refund", paid["id"], {"amount_sat": 10_000})
    assert refund["claim_url"]
    (told,) = packed.steps(
        [
            {
                "step": "call",
                "options": options,
                "method": "create",
                "given": [{"amount_sat": -1}],
            }
        ]
    )
    assert told["error"]["code"] == "invalid_request"
    assert told["error"]["errors"][0]["path"] == "/amount_sat"


class Follower:
    """`follow.mjs`, whose lines are `heard`."""

    def __init__(self, packed: Packed, folder: Path, *given: str) -> None:
        self._out = folder / "heard"
        with self._out.open("a") as out, (folder / "trouble").open("a") as err:
            self.process = children.start(
                ["node", packed.folder / "follow.mjs", *given], stdout=out, stderr=err
            )

    @property
    def heard(self) -> list[str]:
        return self._out.read_text().splitlines()

    def wait_for(self, last: str) -> None:
        wait_until(lambda: last in self.heard[-1:], PATIENCE_S, lambda: f"{self.heard}")


def events(node: Restartable, after: str) -> tuple[list[str], str]:
    """The ids of all that has happened since, and the cursor after it."""
    page = node.now.get(f"/v1/events?after={after}&limit=1000").json()
    return [it["id"] for it in page["data"]], page["next"]


def test_kill_9_in_the_middle_of_following_loses_nothing_and_doubles_nothing(
    node: Restartable, packed: Packed, tmp_path: Path
) -> None:
    """The node is killed, and so is the follower; a handler dies, too."""
    _, begin = events(node, "newest")
    made = [node.now.create(amount_sat=1_000, confirmations=1) for _ in range(5)]
    asked = (node.url, node.key("read"), str(tmp_path / "cursor"), begin)
    dying = Follower(packed, tmp_path, *asked, "3")
    wait_until(lambda: dying.process.poll() is not None, PATIENCE_S, "it to die")
    follower = Follower(packed, tmp_path, *asked)
    try:
        follower.wait_for(events(node, begin)[0][-1])
        node.now.process.kill()
        node.now.kill()
        node.start()
        for payment in made[1:]:
            node.pay(payment["address"], 1_000, blocks=1)
            node.now.wait_for_status(payment["id"], "confirmed")
        written, end = events(node, begin)
        follower.wait_for(written[-1])
        cursor = tmp_path / "cursor"
        wait_until(lambda: cursor.read_text() == end, PATIENCE_S, "the last cursor")
        follower.process.kill()
        follower.process.wait()
        again = node.now.create(amount_sat=1_000)
        follower = Follower(packed, tmp_path, *asked)
        written, _ = events(node, begin)
        follower.wait_for(written[-1])
        heard = follower.heard
        assert heard[2:4] == [written[2]] * 2, (
            "what its handler did not end comes again"
        )
        assert heard[:2] + heard[3:] == written
        assert again["seq"] == 1
    finally:
        follower.process.kill()
        follower.process.wait()


def test_a_cursor_of_another_epoch_is_told_and_then_gone_on_from(
    node: Restartable, packed: Packed, tmp_path: Path
) -> None:
    node.now.create(amount_sat=1_000)
    key = node.key("read")
    cursor = str(tmp_path / "cursor")
    follower = Follower(packed, tmp_path, node.url, key, cursor, "zzzzzzzz-17")
    try:
        wait_until(lambda: len(follower.heard) > 1, PATIENCE_S, "what it hears")
        assert follower.heard[0].startswith("gone zzzzzzzz-17 ")
        assert follower.heard[1].endswith("_1"), "of an unknown epoch nothing is sure"
    finally:
        follower.process.kill()
        follower.process.wait()
    options = {"url": node.url, "key": key}
    given = [{"after": "zzzzzzzz-17"}]
    step = {"step": "call", "options": options, "method": "events", "given": given}
    (told,) = packed.steps([step])
    assert told["error"]["code"] == "cursor_gone", (
        "who does not ask is told all the same"
    )


def test_a_webhook_of_a_real_channel_is_verified(
    node: Restartable, packed: Packed
) -> None:
    with Receiver() as shop:
        made = node.now.post("/v1/channels", url=shop.url("/hook")).json()
        payment = node.now.create(amount_sat=1_000, external_id="ts-hook")
        (received,) = shop.wait_for(1, timeout_s=PATIENCE_S)
        node.now.call("DELETE", f"/v1/channels/{made['id']}")
    now = int(received.at_s)
    told = packed.step(**verify(received.body, received.headers, made["secret"], now))
    assert told["event"]["payment_id"] == payment["id"]
    assert told["id"] == told["event"]["id"]
