"""The HTTP client of Lightning nodes, against a server that misbehaves."""

from functools import partial

import gevent
import pytest

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from tests.tools.fake_upstream import (
    Answer,
    Upstream,
    bomb,
    cut_off,
    drip,
    endless,
    hang,
    html,
    reset,
    text,
)
from transport.lightning.http import NodeHttp, NodeRequest, decode, text_of

SECRET = "very-secret"
GET = NodeRequest(
    path=f"/payments/{SECRET}?token={SECRET}", label="payments", deadline_s=60
)
POST = NodeRequest(path="/payinvoice", body=b"invoice=lnbc", deadline_s=60)
SHORT = NodeRequest(path="/slow", deadline_s=0.3, max_bytes=100_000)
PATIENT = NodeRequest(path="/slow", deadline_s=60, max_bytes=100_000)


def client(up: Upstream) -> NodeHttp:
    return NodeHttp("till", up.url, lambda: {"Authorization": SECRET})


@pytest.mark.parametrize("answer", [hang(), drip()], ids=["hangs", "drips"])
def test_who_does_not_answer_in_time_is_unavailable(answer: Answer) -> None:
    words = "till: /slow did not answer in full within 0.3 s"
    with (
        Upstream(lambda _request: answer) as up,
        pytest.raises(NodeUnavailable, match=words),
    ):
        client(up).ask(SHORT)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (reset(), NodeUnavailable, "broke the connection off"),
        (cut_off("[1, 2, 3]"), NodeUnavailable, ""),
        (endless(), NodeGarbage, "sent more than 100,000 bytes"),
        (endless(declared=True), NodeGarbage, "wants to send more than"),
        (bomb(10_000_000), NodeGarbage, "sent more than 100,000 bytes"),
        (text("x" * 99, Content_Encoding="gzip"), NodeGarbage, "broken compression"),
        (text("", 302, Location="http://127.0.0.1:1/"), NodeGarbage, "redirects"),
        (text("", 401), NodeRefused, "refuses our key (401)"),
        (text("", 403), NodeRefused, "refuses our key (403)"),
        (text("", 429), NodeBusy, "asks us to slow down (429)"),
        (text("", 503, Retry_After="7"), NodeBusy, "slow down"),
        (html(503), NodeUnavailable, "failed (503)"),
        (text(SECRET, 500), NodeUnavailable, "failed (500)"),
        (text(SECRET, 404), NodeGarbage, "answered with status 404"),
    ],
)
def test_whatever_is_no_answer_becomes_an_error_that_says_what_may_have_been_done(
    answer: Answer, kind: type[LightningError], words: str
) -> None:
    with Upstream(lambda _request: answer) as up, pytest.raises(kind) as raised:
        client(up).ask(PATIENT)
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def answered(answer: Answer, _request: object) -> Answer:
    return answer


def test_errors_and_reprs_hold_no_secret() -> None:
    with Upstream(lambda _request: text(SECRET, 500)) as up:
        http = client(up)
        with pytest.raises(NodeUnavailable) as raised:
            http.ask(GET)
    assert str(raised.value) == "till: payments failed (500)"
    assert SECRET not in repr(http)


def test_a_node_that_asks_for_time_is_given_it_within_reason() -> None:
    for said, given in (("7", 7.0), ("9999999", 3_600.0), ("soon", None)):
        busy = partial(answered, text("", 429, Retry_After=said))
        with Upstream(busy) as up, pytest.raises(NodeBusy) as raised:
            client(up).ask(GET)
        assert raised.value.retry_after_s == given


def test_nobody_listening_is_unavailable() -> None:
    with Upstream() as up:
        http = client(up)
    with pytest.raises(NodeUnavailable, match="refuses connections"):
        http.ask(GET)


def test_what_moves_money_is_never_sent_again_by_itself() -> None:
    """A connection that breaks does not say whether the request was carried out."""
    for request, times in ((POST, 1), (GET, 2)):
        with Upstream(lambda _request: reset()) as up:
            with pytest.raises(NodeUnavailable):
                client(up).ask(request)
            assert len(up.requests) == times


def test_several_greenlets_may_ask_at_once() -> None:
    with Upstream(lambda request: text(request.path)) as up:
        http = client(up)
        paths = [f"/{number}" for number in range(20)]
        wanted = [NodeRequest(path=path, deadline_s=60) for path in paths]
        asking = [gevent.spawn(http.ask, one) for one in wanted]
        gevent.joinall(asking)
        assert [job.get().body.decode() for job in asking] == paths


def test_a_body_is_read_strictly_and_bare_words_as_one_line() -> None:
    with pytest.raises(NodeGarbage, match="till: x sent a web page"):
        decode(b"<html>", dict, "till: x")
    with pytest.raises(NodeGarbage) as raised:
        decode(b'{"a": "' + SECRET.encode() + b'"}', dict[str, int], "till: x")
    assert SECRET not in str(raised.value)
    with Upstream(lambda _request: text("Not\n found " + "x" * 1_000)) as up:
        words = text_of(client(up).ask(GET))
    assert words.startswith("Not found x")
    assert len(words) <= 400
