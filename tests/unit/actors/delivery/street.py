"""A stage with notifiers, and shops that answer as the test says."""

from collections.abc import Callable

import msgspec

from actors.delivery.notifiers import NotifiersActor
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel, channel_row
from engine.delivery.endpoint import Endpoint
from engine.payment.model import Payment
from engine.runtime.ref import ActorScope, Ref
from engine.secrets.vault import Vault
from engine.store.writes import Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, mined, view

__all__ = [
    "Body",
    "SECRET",
    "Shop",
    "Street",
    "VAULT",
]

VAULT = Vault(b"k" * 32)
SECRET = b"a secret of the shop"


class _Event(msgspec.Struct):
    payment_id: str
    seq: int
    id: str


class Body(msgspec.Struct):
    type: str
    data: _Event
    skipped: tuple[int, ...] = ()


class Shop:
    """The sender's port: every endpoint answers as the test says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int]] = []  # host, payment, seq
        self.ids: list[str] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[str, str, int], AttemptOutcome] = lambda *_: (
            AttemptOutcome.DELIVERED
        )
        self.retry_after_s: float | None = None
        self.status = 500  # of what does not go well

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        assert endpoint.secrets == (SECRET,)
        assert T0 // 1000 <= now_s < T0 // 1000 + 1_000_000, "seconds"
        assert endpoint.timeout_s == 15.0
        event = msgspec.json.decode(body, type=Body).data
        assert msg_id == event.id
        host = endpoint.url.removeprefix("https://")
        self.sent.append((host, event.payment_id, event.seq))
        self.ids.append(msg_id)
        self.bodies.append(body)
        outcome = self.answer(host, event.payment_id, event.seq)
        good = outcome is AttemptOutcome.DELIVERED
        retry_after_s = (
            self.retry_after_s if outcome is AttemptOutcome.THROTTLED else None
        )
        error = None if good else str(self.status)
        status = 200 if good else self.status
        return SendResult(outcome, status, error, retry_after_s, 3.0)

    def to(self, host: str, payment: str | None = None) -> list[tuple[str, int]]:
        return [(p, s) for h, p, s in self.sent if h == host and payment in {None, p}]


class Street:
    """The stage with notifiers, and channels to shops."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        self.shop = Shop()
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: NotifiersActor(stage.node, VAULT, self.shop),
            mailbox_limit=10_000,
        )
        self.ref = Ref(scope, "notifiers")
        stage.node.notifiers = self.ref
        self.ref.start()
        stage.run()

    def channel(self, name: str, **changes: object) -> Channel:
        base: dict[str, object] = {
            "id": name,
            "url": f"https://{name}",
            "secret": VAULT.seal(SECRET, name),
            "created_at": T0,
            "schedule_s": (0.0, 5.0, 60.0),
        }
        channel = Channel(**(base | changes))  # type: ignore[arg-type]
        self.change(Write(rows=(channel_row(channel),)))
        return channel

    def change(self, write: Write) -> None:
        """Nobody but the journal tells the notifiers: who asked may be gone by then."""
        self.stage.append(write)
        self.stage.run()

    def grow(self, payment: str, times: int = 1) -> None:
        """At least one event more for each time."""
        for _ in range(times):
            seq = self.stage.payment(payment).seq
            self.stage.observe(payment, view(mined(f"n{seq}", 1000, 1)))
            self.stage.run()

    def story(self, payment: str) -> list[tuple[str, int]]:
        last = self.stage.payment(payment).seq
        return [(payment, seq) for seq in range(1, last + 1)]

    def state(self, name: str) -> Channel:
        for record in self.stage.store.channels():
            if record.id == name:
                return msgspec.json.decode(record.state, type=Channel)
        raise KeyError(name)
