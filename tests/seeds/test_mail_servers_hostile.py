"""Mail servers that refuse, hang, lie, flood and go away: what becomes of the mail."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from engine.delivery.attempt import AttemptOutcome, was_held_back
from tests.seeds.mail_stage import Desk, Script, scripted
from tests.tools.wait import wait_until
from transport.outbound import email, smtp
from transport.outbound.lookups import Lookups

STEPS = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "ACCEPTED"]


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_hangs_is_left_after_its_time(step: str) -> None:
    def act(script: Script) -> None:
        script.up_to(step)
        script.hang()

    with scripted(act) as url:
        result = Desk(url, timeout_s=0.2).send()
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert "no answer from smtp://127.0.0.1" in str(result.error)
    assert "in time" in str(result.error)


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_goes_away_is_tried_again(step: str) -> None:
    with scripted(lambda script: script.up_to(step)) as url:
        result = Desk(url).send()
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert "127.0.0.1" in str(result.error)


def test_a_mail_whose_answer_is_lost_is_sent_again_with_the_same_id() -> None:
    connections: list[list[bytes]] = []

    def act(script: Script) -> None:
        connections.append(script.heard)
        script.heard = connections[-1] = []
        script.up_to("ACCEPTED")
        if len(connections) == 2:  # the second time all is well
            script.say("250 OK")

    with scripted(act) as url:
        desk = Desk(url)
        lost = desk.send()
        assert lost.outcome is AttemptOutcome.RETRY
        assert "answer to the message" in str(lost.error)
        assert desk.send().outcome is AttemptOutcome.DELIVERED
    first, second = (b"".join(h[h.index(b"DATA\r\n") :]) for h in connections)
    assert first == second
    assert b"\r\nMessage-ID: <" in first


@pytest.mark.parametrize(
    ("step", "answer", "outcome"),
    [
        ("CONNECT", "554 no service", AttemptOutcome.RETRY),
        ("CONNECT", "421 too busy", AttemptOutcome.THROTTLED),
        ("EHLO", "502 what?", AttemptOutcome.RETRY),
        ("MAIL", "550 not you", AttemptOutcome.RETRY),
        ("MAIL", "451 later", AttemptOutcome.RETRY),
        ("RCPT", "450 later", AttemptOutcome.LATER),
        ("RCPT", "550 nobody", AttemptOutcome.REFUSED),
        ("DATA", "452 no room", AttemptOutcome.LATER),
        ("DATA", "554 no", AttemptOutcome.REFUSED),
        ("ACCEPTED", "451 greylisted", AttemptOutcome.LATER),
        ("ACCEPTED", "552 too big", AttemptOutcome.REFUSED),
        ("ACCEPTED", "354 what?", AttemptOutcome.RETRY),
    ],
)
def test_each_answer_at_each_step_has_its_meaning(
    step: str, answer: str, outcome: AttemptOutcome
) -> None:
    def act(script: Script) -> None:
        script.up_to(step)
        script.say(answer)

    with scripted(act) as url:
        result = Desk(url).send()
    if answer.startswith("354"):
        assert result.outcome in {AttemptOutcome.RETRY, AttemptOutcome.LATER}
        return
    assert result.outcome is outcome
    assert result.status == int(answer[:3])
    assert answer[4:] in str(result.error)


def _flood(script: Script) -> None:
    while True:
        script.say("220-" + "x" * 500)


def _endless_line(script: Script) -> None:
    while True:
        script.sock.sendall(b"x" * 4_096)


@pytest.mark.parametrize("act", [_flood, _endless_line])
def test_a_huge_banner_is_cut_off(act: Callable[[Script], None]) -> None:
    with scripted(act) as url:
        result = Desk(url).send()
    assert result.outcome is AttemptOutcome.RETRY
    assert "too long" in str(result.error)
    assert len(str(result.error)) < 300


def test_a_server_that_drips_is_left_after_the_time_of_one_step() -> None:
    def drip(script: Script) -> None:
        while True:
            script.sock.sendall(b"2")
            gevent.sleep(0.02)

    with scripted(drip) as url:
        result = Desk(url, timeout_s=0.3).send()
    assert "in time" in str(result.error)


@pytest.mark.parametrize(
    "banner", ["HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH", "+OK POP3", "", "\xff"]
)
def test_a_server_of_another_protocol_is_told_nothing(banner: str) -> None:
    heard: list[bytes] = []

    def act(script: Script) -> None:
        script.say(banner.encode("latin-1"))
        script.hear()

    with scripted(act, heard) as url:
        result = Desk(url).send()
    assert result.outcome is AttemptOutcome.RETRY
    assert "not SMTP" in str(result.error)
    wait_until(lambda: heard == [b""], 5, lambda: f"the end: {heard}")


def test_what_a_server_says_is_shown_on_one_printable_line() -> None:
    def act(script: Script) -> None:
        script.up_to("RCPT")
        script.say("550-\x1b[2Jno\u202e", "550-" + "y" * 400, "550 end")

    with scripted(act) as url:
        result = Desk(url).send()
    assert result.error is not None
    assert result.error.isprintable()
    assert len(result.error) < 300


def test_without_tls_nothing_is_sent_whatever_is_offered() -> None:
    heard: list[bytes] = []

    def act(script: Script) -> None:
        script.say("220 mail.test")
        script.hear("EHLO")
        script.say("250-mail.test", "250 AUTH PLAIN LOGIN")
        script.hear()

    with scripted(act, heard) as url:
        login = url.replace("smtp://", "smtp+starttls://ann:opensesame@")
        result = Desk(login).send()
    assert "offers no TLS" in str(result.error)
    assert [line[:4] for line in heard if line] == [b"ehlo"]


@pytest.mark.parametrize("answer", ["454 not now", "220 go on"])
def test_tls_that_does_not_come_about_is_a_failure(answer: str) -> None:
    heard: list[bytes] = []

    def act(script: Script) -> None:
        script.say("220 mail.test")
        script.hear("EHLO")
        script.say("250-mail.test", "250 STARTTLS")
        script.hear("STARTTLS")
        script.say(answer, "250 injected")  # plain text behind the offer
        script.sock.recv(65_536)

    with scripted(act, heard) as url:
        login = url.replace("smtp://", "smtp+starttls://ann:opensesame@")
        result = Desk(login).send()
    assert result.outcome is AttemptOutcome.RETRY
    assert "opensesame" not in str(result.error)
    assert not any(b"AUTH" in line for line in heard)


def test_other_greenlets_run_while_a_server_hangs() -> None:
    """Neither the name, nor the connection, nor TLS holds the hub."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(0.01)

    def act(script: Script) -> None:
        """It says nothing until others have run."""
        enough = ticks + 10
        wait_until(lambda: ticks > enough, 10, "other greenlets to run")
        ended.append(ticks)

    ended: list[int] = []
    ticker = gevent.spawn(tick)
    try:
        with scripted(act) as url:
            for scheme in ("smtp", "smtps"):
                port = url.rpartition(":")[2]
                result = Desk(f"{scheme}://localhost:{port}").send()
                assert "in time" not in str(result.error)
    finally:
        ticker.kill()
    assert len(ended) == 2


