"""Watchers of payments that Lightning can pay: alone, and beside the chain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from actors.facts.published import Published
from actors.facts.upstreams import Upstream
from actors.messages import LookUpInvoice, Seen
from actors.watching.invoice import InvoiceActor
from engine.errors import Duplicate
from engine.lightning.account import Account
from engine.lightning.node import Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.payment.model import Payment, Status, lightning_key
from engine.payment.observations import Cancel, ConfirmByHand
from engine.payment.review import LONG_WAIT_S, NODE_IS_SILENT
from engine.store.writes import Conflict
from tests.unit.actor_stage import Inbox
from tests.unit.actors.edge.house import House
from tests.unit.payment_cases import (
    EXPIRY,
    INVOICE_HASH,
    T0,
    gone,
    invoice,
    mempool,
    settled,
    view,
)

CAN = Can(push=True, description_hash=True, amountless=True, pay=True)


class Shop(House):
    """A house with one Lightning account, whose upstream keeps what it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.upstream = Inbox()
        report = UpstreamReport(
            name="shop", kind="phoenixd", state=UpstreamState.LIVE, since=T0, can=CAN
        )
        node: Any = None  # nobody asks it here
        self.node.upstreams["shop"] = Upstream(
            account=Account(name="shop", kind="phoenixd", url="http://node.test"),
            node=node,
            ref=self.stage.start("upstream", self.upstream),
            report=Published(report),
            balance=Published(None),
        )

    def invoice(self, **changes: Any) -> Payment:
        fields: dict[str, Any] = {
            "method": "lightning",
            "address": lightning_key(INVOICE_HASH),
            "confirmations_required": 0,
            "lightning": invoice(),
        }
        return self.create(**(fields | changes))

    def story(self, payment: Payment) -> list[str]:
        events = self.gateway.history(payment.id, 0, 100)
        assert [one.event.seq for one in events] == [*range(1, len(events) + 1)]
        return [one.event.type.removeprefix("payment.") for one in events][1:]

    def lookups(self) -> list[LookUpInvoice]:
        return [m for m in self.upstream.got if isinstance(m, LookUpInvoice)]

    def until_asked(self, times: int = 1) -> None:
        """Time passes, from timer to timer."""
        for _ in range(10_000):
            if len(self.lookups()) >= times:
                return
            self.stage.pass_s(60)
            gevent.sleep(0)
        raise AssertionError("the node was never asked")

    def pass_s(self, seconds: float) -> None:
        self.stage.pass_s(seconds)
        gevent.sleep(0)
        self.stage.run()

    def stands(self, payment: Payment) -> Status:
        found = self.gateway.payment(payment.id)
        assert found is not None
        return found.status


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_it_asks_no_source_and_has_no_poll(shop: Shop) -> None:
    payment = shop.invoice()
    assert isinstance(shop.watcher(payment).actor, InvoiceActor)
    (state,) = shop.gateway.watchers(10)
    assert (state.address, state.next_poll_at, state.seen_at) == ("", None, None)
    assert state.next_deadline_at == EXPIRY
    assert {type(m).__name__ for m in shop.stage.source.got} <= {"AllWatched"}


def test_a_settled_invoice_is_committed_once_and_told_once(shop: Shop) -> None:
    payment = shop.invoice()
    for _ in range(3):
        after = shop.gateway.command(payment, settled())
        assert after.status is Status.CONFIRMED
    assert shop.story(payment) == ["detected", "confirmed"]
    assert shop.lookups() == []


def test_two_payments_never_follow_one_invoice(shop: Shop) -> None:
    payment = shop.invoice()
    terms = payment.terms
    other = type(terms)(**{**_fields(terms), "id": "other"})
    (answer,) = shop.gateway.create([other])
    assert isinstance(answer, Conflict | Duplicate)
    assert "Lightning invoice" in str(answer)


def test_it_expires_by_its_node_s_word_alone(shop: Shop) -> None:
    payment = shop.invoice()
    shop.until_asked()
    assert shop.lookups()[0] == LookUpInvoice(INVOICE_HASH, payment.id)
    assert shop.stage.clock.now() >= EXPIRY
    assert shop.stands(payment) is Status.PENDING
    shop.gateway.command(payment, gone(EXPIRY - 1))
    assert shop.stands(payment) is Status.PENDING
    shop.gateway.command(payment, gone(shop.stage.clock.now()))
    assert shop.story(payment) == ["expired"]


def test_a_node_that_is_silent_is_asked_again_with_patience_and_a_person_told(
    shop: Shop,
) -> None:
    payment = shop.invoice()
    shop.until_asked(2)
    assert shop.gateway.watchers(10)[0].last_error == NODE_IS_SILENT
    assert not [a for a in shop.gateway.alerts() if a.kind == "payment.waits"]
    before = len(shop.lookups())
    shop.pass_s(2 * LONG_WAIT_S)
    assert before < len(shop.lookups()) < before + 2 * LONG_WAIT_S / 15
    (alert,) = [a for a in shop.gateway.alerts() if a.kind == "payment.waits"]
    assert alert.subject == payment.id
    shop.pass_s(86_400)
    count = len(shop.lookups())
    shop.pass_s(3_000)
    assert len(shop.lookups()) - count <= 11, "every five minutes at least, not more"
    assert shop.stands(payment) is Status.PENDING
    shop.gateway.command(payment, settled())
    assert shop.stands(payment) is Status.CONFIRMED
    assert not [a for a in shop.gateway.alerts() if a.kind == "payment.waits"]


