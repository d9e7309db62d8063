"""What the routes that create payments share: one at a time, or a batch."""

import msgspec

from engine.gateway import Gateway
from engine.secrets.vault import Vault
from transport.control.idempotency import Idempotency
from transport.http.auth import Auth
from transport.http.bottle_app import ApiSettings
from transport.http.views import PaymentView

__all__ = ["CreatingRoutes"]


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

    def _with_secret(self, shown: PaymentView) -> PaymentView:
        """A payment as only the answer to its creation shows it."""
        secret = self._vault.client_secret(shown.id)
        return msgspec.structs.replace(shown, client_secret=secret)
