"""Making invoices: bounded in number and time, and counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from actors.edge import lightning
from actors.facts.published import Published
from actors.facts.upstreams import InvoiceOpened, Reconnect, Upstream, Upstreams
from engine.errors import EngineBusy, NodeBusy, NodeUnavailable
from engine.lightning.account import Account
from engine.lightning.node import Balance, Can, InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamReport, UpstreamState
from tests.tools.wait import wait_until
from tests.unit.actors.edge.house import House

CAN = Can(push=True, description_hash=True, amountless=True, pay=True)
ASKED = InvoiceAsked(payment_id="pay_1", amount_msat=1_000, expires_in_s=600)
MADE = InvoiceMade(bolt11="lnbcrt1", payment_hash="ab" * 32)


class Node:
    """Answers when it is let, and not before."""

    can = CAN

    def __init__(self) -> None:
        self.answers = Event()
        self.asked = 0
        self.error: Exception | None = None

    def create(self, _asked: InvoiceAsked) -> InvoiceMade:
        self.asked += 1
        self.answers.wait()
        if self.error is not None:
            raise self.error
        return MADE


class Ref:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def tell(self, message: object) -> bool:
        self.told.append(message)
        return True


class Shop:
    def __init__(self, house: House) -> None:
        self.gateway = house.gateway
        self.counters = house.node.counters
        self.lnd, self.ref = Node(), Ref()
        account = Account(name="node", kind="phoenixd", url="http://127.0.0.1:1")
        report = UpstreamReport(
            name="node",
            kind="phoenixd",
            state=UpstreamState.CONNECTING,
            since=1,
            can=CAN,
        )
        node: Any = house.node
        lnd: Any = self.lnd
        ref: Any = self.ref
        balance = Published[Balance | None](Balance(spendable_msat=7_000))
        upstream = Upstream(account, lnd, ref, Published(report), balance)
        node.upstreams = Upstreams([("node", upstream)])

    def make(self, merchant: str = "rose") -> InvoiceMade:
        return self.gateway.make_invoice("node", merchant, ASKED)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    house = House(tmp_path)
    yield Shop(house)
    house.close()


def test_an_invoice_is_made_by_the_account_of_its_merchant(shop: Shop) -> None:
    shop.lnd.answers.set()
    account = shop.gateway.lightning_account("rose")
    assert account is not None
    assert shop.gateway.lightning_can(account.name) is CAN
    assert shop.gateway.make_invoice(account.name, "rose", ASKED) is MADE
    assert shop.ref.told == [InvoiceOpened()]
    assert shop.counters["lightning.invoices_made"] == 1


def test_few_calls_of_one_merchant_are_under_way_at_once(shop: Shop) -> None:
    waiting = [gevent.spawn(shop.make) for _ in range(lightning.AT_ONCE_OF_MERCHANT)]
    wait_until(lambda: shop.lnd.asked == len(waiting), 10.0, "the node to be asked")
    with pytest.raises(EngineBusy) as refused:
        shop.make()
    assert not refused.value.unknown
    assert shop.lnd.asked == len(waiting)
    other = gevent.spawn(shop.make, "other")  # a neighbour is not held up
    wait_until(lambda: shop.lnd.asked == len(waiting) + 1, 10.0, "the node to be asked")
    shop.lnd.answers.set()
    gevent.joinall([*waiting, other], raise_error=True)
    assert shop.make() is MADE  # all places are free again


def test_few_calls_are_under_way_at_one_node(shop: Shop) -> None:
    most = lightning.AT_ONCE_AT_NODE
    waiting = [gevent.spawn(shop.make, f"m{number % 8}") for number in range(most)]
    wait_until(lambda: shop.lnd.asked == most, 10.0, "the node to be asked")
    with pytest.raises(EngineBusy):
        shop.make("somebody-else")
    assert shop.counters["lightning.invoices_refused"] == 1
    shop.lnd.answers.set()
    gevent.joinall(waiting, raise_error=True)


def test_a_node_that_gives_no_answer_is_left_after_a_while(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightning, "MAKE_S", 0.02)
    with pytest.raises(NodeUnavailable, match="node gave no answer"):
        shop.make()
    assert shop.counters["lightning.invoices_failed"] == 1
    assert shop.ref.told == []


def test_what_a_node_answers_goes_to_who_asked(shop: Shop) -> None:
    shop.lnd.answers.set()
    shop.lnd.error = NodeBusy("slow down", 7)
    with pytest.raises(NodeBusy):
        shop.make()
    shop.lnd.error = None
    assert shop.make() is MADE


def test_a_person_has_a_connection_begin_anew(shop: Shop) -> None:
    (report,) = shop.gateway.upstreams()
    assert shop.gateway.reconnect("node") is report
    assert shop.ref.told == [Reconnect()]
    assert shop.gateway.reconnect("nobody") is None


def test_the_balance_is_as_the_node_said_it_last(shop: Shop) -> None:
    balance = shop.gateway.lightning_balance("node")
    assert balance == Balance(spendable_msat=7_000)
    assert shop.gateway.lightning_balance("nobody") is None


def test_a_claim_about_an_invoice_that_nobody_waits_for_asks_nobody(
    shop: Shop,
) -> None:
    shop.gateway.look_at_invoice("ab" * 32)
    assert shop.ref.told == []
