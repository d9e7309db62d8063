"""What an e-mail channel is configured with. Values only.

One channel writes to one recipient: an address of the shop's, or the customer of each
payment. So order, retries, dead letters and the log of attempts are each recipient's
own: a mailbox that is full delays nobody else's mail, and who has a mail never gets it
again because another's copy failed. A shop with two addresses has two channels.
"""

from typing import Annotated

from msgspec import Meta

from engine.delivery.kind_settings import ChannelSettings
from engine.mail.address import MAX_ADDRESS
from engine.mail.template import MAX_CHARS

__all__ = ["EMAIL", "LINES", "EmailSettings"]

EMAIL = "email"

_Address = Annotated[
    Annotated[str, Meta(max_length=MAX_ADDRESS)] | None,
    Meta(description=f"an e-mail address of at most {MAX_ADDRESS} characters, or null"),
]
_Name = Annotated[
    Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    | None,
    Meta(
        description="a name of at most 100 characters without control characters, or"
        " null for the merchant's"
    ),
]
_Smtp = Annotated[
    Annotated[str, Meta(max_length=1_000)] | None,
    Meta(
        description="a mail server as smtp+starttls://user:password@host:587 or"
        " smtps://user:password@host:465, or null for the node's"
    ),
]
_CaPem = Annotated[
    Annotated[str, Meta(max_length=32_768, pattern=r"^\s*-----BEGIN CERTIFICATE-----")]
    | None,
    Meta(
        description="certificates in PEM, at most 32768 characters, or null for the"
        " usual authorities"
    ),
]
_Template = Annotated[
    Annotated[str, Meta(max_length=MAX_CHARS)] | None,
    Meta(
        description=f"a template of at most {MAX_CHARS} characters (docs/mail.md), or"
        " null for the node's"
    ),
]

LINES = (_CaPem, _Template)
"""Of these fields' types: text of several lines, which may end with a newline."""


class EmailSettings(ChannelSettings, frozen=True, kw_only=True):
    """`smtp` with `mail_from` and `ca_pem`: a server of the merchant's own, in place of
    the node's (`--smtp`). Templates that are not given are the node's."""

    to: _Address = None
    customer: Annotated[bool, Meta(description="true or false")] = False
    from_name: _Name = None
    reply_to: _Address = None
    smtp: _Smtp = None
    mail_from: _Address = None
    ca_pem: _CaPem = None
    subject: _Template = None
    text: _Template = None
    html: _Template = None

    @property
    def audience(self) -> str:
        """For whom its templates are."""
        return "customer" if self.customer else "shop"
