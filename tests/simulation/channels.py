"""The webhook channels of a world, and the rules about what they are sent."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from actors.messages import ChannelChanged
from engine.channels import Channel, channel_row
from engine.model import EventType
from engine.store.writes import Write
from engine.vault import Vault
from tests.simulation.endpoint import SimEndpoint, SimEndpoints
from tests.simulation.rules import Broken

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Channels"]

SCHEDULE_S = (0.0, 5.0, 60.0, 300.0, 1_800.0, 3_600.0)
"""Shorter than the real one: a world lasts a day or two, not four."""


class Channels:
    """See the module docstring."""

    def __init__(self, world: World, random: Random, vault: Vault) -> None:
        self._world = world
        self.vault = vault
        self.all: dict[str, Channel] = {}
        self.gone: set[str] = set()  # offsets "channel offset" answered 410
        self.endpoints = SimEndpoints(
            self._world.random_of("endpoints"), self._check, self._crash
        )
        self.crash_in_send = False
        for number in range(random.choice((1, 2, 3))):
            self._add(number, random)

    def _add(self, number: int, random: Random) -> None:
        channel_id = f"chn_{number}"
        some = (EventType.CONFIRMED, EventType.REVERSED, EventType.EXPIRED)
        channel = Channel(
            id=channel_id,
            merchant="other" if number == 1 else "*",
            url=f"https://shop.example/{channel_id}",
            types=some if number == 2 else (),
            secret=self.vault.seal(b"s" * 32, channel_id),
            schedule_s=SCHEDULE_S,
            created_at=self._world.clock.now(),
        )
        self.all[channel_id] = channel
        self.endpoints.by_channel[channel_id] = SimEndpoint()
        self._world.store.journal.commit([Write(rows=(channel_row(channel),))])

    def enable_again(self, channel_id: str) -> None:
        """The shop mended its endpoint and enables the channel again."""
        row = channel_row(self.all[channel_id])
        node = self._world.node
        if node is not None and node.notifiers is not None:
            notifiers = node.notifiers
            node.append(
                Write(rows=(row,)),
                lambda _outcome: notifiers.tell_system(ChannelChanged(channel_id)),
            )

    def _crash(self) -> bool:
        crash, self.crash_in_send = self.crash_in_send, False
        if crash:
            self._world.end_process("between an endpoint's answer and its record")
        return crash

    # -- rules -----------------------------------------------------------------------

    def _check(self, channel_id: str, offset: int, body: bytes) -> None:
        event = self._world.rules.check_sent(offset, body).event
        endpoint = self.endpoints.by_channel[channel_id]
        sent = endpoint.sent_seq.get(event.payment_id, 0)
        if event.seq < sent:
            raise Broken(
                f"{channel_id} is sent {event.payment_id} #{event.seq} after #{sent}"
            )
        endpoint.sent_seq[event.payment_id] = event.seq
        for earlier, state in self._world.store.rows(
            'SELECT "offset", state FROM outbox'
            ' WHERE channel_id = ? AND payment_id = ? AND "offset" < ?',
            channel_id,
            event.payment_id,
            offset,
        ):
            if state != "dead" and earlier not in endpoint.acked:
                raise Broken(
                    f"{channel_id} is sent event {offset} before {earlier} was heard"
                )

    def check_database(self) -> None:
        """What is written as delivered was acknowledged."""
        for channel_id, endpoint in self.endpoints.by_channel.items():
            for (offset,) in self._world.store.rows(
                'SELECT "offset" FROM outbox'
                " WHERE channel_id = ? AND state = 'delivered'",
                channel_id,
            ):
                if offset not in endpoint.acked:
                    raise Broken(f"{channel_id} never acknowledged event {offset}")

    def pending(self) -> int:
        """Deliveries that enabled channels still wait for."""
        rows = self._world.store.rows(
            "SELECT count(*) FROM outbox JOIN channels ON id = channel_id"
            " WHERE outbox.state = 'pending' AND enabled"
        )
        return int(rows[0][0])

    def check_end(self) -> None:
        """All is delivered; dead letters only where the schedule ran out, or at 410."""
        self.check_database()
        if self.pending():
            raise Broken(f"{self.pending()} deliveries are still pending")
        for channel_id, offset, attempts in self._world.store.rows(
            "SELECT channel_id, \"offset\", attempts FROM outbox WHERE state = 'dead'"
        ):
            statuses = self._world.store.rows(
                'SELECT status FROM attempts WHERE channel_id = ? AND "offset" = ?',
                channel_id,
                offset,
            )
            if attempts < len(SCHEDULE_S) and (410,) not in statuses:
                raise Broken(f"{channel_id} gave event {offset} up too early")
