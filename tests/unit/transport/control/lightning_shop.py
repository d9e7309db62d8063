"""A gateway with a Lightning account, as much of it as a new payment uses."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

from engine.lightning.account import Account
from engine.lightning.node import Balance, Can, InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.merchants.record import Merchant
from engine.money.rates import Provider, Quote, RatesReport
from engine.payment.model import Payment, Terms
from tests.tools.invoices import make_invoice
from transport.control.lightning_payment import Invoices
from transport.control.new_payment import terms_of
from transport.http.auth import Principal
from transport.http.bottle_app import ApiSettings
from transport.http.inputs import PaymentRequest
from transport.http.request_json import typed

__all__ = ["ADDRESS", "NOW", "LightningShop"]

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
NOW = 1_790_000_000_000


class LightningShop:
    """The gateway; `create` is what `POST /v1/payments` does until the commit."""

    def __init__(self, **record: Any) -> None:
        self.record = Merchant(name="default", **record)
        self.account: Account | None = Account(
            name="till", kind="phoenixd", url="http://n", forward_to="user"
        )
        self.can = Can(push=True, description_hash=True, amountless=True, pay=True)
        self.states = {"till": UpstreamState.LIVE, "user": UpstreamState.LIVE}
        self.balance: Balance | None = None
        self.asked: list[InvoiceAsked] = []
        self.error: Exception | None = None
        self.others = 0  # merchants with a record
        self.made: dict[str, Any] = {}  # what the node makes otherwise than asked

    def create(self, invoices: Invoices | None = None, **body: Any) -> Terms:
        settings = ApiSettings(network="regtest", version="0", sender=None)  # type: ignore[arg-type]
        return terms_of(
            typed(body, PaymentRequest),
            Principal("", "key", "default"),
            self,  # type: ignore[arg-type]
            settings,
            invoices=invoices,
        )

    def merchant(self, _name: str) -> Merchant:
        return self.record

    def merchants(self) -> int:
        return self.others

    def wallet(self, _merchant: str) -> None:
        return None

    def rates(self, _currency: str | None = None) -> RatesReport:
        quotes = tuple(Quote(n, "EUR", Decimal(50_000), NOW) for n in ("a", "b"))
        return RatesReport(
            providers=(Provider("a"), Provider("b")), quotes={"EUR": quotes}
        )

    def payment_at(self, _address: str) -> Payment | None:
        return None

    def now(self) -> int:
        return NOW

    def lightning_account(self, _merchant: str) -> Account | None:
        return self.account

    def lightning_can(self, account: str) -> Can:
        assert account == "till"
        return self.can

    def lightning_balance(self, account: str) -> Balance | None:
        assert account == "till"
        return self.balance

    def upstreams(self) -> list[UpstreamReport]:
        return [
            UpstreamReport(
                name=name, kind="phoenixd", state=state, since=1, can=self.can
            )
            for name, state in self.states.items()
        ]

    def make_invoice(
        self, account: str, merchant: str, asked: InvoiceAsked
    ) -> InvoiceMade:
        assert (account, merchant) == ("till", "default")
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        payment_hash = sha256(asked.payment_id.encode()).hexdigest()
        said: dict[str, Any] = {
            "amount_msat": asked.amount_msat,
            "at_s": NOW // 1000,
            "expires_in_s": asked.expires_in_s,
            "description": asked.description,
            "description_hash": asked.description_hash or None,
        }
        bolt11 = make_invoice(payment_hash, **{**said, **self.made})
        return InvoiceMade(bolt11=bolt11, payment_hash=payment_hash)
