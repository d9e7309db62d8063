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

__all__ = ["EMAIL", "EmailSettings"]

EMAIL = "email"

_Address = Annotated[
    str,
    Meta(
        max_length=MAX_ADDRESS,
        description=f"an e-mail address of at most {MAX_ADDRESS} characters",
    ),
]
_Name = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
        description="a name of at most 100 characters without control characters",
    ),
]
_Smtp = Annotated[
    str,
    Meta(
        max_length=1_000,
        description="a mail server as smtp+starttls://user:password@host:587 or"
        " smtps://user:password@host:465",
    ),
]
_CaPem = Annotated[
    str,
    Meta(
        max_length=32_768,
        pattern=r"^\s*-----BEGIN CERTIFICATE-----",
        description="certificates in PEM, at most 32768 characters",
    ),
]
_Template = Annotated[
    str,
    Meta(
        max_length=MAX_CHARS,
        description=f"a template of at most {MAX_CHARS} characters (/docs/mail)",
    ),
]


class EmailSettings(ChannelSettings, frozen=True, kw_only=True):
    """`smtp` with `mail_from` and `ca_pem`: a server of the merchant's own, in place of
    the node's (`--smtp`). Templates that are not given are the node's."""

    to: Annotated[_Address | None, Meta(description="an e-mail address, or null")] = (
        None
    )
    customer: Annotated[bool, Meta(description="true or false")] = False
    from_name: Annotated[_Name | None, Meta(description="a name, or null")] = None
    reply_to: Annotated[
        _Address | None, Meta(description="an e-mail address, or null")
    ] = None
    smtp: Annotated[
        _Smtp | None,
        Meta(
            description="a mail server as smtp+starttls://user:password@host:587 or"
            " smtps://user:password@host:465, or null for the node's"
        ),
    ] = None
    mail_from: Annotated[
        _Address | None,
        Meta(description="an e-mail address, beside smtp only, or null"),
    ] = None
    ca_pem: Annotated[
        _CaPem | None,
        Meta(
            description="certificates in PEM, at most 32768 characters, or null for the"
            " usual authorities"
        ),
    ] = None
    subject: Annotated[
        _Template | None, Meta(description="a template, or null for the node's")
    ] = None
    text: Annotated[
        _Template | None, Meta(description="a template, or null for the node's")
    ] = None
    html: Annotated[
        _Template | None, Meta(description="a template, or null for the node's")
    ] = None

    @property
    def audience(self) -> str:
        """For whom its templates are."""
        return "customer" if self.customer else "shop"
