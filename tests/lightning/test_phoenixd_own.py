"""What is phoenixd's alone: sums before and after fees, its lists, its bare words."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from engine.errors.lightning import (
    LightningError,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import InvoiceSeen, InvoiceStatus, PayoutStatus
from tests.lightning.broken_off import places
from tests.lightning.conformance import KEY, asked, paid_hashes, read_on
from tests.lightning.listener import KeepingListener, hearing
from tests.lightning.test_phoenixd import phoenixd_at
from tests.tools.fake_upstream import Answer, Request, Upstream, text
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.phoenixd_rows import now_ms, pretty
from tests.tools.wait import wait_until
from tests.tools.ws_peer import upgrade
from tests.tools.wsclient import TEXT, frame
from transport.lightning.phoenixd import Phoenixd

STEP_S = 10.0


@pytest.fixture
def double() -> Iterator[PhoenixdDouble]:
    with PhoenixdDouble() as started:
        yield started


@pytest.fixture
def node(double: PhoenixdDouble) -> Phoenixd:
    return phoenixd_at(double, page=7)


def paid(
    double: PhoenixdDouble, node: Phoenixd, amount_sat: int | None = 50_000, **how: Any
) -> InvoiceSeen:
    amount_msat = None if amount_sat is None else amount_sat * 1000
    made = node.create(asked(amount_msat=amount_msat))
    double.receive(made.payment_hash, **how)
    return node.lookup(made.payment_hash)


# -- gross, net and fee ----------------------------------------------------------------


@pytest.mark.parametrize("fees_msat", [0, 1, 999, 1_000, 1_500, 21_000_999])
def test_the_sum_that_the_payer_sent_is_net_and_fees_together(
    double: PhoenixdDouble, node: Phoenixd, fees_msat: int
) -> None:
    """`receivedSat` is cut to whole satoshi: nobody is short of one for that."""
    seen = paid(double, node, fees_msat=fees_msat)
    assert seen.received_msat == 50_000_000
    assert seen.fee_msat == fees_msat


def test_more_than_asked_and_whatever_comes(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    more = paid(double, node, amount_msat=70_000_500, fees_msat=2_000)
    assert (more.received_msat, more.fee_msat) == (70_000_000, 2_000)
    any_ = paid(double, node, None, amount_msat=1_234_567, fees_msat=1_500)
    assert 1_234_567 - 999 <= any_.received_msat <= 1_234_567


def test_fee_credit_is_told_by_the_balance(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    double.balance_msat, double.inbound_msat = 0, None
    made = node.create(asked())
    double.receive(made.payment_hash, credit=True)
    balance = node.balance()
    assert (balance.spendable_msat, balance.credit_msat) == (0, 50_000_000)
    assert balance.receivable_msat == 0, "it has no channel yet"


def test_a_push_says_the_net_sum_only_so_the_node_is_asked(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    with hearing(node) as listener:
        listener.wait_open()
        wait_until(lambda: double.peers, STEP_S, "phoenixd to know of us")
        seen = paid(double, node, fees_msat=10_000_000)
        wait_until(lambda: listener.invoices, STEP_S, "the push")
    assert listener.invoices == [seen]
    assert seen.received_msat == 50_000_000


# -- its list --------------------------------------------------------------------------


def test_on_chain_receipts_fill_pages_and_hide_nothing(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    """They count in LIMIT and OFFSET and are left out: pages come short, not empty."""
    _, cursor = read_on(node, "")
    wanted = set()
    for _ in range(6):
        wanted.add(paid(double, node).payment_hash)
        for _ in range(5):
            double.receive_on_chain()
    assert paid_hashes(node, cursor) == wanted


def test_a_row_that_could_be_read_only_after_a_later_one_is_told(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    """Its moment is taken before its row is written."""
    paid(double, node)
    _, cursor = read_on(node, "")
    early = paid(double, node, at=now_ms() - 30_000)
    seen, cursor = read_on(node, cursor)
    assert [one.payment_hash for one in seen] == [early.payment_hash]
    assert read_on(node, cursor)[0] == [], "and not again"


def test_a_clock_that_is_put_back_hides_nothing(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    _, cursor = read_on(node, "")
    ahead = paid(double, node, at=now_ms() + 3_600_000)
    seen, cursor = read_on(node, cursor)
    assert [one.payment_hash for one in seen] == [ahead.payment_hash]
    after = paid(double, node)
    assert after.payment_hash in paid_hashes(node, cursor)


def test_a_clock_of_one_machine_that_is_put_back_hides_nothing(
    double: PhoenixdDouble,
) -> None:
    """Ours and phoenixd's: what comes afterwards lies before what was read."""
    hour_ms, page = 3_600_000, 4
    ahead = phoenixd_at(double, page=page, now=lambda: (now_ms() + hour_ms) / 1000)
    _, cursor = read_on(ahead, "")
    early = [paid(double, ahead, at=now_ms() + hour_ms - n) for n in range(5)]
    seen, cursor = read_on(ahead, cursor)
    assert {one.payment_hash for one in seen} == {one.payment_hash for one in early}
    back = phoenixd_at(double, page=page)
    late = [paid(double, back, at=now_ms() - 600_000 + n) for n in range(5)]
    seen, cursor = read_on(back, cursor)
    assert {one.payment_hash for one in late} <= {one.payment_hash for one in seen}
    before = len(double.server.requests)
    read_on(back, cursor)
    assert len(double.server.requests) - before <= 4, "all there is, read once only"
    assert paid(double, back).payment_hash in paid_hashes(back, cursor)


