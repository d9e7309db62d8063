"""The control API, put together. Called by `transport/web_app.py` and by tests."""

from engine.gateway import Gateway
from engine.secrets.vault import Vault
from transport.control import (
    accounts,
    channels,
    history,
    merchants,
    node,
    payment_deliveries,
    payments,
    pos,
)
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings
from transport.http.strangers import Strangers

__all__ = ["ApiSettings", "control_app"]


def control_app(
    gateway: Gateway,
    auth: Auth,
    vault: Vault,
    settings: ApiSettings,
    strangers: Strangers | None = None,
) -> Api:
    """A WSGI application with the routes of the control API.

    Other modules put theirs into it with `Api.add` (described in /openapi.json) or,
    pages for example, with bottle's `route`.
    """
    app = Api(strangers)
    payments.routes(app, gateway, auth, vault, settings)
    channels.routes(app, gateway, auth, vault, settings)
    merchants.routes(app, gateway, auth, vault, settings)
    node.routes(app, gateway, auth, settings)
    accounts.routes(app, gateway, auth)
    pos.routes(app, gateway, auth, settings)
    payment_deliveries.routes(app, gateway, auth)
    history.routes(app, gateway, auth)
    return app
