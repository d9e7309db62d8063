"""What /openapi.json says of the WebSocket paths; `routes.py` serves them.

They are no routes of the API: who opens one is judged before any handler is asked, and
a GET without `Upgrade: websocket` is a 426. What is said on a socket stands in
`routes.py`, `conversation.py` and `salon.py`: OpenAPI has no words for it.
"""

from typing import Annotated, Final

from msgspec import Meta

from transport.http.bottle_app import Api
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.live.sse import SinceQuery

__all__ = ["describe"]


class TalkQuery(Query):
    """What may be said of a visitor before the first message."""

    token: Annotated[
        str | None,
        Meta(
            description="a token of the merchant's own site (JWT): it opens that"
            " merchant's payments; whose it is and what it may say is in its record"
        ),
    ] = None
    merchant: Annotated[
        str | None,
        Meta(description="whose site's token it is, if not the default merchant's"),
    ] = None


class SalonQuery(Query):
    """Who comes to a salon, or to a merchant."""

    token: Annotated[
        str | None,
        Meta(
            description="a token of the merchant's own site (JWT), which may come in"
            " the first message as well; where the merchant has rules for tokens a"
            " page without one is closed with 1008"
        ),
    ] = None


def _socket(
    name: str, path: str, summary: str, query: type[Query], *problems: int
) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=path,
        tag="live",
        summary=summary,
        answers={101: None},
        answer_headers={101: ("Upgrade", "Connection", "Sec-WebSocket-Accept")},
        query=query,
        needs_key=False,
        problems=(401, 403, *problems, 426),
    )


_OPERATIONS: Final = (
    _socket(
        "openBalanceSocket",
        "/ws/balance/<address>",
        "The payment of an address as a WebSocket: its state, then every event,"
        " resumable by ?since=<epoch>-<seq>. Of PayButton's payments (--seed"
        " paybutton=…) with PayButton's fields beside ours",
        SinceQuery,
        404,
    ),
    _socket(
        "openSocket",
        "/ws",
        "Compatibility with a backend beside phoenixd (--seed phoenixd=…), and for"
        " every merchant: a WebSocket on which a client says identify with its"
        " order's externalId and hears that it is paid. It wants the payment's"
        " client_secret or a token of the site, but for the merchant of that setting",
        TalkQuery,
    ),
    _socket(
        "openSalonSocket",
        "/ws/payments/salon/<salon_id>",
        "Compatibility with card payments of a salon (--seed salon=…): a WebSocket on"
        " which a page says subscribe:payment-events with an invoiceId and hears what"
        " becomes of it",
        SalonQuery,
        404,
    ),
    _socket(
        "openMerchantSocket",
        "/ws/payments/<merchant>",
        "Compatibility with card payments of a salon (--seed salon=…), for its"
        " merchant, and for every merchant with rules for its site's tokens: the same"
        " WebSocket",
        SalonQuery,
        404,
    ),
)


def describe(app: Api) -> None:
    """In the app's document, beside its routes."""
    app.operations.extend(_OPERATIONS)