def test_what_is_paid_in_the_moment_of_its_expiry_is_not_late(shop: Shop) -> None:
    payment = shop.invoice()
    shop.until_asked()
    shop.gateway.command(payment, settled())
    shop.gateway.command(payment, gone(shop.stage.clock.now()))
    assert shop.story(payment) == ["detected", "confirmed"]


def test_too_little_is_over_at_its_deadline_without_any_node(shop: Shop) -> None:
    payment = shop.invoice()
    shop.gateway.command(payment, settled(49_000))
    shop.pass_s(3_601)
    assert shop.story(payment) == ["detected", "underpaid", "expired"]
    assert shop.lookups() == []


def test_after_a_crash_it_goes_on_to_wait_for_the_node(shop: Shop) -> None:
    payment = shop.invoice()
    shop.until_asked()
    shop.crash(payment, 1)
    count = len(shop.lookups())
    shop.until_asked(count + 1)
    assert isinstance(shop.watcher(payment).actor, InvoiceActor)
    shop.gateway.command(payment, gone(shop.stage.clock.now()))
    assert shop.story(payment) == ["expired"]


def test_an_alert_does_not_outlive_a_crash(shop: Shop) -> None:
    payment = shop.invoice()
    shop.until_asked()
    shop.pass_s(2 * LONG_WAIT_S)
    assert [a for a in shop.gateway.alerts() if a.kind == "payment.waits"]
    shop.crash(payment, 1)
    shop.gateway.command(payment, settled())
    assert not [a for a in shop.gateway.alerts() if a.kind == "payment.waits"]


def test_it_is_let_go_when_nobody_waits_and_money_that_comes_then_is_told(
    shop: Shop,
) -> None:
    payment = shop.invoice()
    shop.gateway.command(payment, Cancel("ann"))
    shop.pass_s(25 * 3_600)
    assert payment.id not in shop.node.watchers
    kept = shop.gateway.payment(payment.id)
    assert kept is not None
    after = shop.gateway.command(kept, settled())
    assert after.status is Status.CANCELLED
    assert shop.story(payment) == ["cancelled", "detected", "late"]
    assert shop.gateway.command(after, settled()).seq == after.seq


def test_an_account_that_is_configured_no_more_expires_nothing(shop: Shop) -> None:
    payment = shop.invoice(lightning=invoice(node="gone"))
    shop.pass_s(7_200)
    assert shop.stands(payment) is Status.PENDING
    assert shop.gateway.command(payment, ConfirmByHand("ann")).counts_as_paid


# -- beside the chain ------------------------------------------------------------------


def see(shop: Shop, payment: Payment, *outputs: Any) -> None:
    shop.watcher(payment).tell(Seen(view(*outputs), shop.stage.clock.now()))
    shop.stage.run()


def test_both_expire_when_chain_and_node_had_nothing(shop: Shop) -> None:
    payment = shop.create(lightning=invoice())
    shop.pass_s(3_601)
    assert shop.lookups() == [LookUpInvoice(INVOICE_HASH, payment.id)]
    see(shop, payment)
    assert shop.stands(payment) is Status.PENDING
    assert shop.gateway.watchers(10)[0].last_error == NODE_IS_SILENT
    asked = len(shop.stage.source.got)
    shop.gateway.command(payment, gone(shop.stage.clock.now()))
    assert len(shop.stage.source.got) > asked, "the chain is looked at once more"
    assert shop.stands(payment) is Status.PENDING
    see(shop, payment)
    assert shop.story(payment) == ["expired"]


def test_a_silent_node_keeps_both_open_and_is_asked_again(shop: Shop) -> None:
    payment = shop.create(lightning=invoice())
    shop.pass_s(3_601)
    for _ in range(3):
        see(shop, payment)
        shop.pass_s(400)
    assert shop.stands(payment) is Status.PENDING
    assert len(shop.lookups()) > 3
    shop.gateway.command(payment, settled())
    assert shop.story(payment) == ["detected", "confirmed"]
    count = len(shop.lookups())
    shop.pass_s(1_000)
    assert len(shop.lookups()) == count


def test_half_by_each_way_is_confirmed_and_nothing_is_taken_back(shop: Shop) -> None:
    payment = shop.create(lightning=invoice(), confirmations_required=0)
    see(shop, payment, mempool("t1", 25_000))
    asked = len(shop.stage.source.got)
    shop.gateway.command(payment, settled(25_000))
    assert len(shop.stage.source.got) > asked, "the chain may have the rest"
    see(shop, payment, mempool("t1", 25_000))
    assert shop.story(payment) == ["detected", "underpaid", "detected", "confirmed"]
    for _ in range(5):
        see(shop, payment, mempool("t1", 25_000))
        shop.pass_s(60)
    assert shop.stands(payment) is Status.CONFIRMED


def test_a_payment_of_the_chain_alone_asks_no_node(shop: Shop) -> None:
    payment = shop.create()
    shop.pass_s(7_200)
    see(shop, payment)
    assert shop.stands(payment) is Status.EXPIRED
    assert shop.upstream.got == []


def _fields(terms: Any) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in terms.__struct_fields__}