def test_after_ten_minutes_away_all_that_was_paid_is_read(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    """It was away itself: nobody could ask it, and it pushes nothing of then."""
    began, port = now_ms() - 600_000, double.server.port
    made = [node.create(asked()).payment_hash for _ in range(20)]
    cursor = phoenixd_at(double, now=lambda: began / 1000).paid_since("").cursor
    double.server.__exit__(None, None, None)
    with pytest.raises(NodeUnavailable):
        node.paid_since(cursor)
    for number, payment_hash in enumerate(made):
        double.receive(payment_hash, at=began + number * 30_000, push=False)
    with Upstream(double.answer, bind=port), hearing(node) as ear:
        ear.wait_open()
        assert paid_hashes(node, cursor) == {*made}
    assert ear.invoices == []


def test_a_round_goes_on_after_a_restart_at_every_page(double: PhoenixdDouble) -> None:
    """Each page by an adapter of its own; new payments shift the list meanwhile."""
    _, cursor = read_on(phoenixd_at(double), "")
    wanted = {paid(double, phoenixd_at(double)).payment_hash for _ in range(14)}
    told: list[str] = []
    while True:
        page = phoenixd_at(double, page=4).paid_since(cursor)
        told += [one.payment_hash for one in page.paid]
        cursor = page.cursor
        if not page.more:
            break
        paid(double, phoenixd_at(double))
    assert set(told) >= wanted


def test_nothing_is_told_twice_that_stands_in_the_cursor(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    _, cursor = read_on(node, "")
    for _ in range(10):
        paid(double, node)
    seen, cursor = read_on(node, cursor)
    assert len(seen) == 10
    assert read_on(node, cursor)[0] == []
    before = len(double.server.requests)
    read_on(node, cursor)
    assert len(double.server.requests) - before <= 3, "a quiet look is cheap"


# -- its words -------------------------------------------------------------------------


def answering(double: PhoenixdDouble, answer: Answer) -> None:
    double.server.answer = lambda _request: answer


@pytest.mark.parametrize(
    "words", ["Unknown endpoint (check api doc)", "Not Found", "not found", ""]
)
def test_only_its_own_words_say_that_there_is_no_such_invoice(
    double: PhoenixdDouble, node: Phoenixd, words: str
) -> None:
    """An older phoenixd, or a proxy, has another 404: it proves nothing."""
    answering(double, text(words, 404))
    for ask in (node.lookup, node.payout):
        with pytest.raises(NodeGarbage, match="404"):
            ask("ab" * 32)


def test_what_it_says_of_another_invoice_is_not_believed(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    seen = paid(double, node)
    bolt11, other = double.bill(1_000_000)
    node.pay(bolt11, max_fee_msat=10_000, key=KEY)
    answering(double, text(pretty(double.invoice(seen.payment_hash).said())))
    with pytest.raises(NodeGarbage, match="another invoice"):
        node.lookup("ab" * 32)
    answering(double, text(pretty(double.outgoing[0].said())))
    with pytest.raises(NodeGarbage, match="another payment"):
        node.payout("ab" * 32)
    bolt11, _ = double.bill(1_000_000)
    lie = {"paymentHash": other, "paymentPreimage": "00" * 32, "routingFeeSat": 4}
    answering(double, text(pretty(lie)))
    with pytest.raises(NodeGarbage, match="another payment"):
        node.pay(bolt11, max_fee_msat=10_000, key=KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"isPaid": True, "completedAt": None},
        {"receivedSat": -1},
        {"receivedSat": 2_100_000_000_000_001},
        {"fees": "1"},
        {"paymentHash": "AB" * 32},
        {"completedAt": 10**18},
    ],
)
def test_sums_and_moments_that_cannot_be_are_not_believed(
    double: PhoenixdDouble, node: Phoenixd, wrong: dict[str, object]
) -> None:
    seen = paid(double, node)
    said = double.invoice(seen.payment_hash).said() | wrong
    answering(double, text(pretty(said)))
    with pytest.raises(NodeGarbage):
        node.lookup(seen.payment_hash)


# -- paying ----------------------------------------------------------------------------


def test_the_password_for_limited_access_makes_invoices_and_pays_none(
    double: PhoenixdDouble,
) -> None:
    double.password, full = double.limited, double.password
    limited = phoenixd_at(double)
    double.password = full
    made = limited.create(asked())
    assert limited.lookup(made.payment_hash).status is InvoiceStatus.OPEN
    with pytest.raises(NodeRefused) as raised:
        limited.pay(double.bill(1_000)[0], max_fee_msat=10_000, key=KEY)
    assert raised.value.why == "key"


def test_what_it_paid_before_and_what_is_under_way(double: PhoenixdDouble) -> None:
    hurried, node = phoenixd_at(double, pay_deadline_s=0.3), phoenixd_at(double)
    bolt11, payment_hash = double.bill(1_000_000)
    double.hold_payments = True
    with pytest.raises(NodeUnavailable):
        hurried.pay(bolt11, max_fee_msat=10_000, key=KEY)
    while not double.outgoing:  # where all is slow, a try ends before it comes there
        with suppress(NodeUnavailable):
            hurried.pay(bolt11, max_fee_msat=10_000, key=KEY)
    assert node.payout(payment_hash).status is PayoutStatus.PENDING
    again = node.pay(bolt11, max_fee_msat=10_000, key=KEY)
    assert again.status is PayoutStatus.PENDING
    double.outgoing[0].status = "succeeded"
    with pytest.raises(NodeRefused) as raised:
        node.pay(bolt11, max_fee_msat=10_000, key=KEY)
    assert raised.value.why == "paid"
    found = node.payout(payment_hash)
    assert (found.status, found.fee_msat) == (PayoutStatus.PAID, 8_000)
    assert double.paid_out(payment_hash) == 1


def test_a_payment_that_failed_leaves_nothing_and_repeats_no_words(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    bolt11, _ = double.bill(1_000_000)
    double.pay_reason = "<script>"
    failed = node.pay(bolt11, max_fee_msat=10_000, key=KEY)
    assert failed.status is PayoutStatus.FAILED
    assert "script" not in failed.reason
    double.pay_reason = "payment attempts exhausted without success"
    failed = node.pay(bolt11, max_fee_msat=10_000, key=KEY)
    assert failed.reason == "no way to the recipient was found"


def test_a_fee_above_the_limit_is_not_asked_for(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    """4 sat and 0.4 %, always (`conf/Lsp.kt`)."""
    bolt11, payment_hash = double.bill(1_000_000)
    asked_before = len(double.server.requests)
    with pytest.raises(NodeRefused):
        node.pay(bolt11, max_fee_msat=7_999, key=KEY)
    for nonsense in ("", "lnbcrt1", double.bill(1_000)[0].replace("lnbcrt", "lnbc")):
        with pytest.raises(NodeRefused):
            node.pay(nonsense, max_fee_msat=10**9, key=KEY)
    assert len(double.server.requests) == asked_before
    paid_ = node.pay(bolt11, max_fee_msat=8_000, key=KEY)
    assert paid_.status is PayoutStatus.PAID
    assert double.paid_out(payment_hash) == 1


# -- cut off anywhere ------------------------------------------------------------------


def cut_at(answer: Answer, size: int) -> Answer:
    """The first bytes of what this answer is, and then the end."""

    class Knife:
        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def sendall(self, data: bytes) -> None:
            self._sock.sendall(data[:size])

    def write(up: Upstream, sock: socket.socket) -> bool:
        answer(up, Knife(sock))  # type: ignore[arg-type]
        return False

    return write


def size_of(answer: Answer) -> int:
    sent = bytearray()

    class Scale:
        def sendall(self, data: bytes) -> None:
            sent.extend(data)

    answer(Upstream(), Scale())  # type: ignore[arg-type]
    return len(sent)


def test_an_answer_cut_off_at_any_byte_is_no_answer(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    seen = paid(double, node)
    whole = text(pretty(double.invoice(seen.payment_hash).said()))
    size = size_of(whole)
    errors: set[type[LightningError]] = set()
    for at in [*places(0, size - 20, 6), *range(size - 20, size)]:
        answering(double, cut_at(whole, at))
        with pytest.raises(LightningError) as raised:
            node.lookup(seen.payment_hash)
        errors.add(type(raised.value))
    assert errors <= {NodeUnavailable, NodeGarbage}
    answering(double, cut_at(whole, size))
    assert node.lookup(seen.payment_hash) == seen


def test_a_push_cut_off_at_any_byte_ends_the_stream_and_tells_nothing(
    double: PhoenixdDouble, node: Phoenixd
) -> None:
    seen = paid(double, node)
    message = frame(TEXT, pretty(double.event(seen.payment_hash)).encode(), mask=False)

    own, size = double.server.answer, 0

    def cut(request: Request) -> Answer:
        if request.path != "/websocket":
            return own(request)
        return upgrade(request, lambda peer: peer.send_raw(message[:size]))

    double.server.answer = cut
    for size in range(len(message) + 1):
        listener = KeepingListener()
        with pytest.raises(NodeUnavailable):
            node.stream(listener, bool)
        assert listener.invoices == ([seen] if size == len(message) else [])
