"""An upstream that reads pages: nothing missed, nothing told twice, nobody held up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.upstreams import LookAt, Reconnect
from actors.lightning.deliveries import Found
from actors.lightning.questions import BURST, RATE_PER_S
from engine.errors import NodeBusy, NodeGarbage, NodeRefused, NodeUnavailable
from engine.lightning.node import InvoiceStatus
from engine.lightning.upstream import UpstreamState
from engine.payment.model import Status
from engine.store.writes import Unavailable
from tests.unit.actors.lightning.shop import PlayedNode, Shop, hash_of, seen

LIVE, FAILING = UpstreamState.LIVE, UpstreamState.FAILING
PAID = ["detected", "confirmed"]
NO_NAME: Any = []
A_BUG = Found(NO_NAME, {}, ("whatever",))
"""A message that its actor cannot handle."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path, PlayedNode())
    yield shop
    shop.close()


def test_a_fresh_account_begins_now_and_keeps_where_that_is(shop: Shop) -> None:
    shop.lightning.pay(7, 8)  # before us
    assert shop.state is UpstreamState.CONNECTING
    shop.open()
    assert shop.state is LIVE
    assert shop.lightning.pages == [""]
    assert shop.cursor == "#2"
    assert shop.count("lightning.not_ours") == shop.count("lightning.outages") == 0
    assert shop.upstream.balance.now is not None


def test_a_fresh_account_asks_about_what_is_open_and_no_page_will_show(
    shop: Shop,
) -> None:
    payment = shop.order(1)
    shop.lightning.pay(1)  # before its account was read for the first time
    shop.open()
    shop.pass_s(1)
    assert shop.lightning.lookups == [hash_of(1)]
    assert shop.story(payment) == PAID


def test_what_is_paid_is_found_by_reading_and_told_once(shop: Shop) -> None:
    payment = shop.order(1)
    shop.open()
    shop.lightning.pay(1)
    shop.pass_s(31)
    assert shop.story(payment) == PAID
    assert shop.cursor == "#1"
    shop.pass_s(300)
    assert shop.story(payment) == PAID
    assert shop.state is LIVE


def test_however_often_it_comes_it_is_one_event(shop: Shop) -> None:
    payment = shop.order(1)
    shop.open()
    shop.lightning.pay(1, 1, 1)
    for _ in range(3):
        shop.gateway.look_at_invoice(hash_of(1))
    shop.pass_s(61)
    assert hash_of(1) in shop.lightning.lookups
    assert shop.story(payment) == PAID


def test_paid_while_away_is_read_in_pages_before_it_is_live(shop: Shop) -> None:
    shop.open()
    orders = [shop.order(number) for number in range(1, 11)]
    shop.lightning.error = NodeUnavailable("shop: connection refused")
    shop.tell(Reconnect())
    assert shop.state is FAILING
    shop.lightning.pay(*range(1, 11))
    shop.lightning.error = None
    states = []
    shop.node.upstreams.news.listen(lambda one: states.append(one.state))
    shop.pass_s(2)
    assert [shop.story(order) for order in orders] == [PAID] * 10
    assert states[0] is UpstreamState.BEHIND
    assert states[-1] is LIVE
    assert states.index(LIVE) == len(states) - 1  # not before all was read
    assert shop.cursor == "#10"


def test_invoices_of_others_are_counted_and_passed(shop: Shop) -> None:
    shop.open()
    payment = shop.order(500)
    others = shop.order(501, node="another account")
    shop.lightning.pay(*range(1, 200), 501, 500)
    shop.pass_s(60)
    assert shop.story(payment) == PAID
    assert shop.story(others) == []  # that node did not make it
    assert shop.count("lightning.not_ours") == 200
    assert shop.state is LIVE


