"""A stage for upstreams: a Lightning node that a test plays, and a shop behind it."""

from pathlib import Path
from typing import Any

import gevent
import pytest

from actors.facts.upstreams import InvoiceOpened, Upstream
from actors.lightning import held
from actors.lightning.messages import Hold
from actors.lightning.supervisor import UpstreamsActor, upstreams_of
from engine.errors import LightningError
from engine.lightning.account import Account
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    PaidPage,
    Payout,
)
from engine.lightning.upstream import UpstreamState
from engine.payment.lightning_terms import Invoice, lightning_key
from engine.payment.model import Payment, Status
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from tests.unit.actors.edge.house import House
from tests.unit.payment_cases import EXPIRY

__all__ = ["PlayedNode", "Shop", "hash_of", "seen"]

SAT = 50_000


def hash_of(number: int) -> str:
    return f"{number:064x}"


def seen(
    number: int, status: InvoiceStatus = InvoiceStatus.PAID, **changes: Any
) -> InvoiceSeen:
    fields: dict[str, Any] = {"payment_hash": hash_of(number), "status": status}
    if status is InvoiceStatus.PAID:
        fields["received_msat"] = SAT * 1_000
    return InvoiceSeen(**(fields | changes))


class PlayedNode:
    """Implements `LightningNode`; a cursor is how many payments were read."""

    def __init__(self, *, push: bool = False, page: int = 3) -> None:
        self.can = Can(push=push, description_hash=True, amountless=True, pay=True)
        self.page = page
        self.paid: list[InvoiceSeen] = []
        self.stands: dict[str, InvoiceStatus] = {}
        self.error: LightningError | None = None  # of each request
        self.lookup_error: LightningError | None = None
        self.answers: str = ""  # another hash than was asked for
        self.pages: list[str] = []
        self.lookups: list[str] = []
        self.balances = 0
        self.held: list[Hold] = []

    def pay(self, *numbers: int) -> None:
        self.paid.extend(seen(number) for number in numbers)
        self.stands |= {hash_of(number): InvoiceStatus.PAID for number in numbers}

    def paid_since(self, cursor: str) -> PaidPage:
        self.pages.append(cursor)
        if self.error is not None:
            raise self.error
        start = int(cursor.removeprefix("#")) if cursor else len(self.paid)
        end = min(start + self.page, len(self.paid))
        return PaidPage(
            paid=tuple(self.paid[start:end]),
            cursor=f"#{end}",
            more=end < len(self.paid),
        )

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        self.lookups.append(payment_hash)
        error = self.error or self.lookup_error
        if error is not None:
            raise error
        status = self.stands.get(payment_hash, InvoiceStatus.OPEN)
        received = SAT * 1_000 if status is InvoiceStatus.PAID else 0
        named = self.answers or payment_hash
        return InvoiceSeen(payment_hash=named, status=status, received_msat=received)

    def balance(self) -> Balance:
        self.balances += 1
        if self.error is not None:
            raise self.error
        return Balance(spendable_msat=1_000)

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        raise NotImplementedError

    def stream(self, *_: object) -> None:
        raise NotImplementedError

    def payout(self, payment_hash: str) -> Payout:
        raise NotImplementedError


class PlayedHolder(Actor):
    """Holds nothing: the test says what comes."""

    def __init__(self, lightning: PlayedNode, _upstream: Ref) -> None:
        self._lightning = lightning

    def on_receive(self, message: object) -> None:
        assert isinstance(message, Hold)
        self._lightning.held.append(message)


class Shop(House):
    """A house with one Lightning account, `shop`."""

    def __init__(self, folder: Path, lightning: PlayedNode, **account: Any) -> None:
        super().__init__(folder)
        self.lightning = lightning
        named = Account(name="shop", kind="phoenixd", url="http://n.test", **account)
        played: Any = lightning
        self.node.upstreams = upstreams_of(self.node, [(named, played)])
        scope = ActorScope(
            self.stage.dispatcher, lambda _name: UpstreamsActor(self.node)
        )
        self.upstreams = Ref(scope, "upstreams")

    def open(self) -> None:
        self.upstreams.start()
        self.settle()

    @property
    def upstream(self) -> Upstream:
        return self.node.upstreams["shop"]

    @property
    def state(self) -> UpstreamState:
        return self.upstream.report.now.state

    def tell(self, message: object) -> None:
        self.upstream.ref.tell(message)
        self.settle()

    def settle(self) -> None:
        self.stage.run()
        gevent.sleep(0)
        self.stage.run()

    def pass_s(self, seconds: float) -> None:
        self.stage.pass_s(seconds)
        self.settle()

    def count(self, name: str) -> int:
        return int(self.node.counters[name])

    def alerts(self) -> dict[str, str]:
        now = self.stage.clock.now()
        return {one.kind: one.detail for one in self.node.alerts.standing(now)}

    @property
    def cursor(self) -> str | None:
        kept = self.stage.store.upstream_cursor("shop")
        return None if kept is None else kept.cursor

    # -- payments ----------------------------------------------------------------------

    def order(self, number: int, **changes: Any) -> Payment:
        """One that Lightning alone can pay."""
        invoice = Invoice(
            node=changes.pop("node", "shop"),
            payment_hash=hash_of(number),
            bolt11=f"lnbcrt500u1p{number}",
            amount_msat=SAT * 1_000,
            expires_at=EXPIRY,
        )
        fields = {
            "method": "lightning",
            "address": lightning_key(invoice.payment_hash),
            "confirmations_required": 0,
            "lightning": invoice,
        }
        payment = self.create(number, **(fields | changes))
        self.upstream.ref.tell(InvoiceOpened())  # as `make_invoice` does
        return payment

    def story(self, payment: Payment) -> list[str]:
        events = self.gateway.history(payment.id, 0, 100)
        assert [one.event.seq for one in events] == [*range(1, len(events) + 1)]
        return [one.event.type.removeprefix("payment.") for one in events][1:]

    def status(self, payment: Payment) -> Status:
        found = self.gateway.payment(payment.id)
        assert found is not None
        return found.status


def play_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the test says what a held connection tells."""
    monkeypatch.setattr(held, "HoldingWorker", PlayedHolder)
