"""What each event says, field by field: shops and docs rely on all of it."""

from engine.payment.events import Change, Event, iso
from engine.payment.model import Claim, EventType, Flag, Receipt, Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from tests.unit.payment_cases import (
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

IN_POOL = Receipt("t1", 0, 50_000, source="node", seen_at=T0)
IN_BLOCK = Receipt("t1", 0, 50_000, block(998), 998, 3, "node", T0)
CLAIM = Claim("blockonomics", "t1", 50_000, T0, T0 + 60_000, True, 1)


def claimed(txid: str | None = "t1") -> Told:
    told = Told()
    told(ProviderClaim("blockonomics", txid, 50_000, window_s=60, replaceable=True))
    return told


def said(told: Told, type_: EventType) -> tuple[int, Status, str | None, Change]:
    """(at, status, txid, data) of the one event of this type."""
    (event,) = told.of(type_)
    assert event.payment_id == "pay_1"
    return event.at, event.status, event.txid, event.data


def test_created() -> None:
    (event,) = Told().events
    assert event == Event(
        payment_id="pay_1",
        seq=1,
        type=EventType.CREATED,
        at=T0,
        status=Status.PENDING,
        flags=(),
        received_sat=0,
        confirmations=0,
        txid=None,
        data=Change(terms=terms()),
    )


def test_detected_on_the_chain() -> None:
    told = Told()
    told(view(mempool("t1")), after_ms=0)
    change = Change(receipt=IN_POOL, source="node", verified=True)
    expected = (T0, Status.CONFIRMING, "t1", change)
    assert said(told, EventType.DETECTED) == expected


def test_detected_by_a_webhook() -> None:
    told = claimed()
    change = Change(claim=CLAIM, source="webhook", verified=False)
    assert said(told, EventType.DETECTED) == (T0, Status.PENDING, "t1", change)


def test_a_claim_that_the_chain_corroborates() -> None:
    told = claimed()
    told(view(mempool("t1")))
    change = Change(claim=CLAIM, receipts=(IN_POOL,), source="node", verified=True)
    expected = (T0, Status.CONFIRMING, "t1", change)
    assert said(told, EventType.CONFIRMING) == expected


def test_a_claim_that_is_withdrawn() -> None:
    told = claimed()
    told.review(T0 + 60_000)
    change = Change(
        claim=CLAIM, reason="the chain does not corroborate what the webhook claimed"
    )
    expected = (T0 + 60_000, Status.PENDING, "t1", change)
    assert said(told, EventType.REPLACED) == expected


def test_confirming_and_confirmed() -> None:
    told = confirmed()
    change = Change(receipts=(IN_BLOCK,), source="node")
    expected = (T0, Status.CONFIRMING, "t1", change)
    assert said(told, EventType.CONFIRMING) == expected
    change = Change(settled_sat=50_000, source="node", booked_sat=50_000)
    assert said(told, EventType.CONFIRMED) == (T0, Status.CONFIRMED, "t1", change)
    assert told.payment.confirmed_at == T0


def test_confirmed_by_a_person() -> None:
    told = Told()
    told(ConfirmByHand("ann"), after_ms=7)
    change = Change(settled_sat=0, by="ann", reason="confirmed by hand")
    assert said(told, EventType.CONFIRMED) == (T0 + 7, Status.CONFIRMED, None, change)
    assert told.payment.confirmed_at == T0 + 7


def test_reorged_replaced_and_reversed() -> None:
    told = confirmed()
    told(view(source="other", off_chain=(block(998),)), after_ms=9)
    lost = Receipt("t1", 0, 50_000, source="other", seen_at=T0 + 9)
    at = T0 + 9
    change = Change(receipt=lost, booked_sat=-50_000)
    reorged = (at, Status.CONFIRMED, "t1", change)
    assert said(told, EventType.REORGED) == reorged
    reason = "no longer in the mempool nor in the best chain"
    replaced = (at, Status.CONFIRMED, "t1", Change(receipt=lost, reason=reason))
    assert said(told, EventType.REPLACED) == replaced
    reversed_ = (at, Status.PENDING, None, Change(settled_sat=50_000))
    assert said(told, EventType.REVERSED) == reversed_
    assert told.payment.flags == (Flag.REPLACED, Flag.REORGED)
    assert (told.payment.settled_sat, told.payment.confirmed_at) == (0, None)


def test_late_money() -> None:
    told = Told()
    told.review(T0 + HOUR_MS)
    told(view(mempool("t1")))
    receipt = Receipt("t1", 0, 50_000, source="node", seen_at=T0 + HOUR_MS)
    expected = (T0 + HOUR_MS, Status.CONFIRMING, "t1", Change(receipt=receipt))
    assert said(told, EventType.LATE) == expected


def test_sums_that_are_not_what_was_asked() -> None:
    told = Told()
    told(view(mempool("t1", 20_000)))
    short = (T0, Status.CONFIRMING, None, Change(short_sat=30_000))
    assert said(told, EventType.UNDERPAID) == short
    told(view(mempool("t1", 20_000), mempool("t2", 40_000)))
    excess = (T0, Status.CONFIRMING, None, Change(excess_sat=10_000))
    assert said(told, EventType.OVERPAID) == excess


def test_cancelled_and_expired() -> None:
    told = Told()
    told.review(T0 + HOUR_MS)
    expired = (T0 + HOUR_MS, Status.EXPIRED, None, Change())
    assert said(told, EventType.EXPIRED) == expired
    told(Cancel("ann"))
    cancelled = (T0 + HOUR_MS, Status.CANCELLED, None, Change(by="ann"))
    assert said(told, EventType.CANCELLED) == cancelled


def test_moments_are_written_in_utc_to_the_millisecond() -> None:
    assert iso(1_760_000_000_007) == "2025-10-09T08:53:20.007Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"


def test_a_receipt_that_moved_is_named_first_with_all_that_moved() -> None:
    told = Told()
    told(view(mempool("t1", 20_000), mempool("t2", 30_000)))
    told(view(mempool("t1", 20_000), mined("t2", 1000, 30_000)))
    assert told.last.txid == "t2"
    assert [r.txid for r in told.last.data.receipts] == ["t2"]
    told(view(mined("t1", 1000, 20_000), mined("t2", 1000, 30_000), tip=1001))
    assert told.last.txid == "t1"
    assert [r.confirmations for r in told.last.data.receipts] == [2, 2]
