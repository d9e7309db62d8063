"""The webhook sender against endpoints that behave in every way, on real sockets."""

import os
import time
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from standardwebhooks import Webhook

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import payload
from engine.delivery.endpoint import Endpoint
from tests.tools.ports import free_ports
from tests.tools.receiver import (
    Answer,
    Receiver,
    drip,
    hang,
    hang_up,
    pour,
    raw,
    reply,
)
from tests.tools.wait import wait_until
from transport.outbound import lookups
from transport.outbound.pinned import DeliveryError, FailureKind, post
from transport.outbound.webhook import (
    SendResult,
    WebhookSender,
    new_secret,
    parse_secret,
)

SECRET = new_secret()
BODY = payload(b'{"seq":1}', "payment.detected", "2026-01-02T03:04:05Z")
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def sender() -> WebhookSender:
    return WebhookSender("1.2.3", allow_private=True)


def to(url: str, timeout_s: float = 15, **more: Any) -> Endpoint:
    key = parse_secret(SECRET)
    return Endpoint(url=url, secrets=(key,), timeout_s=timeout_s, **more)


def deliver(sender: WebhookSender, answer: Answer, timeout_s: float = 30) -> SendResult:
    with Receiver([answer]) as shop:
        url = shop.url("/hook?token=QUERYTOKEN")
        return sender.send(to(url, timeout_s), "evt_1", BODY, time.time())


def test_a_delivery_carries_a_signature_that_the_shop_can_verify(
    sender: WebhookSender,
) -> None:
    old = new_secret()
    with Receiver() as shop:
        keys = parse_secret(SECRET), parse_secret(old)
        endpoint = Endpoint(url=shop.url("/hook?a=b"), secrets=keys)
        result = sender.send(endpoint, "evt_9", BODY, time.time())
        (request,) = shop.wait_for(1)
    assert (result.outcome, result.status, result.error) == (
        AttemptOutcome.DELIVERED,
        200,
        None,
    )
    assert (request.method, request.target) == ("POST", "/hook?a=b")
    for secret in (SECRET, old):
        assert Webhook(secret).verify(request.body, request.headers)["data"] == {
            "seq": 1
        }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Paybell/1.2.3"
    assert request.headers["host"] == f"127.0.0.1:{shop.port}"
    assert request.headers["webhook-id"] == "evt_9"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, AttemptOutcome.DELIVERED),
        (204, AttemptOutcome.DELIVERED),
        (302, AttemptOutcome.RETRY),
        (400, AttemptOutcome.RETRY),
        (410, AttemptOutcome.GONE),
        (500, AttemptOutcome.RETRY),
        (502, AttemptOutcome.THROTTLED),
    ],
)
def test_a_status_means(
    sender: WebhookSender, status: int, outcome: AttemptOutcome
) -> None:
    result = deliver(sender, reply(status, body=b"text" if status != 204 else b""))
    assert (result.outcome, result.status) == (outcome, status)
    assert (result.error is None) is (outcome is AttemptOutcome.DELIVERED)


def test_retry_after_is_read_in_both_forms(sender: WebhookSender) -> None:
    result = deliver(sender, reply(429, [("Retry-After", "7")]))
    assert (result.outcome, result.retry_after_s) == (AttemptOutcome.THROTTLED, 7)
    date = "Fri, 01 Jan 2100 00:00:00 GMT"
    result = deliver(sender, reply(503, [("Retry-After", date)]))
    assert (result.outcome, result.retry_after_s) == (AttemptOutcome.THROTTLED, 86400)


