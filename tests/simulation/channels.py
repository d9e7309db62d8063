"""The webhook channels of a world: made, changed, removed and asked for once more.

What is owed to them is modelled in `deliveries.py`. Settings change through the
journal, which tells the notifiers.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from engine.delivery.channel import Channel, channel_row
from engine.payment.model import EventType
from engine.secrets.vault import Vault
from engine.store.writes import RemoveChannel, Requeue, Row, Write
from tests.simulation.broken import Broken
from tests.simulation.endpoint import SimEndpoint, SimEndpoints

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Channels"]

SCHEDULE_S = (0.0, 5.0, 60.0, 300.0, 1_800.0, 3_600.0)
"""Shorter than the real one: a world lasts a day or two, not four."""

_ALL = 1_000_000
"""Deliveries that one write looks at: the model knows no steps."""

_SOME = (EventType.CONFIRMED, EventType.REVERSED, EventType.EXPIRED)


class _Told(msgspec.Struct):
    skipped: tuple[int, ...] = ()


class Channels:
    """See the module docstring."""

    def __init__(self, world: World, random: Random, vault: Vault) -> None:
        self._world = world
        self._random = random
        self.vault = vault
        self.endpoints = SimEndpoints(world.random_of("endpoints"), self._check)
        world.rules.watch_deliveries(self.endpoints.was_acknowledged)
        self.endpoints.before_send = lambda: world.dies("before a send")
        self.endpoints.after_send = lambda: world.dies("after a send")
        self._made = 0
        for number in range(world.shape.channels):
            channel = self._new(
                merchant="other" if number == 1 else "*",
                types=_SOME if number == 2 else (),
            )
            write = Write(rows=(channel_row(channel),))
            outcomes = world.store.journal.commit([write])
            world.rules.on_commit([write], outcomes)

    def _new(self, merchant: str, types: tuple[EventType, ...]) -> Channel:
        channel_id = f"chn_{self._made}"
        self._made += 1
        self.endpoints.by_channel[channel_id] = SimEndpoint()
        return Channel(
            id=channel_id,
            merchant=merchant,
            url=f"https://shop.example/{channel_id}/0",
            types=types,
            secret=self.vault.seal(b"s" * 32, channel_id),
            schedule_s=SCHEDULE_S,
            timeout_s=self._random.choice((5.0, 15.0)),
            created_at=self._world.clock.now(),
        )

    def open(self, merchant: str) -> str:
        """A channel for this merchant's events, all of them; its id."""
        channel = self._new(merchant, ())
        self._save(channel)
        return channel.id

    @property
    def _known(self) -> dict[str, Channel]:
        return self._world.rules.deliveries.channels

    # -- what a shop asks --------------------------------------------------------------

    def enable_again(self, channel_id: str) -> None:
        """The shop mended its endpoint and enables the channel again."""
        channel = self._known.get(channel_id)
        if channel is not None and not channel.enabled:
            self._save(replace(channel, enabled=True, disabled_reason=None))

    def change(self) -> str:
        """Something about some channel, maybe in mid-flight; what it was."""
        random, known = self._random, self._known
        what = random.choice(
            ("url", "types", "secret", "off and on", "removed", "added")
        )
        if what == "added" or len(known) < 2:
            if len(known) < 4:
                self._save(self._new("*", random.choice(((), _SOME))))
            return "added"
        channel = known[random.choice(sorted(known))]
        if what == "url":
            path, _, version = channel.url.rpartition("/")
            self._save(replace(channel, url=f"{path}/{int(version) + 1}"))
        elif what == "types":
            self._save(replace(channel, types=() if channel.types else _SOME))
        elif what == "secret":
            self._rotate(channel)
        elif what == "off and on":
            self._save(replace(channel, enabled=False, disabled_reason="by hand"))
            self._world.in_life(
                random.randrange(1, 7_200_000), lambda: self.enable_again(channel.id)
            )
        else:
            self._write(RemoveChannel(channel.id, limit=_ALL))
        return what

    def _rotate(self, channel: Channel) -> None:
        secret = self.vault.seal(self._random.randbytes(32), channel.id)
        until = self._world.clock.now() + 3_600_000
        self._save(
            replace(
                channel,
                secret=secret,
                old_secret=channel.secret,
                old_secret_until=until,
            )
        )

    def redeliver(self) -> None:
        """Tell once more: an event, a payment's, those of a time, or dead letters."""
        random, rules = self._random, self._world.rules
        if not rules.committed:
            return
        event = rules.committed[random.randrange(1, len(rules.committed) + 1)].event
        now = self._world.clock.now()
        channel_id = random.choice((None, *sorted(self._known)))
        request = random.choice(
            (
                Requeue(payment_id=event.payment_id, channel_id=channel_id, at=now),
                Requeue(since=event.at, until=event.at + 1_800_000, at=now),
                Requeue(channel_id=channel_id, dead_only=True, at=now),
            )
        )
        self._write(replace(request, limit=_ALL))

    def _save(self, channel: Channel) -> None:
        self._write(channel_row(channel))

    def _write(self, row: Row) -> None:
        """Nobody waits for the outcome: the engine must see to what follows from it."""
        if self._world.node is not None:
            self._world.node.append(Write(rows=(row,)), lambda _outcome: None)

    # -- rules -----------------------------------------------------------------------

    def _check(self, channel_id: str, url: str, offset: int, body: bytes) -> None:
        rules = self._world.rules
        skipped = msgspec.json.decode(body, type=_Told).skipped
        event = rules.check_sent(offset, body, skipped).event
        rules.deliveries.check_send(channel_id, event.payment_id, offset, skipped)
        channel = self._known.get(channel_id)
        if self._world.at_rest and channel is not None and channel.url != url:
            raise Broken(f"{channel_id} is still sent to {url}, not {channel.url}")

    def pending(self) -> int:
        """Deliveries that enabled channels still wait for."""
        model = self._world.rules.deliveries
        return sum(
            state == "pending"
            for (channel_id, _), offsets in model.state.items()
            if model.channels[channel_id].enabled
            for state in offsets.values()
        )

    def check_outbox(self) -> None:
        rows = self._world.store.rows(
            'SELECT channel_id, payment_id, "offset", state FROM outbox'
        )
        self._world.rules.deliveries.check_outbox(rows)
