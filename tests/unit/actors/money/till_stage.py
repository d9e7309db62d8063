"""Tills on the stage: real journal, two nodes that do what a test says."""

from pathlib import Path
from typing import Any

from actors.facts.upstreams import MoneyCame
from actors.money.till import TillActor
from engine.errors.lightning import LightningError
from engine.lightning.account import Account
from engine.lightning.agreed import Invoice
from engine.lightning.node import (
    Balance,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    Payout,
    PayoutStatus,
)
from engine.lightning.till import TillForward
from engine.payment.events import opening
from engine.payment.lightning_terms import lightning_key
from engine.payment.observations import InvoicePaid
from engine.store.writes import Entry, PauseForwarding, Write
from tests.tools.invoices import make_invoice
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import terms

__all__ = ["StagedNode", "TillsOnStage"]


class StagedNode:
    """One account. `fails`: what it raises, by the method's name; `asked`: in order."""

    def __init__(self, stage: "TillsOnStage") -> None:
        self._stage = stage
        self.spendable_msat = 10**9
        self.fails: dict[str, LightningError] = {}
        self.asked: list[str] = []
        self.paid: dict[str, int] = {}  # by hash, how often
        self.max_fee_msat = 0  # of the last payment
        self.status = InvoiceStatus.EXPIRED  # of each invoice, as it says
        self.invoice: str = ""  # the hash of the next one, if it is not a new one

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        self._ask("create")
        self._stage.invoices += 1
        payment_hash = self.invoice or f"{self._stage.invoices:064x}"
        bolt11 = make_invoice(
            payment_hash,
            amount_msat=asked.amount_msat,
            at_s=self._stage.clock.now() // 1_000,
            expires_in_s=asked.expires_in_s,
            description=asked.description,
        )
        self._stage.hash_of[bolt11] = payment_hash
        return InvoiceMade(bolt11=bolt11, payment_hash=payment_hash)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        self._ask("lookup")
        return InvoiceSeen(payment_hash=payment_hash, status=self.status)

    def payout(self, payment_hash: str) -> Payout:
        self._ask("payout")
        is_paid = payment_hash in self.paid
        return Payout(status=PayoutStatus.PAID if is_paid else PayoutStatus.UNKNOWN)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        self._ask("pay")
        self.max_fee_msat = max_fee_msat
        payment_hash = self._stage.hash_of[bolt11]
        self.paid[payment_hash] = self.paid.get(payment_hash, 0) + 1
        return Payout(status=PayoutStatus.PAID)

    def balance(self) -> Balance:
        self._ask("balance")
        return Balance(spendable_msat=self.spendable_msat)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.fails:
            raise self.fails[what]


class TillsOnStage(ActorStage):
    """`forwards`: each account, and where its money goes on to."""

    def __init__(self, folder: Path, forwards: dict[str, str]) -> None:
        super().__init__(folder)
        self.booted.publish(True)
        self.invoices = 0
        self.hash_of: dict[str, str] = {}
        self.nodes = {name: StagedNode(self) for name in forwards}
        self.accounts: dict[str, tuple[Account, Any]] = {
            name: (Account(name=name, kind="blink", url="x", forward_to=to), node)
            for (name, to), node in zip(
                forwards.items(), self.nodes.values(), strict=True
            )
        }
        self.tills = {
            name: self.start(f"till.{name}", TillActor(self.node, name, self.accounts))
            for name in forwards
        }

    def came(self, name: str, to: str = "till", sat: int = 5_000, **paid: int) -> None:
        """An invoice of the account `to` was paid, and nobody has told its till."""
        payment_hash = name.encode().hex().rjust(64, "0")
        invoice = Invoice(
            node=to,
            payment_hash=payment_hash,
            bolt11="ln",
            expires_at=self.clock.now() + 9,
            is_till=True,
        )
        event, payment = opening(
            terms(
                id=name,
                merchant="shop",
                method="lightning",
                address=lightning_key(payment_hash),
                amount_sat=sat,
                lightning=invoice,
            )
        )
        self.append(Write(entries=(Entry(payment, (event,)),)))
        self.run()
        seen = InvoicePaid(
            node=to, payment_hash=payment_hash, received_msat=sat * 1_000, **paid
        )
        self.observe(name, seen)
        self.run()

    def wake(self, name: str = "till") -> None:
        self.tills[name].tell(MoneyCame())
        self.run()

    def pause(self, at: int) -> None:
        self.append(Write(rows=(PauseForwarding(at, "me"),)))
        self.run()

    def forward(self, payment_id: str) -> TillForward:
        found = self.store.till_forward_of(payment_id)
        assert found is not None, payment_id
        return found

    @property
    def alerts(self) -> set[tuple[str, str]]:
        return {(one.kind, one.subject) for one in self.node.alerts.standing()}
