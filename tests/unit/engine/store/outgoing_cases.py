"""Transactions of ours for tests of the store: not signed by anybody."""

from typing import Any

from engine.store.writes import (
    MoveOutgoing,
    NewOutgoing,
    PauseForwarding,
    QueueForward,
    Unqueue,
)
from engine.wallet.coin import Coin
from engine.wallet.outgoing import Outgoing, OutgoingKind, OutgoingState, moved
from engine.wallet.plan import Plan, PlannedOutput
from tests.unit.payment_cases import T0

__all__ = ["OUTGOING_READS", "OUTGOING_ROWS", "coin", "outgoing", "outgoing_beside"]

SCRIPT = b"\x00\x14" + bytes(20)


def coin(n: int, payment_id: str = "p1", amount_sat: int = 50_000) -> Coin:
    return Coin(
        txid=f"{n:064x}",
        vout=0,
        amount_sat=amount_sat,
        script=SCRIPT,
        wallet="wal_1",
        index=n,
        payment_id=payment_id,
        merchant="ann",
        height=5,
    )


def outgoing(number: int, *coins: Coin, **changes: object) -> Outgoing:
    """Of these coins, or of the one with its number; the fee is 1,000 sat."""
    spent = coins or (coin(number),)
    total = sum(c.amount_sat for c in spent)
    plan = Plan(
        coins=spent,
        outputs=(PlannedOutput(SCRIPT, total - 1_000),),
        fee_sat=1_000,
        payers=(0,),
    )
    base: dict[str, object] = {
        "id": f"out_{number:06}",
        "kind": OutgoingKind.SWEEP,
        "merchant": "ann",
        "txid": f"{number:064x}"[::-1],
        "raw": b"\x01raw",
        "plan": plan,
        "to": "bcrt1q",
        "vsize": 110,
        "at": T0 + number,
        "height": 7,
    }
    return Outgoing(**(base | changes))  # type: ignore[arg-type]


OUTGOING_READS: dict[str, list[tuple[Any, ...]]] = {
    "outgoing": [("out_000001",)],
    "outgoing_open": [("", 10), ("out_000001", 10)],
    "outgoing_family": [("out_000001",)],
    "outgoing_of_payment": [("p1",)],
    "outgoing_of_txid": [("ab" * 32,)],
    "outgoing_of_merchant": [("ann", "", 10), ("ann", "out_000009", 10)],
    "sent_since": [("ann", T0 + 9_999_999)],
    "forward_due": [(T0, 60, 10)],
    "forward_queue": [("ann", 10)],
    "forward_paused": [()],
}
"""For the plans of queries: arguments of each question."""

OUTGOING_ROWS: dict[type, list[Any]] = {
    NewOutgoing: [
        NewOutgoing(outgoing(900_001)),
        NewOutgoing(outgoing(900_002, coin(900_001), replaces="out_900001")),
    ],
    MoveOutgoing: [
        MoveOutgoing(
            moved(outgoing(900_002, coin(900_001)), OutgoingState.BROADCAST, T0),
            OutgoingState.PREPARED,
        )
    ],
    QueueForward: [QueueForward("p5", "ann", 1, T0)],
    Unqueue: [Unqueue("p5", 9)],
    PauseForwarding: [PauseForwarding(T0, "ann"), PauseForwarding(0)],
}
"""And an example of each row."""


def outgoing_beside(n: int) -> tuple[Any, ...]:
    """So that there are many."""
    return (
        NewOutgoing(outgoing(n, coin(n, f"p{n}"), is_open=n % 50 == 0)),
        QueueForward(f"p{n}", ("ann", "bob", "cy")[n % 3], 1, T0 + n),
    )
