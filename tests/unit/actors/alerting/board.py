"""A stage on which somebody is told of alerts, by channels that do as a test says."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from actors.alerting.notifier import AlertNotifierActor
from actors.node import Node
from engine.alerts.telling import Pace
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel, channel_row
from engine.delivery.endpoint import Endpoint
from engine.payment.model import Payment
from engine.runtime.ref import ActorScope, Ref
from engine.secrets.vault import Vault
from engine.store.writes import Outcome, Unavailable, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0

__all__ = ["KIND", "PACE", "Board", "Phones", "Told", "full"]

VAULT = Vault(b"k" * 32)
PACE = Pace(after=60_000, every=300_000)
KIND = "source.behind"


class Told(msgspec.Struct):
    """The envelope, as a receiver reads it."""

    type: str
    timestamp: str
    data: dict[str, object]


class Phones:
    """The sender's port."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []  # channel, type, subject
        self.ids: list[str] = []
        self.bodies: list[Told] = []
        self.answer: Callable[[str], AttemptOutcome] = lambda _: (
            AttemptOutcome.DELIVERED
        )

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        assert payment is None
        told = msgspec.json.decode(body, type=Told)
        assert told.data["id"] == msg_id
        self.heard.append((endpoint.channel, told.type, str(told.data["subject"])))
        self.ids.append(msg_id)
        self.bodies.append(told)
        outcome = self.answer(endpoint.channel)
        return SendResult(outcome, None, "no such phone", None, 2.0)


class Board:
    """A stage on which somebody is told of alerts."""

    def __init__(self, folder: Path) -> None:
        self.stage = ActorStage(folder)
        self.phones = Phones()
        self.ref = self._start()

    @property
    def node(self) -> Node:
        return self.stage.node

    def _start(self) -> Ref:
        scope = ActorScope(
            self.stage.dispatcher,
            lambda _name: AlertNotifierActor(self.node, VAULT, self.phones, PACE),
        )
        ref = self.node.alert_notifier = Ref(scope, "alerts")
        ref.start()
        self.stage.run()
        return ref

    def restart(self) -> None:
        self.ref.kill()
        self.ref = self._start()

    def channel(
        self, name: str, merchant: str = "*", *types: str, **changes: object
    ) -> None:
        channel = Channel(
            id=name,
            merchant=merchant,
            url=f"https://{name}",
            secret=VAULT.seal(b"secret", name),
            created_at=T0,
            types=types or ("alert.*",),
        )
        self.save(replace(channel, **changes))

    def save(self, channel: Channel) -> None:
        self.stage.append(Write(rows=(channel_row(channel),)))
        self.stage.run()

    def raise_(
        self, subject: str, kind: str = KIND, merchant: str | None = None
    ) -> None:
        now = self.stage.clock.now()
        self.node.alerts.raise_(kind, subject, "why", now, merchant=merchant)

    def told(self, name: str) -> int:
        return len(self.stage.store.told_alerts(name))


def full(batch: Sequence[Write], done: Callable[[list[Outcome]], None]) -> None:
    """A writer whose disk is full."""
    done([Unavailable("the disk is full")] * len(batch))
