"""Blink's held connection, over a real socket: what it tells, and how it ends."""

from collections.abc import Iterator

import pytest

from engine.errors.lightning import NodeGarbage, NodeRefused, NodeUnavailable
from engine.lightning.node import SignOfLife
from tests.lightning.blink_stage import ask_for, blink_node, new_key
from tests.lightning.broken_off import places
from tests.lightning.listener import SILENCE_S, hearing
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.wait import wait_until
from transport.lightning.blink import Blink


@pytest.fixture
def double() -> Iterator[BlinkDouble]:
    with BlinkDouble() as double:
        yield double


@pytest.fixture
def till(double: BlinkDouble) -> BlinkAccount:
    return double.account("till", sat=5_000, usd_cents=777_777)


@pytest.fixture
def node(double: BlinkDouble, till: BlinkAccount) -> Blink:
    return blink_node(double, till)


def test_it_opens_stays_alive_and_tells_what_is_paid(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node, 21)
    asked = len(double.asked)
    with hearing(node, silence_s=SILENCE_S) as listener:
        listener.wait_open()
        wait_until(lambda: listener.alive() > 5, 10, "signs of life")
        double.pay_from_outside(made.payment_hash)
        listener.wait_paid(made.payment_hash)
    assert listener.error is None
    assert listener.invoices[0].received_msat == 21_000
    assert listener.words.count(SignOfLife.OPENED) == 1
    assert len(double.asked) == asked, "nothing is asked beside it"


def test_a_receipt_within_blink_is_told_to_who_gets_it_and_to_nobody_else(
    node: Blink, double: BlinkDouble
) -> None:
    shop = blink_node(double, double.account("shop"))
    made = ask_for(shop, 21)
    with hearing(node, SILENCE_S) as sender, hearing(shop) as listener:
        sender.wait_open()
        listener.wait_open()
        node.pay(made.bolt11, max_fee_msat=0, key=new_key())
        listener.wait_paid(made.payment_hash)
        before = len(sender.words)
        wait_until(lambda: len(sender.words) > before + 1, 10, "a sign of life")
    assert sender.invoices == []


def test_repeats_and_any_order_are_told_as_they_come(
    node: Blink, double: BlinkDouble
) -> None:
    hashes = [ask_for(node).payment_hash for _ in range(3)]
    with hearing(node) as listener:
        listener.wait_open()
        double.sockets.repeat = 2
        double.hold_events()
        for payment_hash in hashes:
            double.pay_from_outside(payment_hash)
        double.release_events(backwards=True)
        wait_until(lambda: len(listener.invoices) == 6, 5, "three invoices, twice each")
    told = [seen.payment_hash for seen in listener.invoices]
    assert told == [h for h in hashes[::-1] for _ in range(2)]


def test_a_key_that_is_refused_is_found_out_behind_the_acknowledgement(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    old = double.revoke(till)
    with hearing(node) as listener:
        error = listener.wait_end()
    assert isinstance(error, NodeRefused)
    assert error.why == "key"
    assert old not in str(error)
    assert listener.words == []


def test_without_a_price_it_opens_all_the_same(
    node: Blink, double: BlinkDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.lightning.blink_stream.PATIENCE_S", 0.3)
    double.sockets.prices = False
    with hearing(node, silence_s=SILENCE_S) as listener:
        listener.wait_open()


def test_a_black_hole_is_found_within_the_silence_that_is_allowed(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    with hearing(node, silence_s=SILENCE_S) as listener:
        listener.wait_open()
        double.sockets.open(till)[0].black_hole = True
        error = listener.wait_end()
    assert isinstance(error, NodeUnavailable)
    assert "said nothing" in str(error)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1000, ""), (1001, ""), (1011, ""), (4400, ""), (4401, "key"), (4403, "key"),
        (4408, ""), (4409, ""), (4429, ""), (4500, ""),
    ],
)  # fmt: skip
def test_a_close_code_says_why(
    node: Blink, double: BlinkDouble, till: BlinkAccount, code: int, why: str
) -> None:
    with hearing(node) as listener:
        listener.wait_open()
        double.sockets.open(till)[0].close(code, "words of theirs")
        error = listener.wait_end()
    if why:
        assert isinstance(error, NodeRefused)
        assert error.why == why
    else:
        assert isinstance(error, NodeUnavailable)
    assert str(code) in str(error)
    assert "theirs" not in str(error)


@pytest.mark.timeout_s(1_200)  # of each byte in `make soak`
def test_a_connection_may_break_after_any_byte(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    """Whatever was told until then was told, whole, or not at all."""
    made = ask_for(node, 21)
    with hearing(node, SILENCE_S) as listener:
        listener.wait_open()
        wait_until(
            lambda: len(listener.words) > 3, 10, "both prices, and signs of life"
        )
        opened = double.sockets.open(till)[0].sent
        double.pay_from_outside(made.payment_hash)
        listener.wait_paid(made.payment_hash)
        whole = double.sockets.open(till)[0].sent
    assert 100 < opened < whole
    for size in [*places(0, opened, 61), *places(opened + 1, whole, 97)]:
        _break_after(node, double, size)


def _break_after(node: Blink, double: BlinkDouble, size: int) -> None:
    double.sockets.cut_after = size
    event_hash = next(iter(double.bank.invoices))
    line = next(tx for tx in double.bank.ledger if tx.payment_hash == event_hash)
    with hearing(node) as listener:

        def tell() -> bool:
            if listener.words:
                double._notify(line)
            return listener.has_ended

        wait_until(tell, 10, f"the end after {size} bytes")
    assert isinstance(listener.error, (NodeUnavailable, NodeGarbage)), listener.error
    assert all(seen.received_msat == 21_000 for seen in listener.invoices)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"type":"connection_nack"}', "\x00" * 300_000]
)
def test_nonsense_ends_it(
    node: Blink, double: BlinkDouble, till: BlinkAccount, text: str
) -> None:
    with hearing(node) as listener:
        listener.wait_open()
        double.sockets.open(till)[0].say_raw(text)
        error = listener.wait_end()
    assert isinstance(error, NodeGarbage)


def test_nobody_is_there(node: Blink, double: BlinkDouble) -> None:
    double.stop()
    with hearing(node) as listener:
        assert isinstance(listener.wait_end(), NodeUnavailable)


def test_it_lets_go_when_nobody_listens(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    with hearing(node) as listener:
        listener.wait_open()
    assert listener.error is None
    wait_until(lambda: not double.sockets.open(till), 5, "the connection to be closed")


def test_after_ten_minutes_away_what_was_missed_is_read(
    node: Blink, double: BlinkDouble
) -> None:
    double.bank.ahead_s = -600
    first = ask_for(node, 9)
    double.pay_from_outside(first.payment_hash)
    cursor = node.paid_since("").cursor
    made = [ask_for(node, 10 + number, expires_in_s=3_600) for number in range(4)]
    double.stop()
    for one, ahead_s in zip(made, (-599, -300, -1, 0), strict=True):
        double.bank.ahead_s = ahead_s
        double.pay_from_outside(one.payment_hash)
    double.start()
    with hearing(node) as listener:
        listener.wait_open()
    assert listener.invoices == [], "nothing is told again"
    told = [x.payment_hash for x in node.paid_since(cursor).paid]
    assert told == [x.payment_hash for x in made]