def test_a_redirect_is_a_failure_and_is_not_followed(sender: WebhookSender) -> None:
    with Receiver() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            answer = reply(status, [("Location", elsewhere.url())])
            result = deliver(sender, answer)
            assert (result.outcome, result.status) == (AttemptOutcome.RETRY, status)
            assert "redirects are not followed" in str(result.error)
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "answer",
    [hang(), drip(OK * 50_000, every_s=0.02), drip(b"\x16", every_s=5)],
    ids=["hangs", "drips its headers", "one byte"],
)
def test_the_deadline_is_for_the_whole_answer(
    sender: WebhookSender, answer: Answer
) -> None:
    result = deliver(sender, answer, timeout_s=0.3)
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert str(result.error).startswith("timeout: no answer from http://127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (hang_up(), FailureKind.PROTOCOL),
        (raw(b"HTTP/1.1 200"), FailureKind.PROTOCOL),
        (raw(OK), FailureKind.PROTOCOL),
        (raw(OK + b"Content-Length: 0\r\n"), FailureKind.PROTOCOL),
        (raw(b"\x00\xff\xfegarbage\r\n\r\n"), FailureKind.PROTOCOL),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), FailureKind.PROTOCOL),
        (raw(b"HTTP/1.1 xyz OK\r\n\r\n"), FailureKind.PROTOCOL),
        (raw(b"HTTP/1.1 -200 OK\r\n\r\n"), FailureKind.PROTOCOL),
        (raw(b"HTTP/7.7 200 OK\r\n\r\n"), FailureKind.PROTOCOL),
        (pour(OK, b"a: b\r\n" * 1000, 100_000), FailureKind.TOO_LARGE),
        (pour(OK + b"a: ", b"a" * 65536, 100_000), FailureKind.TOO_LARGE),
        (pour(b"", b"a" * 65536, 100_000), FailureKind.TOO_LARGE),
        (raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"), FailureKind.PROTOCOL),
        (raw(b"HTTP/1.1 103 Early Hints\r\nLink: <"), FailureKind.PROTOCOL),
    ],
)
def test_what_is_no_answer_is_a_failure_of_its_kind(
    sender: WebhookSender, answer: Answer, kind: FailureKind
) -> None:
    result = deliver(sender, answer)
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert str(result.error).startswith(f"{kind}: ")


@pytest.mark.parametrize(
    "answer",
    [
        raw(OK + b"Content-Length: 100\r\n\r\nhalf"),
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"),
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense"),
        raw(OK + b"Content-Length: many\r\n\r\n"),
        raw(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nnot"),
    ],
)
def test_a_success_counts_even_if_its_body_breaks_off(
    sender: WebhookSender, answer: Answer
) -> None:
    assert deliver(sender, answer).outcome is AttemptOutcome.DELIVERED


@pytest.mark.parametrize("final", [200, 400, 410])
@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 30,
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 103 \r\nRetry-After: 99\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
        b"HTTP/1.1 199 Unknown\r\na: b\r\n\r\n",
    ],
    ids=["100", "102", "103", "mixed"],
)
def test_interim_answers_are_skipped(
    sender: WebhookSender, interim: bytes, final: int
) -> None:
    def answer(sock, received, receiver):  # type: ignore[no-untyped-def]
        raw(interim)(sock, received, receiver)
        reply(final)(sock, received, receiver)

    result = deliver(sender, answer)
    assert result.status == final
    assert result.retry_after_s is None, "it was in an interim answer"


@pytest.mark.parametrize(
    "answer",
    [
        pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 100_000),
        pour(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 100_000),
        raw(b"HTTP/1.1 102 P\r\n" + b"a: b\r\n" * 101 + b"\r\n" + OK + b"\r\n"),
        raw(b"HTTP/1.1 102 P\r\na: " + b"b" * 16_384 + b"\r\n\r\n" + OK + b"\r\n"),
    ],
    ids=["100 without end", "103 without end", "too many headers", "too long a line"],
)
def test_interim_answers_are_held_to_the_same_bytes(
    sender: WebhookSender, answer: Answer
) -> None:
    result = deliver(sender, answer)
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert str(result.error).startswith("too_large: ")


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 102 P\r\n" + b"a: b\r\n" * 99 + b"\r\n",
        b"HTTP/1.1 102 P\r\na: " + b"b" * 16_000 + b"\r\n\r\n",
    ],
    ids=["headers", "a line"],
)
def test_an_interim_answer_just_within_these_bounds_is_skipped(
    sender: WebhookSender, interim: bytes
) -> None:
    answer = raw(interim + OK + b"Content-Length: 0\r\n\r\n")
    assert deliver(sender, answer).outcome is AttemptOutcome.DELIVERED


def test_interim_answers_do_not_prolong_the_deadline(sender: WebhookSender) -> None:
    processing = drip(b"HTTP/1.1 102 Processing\r\n\r\n" * 1_000, every_s=0.01)
    result = deliver(sender, processing, timeout_s=0.3)
    assert str(result.error).startswith("timeout: ")


def test_a_switch_of_protocols_is_a_failure(sender: WebhookSender) -> None:
    switching = raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + OK)
    result = deliver(sender, switching)
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, 101)


