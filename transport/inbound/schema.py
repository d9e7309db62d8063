"""Inbound webhooks as the OpenAPI document shows them, and the answer to one.

What comes in is read by `dialects.py`, exactly and with unknown fields allowed; these
types only describe it.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from transport.http.inputs import Request
from transport.http.params import Query
from transport.inbound.dialects import MAX_TXID_LENGTH

__all__ = [
    "BlockonomicsQuery",
    "BtcWebhook",
    "GatewayAnswer",
    "WebhookAnswer",
]


class BtcWebhook(Request, forbid_unknown_fields=False):
    """A provider's message that an address was paid. Unknown fields are ignored."""

    address: Annotated[
        str, Meta(max_length=MAX_ADDRESS_LENGTH, description="a bitcoin address")
    ]
    amount: Annotated[
        str | float | None,
        Meta(description="the amount in BTC, as text or as a number, read exactly"),
    ] = None
    value: Annotated[
        int | None, Meta(description="the amount in satoshi, instead of amount")
    ] = None
    txid: Annotated[str | None, Meta(description="64 hexadecimal digits")] = None
    status: Annotated[
        int | str | None,
        Meta(
            description="a number or a word; negative numbers and words like dropped"
            " claim nothing"
        ),
    ] = None


class BlockonomicsQuery(Query, forbid_unknown_fields=False):
    """What Blockonomics sends. For the document; `dialects.py` reads it."""

    secret: Annotated[str, Meta(description="the secret of the callback URL")]
    addr: Annotated[
        str, Meta(max_length=MAX_ADDRESS_LENGTH, description="a bitcoin address")
    ]
    status: Annotated[
        str,
        Meta(
            description="0 for unconfirmed, 1 for partially confirmed, 2 for"
            " confirmed; others claim nothing"
        ),
    ] = ""
    value: Annotated[str, Meta(description="the amount, a whole number of satoshi")] = (
        ""
    )
    txid: Annotated[
        str,
        Meta(
            max_length=MAX_TXID_LENGTH,
            description="64 hexadecimal digits; another text, as the test bench sends,"
            " claims nothing",
        ),
    ] = ""
    rbf: Annotated[str, Meta(description="1 if the transaction can be replaced")] = ""


class GatewayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway is answered, unless its mapping says otherwise (`answer`)."""

    status: str = "accepted"


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a webhook, sent after it is committed.

    `accepted`: the payment was updated; `noted`: logged, it claims nothing, or nobody
    signed it;
    `duplicate`: it was received before; `ignored`: logged, no payment waits for it.
    """

    status: str
    payment_id: str | None = None
