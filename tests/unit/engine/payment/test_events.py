"""Each event in full: what a shop reads in it, and its form on the wire."""

import json

from engine.chain.feed import ChainView
from engine.payment.events import Change, encode, iso, with_offset
from engine.payment.model import Claim, EventType, Flag, Receipt, Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from tests.unit.payment_cases import (
    ADDRESS,
    HOUR_MS,
    T0,
    Told,
    block,
    confirmed,
    mempool,
    mined,
    terms,
    view,
)


def said(told: Told, *types: str) -> list[tuple[Status, str | None, Change]]:
    """(status after it, txid, data) of the newest events, which are of these types."""
    newest = told.events[-len(types) :]
    assert [event.type.removeprefix("payment.") for event in newest] == [*types]
    return [(event.status, event.txid, event.data) for event in newest]


def receipt(txid: str, amount_sat: int = 50_000, **changes: object) -> Receipt:
    base: dict[str, object] = {"vout": 0, "source": "node", "seen_at": T0}
    return Receipt(txid=txid, amount_sat=amount_sat, **(base | changes))  # type: ignore[arg-type]


def test_what_is_detected_names_the_receipt_its_source_and_that_it_is_verified() -> (
    None
):
    told = Told()
    told(view(mempool("t1", vout=3)))
    assert said(told, "detected") == [
        (
            Status.CONFIRMING,
            "t1",
            Change(receipt=receipt("t1", vout=3), source="node", verified=True),
        )
    ]


def test_what_is_in_a_block_names_the_block_its_depth_and_who_placed_it() -> None:
    told = Told()
    told(view(mempool("t1")))
    told(view(mined("t1", 999), source="other"), after_ms=5_000)
    placed = receipt(
        "t1",
        block_hash=block(999),
        block_height=999,
        confirmations=2,
        source="other",
        seen_at=T0 + 5_000,
    )
    assert said(told, "confirming") == [
        (Status.CONFIRMING, "t1", Change(receipts=(placed,), source="other"))
    ]
    told(view(mined("t1", 999), tip=1001, source="node"), after_ms=5_000)
    deeper = receipt(
        "t1",
        block_hash=block(999),
        block_height=999,
        confirmations=3,
        seen_at=T0 + 10_000,
    )
    assert said(told, "confirming", "confirmed") == [
        (Status.CONFIRMING, "t1", Change(receipts=(deeper,), source="node")),
        (
            Status.CONFIRMED,
            "t1",
            Change(settled_sat=50_000, source="node", booked_sat=50_000),
        ),
    ]
    assert told.payment.confirmed_at == T0 + 10_000


def test_too_little_and_too_much_are_told_with_the_difference() -> None:
    told = Told()
    told(view(mempool("t1", 20_000)))
    assert said(told, "underpaid")[0] == (
        Status.CONFIRMING,
        None,
        Change(short_sat=30_000),
    )
    told(view(mempool("t1", 20_000), mempool("t2", 31_000)))
    assert said(told, "overpaid")[0] == (
        Status.CONFIRMING,
        None,
        Change(excess_sat=1_000),
    )
    assert told.last.received_sat == 51_000
    assert told.last.flags == (Flag.OVERPAID,)


def test_what_comes_late_is_told_with_its_receipt() -> None:
    told = Told()
    told.review(T0 + HOUR_MS)
    assert said(told, "expired") == [(Status.EXPIRED, None, Change())]
    told(view(mempool("t1")))
    late = receipt("t1", seen_at=T0 + HOUR_MS)
    assert said(told, "detected", "late")[1] == (
        Status.CONFIRMING,
        "t1",
        Change(receipt=late),
    )


def test_what_is_in_a_block_is_told_before_what_is_not() -> None:
    told = Told()
    told(
        view(
            mempool("unmined", 10_000),
            mined("higher", 1000, 10_000),
            mined("lower", 999, 10_000),
        )
    )
    detected = [event.txid for event in told.of(EventType.DETECTED)]
    assert detected == ["lower", "higher", "unmined"]


def test_a_claim_is_told_with_all_that_the_webhook_said_and_until_when() -> None:
    told = Told()
    told(ProviderClaim("blockonomics", "t9", 12_345, 700, replaceable=True))
    claim = Claim(
        provider="blockonomics",
        txid="t9",
        amount_sat=12_345,
        at=T0,
        withdraw_at=T0 + 700_000,
        replaceable=True,
        number=1,
    )
    assert said(told, "detected") == [
        (
            Status.PENDING,
            "t9",
            Change(claim=claim, source="webhook", verified=False),
        )
    ]
    told.review(T0 + 700_000)
    ((status, txid, data),) = said(told, "replaced")
    assert (status, txid, data.claim) == (Status.PENDING, "t9", claim)
    assert data.reason == "the chain does not corroborate what the webhook claimed"


