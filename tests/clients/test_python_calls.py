"""What the Python client repeats, and what it never does: against a node that fails."""

import json
import os
import threading
from typing import Any

import pytest

from paybell_client import Answer, Client, Problem, Unreachable
from paybell_client.calls import LONGEST_WAIT_S
from tests.tools.ports import free_ports
from tests.tools.receiver import Answer as Reply
from tests.tools.receiver import Receiver, hang, hang_up, raw, reply

PAYMENT = {"id": "pay_1", "status": "pending"}
KEY = "pbk_of_a_test"


def ok(body: Any = PAYMENT, status: int = 201) -> Reply:
    content = json.dumps(body).encode()
    return reply(status, [("Content-Type", "application/json")], content)


def problem(status: int, code: str, *headers: tuple[str, str]) -> Reply:
    body = {"status": status, "code": code, "detail": "So it is.", "errors": []}
    media = ("Content-Type", "application/problem+json")
    return reply(status, [media, *headers], json.dumps(body).encode())


class Clock:
    """Waits are counted, not slept."""

    def __init__(self) -> None:
        self.waits: list[float] = []


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client(node: Receiver, clock: Clock, **options: Any) -> Client:
    made = Client(node.url("/"), KEY, **options)
    made._calls._sleep = clock.waits.append
    return made


