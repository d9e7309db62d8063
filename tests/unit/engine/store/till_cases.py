"""Forwards of tills for tests of the store."""

from typing import Any

from engine.lightning.till import TillForward, TillState, moved
from engine.store.writes import MoveTill, NewTill, UnqueueTill
from tests.unit.payment_cases import T0

__all__ = ["TILL_READS", "TILL_ROWS", "forward"]


def forward(number: int, is_open: bool = True, **changes: object) -> TillForward:
    """Wanted, or given up."""
    base: dict[str, object] = {
        "id": f"lnf_{number:06}",
        "payment_id": f"p{number}",
        "merchant": ("ann", "bob", "cy")[number % 3],
        "source": "till",
        "target": "own",
        "net_sat": 5_000,
        "key": "9f1b2c3d-0000-4000-8000-000000000001",
        "at": T0,
        "next_at": T0 + number,
        "state": TillState.WANTED if is_open else TillState.GIVEN_UP,
    }
    return TillForward(**(base | changes))  # type: ignore[arg-type]


TILL_READS: dict[str, list[tuple[Any, ...]]] = {
    "till_forward": [("lnf_000001",)],
    "till_forward_of": [("p1",)],
    "till_due": [("till", T0 + 9_999_999, 9_999, 10)],
    "till_troubled": [("till", 10)],
    "till_sources": [()],
    "till_forwards_of_merchant": [("ann", "", 10), ("ann", "lnf_000009", 10)],
    "till_queue": [("till", 10)],
}
"""For the plans of queries: arguments of each question."""

TILL_ROWS: dict[type, list[Any]] = {
    NewTill: [NewTill(forward(900_001))],
    MoveTill: [
        MoveTill(moved(forward(900_001), TillState.WAITING, T0), 0),
    ],
    UnqueueTill: [UnqueueTill("p5", 9)],
}
"""And an example of each row."""
