"""Mail: one attempt to tell one recipient of one event.

A channel writes to one address of the shop's, or to the customer of each payment
(`engine/delivery/email.py` says why it is one). `EmailSender.send` makes one attempt
and says what came of it; the notifier does the rest. What a server's answer means:

| answer | outcome |
|---|---|
| it took the mail | delivered |
| 4xx to the recipient or the mail (greylisting, a full mailbox) | later: others go on |
| 421, too many mails of this merchant within the hour or at one time | throttled |
| 5xx to the recipient or the mail | refused: given up, with the server's words |
| nothing, a lost connection, no TLS, a login that fails | retry |
| a login that fails at a merchant's own server | rested: until somebody mends it |
| there is nobody to write to | skipped |

A connection that ends between the mail and its answer leaves open whether it was taken:
it is sent again, the same bytes with the same Message-ID.

Blocks its greenlet, no longer than four times the channel's timeout and a minute.
"""

import functools
import ssl
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager

import msgspec

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.email import EmailSettings
from engine.delivery.endpoint import Endpoint
from engine.delivery.kind_settings import ChannelSettings
from engine.errors import EngineError
from engine.mail.address import MailAddress, parse_address
from engine.mail.server import MailServer, parse_server
from engine.mail.template import Template
from engine.merchants.record import Merchant
from engine.payment.model import Payment
from engine.policy.token_bucket import TokenBucket
from transport.bodies.problem_body import FieldError
from transport.calling.trust import tls_context
from transport.outbound.email_faults import faults_of
from transport.outbound.email_fields import (
    EventEnvelope,
    read,
    values_for_customer,
    values_for_shop,
)
from transport.outbound.email_message import Letter, Mail, as_bytes, mail_id
from transport.outbound.email_templates import PARTS, Texts, parsed
from transport.outbound.lookups import Lookups
from transport.outbound.mail_places import MailPlaces, NoPlace
from transport.outbound.smtp import (
    Dial,
    SmtpFailed,
    SmtpStep,
    Timing,
    check_server,
    send_mail,
)

__all__ = ["EmailSender", "MailNode"]

ACCEPT_S = 60.0
"""For the answer to a mail, whatever the channel's timeout: servers look through it,
and who gives up on them sends it twice (RFC 5321 4.5.3.2.6 has ten minutes)."""

CONNECTIONS = 16
"""To the node's own server at one time; many servers take no more than 20 of one. A
quarter at most is one merchant's."""

TURN_S = 30.0
"""For one of these; whoever got none comes again after"""
REST_S = 5.0


class MailNode(msgspec.Struct, frozen=True, kw_only=True):
    """The node's own means of sending mail, by its settings. `repr` shows none."""

    server: MailServer | None = None
    mail_from: MailAddress | None = None
    texts: Texts

    def __repr__(self) -> str:
        return f"MailNode({self.server!r})"


class _Settled(Exception):
    """There is nothing to try: this came of it."""

    def __init__(self, outcome: AttemptOutcome, why: str, wait_s: float | None = None):
        super().__init__(why)
        self.outcome = outcome
        self.why = why
        self.wait_s = wait_s


