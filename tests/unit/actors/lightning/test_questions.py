"""Invoices that a node is asked about one by one: in line, in batches, at a rate."""

from actors.lightning import questions
from actors.lightning.questions import BATCH, BURST, MAX_CLAIMS, RATE_PER_S, Questions


def test_each_waits_once_and_the_oldest_go_first() -> None:
    line = Questions()
    assert line.wait_s(0.0) is None
    for number in (1, 2, 1):
        assert line.add(f"h{number}", f"p{number}")
    assert len(line) == 2
    assert line.wait_s(0.0) == 0.0
    assert list(line.take(0.0).items()) == [("h1", "p1"), ("h2", "p2")]
    assert len(line) == 0


def test_however_many_expire_few_are_asked_about_in_a_minute() -> None:
    line = Questions()
    for number in range(20_000):
        assert line.add(f"h{number}", f"p{number}")
    asked, now_s = 0, 0.0
    while now_s < 60.0:
        batch = line.take(now_s)
        assert len(batch) <= BATCH
        asked += len(batch)
        wait_s = line.wait_s(now_s)
        assert wait_s is not None
        now_s += max(wait_s, 0.05)
    assert asked <= BURST + 60 * RATE_PER_S
    assert asked >= 60 * RATE_PER_S
    assert len(line) == 20_000 - asked


def test_a_claim_goes_first_and_answers_for_the_expiry_too() -> None:
    line = Questions()
    for number in range(30):
        line.add(f"h{number}", f"p{number}")
    assert line.claim("claimed")
    assert line.claim("h29")
    taken = line.take(0.0)
    assert list(taken)[:2] == ["claimed", "h29"]
    assert taken["claimed"] == ""
    line.put_back(taken)
    assert list(line.take(0.0))[:2] == ["claimed", "h29"]


def test_claims_from_outside_never_fill_the_line() -> None:
    line = Questions()
    for number in range(MAX_CLAIMS):
        assert line.claim(f"c{number}")
    assert not line.claim("one more")
    assert line.claim("c0")  # it waits already
    assert line.add("h1", "p1")


def test_the_line_is_bounded() -> None:
    line = Questions()
    for number in range(questions.MAX_IN_LINE):
        line.add(f"h{number}", "p")
    assert not line.add("one more", "p")
    assert line.add("h1", "p")
    taken = line.take(0.0)
    for number in range(len(taken)):
        line.add(f"more{number}", "p")
    line.put_back(taken)  # no room: its payment asks again
    assert len(line) == questions.MAX_IN_LINE
