"""An upstream that holds a connection: when it counts as live, as dead, and what of
earlier ones is heard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.facts.upstreams import Reconnect
from actors.lightning.messages import StreamEnded, StreamPaid, StreamWord
from actors.lightning.upstream import MOST_PENDING
from engine.errors import NodeRefused, NodeUnavailable
from engine.lightning.node import InvoiceStatus, SignOfLife
from engine.lightning.upstream import UpstreamState
from engine.payment.model import Status
from tests.unit.actors.lightning.shop import (
    PlayedNode,
    Shop,
    hash_of,
    play_what_is_held,
    seen,
)

BEHIND, CONNECTING = UpstreamState.BEHIND, UpstreamState.CONNECTING
FAILING, LIVE = UpstreamState.FAILING, UpstreamState.LIVE
PAID = ["detected", "confirmed"]
SILENCE_S = 10


class Pushing(Shop):
    """Its node pushes; the test says what."""

    def says(self, heard: SignOfLife, number: int | None = None) -> None:
        self.tell(StreamWord(number or self.held, heard))

    def pushes(self, number: int, by: int | None = None) -> None:
        self.tell(StreamPaid(by or self.held, seen(number)))

    def ends(self, error: NodeUnavailable | NodeRefused | None = None) -> None:
        self.tell(StreamEnded(self.held, error))

    def hums(self, seconds: float) -> None:
        """Time passes, and the node gives signs of life."""
        for _ in range(int(seconds // 3)):
            self.pass_s(3)
            self.says(SignOfLife.ALIVE)

    @property
    def held(self) -> int:
        """The number of the newest try."""
        return self.lightning.held[-1].number

    @property
    def tries(self) -> int:
        return len(self.lightning.held)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    play_what_is_held(monkeypatch)
    shop = Pushing(tmp_path, PlayedNode(push=True), silence_s=SILENCE_S)
    yield shop
    shop.close()


def test_it_is_live_when_it_is_held_and_all_of_before_is_read(shop: Pushing) -> None:
    shop.open()
    assert shop.state is CONNECTING
    assert shop.lightning.pages == []
    shop.says(SignOfLife.ALIVE)  # a socket that is open proves nothing
    assert shop.state is CONNECTING
    shop.says(SignOfLife.OPENED)
    assert shop.lightning.pages == [""]
    assert shop.state is LIVE
    assert shop.tries == 1


def test_what_is_pushed_is_told_at_once_and_by_no_page_again(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    payment = shop.order(1)
    shop.lightning.pay(1)
    pages = len(shop.lightning.pages)
    shop.pushes(1)
    assert shop.story(payment) == PAID
    assert len(shop.lightning.pages) == pages
    shop.pushes(1)
    shop.hums(60)
    assert len(shop.lightning.pages) > pages
    assert shop.story(payment) == PAID
    assert shop.cursor == "#1"


def test_a_black_hole_is_found_within_seconds_and_nothing_told_twice(
    shop: Pushing,
) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    payment, other = shop.order(1), shop.order(2)
    shop.lightning.pay(1)
    shop.pushes(1)
    first = shop.held
    shop.lightning.error = NodeUnavailable("shop: timed out")
    shop.pass_s(SILENCE_S)
    assert shop.state is LIVE  # whoever holds it finds out first, and says why
    shop.pass_s(SILENCE_S)
    assert shop.state is FAILING
    assert shop.lightning.held[0].ended()
    shop.lightning.pay(2)  # while nobody listens
    shop.lightning.error = None
    shop.pass_s(5)
    assert shop.story(other) == PAID  # read, though nothing is held
    assert shop.state is BEHIND
    assert shop.held > first
    shop.says(SignOfLife.OPENED)
    assert shop.state is LIVE
    shop.says(SignOfLife.OPENED, first)  # the dead one comes back to life
    shop.pushes(1, first)
    shop.pushes(2, first)
    assert shop.state is LIVE
    assert shop.story(payment) == shop.story(other) == PAID
    assert shop.count("lightning.silent") == 1


def test_signs_of_life_keep_it_live_for_hours_without_many_requests(
    shop: Pushing,
) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    shop.hums(3_600)
    assert shop.state is LIVE
    assert shop.tries == 1
    assert len(shop.lightning.pages) <= 16  # no invoice is open


def test_a_connection_that_ends_is_held_anew_and_what_came_meanwhile_read(
    shop: Pushing,
) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    payment = shop.order(1)
    shop.lightning.pay(1)
    shop.ends(NodeUnavailable("shop closed the connection with 1006"))
    assert shop.story(payment) == PAID  # read at once
    report = shop.upstream.report.now
    assert (report.state, report.attempts) == (BEHIND, 1)
    assert "1006" in report.reason
    assert shop.alerts().keys() == {"upstream.failing"}  # it pushes nothing
    shop.pass_s(1)
    assert shop.tries == 2
    shop.says(SignOfLife.OPENED)
    assert shop.state is LIVE
    assert shop.upstream.report.now.reason == ""
    assert shop.alerts() == {}


def test_a_page_that_was_asked_for_before_the_opening_proves_nothing(
    shop: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid between its answer and the opening, nobody would hear of."""
    shop.open()
    shop.says(SignOfLife.OPENED)
    shop.ends()
    payment = shop.order(1)
    read = shop.lightning.paid_since

    def opens_meanwhile(cursor: str) -> object:
        page = read(cursor)
        monkeypatch.setattr(shop.lightning, "paid_since", read)
        shop.lightning.pay(1)
        shop.upstream.ref.tell_system(StreamWord(shop.held, SignOfLife.OPENED))
        return page

    shop.pass_s(1)  # it tries to hold one again
    monkeypatch.setattr(shop.lightning, "paid_since", opens_meanwhile)
    states: list[tuple[UpstreamState, int]] = []
    pages = shop.lightning.pages
    shop.node.upstreams.news.listen(lambda one: states.append((one.state, len(pages))))
    before = len(pages)
    shop.pass_s(31)
    assert shop.story(payment) == PAID
    live = [asked for state, asked in states if state is LIVE]
    assert live[0] >= before + 2  # by a page that was asked for after the opening


