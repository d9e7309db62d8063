"""Inbound webhooks as the OpenAPI document shows them, and the answer to one.

What comes in is read by `claims.py`, exactly and with fields that nobody knows
allowed; these types only describe it.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from transport.http.inputs import Request
from transport.http.openapi import Header, Operation
from transport.http.params import Query

__all__ = [
    "RECEIVE_BLOCKONOMICS",
    "RECEIVE_BTC",
    "BlockonomicsQuery",
    "BtcWebhook",
    "WebhookAnswer",
]


class BtcWebhook(Request, forbid_unknown_fields=False):
    """A provider's word that an address was paid. Other fields may be there."""

    address: Annotated[str, Meta(max_length=128, description="a bitcoin address")]
    amount: Annotated[
        str | float | None,
        Meta(description="in BTC, as text or as a number; read exactly"),
    ] = None
    value: Annotated[int | None, Meta(description="in satoshi; instead of amount")] = (
        None
    )
    txid: Annotated[str | None, Meta(description="64 hexadecimal digits")] = None
    status: Annotated[
        int | str | None,
        Meta(description="negative, or a word like dropped: nothing is claimed"),
    ] = None


class BlockonomicsQuery(Query, forbid_unknown_fields=False):
    """What Blockonomics sends. For the document; `claims.py` reads it."""

    secret: Annotated[str, Meta(description="the one that the callback URL holds")]
    addr: Annotated[str, Meta(max_length=128, description="a bitcoin address")]
    status: Annotated[
        str, Meta(description="0 unconfirmed, 1 partially, 2 confirmed; else: noted")
    ] = ""
    value: Annotated[str, Meta(description="a whole number of satoshi")] = ""
    txid: Annotated[str, Meta(description="64 hexadecimal digits")] = ""
    rbf: Annotated[str, Meta(description="1: the transaction can be replaced")] = ""


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a webhook. Sent after it is committed.

    `accepted`: put before the payment; `noted`: logged, it claims nothing;
    `duplicate`: it was heard before; `ignored`: logged, no payment waits for it.
    """

    status: str
    payment_id: str | None = None


RECEIVE_BTC: Final = Operation(
    name="receiveBtcWebhook",
    method="POST",
    path="/webhook/btc",
    tag="webhooks",
    summary="A provider says that an address was paid",
    answers={200: WebhookAnswer},
    request=BtcWebhook,
    headers=(
        Header(
            name="X-Signature",
            description="HMAC-SHA256 of the raw body under the shared secret,"
            " in hex; sha256= may stand before it",
            schema={"type": "string"},
        ),
    ),
    needs_key=False,
    problems=(401, 404, 409, 429),
)

RECEIVE_BLOCKONOMICS: Final = Operation(
    name="receiveBlockonomicsCallback",
    method="GET",
    path="/webhook/btc",
    tag="webhooks",
    summary="Blockonomics calls back: secret, addr, status, value, txid, rbf",
    answers={200: WebhookAnswer},
    query=BlockonomicsQuery,
    needs_key=False,
    problems=(401, 404, 429),
)