class EmailSender:
    """Implements `KindSender` for e-mail. Shared by all channels."""

    def __init__(
        self,
        node: MailNode,
        *,
        merchant: Callable[[str], Merchant],
        customer_email: Callable[[str], str | None],
        lookups: Lookups | None = None,
        allow_private: bool = False,
        allow_ports: Container[int] = (),
        accept_s: float = ACCEPT_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`merchant`: by its name. `customer_email`: of a payment; may raise
        `EngineError`. `now_s`: for the rates."""
        self._node = node
        self._merchant = merchant
        self._customer_email = customer_email
        self._lookups = lookups or Lookups()
        self._allow_private = allow_private
        self._allow_ports = allow_ports
        self._accept_s = accept_s
        self._now_s = now_s
        self._rates: dict[str, TokenBucket] = {}  # by merchant
        self._places = MailPlaces(CONNECTIONS)
        self._tls = tls_context(None, ())  # it holds the hub for 20 ms: now, not later

    def faults(self, settings: ChannelSettings) -> Iterable[FieldError]:
        assert isinstance(settings, EmailSettings)
        return faults_of(
            settings,
            has_server=self._node.server is not None,
            allow_private=self._allow_private,
            allow_ports=self._allow_ports,
        )

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        """One attempt. Whatever the server does, a result."""
        return self._result_of(
            endpoint,
            lambda: self._attempt(endpoint, msg_id, read(body), payment),
        )

    def write(self, endpoint: Endpoint, letter: Letter, to: MailAddress) -> SendResult:
        """One letter to somebody who is no recipient of the channel, by its server and
        in its name. Once: nobody tries again."""
        return self._result_of(endpoint, lambda: self._post(endpoint, letter, to))

    def _result_of(
        self, endpoint: Endpoint, attempt: Callable[[], int | None]
    ) -> SendResult:
        started = time.perf_counter()
        wait_s: float | None = None
        try:
            outcome = AttemptOutcome.DELIVERED
            code, why = attempt(), None
        except _Settled as settled:
            outcome, code, why = settled.outcome, None, settled.why
            wait_s = settled.wait_s
        except SmtpFailed as failed:
            assert isinstance(endpoint.settings, EmailSettings)
            is_own = endpoint.settings.smtp is not None
            outcome, code, why = _meaning(failed, is_own), failed.code, failed.detail
        except msgspec.MsgspecError:
            outcome, code = AttemptOutcome.REFUSED, None
            why = "the event cannot be read as one that mails are made of"
        except ValueError as error:  # of a version that took more, or made otherwise
            outcome, code = AttemptOutcome.RESTED, None
            why = f"a setting is not valid any more: {error}"
        latency_ms = (time.perf_counter() - started) * 1000
        return SendResult(outcome, code, why, wait_s, latency_ms)

    def _attempt(
        self,
        endpoint: Endpoint,
        msg_id: str,
        told: EventEnvelope,
        payment: Payment | None,
    ) -> int | None:
        """The code with which the mail was taken."""
        settings = endpoint.settings
        assert isinstance(settings, EmailSettings)
        server, sender = self._server(settings)
        dial = self._dial(settings, endpoint.owner)
        timing = Timing(endpoint.timeout_s, self._accept_s)
        if settings.customer and told.type == "channel.test":
            check_server(server, dial, timing)  # there is no customer to write to
            return None
        to = self._recipient(settings, told)
        mail = self._mail(endpoint, settings, msg_id, told, payment, sender, to)
        with self._turn(settings, endpoint.owner):
            return _sent(server, dial, timing, mail)

    def _post(self, endpoint: Endpoint, letter: Letter, to: MailAddress) -> int:
        """The code with which the letter was taken."""
        settings = endpoint.settings
        assert isinstance(settings, EmailSettings)
        server, sender = self._server(settings)
        shop = settings.from_name or self._merchant(endpoint.owner).display_name
        answers = settings.reply_to
        mail = Mail(
            sender=sender,
            sender_name=shop or sender.domain,
            to=to,
            reply_to=parse_address(answers) if answers is not None else None,
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            id=mail_id(sender, "letter", letter.about, str(letter.at), str(to)),
            thread=None,
            at=letter.at,
        )
        dial = self._dial(settings, endpoint.owner)
        timing = Timing(endpoint.timeout_s, self._accept_s)
        with self._turn(settings, endpoint.owner):
            return _sent(server, dial, timing, mail)

    def _server(self, settings: EmailSettings) -> tuple[MailServer, MailAddress]:
        if settings.smtp is not None and settings.mail_from is not None:
            return parse_server(settings.smtp), parse_address(settings.mail_from)
        node = self._node
        if node.server is None or node.mail_from is None:
            raise _Settled(AttemptOutcome.RETRY, "the node has no mail server (--smtp)")
        return node.server, node.mail_from

    def _dial(self, settings: EmailSettings, owner: str) -> Dial:
        if settings.smtp is None:
            return Dial(self._lookups, self._tls, allow_any=True)
        tls = self._tls if settings.ca_pem is None else _trusting(settings.ca_pem)
        return Dial(self._lookups, tls, owner=owner, allow_private=self._allow_private)

    def _recipient(self, settings: EmailSettings, told: EventEnvelope) -> MailAddress:
        if not settings.customer:
            assert settings.to is not None, "a channel without a recipient"
            return parse_address(settings.to)
        if not told.is_of_payment:
            raise _Settled(AttemptOutcome.SKIPPED, "no customer is concerned")
        try:
            text = self._customer_email(told.data.payment_id)
        except EngineError:
            why = "the customer's address could not be read"
            raise _Settled(AttemptOutcome.RETRY, why) from None
        if text is None:
            raise _Settled(AttemptOutcome.SKIPPED, "the payment has no customer_email")
        try:
            return parse_address(text)
        except ValueError as error:
            why = f"the customer's address cannot be written to: {error}"
            raise _Settled(AttemptOutcome.REFUSED, why) from None

    def _mail(
        self,
        endpoint: Endpoint,
        settings: EmailSettings,
        msg_id: str,
        told: EventEnvelope,
        payment: Payment | None,
        sender: MailAddress,
        to: MailAddress,
    ) -> Mail:
        merchant = self._merchant(told.data.merchant or endpoint.owner)
        shop = settings.from_name or merchant.display_name
        price = None if payment is None else payment.terms.price
        if settings.customer:
            shop = shop or sender.domain  # the name in the API is the shop's own
            values = values_for_customer(told, shop, price)
        else:
            shop = shop or merchant.name
            interval = None if payment is None else payment.terms.poll_interval_s
            values = values_for_shop(told, shop, msg_id, interval, price)
        said = {
            part: self._template(settings, part).render(values, is_html=part == "html")
            for part in PARTS
        }
        whose = endpoint.channel, str(to)
        of, reply_to = told.data.payment_id, settings.reply_to
        return Mail(
            sender=sender,
            sender_name=shop,
            to=to,
            reply_to=parse_address(reply_to) if reply_to is not None else None,
            id=mail_id(sender, "event", msg_id, *whose),
            thread=mail_id(sender, "payment", of, *whose) if of else None,
            at=told.at,
            **said,
        )

    def _template(self, settings: EmailSettings, part: str) -> Template:
        own: str | None = getattr(settings, part)
        if own is not None:
            return parsed(settings.audience, own)
        return self._node.texts[settings.audience, part]

    @contextmanager
    def _turn(self, settings: EmailSettings, owner: str) -> Iterator[None]:
        """One mail by the node's server. Who gets no place spends nothing: neither one
        of the hour's mails nor, as the node's own limit, one of the schedule."""
        if settings.smtp is not None:
            yield
            return
        try:
            with self._places.one(owner, TURN_S):
                self._spend(owner)
                yield
        except NoPlace as error:
            raise _Settled(AttemptOutcome.THROTTLED, str(error), REST_S) from None

    def _spend(self, owner: str) -> None:
        """One mail of the merchant's, by the node's server: what others think of that
        server is everybody's."""
        most = self._merchant(owner).limits.mails_per_hour
        if most <= 0:
            why = "this merchant may send no mail (mails_per_hour is 0)"
            raise _Settled(AttemptOutcome.THROTTLED, why, 3_600.0)
        rate, burst = most / 3_600, max(most / 4, 1.0)
        bucket = self._rates.get(owner)
        if bucket is None or (bucket.rate_per_s, bucket.burst) != (rate, burst):
            bucket = TokenBucket.full(rate, burst)
        self._rates[owner], wait_s = bucket.take(self._now_s())
        if wait_s:
            why = f"this merchant may send {most} mails an hour (mails_per_hour)"
            raise _Settled(AttemptOutcome.THROTTLED, why, wait_s)


def _sent(server: MailServer, dial: Dial, timing: Timing, mail: Mail) -> int:
    """The code with which the mail was taken."""
    return send_mail(
        server,
        dial,
        timing,
        sender=mail.sender,
        to=mail.to,
        message=as_bytes(mail),
        needs_utf8=mail.needs_utf8,
    )


def _meaning(failed: SmtpFailed, is_own: bool) -> AttemptOutcome:
    if failed.is_final:
        return AttemptOutcome.REFUSED
    if failed.code == 421:
        return AttemptOutcome.THROTTLED
    if failed.is_of_the_mail:
        return AttemptOutcome.LATER
    never = failed.code is not None and failed.code >= 500
    if failed.step is SmtpStep.LOGIN and never and is_own:
        return AttemptOutcome.RESTED
    return AttemptOutcome.RETRY


@functools.lru_cache(maxsize=256)
def _trusting(ca_pem: str) -> ssl.SSLContext:
    return tls_context(ca_pem, ())
