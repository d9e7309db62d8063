"""Events into a Redis stream: each once, in the order of the journal.

A plan is carried out in two steps over one connection:

    WATCH stream, XINFO STREAM stream     is its last id the one that we know of?
    MULTI, XADD …, XADD …, EXEC           then all of them, or (it changed meanwhile)
                                          none

So Redis itself sees to it that nothing is left out or told twice: WATCH has EXEC refuse
when anybody, or a FLUSHALL, touched the stream; ids that do not rise are refused by
XADD; and what Redis refuses for a reason of its own (memory full, a replica) it refuses
before the first command of an EXEC. Source: redis.io, "Transactions", "XADD".

Blocks the greenlet of one channel's worker. Keeps one connection for each channel.
"""

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.endpoint import Endpoint
from engine.delivery.kind_settings import ChannelSettings
from engine.delivery.redis_settings import RedisSettings
from engine.delivery.stream_ids import (
    EMPTY,
    EntryId,
    StreamFound,
    StreamPlan,
    StreamTold,
)
from engine.payment.model import Payment
from engine.streams.redis_url import RedisUrl, parse_redis_url
from transport.bodies.problem_body import FieldError
from transport.calling.trust import tls_context
from transport.outbound.exchange import DeliveryError, FailureKind
from transport.outbound.guard import refusal
from transport.outbound.lookups import Lookups
from transport.outbound.redis_entry import CHANNEL, EVENT_ID, fields_of
from transport.outbound.redis_words import Command, said

if TYPE_CHECKING:  # it is loaded when there is a channel for it
    from transport.outbound.redis_link import RedisLink

__all__ = ["RedisStreamSender"]

_NO_KEY = "no such key"

_NO_ANSWER = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError,
              ValueError)  # fmt: skip
"""What comes of an answer of another shape than a Redis gives."""

ALERTS = 1_000
"""That are kept in `<stream>:alerts`."""


class _Envelope(msgspec.Struct):
    type: str


class RedisStreamSender:
    """Implements `StreamSender` and, for `POST /v1/channels/<id>/test`, the sender of
    the kind `redis`. See the module docstring."""

    def __init__(
        self,
        lookups: Lookups,
        *,
        allow_private: bool = False,
        own: RedisUrl | None = None,
        read_by_us: str = "",
    ) -> None:
        """`own`: the node's Redis (`--redis`), for channels that name none. Its address
        is the operator's and never refused. `read_by_us`: the stream of it that this
        node reads."""
        self._read_by_us = read_by_us
        self._lookups = lookups
        self._allow_private = allow_private
        self._own = own
        self._links: dict[str, tuple[Any, RedisLink]] = {}  # by channel

    def tell(
        self, endpoint: Endpoint, plan: StreamPlan | None, starts: Sequence[int]
    ) -> StreamTold:
        """Look at the stream and, if it is as the plan expects, carry that out.

        `starts`: when our epochs began, to find the newest entry of ours.
        """
        started = time.perf_counter()
        try:
            return self._told(endpoint, plan, starts, started)
        except DeliveryError as error:
            return _failed(f"{error.kind}: {error.detail}", started)
        except _NO_ANSWER:
            self.forget(endpoint.channel)
            kind = FailureKind.PROTOCOL
            return _failed(f"{kind}: it did not answer as a Redis does", started)

    def faults(self, settings: ChannelSettings) -> Iterator[FieldError]:
        assert isinstance(settings, RedisSettings)
        if settings.url is None:
            if self._own is None:
                text = "is required: this node has no Redis of its own (--redis)"
                yield FieldError("/settings/url", text)
            elif settings.stream == self._read_by_us:
                text = "is the stream that this node reads (--redis-stream)"
                yield FieldError("/settings/stream", text)
            return
        try:
            url = parse_redis_url(settings.url)
        except ValueError as error:
            yield FieldError("/settings/url", f"is no URL of a Redis: {error}")
            return
        why = _refused(url, self._allow_private)
        if why is not None:
            yield FieldError("/settings/url", f"is refused: {why}")
        if settings.ca_pem is not None:
            try:
                tls_context(settings.ca_pem)
            except ValueError as error:
                yield FieldError("/settings/ca_pem", f"has {error}")

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        """What is no event of the journal: it has no place in the stream. An alert goes
        into `<stream>:alerts`, perhaps twice; a test only looks whether the stream can
        be told something."""
        del now_s, payment
        mine = replace(endpoint, channel=f"{endpoint.channel}-beside")
        try:
            if msgspec.json.decode(body, type=_Envelope).type.startswith("alert."):
                return self._tell_beside(mine, msg_id, body)
            return self.tell(mine, None, (0,)).result
        finally:
            self.forget(mine.channel)

    def _tell_beside(self, endpoint: Endpoint, msg_id: str, body: bytes) -> SendResult:
        settings: Any = endpoint.settings
        started = time.perf_counter()
        trim = ("MAXLEN", "~", ALERTS)
        stream = f"{settings.stream}:alerts"
        add = ("XADD", stream, *trim, "*", EVENT_ID, msg_id, "event", body)
        try:
            link = self._link(endpoint)
            (answer,) = link.ask([add], endpoint.timeout_s)
        except DeliveryError as error:
            return _failed(f"{error.kind}: {error.detail}", started).result
        if isinstance(answer, Exception):
            text = f"{link.url.shown} answered {said(answer)}"
            return _failed(text, started).result
        return _delivered(started)

    def forget(self, channel_id: str) -> None:
        """Its connection is needed no more."""
        _, link = self._links.pop(channel_id, (None, None))
        if link is not None:
            link.close()

    def _told(
        self,
        endpoint: Endpoint,
        plan: StreamPlan | None,
        starts: Sequence[int],
        began: float,
    ) -> StreamTold:
        settings: Any = endpoint.settings
        link, limit_s = self._link(endpoint), endpoint.timeout_s
        stream = settings.stream
        _, info = link.ask([("WATCH", stream), ("XINFO", "STREAM", stream)], limit_s)
        if isinstance(info, Exception) and _NO_KEY not in str(info):
            link.close()  # and watches nothing more
            return _failed(f"{link.url.shown} answered {said(info)}", began)
        seen = _seen(info)
        if plan is None or not plan.entries or seen.last != plan.expected:
            link.ask([("UNWATCH",)], limit_s)
            if seen.last.ms not in starts:
                seen = self._with_ours(link, stream, seen, starts, limit_s)
            return StreamTold(_delivered(began), seen)
        adds: list[Command] = [
            _xadd(endpoint, entry, wire) for entry, wire in plan.entries
        ]
        answers = link.ask([("MULTI",), *adds, ("EXEC",)], limit_s)
        return _judged(link, plan, answers, began)

    def _with_ours(
        self,
        link: "RedisLink",
        stream: str,
        seen: StreamFound,
        starts: Sequence[int],
        limit_s: float,
    ) -> StreamFound:
        """The last id is of another life: the newest entry of ours is looked for."""
        for start in sorted(starts, reverse=True):
            if start > seen.last.ms:
                continue
            command = "XREVRANGE", stream, f"{start}-18446744073709551615", start
            (found,) = link.ask([(*command, "COUNT", 1)], limit_s)
            if isinstance(found, list) and found:
                ours = _id(found[0][0])
                if ours.ms == start:
                    return replace(seen, ours=ours)
        return seen

    def _link(self, endpoint: Endpoint) -> "RedisLink":
        settings: Any = endpoint.settings
        key = settings.url, endpoint.ca_pem
        there = self._links.get(endpoint.channel)
        if there is not None and there[0] == key:
            return there[1]
        self.forget(endpoint.channel)
        url = parse_redis_url(settings.url) if settings.url else self._own
        if url is None:
            raise _no_own()
        from transport.outbound.redis_link import RedisLink

        link = RedisLink(
            url,
            self._lookups,
            allow_private=self._allow_private or not settings.url,
            owner=endpoint.owner,
            ca_pem=settings.ca_pem,
            name=f"paybell-{endpoint.channel}",
        )
        self._links[endpoint.channel] = key, link
        return link


