"""What is read of Blink's ledger: receipts, payments, and how far it was read."""

import random

import msgspec
import pytest

from engine.errors.lightning import NodeGarbage
from engine.lightning.node import PayoutStatus
from transport.lightning.blink_wire import (
    HELD_S,
    LONG_AGO_S,
    OVERLAP_S,
    Cursor,
    Edge,
    Line,
    next_cursor,
    payout_of,
    receipt_of,
    receipts,
)

HASH = "ab" * 32
NOW_S = 1_790_000_000


def line(amount: int, **more: object) -> Line:
    fields: dict[str, object] = {
        "id": "1",
        "createdAt": NOW_S,
        "direction": "RECEIVE" if amount > 0 else "SEND",
        "status": "SUCCESS",
        "settlementAmount": amount,
        "settlementFee": 0,
        "settlementCurrency": "BTC",
        "initiationVia": {"paymentHash": HASH},
        **more,
    }
    return msgspec.convert(fields, Line)


def test_a_receipt_is_a_settled_one_over_lightning_of_a_btc_wallet() -> None:
    seen = receipt_of(line(7), "till")
    assert seen is not None
    assert (seen.received_msat, seen.fee_msat) == (7_000, 0)
    assert (seen.payment_hash, seen.settled_at) == (HASH, NOW_S * 1000)


@pytest.mark.parametrize(
    "other",
    [
        line(-7),
        line(7, status="PENDING"),
        line(7, status="FAILURE"),  # the line that takes a payment of ours back
        line(7, settlementCurrency="USD"),  # cents
        line(7, initiationVia={}),  # within Blink, or on chain
    ],
    ids=["sent", "pending", "taken back", "dollars", "not lightning"],
)
def test_nothing_else_is_a_receipt(other: Line) -> None:
    assert receipt_of(other, "till") is None


def test_a_fee_of_a_receipt_is_part_of_what_was_sent() -> None:
    seen = receipt_of(line(90, settlementFee=10), "till")
    assert seen is not None
    assert (seen.received_msat, seen.fee_msat) == (100_000, 10_000)


@pytest.mark.parametrize(
    "lie",
    [
        line(21_000_000 * 10**8 + 1),
        line(7, settlementFee=-1),
        line(7, initiationVia={"paymentHash": "AB" * 32}),
        line(7, initiationVia={"paymentHash": "ab"}),
    ],
)
def test_a_receipt_that_cannot_be_is_garbage(lie: Line) -> None:
    with pytest.raises(NodeGarbage, match="cannot be"):
        receipt_of(lie, "till")


SENT = line(-110, settlementFee=10)


@pytest.mark.parametrize(
    ("lines", "status", "fee_msat"),
    [
        ([], PayoutStatus.UNKNOWN, 0),
        ([line(100)], PayoutStatus.UNKNOWN, 0),  # an invoice of ours
        ([line(-100)], PayoutStatus.PAID, 0),  # within Blink
        ([SENT], PayoutStatus.PAID, 10_000),
        ([line(7, initiationVia={}), SENT], PayoutStatus.PAID, 3_000),
        ([line(-110, settlementFee=10, status="PENDING")], PayoutStatus.PENDING, 0),
        (
            [line(110, status="FAILURE"), line(-110, status="FAILURE")],
            PayoutStatus.FAILED,
            0,
        ),
        # By the sources of before, lines of a failed payment have no state.
        ([line(110), line(-110)], PayoutStatus.FAILED, 0),
        # Said to have failed, and the money is not back.
        ([line(-110, status="FAILURE")], PayoutStatus.PENDING, 0),
        # Failed once, and tried again: the second is on its way, or came through.
        (
            [
                line(110, status="FAILURE"),
                line(-110, status="FAILURE"),
                line(-105, settlementFee=5, id="2"),
            ],
            PayoutStatus.PAID,
            5_000,
        ),
    ],
)
def test_how_a_payment_of_ours_stands(
    lines: list[Line], status: PayoutStatus, fee_msat: int
) -> None:
    for order in (lines, lines[::-1]):
        payout = payout_of(order, "till")
        assert (payout.status, payout.fee_msat) == (status, fee_msat)


