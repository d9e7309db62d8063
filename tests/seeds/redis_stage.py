"""Actors on a simulated clock, a journal, and a stream in a real Redis.

Time passes only when a test says so; Redis, its kills and its FLUSHALLs are real.
"""

from pathlib import Path
from typing import Any

from actors.delivery.notifiers import NotifiersActor
from engine.delivery.channel import Channel, channel_row
from engine.delivery.endpoint import kept_settings
from engine.delivery.kinds import KINDS
from engine.runtime.ref import ActorScope, Ref
from engine.secrets.vault import Vault
from engine.store.sqlite.journal import Journal
from engine.store.writes import Write
from tests.tools.redis_server import RedisServer, entries
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, mined, view
from transport.outbound.lookups import Lookups
from transport.outbound.redis_streams import RedisStreamSender

__all__ = ["STREAM", "StreamStage"]

STREAM = "payment:events"
VAULT = Vault(b"k" * 32)


class StreamStage:
    """A node's journal and notifiers, and what a stream has of it."""

    def __init__(
        self, folder: Path, redis: RedisServer, journal: Journal | None = None
    ) -> None:
        """`journal`: go on with this one."""
        self.stage = ActorStage(folder, journal=journal)
        self.redis = redis
        self.sender = RedisStreamSender(Lookups(), allow_private=True)
        scope = ActorScope(
            self.stage.dispatcher,
            lambda _name: NotifiersActor(self.stage.node, VAULT, Unused(), self.sender),
            mailbox_limit=10_000,
        )
        self.ref = Ref(scope, "notifiers")
        self.stage.node.notifiers = self.ref
        self.ref.start()
        self.stage.run()

    def channel(self, name: str = "ch_1", **settings: Any) -> None:
        """Made, or changed. An attempt waits as long as a busy machine takes: the clock
        here is simulated, so nothing tries again by itself."""
        given = {"url": self.redis.url, "stream": STREAM, "maxlen": 1_000} | settings
        channel = Channel(
            id=name,
            kind="redis",
            created_at=T0,
            timeout_s=60.0,
            **kept_settings(KINDS["redis"], given, VAULT, name),
        )
        self.stage.append(Write(rows=(channel_row(channel),)))
        self.stage.run()

    def pay(self, name: str, events: int = 1) -> None:
        """A payment, or more of its events."""
        if self.stage.store.payment(name) is None:
            self.stage.create(name)
            events -= 1
        for _ in range(events):
            seq = self.stage.payment(name).seq
            self.stage.observe(name, view(mined(f"n{seq}", 1000, 1)))
            self.stage.run()

    def wait_s(self, seconds: float) -> None:
        self.stage.pass_s(seconds)

    def told(self, stream: str = STREAM) -> list[str]:
        """Ids of the events in the stream, as they stand in it."""
        return [fields["id"] for _, fields in entries(self.redis, stream)]

    def journal(self) -> list[str]:
        """Ids of all events."""
        store = self.stage.store
        epochs = store.epochs()
        found = store.events_after(0, 100_000)
        return [epochs.event_id(event.offset) for event in found]

    def states(self) -> dict[str, int]:
        """Of deliveries, how many are in which state."""
        return self.stage.store.outbox_counts()

    def alerts(self) -> dict[str, str]:
        now = self.stage.clock.now()
        return {a.kind: a.detail for a in self.stage.node.alerts.standing(now)}

    def stop(self) -> None:
        """As a process that is gone: nothing is finished. The journal stays."""
        self.ref.kill()
        self.ref.stop()
        self.stage.run()


class Unused:
    """No channel here is of a kind that needs it."""

    def send(self, *_args: object) -> Any:
        raise AssertionError("a stream's event went another way")
