"""The pages on a fake way in, with payments to show: what their tests share."""

from collections.abc import Callable
from typing import Any

from engine.delivery.channel import Channel
from engine.delivery.email import EMAIL
from engine.lightning.upstream import UpstreamReport
from engine.merchants.record import Merchant
from engine.payment.events import Change, Event, encode
from engine.payment.model import EventType, Payment, Receipt, Status, Terms
from engine.payment.refund import Refund, RefundState
from engine.ports import Freshness
from engine.store.epochs import Epochs, EpochStart
from engine.store.records import StoredEvent
from transport.http.bottle_app import Api
from transport.pages import pages

__all__ = [
    "ADDRESS",
    "Answer",
    "FakeGateway",
    "Get",
    "HOUR",
    "NOW",
    "getter",
    "getter_of",
    "payment",
    "receipt",
    "told",
]

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
NOW = 1_790_000_000_000
HOUR = 3_600_000


def payment(**changes: Any) -> Payment:
    """A pending payment of 50,000 sat and three confirmations, changed as told."""
    fields = {f: changes.pop(f) for f in Terms.__struct_fields__ if f in changes}
    terms = Terms(
        **{
            "id": "pay_1",
            "network": "regtest",
            "address": ADDRESS,
            "amount_sat": 50_000,
            "created_at": NOW,
            "expires_at": NOW + HOUR,
            "monitor_until": NOW + 2 * HOUR,
            "external_id": "order-1",
            "metadata": {"customer": "Ada of the metadata"},
            "merchant": "hidden-merchant",
            **fields,
        }
    )
    return Payment(**{"terms": terms, "seq": 1, **changes})


def receipt(amount_sat: int, confirmations: int = 0, txid: str = "aa" * 32) -> Receipt:
    return Receipt(
        txid=txid, vout=0, amount_sat=amount_sat, confirmations=confirmations
    )


def told(seq: int, kind: EventType) -> Event:
    return Event(
        payment_id="pay_1",
        seq=seq,
        type=kind,
        at=NOW,
        status=Status.PENDING,
        flags=(),
        received_sat=0,
        confirmations=0,
        txid=None,
        data=Change(),
    )


class FakeGateway:
    """As much of the way in as the pages use."""

    def __init__(self, *known: Payment) -> None:
        self.known = {p.id: p for p in known}
        self.told: list[EventType] = []
        self.error: Exception | None = None
        self.of_its_own: Freshness | None = None
        self.accounts: list[UpstreamReport] = []

    def payment(self, payment_id: str) -> Payment | None:
        if self.error is not None:
            raise self.error
        return self.known.get(payment_id)

    def history(self, payment_id: str, after: int, limit: int) -> list[StoredEvent]:
        terms = self.known[payment_id].terms
        return [
            StoredEvent(seq, payment_id, seq, "default", encode(told(seq, kind), terms))
            for seq, kind in enumerate(self.told, 1)
        ]

    def epochs(self) -> Epochs:
        return Epochs([EpochStart(1, "simulate")])

    def unread(self, _payment_id: str) -> Freshness | None:
        return self.of_its_own

    def upstreams(self) -> list[UpstreamReport]:
        return self.accounts

    def freshness(self) -> Freshness:
        return Freshness(source="devchain", live=True, since=NOW - 5)

    def merchants(self) -> int:
        return 1

    def now(self) -> int:
        return NOW

    def channels(self, merchant: str) -> list[Channel]:
        """One that writes to customers."""
        said = {"customer": True}
        made = Channel(
            id="ch_1", kind=EMAIL, merchant=merchant, settings=said, created_at=NOW
        )
        return [made]

    def refunds_of(self, payment_id: str) -> list[Refund]:
        """Two that were paid, and one that was not."""
        states = (RefundState.PAID, RefundState.PAID, RefundState.CANCELLED)
        return [
            Refund(
                id=f"ref_{number}",
                payment_id=payment_id,
                merchant="hidden-merchant",
                state=state,
                amount_sat=10_000,
                rate="then",
                created_at=NOW,
                address="bc1-of-the-payer",
                settled_at=NOW,
            )
            for number, state in enumerate(states)
        ]

    def merchant(self, name: str) -> Merchant:
        return Merchant(name=name)


class Answer:
    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes):
        self.status = int(status[:3])
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()


Get = Callable[..., Answer]


def getter(gateway: FakeGateway, **options: Any) -> Get:
    app = Api()
    pages.routes(app, gateway, **options)  # type: ignore[arg-type]
    return getter_of(app)


def getter_of(app: Api) -> Get:
    """Asks what is in the app."""

    def get(path: str, accept: str = "text/html,*/*;q=0.8", **headers: Any) -> Answer:
        seen: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "test",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "HTTP_ACCEPT": accept,
            **headers,
        }
        body = b"".join(app(environ, lambda *said: seen.append(said)))
        return Answer(seen[-1][0], seen[-1][1], body)

    return get
