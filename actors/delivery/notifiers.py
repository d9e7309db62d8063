"""The notifiers' parent: knows the channels and hands events to those that want them.

Each channel has a `NotifierActor` of its own. A channel that was made, changed or
removed is read from the database again; events wait in the mailbox meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from actors.delivery.notifier import NotifierActor
from actors.delivery.stream_notifier import StreamNotifierActor
from actors.messages import ChannelChanged, RestartDue
from actors.node import Node
from engine.delivery.channel import Channel, channel_of, wants
from engine.delivery.endpoint import endpoint_of
from engine.delivery.kinds import kind_named
from engine.errors import WrongKey
from engine.merchants.name import EVERYBODY
from engine.payment.events import CommittedEvent
from engine.ports import ChannelSender, StreamSender
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.secrets.vault import Vault
from engine.store.port import StoreReader
from engine.store.records import ChannelRecord

__all__ = ["NotifiersActor"]

log = logging.getLogger("paybell.notifier")

RESTART_S = 0.5
"""A notifier that crashed starts again so much later: it may well crash again."""


class NotifiersActor(Actor):
    """Knows the channels; hands events to those that want them."""

    __slots__ = ("_by_merchant", "_channels", "_node", "_sender", "_streams", "_vault")

    def __init__(
        self,
        node: Node,
        vault: Vault,
        sender: ChannelSender,
        streams: StreamSender | None = None,
    ) -> None:
        self._node = node
        self._streams = streams  # for kinds whose events are in one order
        self._vault = vault
        self._sender = sender
        self._channels: dict[str, tuple[Channel, Ref]] = {}
        self._by_merchant: dict[str, dict[str, None]] = {}  # ids, in order

    def on_start(self) -> None:
        self._load()

    def on_stop(self) -> None:
        for _, ref in self._channels.values():
            _end_now(ref)

    def on_failure(self, *_exc_info: Any) -> None:
        self.on_stop()

    def on_receive(self, message: object) -> None:
        match message:
            case CommittedEvent():
                event = message.event
                for channel, ref in self._of(message.merchant, EVERYBODY):
                    if wants(channel, event.type, message.merchant):
                        ref.tell_system(message)
            case ChannelChanged(None, merchant):  # what some of them are owed
                names = self._by_merchant if merchant is None else (merchant,)
                for _, ref in self._of(*names):
                    ref.tell_system(message)
            case ChannelChanged(channel_id):
                if channel_id in self._channels:
                    self._channels[channel_id][1].tell_system(message)
                self._load(channel_id)
            case Exited(ref, reason=reason, error=error):
                self._on_exit(ref, reason, error)
            case RestartDue(channel_id):
                if channel_id in self._channels:
                    self._channels[channel_id][1].start()

    def _of(self, *merchants: str) -> Iterator[tuple[Channel, Ref]]:
        """The channels of these merchants: no look at those of others."""
        for merchant in merchants:
            for channel_id in self._by_merchant.get(merchant, ()):
                yield self._channels[channel_id]

    def _load(self, channel_id: str | None = None) -> None:
        """Read the channels, or one of them; mail (events among it) waits until they
        are known."""

        def ask(store: StoreReader) -> list[ChannelRecord]:
            if channel_id is None:
                return store.channels()
            record = store.channel(channel_id)
            return [] if record is None else [record]

        self.await_reply(
            lambda reply: self._node.read(ask, reply),
            lambda records: self._on_channels(records, channel_id),
        )

    def _on_channels(self, records: Any, channel_id: str | None) -> None:
        if not isinstance(records, list):
            raise RuntimeError(f"cannot read the channels: {records!r}")
        stored = {record.id: record.state for record in records}
        now = {record.id: channel_of(record) for record in records}
        for name in tuple(self._channels) if channel_id is None else (channel_id,):
            known = self._channels.get(name)
            if known is not None and known[0] != now.get(name):
                _end_now(known[1])
                self._forget(name)
        for name, channel in now.items():
            readable = channel.enabled and self._opens(channel)
            if readable and name not in self._channels:
                self._channels[name] = (channel, self._start(channel, stored[name]))
                self._by_merchant.setdefault(channel.merchant, {})[name] = None

    def _forget(self, channel_id: str) -> None:
        channel, _ = self._channels.pop(channel_id)
        others = self._by_merchant[channel.merchant]
        del others[channel_id]
        if not others:
            del self._by_merchant[channel.merchant]

    def _opens(self, channel: Channel) -> bool:
        """Without its secret a channel cannot sign: what it is owed waits."""
        try:
            endpoint_of(channel, self._vault, self._node.clock.now())
        except WrongKey as error:
            log.critical("channel.sealed channel=%s detail=%s", channel.id, error)
            self._node.counters.add("channels.sealed")
            return False
        return True

    def _start(self, channel: Channel, stored: bytes) -> Ref:
        scope = ActorScope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: self._notifier(channel, stored),
            parent=self.ref,
            named_as="channel",
        )
        ref = Ref(scope, channel.id)
        ref.start()
        return ref

    def _notifier(self, channel: Channel, stored: bytes) -> Actor:
        if kind_named(channel.kind).in_order and self._streams is not None:
            return StreamNotifierActor(self._node, self._vault, self._streams, channel)
        return NotifierActor(self._node, self._vault, self._sender, channel, stored)

    def _on_exit(
        self, ref: Ref, reason: ExitReason, error: BaseException | None
    ) -> None:
        current = self._channels.get(ref.name)
        if current is None or current[1] is not ref:
            return
        if ref.is_stopped:  # by itself: its endpoint is gone
            self._forget(ref.name)
            self._load(ref.name)
            return
        log.error("notifier.crashed channel=%s error=%r", ref.name, error)
        self._node.counters.add("notifiers.crashes")
        self._node.clock.call_later(RESTART_S, self.ref, RestartDue(ref.name))


def _end_now(ref: Ref) -> None:
    """Not at its next turn: until then it would go on beside its successor."""
    ref.kill()
    ref.stop()