@pytest.mark.parametrize(
    "failure",
    [
        hang_up(),
        raw(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"),
        problem(503, "busy", ("Retry-After", "3")),
        problem(429, "rate_limited", ("Retry-After", "3")),
        reply(502, [("Content-Type", "text/html")], b"<html>"),
    ],
    ids=["hangs up", "cut off", "503", "429", "502"],
)
def test_a_payment_is_asked_for_again_with_the_same_idempotency_key(
    failure: Reply, clock: Clock
) -> None:
    with Receiver(answers=[failure, failure, ok()]) as node:
        with client(node, clock) as paybell:
            assert paybell.create(amount_sat=1)["id"] == "pay_1"
        keys = {it.headers["idempotency-key"] for it in node.wait_for(3, timeout_s=1)}
        assert len(keys) == 1
        assert len({it.body for it in node.requests}) == 1
        assert len(clock.waits) == 2


def test_it_waits_as_long_as_the_node_says_and_no_longer_than_it_may(
    clock: Clock,
) -> None:
    said = problem(503, "busy", ("Retry-After", "7"))
    with Receiver(answers=[said, ok()]) as node, client(node, clock) as paybell:
        paybell.create(amount_sat=1)
    assert 7 <= clock.waits[0] < 8
    too_long = problem(429, "rate_limited", ("Retry-After", f"{LONGEST_WAIT_S + 1:g}"))
    with Receiver(answers=[too_long]) as node, client(node, clock) as paybell:
        with pytest.raises(Problem) as caught:
            paybell.create(amount_sat=1)
        assert caught.value.code == "rate_limited"
        assert len(node.requests) == 1


def test_it_gives_up_after_the_attempts_with_what_was_said_last(clock: Clock) -> None:
    answers = [hang_up(), problem(503, "busy")]
    with Receiver(answers=answers, default=problem(503, "not_ready")) as node:
        with client(node, clock, attempts=3) as paybell, pytest.raises(Problem) as said:
            paybell.get("pay_1")
        assert said.value.code == "not_ready"
        assert len(node.requests) == 3


def test_a_change_on_a_condition_is_not_repeated_after_a_lost_answer(
    clock: Clock,
) -> None:
    """Its own success would be the reason for a 412."""
    with Receiver(default=hang_up()) as node, client(node, clock) as paybell:
        with pytest.raises(Unreachable) as caught:
            paybell.change("pay_1", if_seq=3, description="x")
        assert caught.value.may_have_happened
        assert len(node.requests) == 1
        assert node.requests[0].headers["if-match"] == '"3"'


def test_of_a_proxys_error_nobody_knows_whether_it_was_done_but_of_a_503(
    clock: Clock,
) -> None:
    bad_gateway = reply(502, [("Content-Type", "text/html")], b"<html>")
    answers = [problem(503, "busy"), bad_gateway]
    with Receiver(answers=answers, default=ok(status=200)) as node:
        with client(node, clock) as paybell, pytest.raises(Answer):
            paybell.change("pay_1", if_seq=3, description="x")
        assert len(node.requests) == 2, "after the 503, and not after the 502"


def test_a_change_is_a_merge_patch_in_which_none_takes_away(clock: Clock) -> None:
    with Receiver(answers=[hang_up(), ok(status=200)]) as node:
        with client(node, clock) as paybell:
            paybell.change("pay_1", description=None, metadata={"a": 1})
        request = node.requests[1]
        assert (request.method, request.target) == ("PATCH", "/v1/payments/pay_1")
        assert json.loads(request.body) == {"description": None, "metadata": {"a": 1}}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_what_the_node_will_not_do_is_not_asked_twice(
    status: int, clock: Clock
) -> None:
    with (
        Receiver(default=problem(status, "no")) as node,
        client(node, clock) as paybell,
    ):
        with pytest.raises(Problem):
            paybell.create(amount_sat=1)
        assert len(node.requests) == 1


def test_where_nobody_listens_nothing_has_happened(clock: Clock) -> None:
    paybell = Client(f"http://127.0.0.1:{free_ports(1)[0]}", KEY, attempts=2)
    paybell._calls._sleep = clock.waits.append
    with pytest.raises(Unreachable) as caught:
        paybell.create(amount_sat=1)
    assert not caught.value.may_have_happened
    assert len(clock.waits) == 1


def test_a_node_that_hangs_ends_a_call_within_its_time(clock: Clock) -> None:
    once = {"timeout_s": 0.2, "attempts": 1}
    with Receiver(default=hang()) as node, client(node, clock, **once) as paybell:
        with pytest.raises(Unreachable) as caught:
            paybell.get("pay_1")
        assert caught.value.may_have_happened


@pytest.mark.parametrize(
    "answer",
    [
        reply(302, [("Location", "http://127.0.0.1:1/")]),
        reply(200, [("Content-Type", "text/html")], b"<h1>Welcome"),
        reply(200, [("Content-Type", "application/json")], b"{"),
        reply(404, [("Content-Type", "text/html")], b"<h1>Not found"),
        reply(403, [("Content-Type", "application/json")], b"[]"),
    ],
)
def test_who_is_not_paybell_is_not_believed_and_not_followed(
    answer: Reply, clock: Clock
) -> None:
    with Receiver(default=answer) as node, client(node, clock) as paybell:
        with pytest.raises(Answer):
            paybell.get("pay_1")
        assert len(node.requests) == 1


def test_the_key_is_sent_as_it_is_whatever_a_netrc_says(
    clock: Clock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    os.chmod(tmp_path / "netrc", 0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Receiver(default=ok(status=200)) as node, client(node, clock) as paybell:
        paybell.get("pay_1/../x?y")
        assert node.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert node.requests[0].target == "/v1/payments/pay_1%2F..%2Fx%3Fy"


@pytest.mark.parametrize(
    "url", ["", "pay.example", "ftp://x", "https://u:p@x", "http://x?y", "http://x#y"]
)
def test_a_url_that_is_none_of_a_node_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="url must"):
        Client(url, KEY)


class Impatient(threading.Event):
    """Never set; its waits are counted, not waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return False


def test_following_asks_again_for_ever_and_ends_where_it_makes_no_sense(
    clock: Clock,
) -> None:
    stop = Impatient()
    page = {"data": [{"id": "evt_1", "offset": 1}], "next": "aaaaaaaa-1"}
    failures = [hang_up(), problem(503, "busy"), problem(500, "internal_error")]
    answers = [*failures, reply(504, [], b""), ok(page, 200), problem(403, "forbidden")]
    with Receiver(answers=answers) as node, client(node, clock) as paybell:
        events = paybell.events(stop=stop)
        assert next(events)["id"] == "evt_1"
        assert len(stop.waits) == 4
        assert stop.waits[3] >= 1, "longer each time"
        with pytest.raises(Problem) as caught:
            next(events)
        assert caught.value.code == "forbidden"
        assert node.requests[-1].target.startswith("/v1/events?after=aaaaaaaa-1&")
