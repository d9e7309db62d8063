"""A gateway for the live edges: sessions that a test drives by hand."""

from typing import Any

from engine.payment.events import opening
from engine.payment.model import Payment, Terms
from engine.store.epochs import Epochs, EpochStart, Position
from engine.store.records import Pruned

__all__ = ["FakeGateway", "FakeSession", "SocketWire", "terms_of"]


def terms_of(payment_id: str, external_id: str, merchant: str = "default") -> Terms:
    return Terms(
        id=payment_id,
        network="regtest",
        address=f"bcrt1q{payment_id}",
        amount_sat=50_000,
        created_at=1_700_000_000_000,
        expires_at=1_700_003_600_000,
        monitor_until=1_700_090_000_000,
        external_id=external_id,
        merchant=merchant,
    )


class FakeSession:
    """What was asked of a session; a test tells its sink what happens."""

    def __init__(self, name: str, sink: Any) -> None:
        self.name = name
        self.sink = sink
        self.followed: list[tuple[str, Position | None]] = []
        self.all_after: list[int] = []
        self.closed = False

    def follow(self, payment_id: str, since: Position | None) -> None:
        self.followed.append((payment_id, since))

    def follow_all(self, after: int, _merchant: str | None) -> None:
        self.all_after.append(after)

    def unfollow(self, payment_id: str) -> None:
        self.followed = [one for one in self.followed if one[0] != payment_id]

    def close(self) -> None:
        self.closed = True


class _Health:
    last_offset = 41


class FakeGateway:
    """Opens sessions, and knows the payments that a test gave it."""

    def __init__(self, *terms: Terms) -> None:
        self.payments: list[Payment] = [opening(one)[1] for one in terms]
        self.sessions: list[FakeSession] = []
        self.open = {"default", "theirs"}  # who identify without a secret

    def open_session(self, name: str, sink: Any) -> FakeSession:
        self.sessions.append(FakeSession(name, sink))
        return self.sessions[-1]

    def unread(self, _payment_id: str) -> None:
        """Each address can be read."""

    def health(self) -> _Health:
        return _Health()

    def pruned(self, _merchant: str | None) -> Pruned:
        return Pruned()

    def epochs(self) -> Epochs:
        return Epochs([EpochStart(1, "simulate")])

    def now(self) -> int:
        return 1_700_000_000_000

    def payment_at(self, address: str) -> Payment | None:
        found = [p for p in self.payments if p.terms.address == address]
        return found[0] if found else None

    def payment(self, payment_id: str) -> Payment | None:
        return next((p for p in self.payments if p.id == payment_id), None)

    def payments_of(
        self, external_id: str, merchant: str | None = None
    ) -> list[Payment]:
        found = [p for p in self.payments if p.terms.external_id == external_id]
        return [p for p in found if merchant in {None, p.terms.merchant}]

    def identifies_without_secret(self, merchant: str | None) -> bool:
        return bool(self.open) if merchant is None else merchant in self.open


class SocketWire:
    """A `Wire` that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False
        self.close_code: int | None = None
        self.websocket = self

    def send(self, frame: bytes) -> bool:
        self.sent.append(frame)
        return not self.closed

    send_event = send_source = send

    def has_room(self, _again: object) -> bool:
        return True

    def close(self, code: int, _reason: str) -> None:
        self.closed, self.close_code = True, code
