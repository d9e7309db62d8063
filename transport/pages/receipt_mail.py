"""A receipt by mail, to whom its reader names, where the shop writes to customers.

It goes by an e-mail channel of the merchant's that writes to customers
(docs/mail.md): its server, its name, its share of the node's mails. Nobody has checked
whose address it is; so the mail holds what a customer's mail holds: sums, times and
what proves them, and neither an order number nor an id, nor a link. The address is kept
for as long as the sending takes, and is in no log.

So many for a payment, and so many from one address of the web. It is sent while the
reader waits, in the request's greenlet, once: what did not go is said.
"""

import logging
import time
from collections.abc import Iterator
from html import escape
from typing import Final, Literal, Protocol

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel
from engine.delivery.email import EMAIL
from engine.delivery.endpoint import Endpoint, endpoint_of
from engine.errors import WrongKey
from engine.gateway import Gateway
from engine.mail.address import MailAddress, parse_address
from engine.secrets.vault import Vault
from transport.outbound.email_message import Letter
from transport.pages.language import Words
from transport.pages.receipt import ReceiptPage
from transport.pages.receipt_rows import Row, proof_line, proof_of, rows_of, state_key
from transport.server.limits import RateLimiter

__all__ = ["LetterWriter", "MailSaid", "ReceiptMail"]

log = logging.getLogger("paybell.receipt")

PER_PAYMENT: Final = 3
PER_CLIENT: Final = 6
_DAY_S: Final = 86_400
_HOUR_S: Final = 3_600

_PROOFS: Final = 20  # that a mail lists

MailSaid = Literal["mail_sent", "mail_address", "mail_too_often", "mail_failed"]
"""What the page says of it: a key of the words."""


class LetterWriter(Protocol):
    """Who sends a letter: `transport/outbound/email.py`."""

    def write(
        self, endpoint: Endpoint, letter: Letter, to: MailAddress
    ) -> SendResult: ...


class ReceiptMail:
    """See the module docstring."""

    def __init__(self, gateway: Gateway, vault: Vault, writer: LetterWriter) -> None:
        self._gateway = gateway
        self._vault = vault
        self._writer = writer
        self._of_payments = RateLimiter(PER_PAYMENT / _DAY_S, PER_PAYMENT)
        self._of_clients = RateLimiter(PER_CLIENT / _HOUR_S, PER_CLIENT)

    def is_offered(self, merchant: str) -> bool:
        """Whether this merchant writes to customers."""
        return self._channel(merchant) is not None

    def send(
        self, merchant: str, receipt: ReceiptPage, text: str, words: Words, client: str
    ) -> MailSaid:
        """One mail to that address."""
        channel = self._channel(merchant)
        if channel is None:
            return "mail_failed"
        try:
            to = parse_address(text.strip())
        except ValueError:
            return "mail_address"
        now = time.monotonic()
        if self._of_clients.allow(client, now) or self._of_payments.allow(
            receipt.payment_id, now
        ):
            return "mail_too_often"
        try:
            endpoint = endpoint_of(channel, self._vault, self._gateway.now())
        except WrongKey:
            return "mail_failed"
        letter = letter_of(receipt, words, self._gateway.now())
        outcome = self._writer.write(endpoint, letter, to).outcome
        log.info("receipt.mailed payment=%s channel=%s outcome=%s", receipt.payment_id,
                 channel.id, outcome)  # fmt: skip
        return "mail_sent" if outcome is AttemptOutcome.DELIVERED else "mail_failed"

    def _channel(self, merchant: str) -> Channel | None:
        """The first that writes to customers; those of all merchants are not asked."""
        for channel in self._gateway.channels(merchant):
            is_own = channel.merchant == merchant and channel.enabled
            is_mail = channel.kind == EMAIL and channel.settings.get("customer") is True
            if is_own and is_mail:
                return channel
        return None


def letter_of(receipt: ReceiptPage, words: Words, now: int) -> Letter:
    """What is written; `now` (ms): when."""
    said = words.say(state_key(receipt))
    shop = receipt.shop
    subject = words.say("mail_subject", shop=shop) if shop else words.say("receipt")
    rows = [*rows_of(receipt, words), *_proofs(receipt, words)]
    lines = "".join(f"{label}: {value}\n" for label, value in rows)
    cells = "".join(
        f"<tr><th align=left>{escape(label)}</th><td>{escape(value)}</td></tr>\n"
        for label, value in rows
    )
    head = f"{escape(subject)}</h1>\n<p>{escape(said)}</p>"
    html = f'<html lang="{words.tag}"><h1>{head}\n<table>\n{cells}</table></html>\n'
    return Letter(
        subject=subject,
        text=f"{subject}\n{said}\n\n{lines}",
        html=html,
        about=receipt.payment_id,
        at=now,
    )


def _proofs(receipt: ReceiptPage, words: Words) -> Iterator[Row]:
    for proof in receipt.proofs[:_PROOFS]:
        yield words.say("receipt_proof"), proof_line(proof, words)
        yield proof_of(proof, words)