def test_no_more_than_so_many_are_connected_to_the_nodes_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(email, "CONNECTIONS", 2)
    open_now: list[int] = []
    most: list[int] = []

    def act(script: Script) -> None:
        open_now.append(1)
        most.append(len(open_now))
        script.up_to("ACCEPTED")
        gevent.sleep(0)
        open_now.pop()
        script.say("250 OK")

    with scripted(act) as url:
        desk = Desk(url)
        sending = [gevent.spawn(desk.send, owner=f"m{n % 4}") for n in range(8)]
        gevent.joinall(sending)
    assert [s.get().outcome for s in sending] == [AttemptOutcome.DELIVERED] * 8
    assert max(most) <= 2


def test_one_merchant_leaves_three_quarters_of_the_places_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who gets none was not sent, and used up nothing."""
    monkeypatch.setattr(email, "CONNECTIONS", 8)
    connected: list[bytes] = []
    answers = Event()

    def act(script: Script) -> None:
        script.up_to("MAIL")
        connected.append(script.heard[-1])
        answers.wait()
        script.say("250 OK")
        script.hear("RCPT")
        script.say("250 OK")
        script.hear("DATA")
        script.say("354 go on")
        script.message()
        script.say("250 OK")

    with scripted(act) as url:
        desk = Desk(url, mails_per_hour=12)  # three at once
        sending = [gevent.spawn(desk.send, owner="bob") for _ in range(2)]
        wait_until(lambda: len(connected) == 2, 10, "two of bob's")
        monkeypatch.setattr(email, "TURN_S", 0.0)
        third = desk.send(owner="bob")
        assert was_held_back(third), third
        assert third.retry_after_s
        assert "2 mails of this merchant" in str(third.error)
        sending += [gevent.spawn(desk.send, owner=f"m{n}") for n in range(6)]
        wait_until(lambda: len(connected) == 8, 10, "six of others")
        last = desk.send(owner="eve")
        assert was_held_back(last), last
        answers.set()
        gevent.joinall(sending)
        assert {s.get().outcome for s in sending} == {AttemptOutcome.DELIVERED}
        assert desk.send(owner="bob").outcome is AttemptOutcome.DELIVERED


def test_a_plain_server_must_be_this_machine_also_by_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lookups = Lookups(lambda _host: ["192.0.2.1"])
    result = Desk("smtp://localhost:2525", lookups=lookups).send()
    assert "is not this machine" in str(result.error)


def test_a_name_that_leads_to_a_refused_address_is_refused() -> None:
    lookups = Lookups(lambda _host: ["93.184.215.14", "169.254.169.254"])
    own = {"smtp": "smtps://mail.example", "mail_from": "a@b.example"}
    result = Desk(None, lookups=lookups).send(settings=own)
    assert "link-local" in str(result.error)


def test_a_reply_is_bounded_in_all() -> None:
    assert smtp.MAX_REPLIES <= 64 * 1024