def _refused(url: RedisUrl, allow_private: bool) -> str | None:
    if url.path:
        return None if allow_private else "a socket of this machine"
    try:
        return refusal(ip_address(url.host), allow_private)
    except ValueError:
        return None  # a name: its addresses are judged when it is called


def _no_own() -> DeliveryError:
    return DeliveryError(FailureKind.URL, "this node has no Redis of its own (--redis)")


def _xadd(endpoint: Endpoint, entry: EntryId, wire: bytes) -> Command:
    settings: Any = endpoint.settings
    trim = ("MAXLEN", "~", settings.maxlen)
    fields = fields_of(wire, endpoint.channel)
    return "XADD", settings.stream, *trim, str(entry), *fields


def _judged(
    link: "RedisLink", plan: StreamPlan, answers: list[Any], began: float
) -> StreamTold:
    done = answers[-1]
    if done is None:
        return StreamTold(_delivered(began))  # it changed meanwhile: look again
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    if not isinstance(done, list):
        # Of a command that was refused before EXEC, its own reason is the better one.
        reason = refused[0] if refused else None
        text = said(reason) if reason else "ERR: it refused a command"
        return _failed(f"{link.url.shown} answered {text}", began)
    inner = [answer for answer in done if isinstance(answer, Exception)]
    if inner:
        link.close()
        return _failed(f"{link.url.shown} answered {said(inner[0])}", began)
    last, _ = plan.entries[-1]
    assert _id(done[-1]) == last, "Redis gave an entry another id than ours"
    return StreamTold(_delivered(began), StreamFound(last), did=True)


def _seen(info: Any) -> StreamFound:
    """From XINFO STREAM, a flat list in RESP 2; an error: there is no such key."""
    if isinstance(info, Exception):
        return StreamFound(EMPTY)
    said = dict(zip(info[::2], info[1::2], strict=True))
    last = _id(said[b"last-generated-id"])
    entry = said.get(b"last-entry")
    if not entry:
        return StreamFound(last, writer=None)
    fields = dict(zip(entry[1][::2], entry[1][1::2], strict=True))
    event, writer = (fields.get(name, b"")[:64].decode("utf-8", "replace")
                     for name in (EVENT_ID, CHANNEL))  # fmt: skip
    return StreamFound(last, event if _id(entry[0]) == last else None, writer)


def _id(text: bytes) -> EntryId:
    return EntryId.parse(text.decode("ascii"))


def _delivered(began: float) -> SendResult:
    return SendResult(AttemptOutcome.DELIVERED, None, None, None, _ms(began))


def _failed(error: str, began: float) -> StreamTold:
    result = SendResult(AttemptOutcome.RETRY, None, error, None, _ms(began))
    return StreamTold(result)


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