def test_one_that_cannot_be_held_is_read_and_tried_again(shop: Pushing) -> None:
    shop.open()
    payment = shop.order(1)
    for _ in range(5):
        shop.ends(NodeUnavailable("shop: no WebSocket there"))
        shop.pass_s(40)
    assert shop.state is BEHIND
    assert shop.tries >= 5
    shop.lightning.pay(1)
    shop.pass_s(31)
    assert shop.story(payment) == PAID
    assert shop.upstream.report.now.attempts >= 5
    assert "upstream.failing" in shop.alerts()


def test_one_that_never_opens_is_given_up(shop: Pushing) -> None:
    shop.open()
    shop.pass_s(36)
    assert shop.tries >= 2
    assert shop.lightning.held[0].ended()


def test_one_that_opens_and_ends_again_and_again_is_left_for_longer(
    shop: Pushing,
) -> None:
    shop.open()
    for _ in range(60):
        if not shop.lightning.held[-1].ended():
            shop.says(SignOfLife.OPENED)
            shop.ends()
        shop.pass_s(5)
    assert shop.tries <= 25
    while shop.lightning.held[-1].ended():
        shop.pass_s(1)
    shop.says(SignOfLife.OPENED)
    shop.hums(60)
    assert shop.upstream.report.now.attempts == 0
    shop.ends()
    tries = shop.tries
    shop.pass_s(1)
    assert shop.tries == tries + 1  # at once again


def test_a_persons_wish_is_done_at_once(shop: Pushing) -> None:
    shop.open()
    for _ in range(6):
        shop.ends(NodeUnavailable("shop: connection refused"))
        shop.pass_s(20)
    tries = shop.tries
    shop.tell(Reconnect())
    assert shop.state is CONNECTING
    shop.settle()
    assert shop.tries in {tries, tries + 1}
    assert not shop.lightning.held[-1].ended()
    shop.says(SignOfLife.OPENED)
    assert shop.state is LIVE


def test_a_key_that_the_socket_refuses_is_told(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    shop.lightning.error = NodeRefused("shop refuses our key", "key")
    shop.ends(NodeRefused("shop refuses our key", "key"))
    assert shop.state is FAILING
    assert "upstream.key_refused" in shop.alerts()
    tries = shop.tries
    shop.pass_s(600)
    assert shop.tries - tries <= 26


def test_a_flood_of_pushes_is_bounded_and_read_later(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    payment = shop.order(1)
    shop.lightning.page = 500
    flood = range(1_000, 1_000 + 4 * MOST_PENDING)
    shop.lightning.pay(*flood, 1)
    listener = shop.lightning.held[-1].listener
    for number in (*flood, 1):  # in one go: nobody has a turn in between
        listener.paid(seen(number))
    shop.hums(60)
    assert shop.story(payment) == PAID
    assert shop.state is LIVE
    assert shop.count("lightning.not_ours") >= len(flood)


def test_an_open_invoice_that_is_pushed_as_paid_is_not_believed(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    payment = shop.order(1)
    shop.tell(StreamPaid(shop.held, seen(1, InvoiceStatus.OPEN)))
    assert shop.status(payment) is Status.PENDING
    assert shop.count("lightning.garbage") == 1
    assert hash_of(1) not in shop.lightning.lookups


def test_a_stopped_node_lets_go_of_what_is_held(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    shop.upstreams.stop()
    shop.settle()
    assert shop.lightning.held[-1].ended()


def test_ten_minutes_away_and_all_that_was_paid_is_told_once(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    orders = [shop.order(number) for number in range(1, 41)]
    shop.lightning.error = NodeUnavailable("shop: no route to host")
    shop.ends(NodeUnavailable("shop: connection reset"))
    for number in range(1, 41):
        shop.lightning.pay(number)
        shop.pass_s(15)
        if not shop.lightning.held[-1].ended():
            shop.ends(NodeUnavailable("shop: no route to host"))
    assert shop.state is FAILING
    assert [shop.story(order) for order in orders] == [[]] * 40
    shop.lightning.error = None
    while shop.lightning.held[-1].ended():
        shop.pass_s(1)
    shop.says(SignOfLife.OPENED)
    shop.pass_s(45)
    assert [shop.story(order) for order in orders] == [PAID] * 40
    assert shop.cursor == "#40"


def test_the_balance_is_asked_for_soon_after_money_came_and_not_for_each_of_many(
    shop: Pushing,
) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    shop.hums(30)
    before = shop.lightning.balances
    for number in range(50):
        shop.pushes(number)
    assert shop.lightning.balances == before, "a till may pass it on first"
    shop.hums(6)
    assert shop.lightning.balances == before + 1
    for _ in range(10):
        shop.pushes(7)
        shop.hums(6)
    assert shop.lightning.balances - before <= 1 + 6, "a minute, and one in ten seconds"


def test_who_reconnects_has_the_balance_asked_for_anew(shop: Pushing) -> None:
    shop.open()
    shop.says(SignOfLife.OPENED)
    before = shop.lightning.balances
    shop.tell(Reconnect())
    shop.says(SignOfLife.OPENED)
    assert shop.lightning.balances == before + 1