def test_a_claim_that_says_no_more_is_not_replaceable_and_waits_ten_minutes() -> None:
    told = Told()
    told(ProviderClaim("blockonomics", "t1", 50_000))
    (claim,) = told.payment.claims
    assert claim.replaceable is False
    assert claim.withdraw_at == T0 + 600_000


def test_a_claim_that_the_chain_corroborates_is_told_as_verified() -> None:
    told = Told()
    told(ProviderClaim("blockonomics", "t1", 50_000))
    (claim,) = told.payment.claims
    told(view(mempool("t1")))
    corroborated = Change(
        claim=claim, receipts=(receipt("t1"),), source="node", verified=True
    )
    assert said(told, "confirming") == [(Status.CONFIRMING, "t1", corroborated)]


def test_what_loses_its_block_and_is_gone_is_told_with_the_receipt_as_it_is() -> None:
    told = Told()
    told(view(mined("t1", 1000)))
    gone = view(tip=1001, off_chain=(block(1000),))
    told(gone, after_ms=1_000)
    bare = receipt("t1", seen_at=T0 + 1_000)
    reorged, replaced = said(told, "reorged", "replaced")
    assert reorged == (Status.CONFIRMING, "t1", Change(receipt=bare))
    reason = "no longer in the mempool nor in the best chain"
    assert replaced == (Status.PENDING, "t1", Change(receipt=bare, reason=reason))


def test_a_reversal_names_the_sum_that_had_settled() -> None:
    told = confirmed()
    told(ChainView("node", view(tip=1001).tip, (), (block(998),), True))
    reversed_ = [e for e in told.events if e.type is EventType.REVERSED]
    assert [(e.status, e.data) for e in reversed_] == [
        (Status.PENDING, Change(settled_sat=50_000))
    ]


def test_who_cancelled_or_confirmed_by_hand_is_named() -> None:
    told = Told()
    told(Cancel("ann"))
    assert said(told, "cancelled") == [(Status.CANCELLED, None, Change(by="ann"))]
    told = Told()
    told(ConfirmByHand("bob"))
    by_hand = Change(by="bob", reason="confirmed by hand", settled_sat=0)
    assert said(told, "confirmed") == [(Status.CONFIRMED, None, by_hand)]


def test_an_event_has_its_fields_on_the_wire_in_their_order() -> None:
    agreed = terms(external_id="order-7", merchant="ann", confirmations_required=2)
    told = Told(agreed)
    told(view(mempool("t1", 20_000)), after_ms=7)
    wire = json.loads(with_offset(42, encode(told.events[1], agreed)))
    data = wire.pop("data")
    assert list(wire.items()) == [
        ("id", "evt_42"),
        ("offset", 42),
        ("payment_id", "pay_1"),
        ("seq", 2),
        ("type", "payment.detected"),
        ("at", iso(T0 + 7)),
        ("status", "confirming"),
        ("flags", ["underpaid"]),
        ("address", ADDRESS),
        ("external_id", "order-7"),
        ("merchant", "ann"),
        ("amount_sat", 50_000),
        ("received_sat", 20_000),
        ("confirmations", 0),
        ("confirmations_required", 2),
        ("txid", "t1"),
    ]
    assert data["receipt"]["amount_sat"] == 20_000


def test_a_time_on_the_wire_is_utc_with_milliseconds() -> None:
    assert iso(1_760_000_000_007) == "2025-10-09T08:53:20.007Z"
    assert iso(1_760_000_000_999) == "2025-10-09T08:53:20.999Z"
    assert iso(1_760_000_001_000) == "2025-10-09T08:53:21.000Z"


def test_the_first_event_carries_the_terms() -> None:
    agreed = terms(merchant="ann")
    created = Told(agreed).events[0]
    assert created.data == Change(terms=agreed)
    assert (created.payment_id, created.seq, created.at) == ("pay_1", 1, T0)
    assert (created.status, created.txid, created.received_sat) == (
        Status.PENDING,
        None,
        0,
    )
    assert created.confirmations == 0