def test_a_payment_that_was_let_go_is_reached(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.stands[hash_of(1)] = InvoiceStatus.EXPIRED
    shop.pass_s(26 * 3_600)
    assert shop.status(payment) is Status.EXPIRED
    assert shop.node.watchers.get(payment.id) is None
    shop.lightning.pay(1)
    shop.pass_s(301)
    assert "late" in shop.story(payment)
    story = shop.story(payment)
    shop.tell(LookAt(hash_of(1)))
    assert shop.story(payment) == story


def test_an_invoice_expires_by_its_nodes_word_alone(shop: Shop) -> None:
    shop.open()
    payment, paid = shop.order(1), shop.order(2)
    shop.lightning.error = NodeUnavailable("shop: timed out")
    shop.lightning.pay(2)
    shop.pass_s(3 * 3_600)
    assert shop.state is FAILING
    assert shop.status(payment) is shop.status(paid) is Status.PENDING
    shop.lightning.stands[hash_of(1)] = InvoiceStatus.EXPIRED
    shop.lightning.error = None
    shop.pass_s(3_600)
    assert shop.story(payment) == ["expired"]
    assert shop.story(paid) == PAID


def test_a_node_that_does_not_know_the_invoice_proves_nothing(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.stands[hash_of(1)] = InvoiceStatus.UNKNOWN
    shop.pass_s(2 * 3_600)
    assert shop.status(payment) is Status.PENDING
    assert shop.count("lightning.unknown") > 0


def test_a_node_that_answers_with_another_invoice_is_not_believed(shop: Shop) -> None:
    shop.open()
    payment, other = shop.order(1), shop.order(2)
    shop.lightning.stands = dict.fromkeys(
        (hash_of(1), hash_of(2)), InvoiceStatus.EXPIRED
    )
    shop.lightning.answers = hash_of(2)
    shop.gateway.look_at_invoice(hash_of(1))
    shop.pass_s(3_000)
    assert shop.status(payment) is shop.status(other) is Status.PENDING
    assert shop.count("lightning.garbage") == 1
    shop.lightning.pay(1)  # it answers with the one that is paid, as if it were ours
    shop.lightning.answers = hash_of(1)
    shop.tell(LookAt(hash_of(2)))
    assert shop.status(other) is Status.PENDING


def test_a_page_that_leads_nowhere_is_garbage(shop: Shop) -> None:
    shop.open()
    shop.lightning.page = 0
    shop.lightning.pay(1)
    shop.pass_s(301)
    assert shop.state is FAILING
    assert "shows the same again" in shop.upstream.report.now.reason
    pages = len(shop.lightning.pages)
    shop.pass_s(60)
    assert len(shop.lightning.pages) < pages + 20  # it is left in peace


def test_an_unpaid_invoice_among_those_that_were_paid_is_garbage(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.paid.append(seen(1, InvoiceStatus.OPEN))
    shop.pass_s(31)
    assert shop.state is FAILING
    assert shop.status(payment) is Status.PENDING


def test_a_key_that_is_revoked_is_told_and_comes_back(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.error = NodeRefused("shop refuses our key", "key")
    shop.pass_s(31)
    assert shop.state is FAILING
    assert shop.alerts() == {
        "upstream.failing": "shop refuses our key",
        "upstream.key_refused": "shop refuses our key",
    }
    assert shop.upstream.balance.now is None
    assert shop.count("lightning.outages") == 1
    asked = len(shop.lightning.pages)
    shop.pass_s(300)
    assert len(shop.lightning.pages) <= asked + 13
    shop.lightning.pay(1)
    shop.lightning.error = None
    shop.tell(Reconnect())  # a person has put the new key
    assert shop.state is LIVE
    assert shop.alerts() == {}
    assert shop.story(payment) == PAID


def test_a_node_that_wants_a_pause_is_not_failing(shop: Shop) -> None:
    shop.open()
    shop.lightning.error = NodeBusy("slow down", 120.0)
    shop.tell(Reconnect())
    shop.lightning.error = None
    asked = len(shop.lightning.pages)
    shop.pass_s(119)
    assert len(shop.lightning.pages) == asked
    assert shop.state is not FAILING
    shop.pass_s(2)
    assert shop.state is LIVE


def test_a_node_that_is_down_is_left_for_longer_and_longer(shop: Shop) -> None:
    shop.lightning.error = NodeUnavailable("shop: connection refused")
    shop.open()
    shop.pass_s(600)
    report = shop.upstream.report.now
    assert 18 <= len(shop.lightning.pages) <= 35
    assert report.attempts == len(shop.lightning.pages)
    assert report.next_attempt_at is not None
    shop.lightning.error = None
    shop.pass_s(40)
    assert shop.state is LIVE
    shop.pass_s(60)
    shop.pass_s(300)
    assert shop.upstream.report.now.attempts == 0 or shop.state is LIVE


def test_a_quarantined_payment_holds_up_no_other(shop: Shop) -> None:
    shop.open()
    sick, well = shop.order(1), shop.order(2)
    shop.crash(sick, 2)
    shop.lightning.pay(1, 2)
    shop.pass_s(31)
    assert shop.story(well) == PAID
    assert shop.count("lightning.quarantined") == 1
    shop.lightning.pay(3)
    shop.pass_s(31)
    assert shop.lightning.pages[-1] == "#2", "it is read on"


def test_no_cursor_is_kept_beyond_what_was_passed_over(shop: Shop) -> None:
    """Its word is in a mailbox only: who starts anew must read it again."""
    shop.open()
    shop.order(0)
    shop.lightning.pay(0)
    shop.pass_s(31)
    assert shop.cursor == "#1"
    sick = shop.order(1)
    shop.crash(sick, 2)
    shop.lightning.pay(1)
    shop.pass_s(31)
    shop.order(2)
    shop.lightning.pay(2)
    shop.pass_s(31)
    assert shop.lightning.pages[-1] == "#2"
    assert shop.cursor == "#1"
    before = len(shop.lightning.pages)
    shop.tell(A_BUG)
    shop.pass_s(2)
    assert shop.lightning.pages[before] == "#1"


def test_few_requests_a_minute_however_many_invoices_are_open(shop: Shop) -> None:
    shop.open()
    for number in range(1, 301):
        shop.order(number)
    shop.pass_s(60)
    pages, balances = len(shop.lightning.pages), shop.lightning.balances
    shop.pass_s(600)
    assert shop.lightning.lookups == []
    assert 18 <= len(shop.lightning.pages) - pages <= 24  # poll_s is 30
    assert shop.lightning.balances - balances <= 11
    shop.lightning.stands = {hash_of(n): InvoiceStatus.EXPIRED for n in range(1, 301)}
    shop.pass_s(3_600 - 661)
    before = len(shop.lightning.lookups)
    shop.pass_s(30)
    in_half_a_minute = len(shop.lightning.lookups) - before
    assert 0 < in_half_a_minute <= BURST + 31 * RATE_PER_S
    shop.pass_s(180)
    found = [shop.gateway.payment(f"p{number}") for number in range(1, 301)]
    assert {one.status for one in found if one is not None} == {Status.EXPIRED}
    pages = len(shop.lightning.pages)
    shop.pass_s(1_200)  # nothing is open any more
    assert len(shop.lightning.pages) - pages <= 7


def test_an_upstream_that_crashes_begins_again_where_it_was(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.error = NodeUnavailable("away")
    shop.pass_s(31)
    shop.lightning.pay(1)
    shop.lightning.error = None
    shop.tell(A_BUG)
    assert shop.state is FAILING
    assert "fault of ours" in shop.upstream.report.now.reason
    assert shop.upstream.report.now.since == shop.stage.clock.now()
    assert shop.count("lightning.crashes") == 1
    shop.pass_s(1)
    assert shop.state is LIVE
    assert shop.story(payment) == PAID


def test_one_that_keeps_crashing_is_tried_again_for_ever(shop: Shop) -> None:
    shop.open()
    for _ in range(8):
        shop.upstream.ref.tell(A_BUG)
        shop.pass_s(2)
    assert shop.state is FAILING
    assert "upstream.failing" in shop.alerts()
    shop.pass_s(61)
    assert shop.state is LIVE
    assert shop.alerts() == {}


def test_a_button_that_is_pressed_again_and_again_does_no_harm(shop: Shop) -> None:
    shop.open()
    asked = len(shop.lightning.pages)
    for _ in range(50):
        shop.tell(Reconnect())
        shop.pass_s(0.1)
    assert 1 <= len(shop.lightning.pages) - asked <= 7
    shop.pass_s(2)
    assert shop.state is LIVE


def test_who_presses_for_ever_keeps_nobody_elses_payments_away(shop: Shop) -> None:
    shop.open()
    asked, seconds_live = len(shop.lightning.pages), 0
    for _ in range(60):  # a neighbour on the same account: 3,000 times in a minute
        for _ in range(50):
            shop.tell(Reconnect())
        shop.pass_s(1)
        seconds_live += shop.state is LIVE
    assert len(shop.lightning.pages) - asked <= 10 + 60 // 30 + 60 // 30
    assert seconds_live >= 50
    shop.pass_s(31)  # the last wish
    asked = len(shop.lightning.pages)
    shop.pass_s(300)
    assert len(shop.lightning.pages) - asked <= 300 // 30 + 1, "none is left"


def test_a_bug_in_an_adapter_costs_a_pause(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.open()
    payment = shop.order(1)
    monkeypatch.setattr(shop.lightning, "paid_since", lambda _cursor: 1 / 0)
    shop.tell(Reconnect())
    assert shop.state is FAILING
    assert "see the log" in shop.upstream.report.now.reason
    assert shop.count("lightning.crashes") == 1
    shop.lightning.pay(1)
    monkeypatch.undo()
    shop.pass_s(5)
    assert shop.state is LIVE
    assert shop.story(payment) == PAID


def test_a_journal_that_cannot_write_moves_no_cursor(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    node, append = shop.node, shop.node.append
    refused = []

    def refuses(write: object, reply: object) -> None:
        refused.append(write)
        reply(Unavailable("the disk is full"))  # type: ignore[operator]

    node.append = refuses  # type: ignore[method-assign]
    shop.lightning.pay(1)
    shop.pass_s(60)
    assert refused
    assert shop.cursor == "#0"
    assert shop.story(payment) == []
    node.append = append  # type: ignore[method-assign]
    shop.pass_s(60)
    assert shop.cursor == "#1"
    assert shop.story(payment) == PAID


def test_what_can_be_garbage_is_no_failure_of_the_rest(shop: Shop) -> None:
    shop.open()
    payment = shop.order(1)
    shop.lightning.lookup_error = NodeGarbage("shop: no such fields")
    shop.gateway.look_at_invoice(hash_of(1))
    shop.pass_s(1)
    assert shop.state is LIVE
    assert shop.status(payment) is Status.PENDING
