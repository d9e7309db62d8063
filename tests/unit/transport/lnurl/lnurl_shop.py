"""A shop with a Lightning Address behind a real server, and a wallet that pays to it.

The gateway makes real invoices (by the library `bolt11`); the wallet does what LUD-06,
09, 12 and 16 tell it to, and refuses what they tell it to refuse.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import bolt11
import msgspec
import requests

from engine.merchants.lightning_address import LightningAddress
from engine.merchants.record import Merchant
from engine.payment.model import Payment, Receipt, Settled, Terms
from engine.store.writes import Conflict
from tests.tools.serving import serving
from tests.tools.wait import PATIENCE
from tests.unit.transport.control.lightning_shop import LightningShop
from transport.http.auth import Principal
from transport.http.bottle_app import Api, ApiSettings
from transport.lnurl.admission import LnurlLimits
from transport.lnurl.routes import routes

__all__ = ["PUBLIC", "LnurlShop", "Refused", "Wallet", "lnurl_shop"]

PUBLIC = "https://shop.example"


class LnurlShop(LightningShop):
    """The gateway. Payments are kept by their keys."""

    def __init__(self, **address: Any) -> None:
        said = {"name": "cafe", "min_sat": 10, "max_sat": 5_000, **address}
        offered = msgspec.convert(said, LightningAddress)
        super().__init__(display_name="Café Lisboa", lightning_address=offered)
        self.payments: dict[str, Payment] = {}
        self.conflict: Conflict | None = None
        self.holder: Merchant | None = None  # who has the address in fact

    def at_lightning_address(self, name: str) -> Merchant | None:
        if self.holder is not None:
            return self.holder
        own = self.record.lightning_address
        return self.record if own is not None and own.name == name else None

    def create(self, terms: Sequence[Terms]) -> list[Any]:  # type: ignore[override]
        if self.conflict is not None:
            return [self.conflict]
        (one,) = terms
        self.payments[one.address] = Payment(terms=one)
        return [self.payments[one.address]]

    def payment_at(self, address: str) -> Payment | None:
        return self.payments.get(address)

    def payment(self, payment_id: str) -> Payment | None:
        found = (one for one in self.payments.values() if one.id == payment_id)
        return next(found, None)

    def pay(self, payment: Payment) -> None:
        """Its invoice is settled."""
        invoice = payment.terms.lightning
        assert invoice is not None
        receipt = Receipt(
            txid=invoice.payment_hash,
            vout=0,
            amount_sat=payment.terms.amount_sat or 0,
            settled=Settled(),
        )
        paid = msgspec.structs.replace(payment, receipts=(receipt,))
        self.payments[payment.terms.address] = paid


class _Everybody:
    """In place of `Auth`: the merchant's own key."""

    def require(self, _environ: dict[str, Any]) -> Principal:
        return Principal("", "test", "default", ("read",))


class Refused(Exception):
    """The service's `reason`, or what this wallet does not put up with."""


class Wallet:
    """Asks what it is told to at `PUBLIC` of the server that listens here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.answer: requests.Response | None = None  # the last one

    def get(self, url: str, **headers: str) -> Any:
        """LUD-01: status and headers mean nothing."""
        assert url.startswith(f"{PUBLIC}/"), url
        local = self.url + url.removeprefix(PUBLIC)
        self.answer = self.session.get(local, headers=headers, timeout=30 * PATIENCE)
        value = self.answer.json()
        if value.get("status") == "ERROR":
            raise Refused(value["reason"])
        return value

    def look(self, address: str) -> dict[str, Any]:
        """LUD-16."""
        name, domain = address.rsplit("@", 1)
        found = self.get(f"https://{domain}/.well-known/lnurlp/{quote(name)}")
        assert found["tag"] == "payRequest"
        entries = json.loads(found["metadata"])
        kinds = [entry[0] for entry in entries]
        assert kinds.count("text/plain") == 1
        assert {"text/email", "text/identifier"} & set(kinds)
        assert 1 <= found["minSendable"] <= found["maxSendable"]
        return dict(found)

    def pay(self, found: dict[str, Any], msat: int, comment: str = "") -> Any:
        """An invoice that this wallet would pay. Raises `Refused`."""
        separator = "&" if urlsplit(found["callback"]).query else "?"
        query = f"amount={msat}" + (f"&comment={quote(comment)}" if comment else "")
        answer = self.get(f"{found['callback']}{separator}{query}")
        invoice = bolt11.decode(answer["pr"])
        metadata = found["metadata"].encode("utf-8")
        if invoice.description_hash != hashlib.sha256(metadata).hexdigest():
            raise Refused("the invoice is for something else")
        if invoice.amount_msat != msat:
            raise Refused("the invoice is over another amount")
        action = answer.get("successAction")
        if action is not None:
            if action["tag"] not in {"message", "url"}:
                raise Refused("an unknown success action")
            text = action.get("message", action.get("description"))
            assert 0 < len(text) <= 144
            if action["tag"] == "url":
                hosts = (urlsplit(url).netloc for url in (action["url"], PUBLIC))
                assert len(set(hosts)) == 1
        return answer


@contextmanager
def lnurl_shop(
    shop: LnurlShop, public_url: str = PUBLIC, limits: LnurlLimits | None = None
) -> Iterator[Wallet]:
    app = Api()
    settings = ApiSettings(
        network="regtest",
        version="0",
        sender=None,  # type: ignore[arg-type]
        public_url=public_url,
    )
    gateway: Any = shop
    auth: Any = _Everybody()
    routes(app, gateway, auth, settings, limits=limits)
    with serving(app) as server:
        wallet = Wallet(f"http://127.0.0.1:{server.port}")
        try:
            yield wallet
        finally:
            wallet.session.close()
