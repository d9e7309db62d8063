"""What the routes that create payments share: one at a time, or a batch."""

from urllib.parse import urlsplit

import msgspec

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.secrets.vault import Vault
from transport.control.idempotency import Idempotency
from transport.http.auth import Auth
from transport.http.bottle_app import ApiSettings
from transport.http.problems import Problem, retry_later
from transport.http.views import PaymentView, view

__all__ = ["CreatingRoutes", "invoice_taken"]


class CreatingRoutes:
    """Base of the classes with such routes: what they are made of."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        vault: Vault,
        settings: ApiSettings,
        idempotency: Idempotency,
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._idempotency = idempotency

    @property
    def _base(self) -> str:
        """The path under which clients reach the node."""
        return urlsplit(self._settings.public_url).path

    def _view(self, payment: Payment, unread: Freshness | None = None) -> PaymentView:
        now = self._gateway.now()
        return view(payment, self._settings.public_url, unread=unread, now=now)

    def _with_secret(self, shown: PaymentView) -> PaymentView:
        """A payment as only the answer to its creation shows it."""
        secret = self._vault.client_secret(shown.id)
        return msgspec.structs.replace(shown, client_secret=secret)


def invoice_taken() -> Problem:
    """Of a payment whose invoice another payment has: its node made no new one."""
    return retry_later(
        Code.LIGHTNING_UNAVAILABLE,
        "The Lightning account made an invoice that another payment has. Nothing was"
        " created.",
        5,
    )
