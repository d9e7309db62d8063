"""The notifiers' parent: knows the channels and hands events to those that want them.

Each channel has a `NotifierActor` of its own. A channel that was made, changed or
removed is read from the database again; events wait in the mailbox meanwhile.
"""

from __future__ import annotations

import logging
from typing import Any

from actors.delivery.notifier import NotifierActor
from actors.messages import ChannelChanged, RestartDue
from actors.node import Node
from engine.delivery.channel import Channel, channel_of, wants
from engine.delivery.endpoint import endpoint_of
from engine.errors import WrongKey
from engine.payment.events import CommittedEvent
from engine.ports import ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, ExitReason, Ref, Scope
from engine.secrets.vault import Vault

__all__ = ["NotifiersActor"]

log = logging.getLogger("paybell.notifier")

RESTART_S = 0.5
"""A notifier that crashed starts again so much later: it may well crash again."""


class NotifiersActor(Actor):
    """Knows the channels; hands events to those that want them."""

    __slots__ = ("_channels", "_node", "_sender", "_vault")

    def __init__(self, node: Node, vault: Vault, sender: ChannelSender) -> None:
        self._node = node
        self._vault = vault
        self._sender = sender
        self._channels: dict[str, tuple[Channel, Ref]] = {}

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
                for channel, ref in self._channels.values():
                    if wants(channel, event.type, message.merchant):
                        ref.tell_system(message)
            case ChannelChanged(channel_id, merchant):
                for known, ref in self._channels.values():
                    if channel_id in {None, known.id} and (
                        merchant in {None, known.merchant}
                    ):
                        ref.tell_system(message)
                self._load()
            case Exited(ref, reason=reason, error=error):
                self._on_exit(ref, reason, error)
            case RestartDue(channel_id):
                if channel_id in self._channels:
                    self._channels[channel_id][1].start()

    def _load(self) -> None:
        """Read the channels; mail (events among it) waits until they are known."""
        self.await_reply(
            lambda reply: self._node.read(lambda store: store.channels(), reply),
            self._on_channels,
        )

    def _on_channels(self, records: Any) -> None:
        if not isinstance(records, list):
            raise RuntimeError(f"cannot read the channels: {records!r}")
        channels = {r.id: channel_of(r) for r in records}
        for channel_id, (channel, ref) in tuple(self._channels.items()):
            if channels.get(channel_id) != channel:
                _end_now(ref)
                del self._channels[channel_id]
        for channel_id, channel in channels.items():
            readable = channel.enabled and self._opens(channel)
            if readable and channel_id not in self._channels:
                self._channels[channel_id] = (channel, self._start(channel))

    def _opens(self, channel: Channel) -> bool:
        """Without its secret a channel cannot sign: what it is owed waits."""
        try:
            endpoint_of(channel, self._vault, self._node.clock.now())
        except WrongKey as error:
            log.critical("channel.sealed channel=%s detail=%s", channel.id, error)
            self._node.counters.add("channels.sealed")
            return False
        return True

    def _start(self, channel: Channel) -> Ref:
        scope = Scope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: NotifierActor(
                self._node, self._vault, self._sender, channel
            ),
            parent=self.ref,
        )
        ref = Ref(scope, channel.id)
        ref.start()
        return ref

    def _on_exit(
        self, ref: Ref, reason: ExitReason, error: BaseException | None
    ) -> None:
        current = self._channels.get(ref.name)
        if current is None or current[1] is not ref:
            return
        if ref.is_stopped:  # by itself: its endpoint is gone
            del self._channels[ref.name]
            self._load()
            return
        log.error("notifier.crashed channel=%s error=%r", ref.name, error)
        self._node.counters.add("notifiers.crashes")
        self._node.clock.call_later(RESTART_S, self.ref, RestartDue(ref.name))


def _end_now(ref: Ref) -> None:
    """Not at its next turn: until then it would go on beside its successor."""
    ref.kill()
    ref.stop()