def test_sums_of_a_payment_that_cannot_be_are_garbage() -> None:
    with pytest.raises(NodeGarbage, match="sums"):
        payout_of([line(-110, settlementFee=10), line(50)], "till")


def test_a_cursor_survives_its_text() -> None:
    for cursor in (Cursor(), Cursor("a", "b", True), Cursor("a")):
        assert Cursor.of(cursor.text()) == cursor


@pytest.mark.parametrize("text", ["", "1700000000000", "{}", "[1]", '"x"', "[", "\0"])
def test_a_cursor_of_somebody_else_is_the_beginning(text: str) -> None:
    assert Cursor.of(text).before is None


def test_what_is_newest_is_read_again_until_it_is_old() -> None:
    edges = [
        Edge("a", line(1, createdAt=NOW_S - OVERLAP_S)),
        Edge("b", line(1, createdAt=NOW_S)),
    ]
    after = next_cursor(Cursor(), edges, more=False, now_s=NOW_S)
    assert after.before == "a"
    later = next_cursor(after, edges[1:], more=False, now_s=NOW_S + LONG_AGO_S)
    assert later.before == "b"
    assert next_cursor(later, [], more=False, now_s=NOW_S) == later


def test_a_receipt_that_is_pending_is_read_again_but_not_for_ever() -> None:
    """Also where what came after it is on other pages, and old enough by itself."""
    pending = line(1, createdAt=NOW_S - 400, status="PENDING")
    edges = [
        Edge("a", pending),
        Edge("b", line(1, createdAt=NOW_S - 399)),
        Edge("c", line(1, createdAt=NOW_S - 300)),
        Edge("d", line(1, createdAt=NOW_S)),
    ]
    page = next_cursor(Cursor(), edges[:2], more=True, now_s=NOW_S)
    assert page.before == "b"  # reading goes on, and comes back
    assert next_cursor(page, edges[2:], more=False, now_s=NOW_S).before is None
    given_up = next_cursor(Cursor(), edges, more=False, now_s=NOW_S + HELD_S)
    assert given_up.before == "d"


def test_nothing_is_lost_whatever_the_order_in_which_lines_are_seen() -> None:
    """Lines come in bursts, from several processes, whose ids of one second stand in
    any order; some are seen some seconds after others with a greater id. Whoever reads
    may die after any page."""
    rng = random.Random(7)
    for _world in range(60):
        _read_a_world(rng)


def _read_a_world(rng: random.Random) -> None:
    now_s = float(NOW_S)
    shown: list[tuple[float, Edge]] = []  # from when on it is seen
    for number in range(rng.randrange(1, 60)):
        now_s += rng.choice((0, 0, 0.1, 1, 20, 400))
        id_ = f"{int(now_s):08x}{rng.randrange(9):02}{number:04}"
        one = line(
            1, createdAt=int(now_s), initiationVia={"paymentHash": f"{number:064}"}
        )
        seen_at = now_s + rng.choice((0, 0, 0, 0.5, 3, 30))
        shown.append((seen_at, Edge(id_, one)))
    size = rng.choice((1, 2, 5, 100))
    told: set[str] = set()
    cursor, clock = Cursor(), float(NOW_S)
    while clock < now_s + 100:
        clock += rng.choice((1.0, 30.0, 300.0))
        for _page in range(500):
            visible = sorted(
                (e for at, e in shown if at <= clock), key=lambda e: e.cursor
            )
            later = [e for e in visible if e.cursor > (cursor.before or "")]
            page = later[:size]
            more = len(later) > size
            told |= {x.payment_hash for x in receipts(page, "till")}
            cursor = next_cursor(cursor, page, more=more, now_s=clock)
            cursor = Cursor.of(cursor.text())
            dies = rng.random() < 0.05 and clock < now_s + 100
            if not more or dies:
                break
    assert len(told) == len(shown)
