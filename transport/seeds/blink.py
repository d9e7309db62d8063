"""`GET /api/blink/blinkpos-credentials`: whether the till's accounts are configured.

The document's route hands the till's API key to the browser, which then holds Blink's
connection itself and pays from the till. Here the key stays on the server, which holds
both connections and forwards; so the route answers only whether each account is there:
`blinkpos`, on which the merchant's invoices are made, and `user`, to which what comes
in goes on. No name, no key, no state. Runs in the request's greenlet.
"""

from typing import Any, Final

import msgspec

from engine.gateway import Gateway
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.openapi import Operation
from transport.seeds.admission import Admission
from transport.seeds.cross_origin import add_readable

__all__ = ["BlinkCredentials", "routes"]


class BlinkCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """Which accounts the server has. It has their keys, and hands them to nobody."""

    blinkpos: bool
    user: bool


_OPERATION: Final = Operation(
    name="getBlinkposCredentials",
    method="GET",
    path="/api/blink/blinkpos-credentials",
    tag="seeds",
    summary="Compatibility with a Blink point of sale (--seed blink=…): whether the"
    " till's account and the user's are configured. Keys stay on the server.",
    answers={200: BlinkCredentials},
    needs_key=False,
    limited_by_itself=True,
    problems=(429,),
)


def routes(
    app: Api,
    gateway: Gateway,
    merchant: str,
    admission: Admission,
    origins: tuple[str, ...],
) -> None:
    """Add it, for the accounts of this merchant."""

    def configured(**_of_path: Any) -> HttpAnswer:
        admission.require(environ())
        till = gateway.lightning_account(merchant)
        return answer(
            BlinkCredentials(
                blinkpos=till is not None,
                user=till is not None and bool(till.forward_to),
            )
        )

    add_readable(app, _OPERATION, configured, origins)