def test_a_closed_port_is_a_failure_to_connect(sender: WebhookSender) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}/"
    result = sender.send(to(url), "evt_1", BODY, time.time())
    assert "Connection refused" in str(result.error)
    assert str(result.error).startswith("connect: ")


def test_the_next_address_of_a_name_is_tried() -> None:
    with Receiver(host="127.0.0.3") as shop:
        answer = post(
            f"http://shop.example:{shop.port}/",
            {},
            BODY,
            allow_private=True,
            resolver=lambda _: ["127.0.0.2", "127.0.0.3"],
        )
        assert answer.status == 200
        assert shop.requests[0].headers["host"] == f"shop.example:{shop.port}"


def test_a_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()

    def never(_host: str) -> list[str]:
        ended.wait()
        return []

    for dns_s, timeout_s, kind in (
        (0.1, 600, FailureKind.DNS),
        (600, 0.1, FailureKind.TIMEOUT),
    ):
        monkeypatch.setattr(lookups, "DNS_S", dns_s)
        with pytest.raises(DeliveryError) as failed:
            post("http://shop.example/", {}, BODY, timeout_s, resolver=never)
        assert failed.value.kind is kind
    ended.set()


def test_a_name_without_address_is_a_failure_of_the_lookup() -> None:
    resolvers: list[lookups.Resolver] = [lambda _: [], lookups.system_resolver]
    for resolver in resolvers:
        with pytest.raises(DeliveryError) as failed:
            post("http://nobody.invalid/", {}, BODY, resolver=resolver)
        assert failed.value.kind is FailureKind.DNS
        assert "nobody.invalid" in failed.value.detail


def test_the_system_resolver_finds_localhost() -> None:
    assert "127.0.0.1" in lookups.system_resolver("localhost")


def test_the_environment_chooses_neither_proxy_nor_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password SECRET\n")
    with Receiver() as proxy, Receiver() as shop:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.setenv("NETRC", str(netrc))
        assert post(shop.url(), {}, BODY, allow_private=True).status == 200
        assert proxy.connections == 0
        assert "authorization" not in shop.requests[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "https://user:SECRETWORD@shop.example/",
        "https://127.0.0.1:2/SECRETWORD?key=SECRETWORD",
        "https://[::1/SECRETWORD",
        "http://nobody.invalid/SECRETWORD?SECRETWORD",
        "nonsense SECRETWORD",
        "",
    ],
)
def test_a_url_that_cannot_work_is_a_result_and_its_secrets_stay_in(url: str) -> None:
    sender = WebhookSender("1")
    result = sender.send(to(url), "evt_1", BODY, time.time())
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert result.error
    assert "SECRETWORD" not in repr(result)


def test_neither_logs_nor_results_show_secret_query_or_path(
    sender: WebhookSender,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(0)
    answers = [
        reply(500),
        reply(301),
        hang_up(),
        raw(b"?\r\n\r\n"),
        raw(OK + b"bad\r\n\r\n"),
    ]
    shown = [repr(sender)] + [repr(deliver(sender, answer)) for answer in answers]
    text = "".join([*shown, caplog.text, *capfd.readouterr()])
    for secret in ("QUERYTOKEN", "/hook", SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in text


def test_no_socket_stays_open_however_it_ends(sender: WebhookSender) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    answers = [reply(200), reply(500, body=b"x" * 9000), hang_up(), hang(), raw(OK)]
    answers += [
        raw(OK + b"Content-Length: 9\r\n\r\n"),
        pour(OK, b"a: b\r\n" * 9999, 999),
    ]
    for answer in answers:  # what is made once (threads, contexts) exists after this
        deliver(sender, answer, timeout_s=0.05)
    before = open_files()
    for answer in answers * 5:
        deliver(sender, answer, timeout_s=0.05)
    wait_until(lambda: open_files() <= before, timeout_s=5, what="all sockets closed")


def test_deliveries_do_not_wait_for_each_other(sender: WebhookSender) -> None:
    with Receiver(default=hang()) as dead, Receiver() as alive:
        stuck = [
            gevent.spawn(sender.send, to(dead.url(), 600), "evt_1", BODY, time.time())
            for _ in range(50)
        ]
        dead.wait_for(50)
        results = [
            sender.send(to(alive.url(), 60), f"evt_{n}", BODY, time.time())
            for n in range(50)
        ]
        assert all(r.outcome is AttemptOutcome.DELIVERED for r in results)
        assert not any(greenlet.ready() for greenlet in stuck)
        gevent.killall(stuck)
