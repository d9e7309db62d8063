"""Who sends what: one sender for each kind of channel, behind one `ChannelSender`.

The node and the control API hold one `Senders`. It chooses by the endpoint's kind, and
knows which kinds this node can send: those have a line in `make_senders`. The rest of a
kind is in `engine/delivery/kinds.py`. Any greenlet.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Protocol

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.email import EMAIL
from engine.delivery.endpoint import Endpoint
from engine.delivery.kind_settings import ChannelSettings
from engine.delivery.kinds import TELEGRAM, WEBHOOK
from engine.delivery.stream_ids import StreamPlan, StreamTold
from engine.merchants.record import Merchant
from engine.payment.model import Payment
from engine.ports import ChannelSender, StreamSender
from engine.streams.redis_url import RedisUrl
from transport.bodies.problem_body import FieldError
from transport.calling.trust import tls_context
from transport.outbound.email import EmailSender, MailNode
from transport.outbound.email_templates import read_folder
from transport.outbound.lookups import Lookups
from transport.outbound.redis_streams import RedisStreamSender
from transport.outbound.telegram import TelegramSender
from transport.outbound.webhook import WebhookSender

__all__ = ["KindSender", "Senders", "make_senders"]


class KindSender(ChannelSender, Protocol):
    """The sender of one kind that has settings."""

    def faults(self, settings: ChannelSettings) -> Iterable[FieldError]:
        """What no type can say of settings that were given: a URL that is not allowed.
        The path of each begins with /settings/. Blocks for no network."""


class Senders:
    """Implements `ChannelSender` for all kinds."""

    def __init__(
        self,
        webhook: ChannelSender,
        others: Mapping[str, KindSender] | None = None,
        streams: StreamSender | None = None,
    ) -> None:
        self._streams = streams
        self._others = dict(others or {})
        self._by_kind: dict[str, ChannelSender] = {WEBHOOK: webhook, **self._others}

    @classmethod
    def of(cls, sender: ChannelSender) -> "Senders":
        """`sender` itself, or one that sends webhooks only, by it."""
        return sender if isinstance(sender, cls) else cls(sender)

    @property
    def mail(self) -> EmailSender | None:
        """Who writes letters; None: this node sends no mail."""
        sender = self._others.get(EMAIL)
        return sender if isinstance(sender, EmailSender) else None

    @property
    def kinds(self) -> tuple[str, ...]:
        """That this node can send."""
        return tuple(self._by_kind)

    def faults(self, kind: str, settings: ChannelSettings) -> list[FieldError]:
        """Of settings of one of `kinds`."""
        if kind not in self._others:
            return []
        return list(self._others[kind].faults(settings))

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        sender = self._by_kind.get(endpoint.kind)
        if sender is None:
            error = f"this node has no channels of the kind {endpoint.kind}"
            return SendResult(AttemptOutcome.RESTED, None, error, None, 0.0)
        return sender.send(endpoint, msg_id, body, now_s, payment)

    def tell(
        self, endpoint: Endpoint, plan: StreamPlan | None, starts: Sequence[int]
    ) -> StreamTold:
        """As a `StreamSender`."""
        assert self._streams is not None, "a stream's kind that cannot be sent"
        return self._streams.tell(endpoint, plan, starts)

    def forget(self, channel_id: str) -> None:
        """As a `StreamSender`."""
        if self._streams is not None:
            self._streams.forget(channel_id)


def make_senders(
    version: str,
    *,
    allow_private: bool = False,
    allow_ports: Container[int] = (),
    redis: RedisUrl | None = None,
    redis_in: str = "",
    mail: MailNode | None = None,
    merchant: Callable[[str], Merchant],
    customer_email: Callable[[str], str | None],
) -> Senders:
    """All that this node can send. `redis`: the node's own (`--redis`), and
    `redis_in` the stream of it that the node reads. `mail`: by its own server; None:
    none, and the texts that it brings along. `merchant`, `customer_email`: see
    `EmailSender`."""
    lookups = Lookups()
    tls = tls_context()  # takes the hub some 20 ms: once, and now
    webhook = WebhookSender(
        version,
        allow_private=allow_private,
        allow_ports=allow_ports,
        lookups=lookups,
        tls=tls,
    )
    streams = RedisStreamSender(
        lookups, allow_private=allow_private, own=redis, read_by_us=redis_in
    )
    telegram = TelegramSender(
        version,
        allow_private=allow_private,
        allow_ports=allow_ports,
        lookups=lookups,
        tls=tls,
    )
    email = EmailSender(
        mail or MailNode(texts=read_folder(None)),
        merchant=merchant,
        customer_email=customer_email,
        lookups=lookups,
        allow_private=allow_private,
        allow_ports=allow_ports,
    )
    others: dict[str, KindSender] = {TELEGRAM: telegram, "redis": streams, EMAIL: email}
    return Senders(webhook, others, streams)
