"""What of a payment may change, what that tells, and what is refused."""

import msgspec
import pytest
from msgspec.structs import replace

from engine.errors import AmendmentRefused, PaymentChanged, Refused, TooManyUpdates
from engine.payment.amendment import MAX_METADATA, MAX_UPDATES
from engine.payment.changed import Amend
from engine.payment.events import encode
from engine.payment.model import EventType, Status, Terms
from engine.payment.observations import Cancel, Reviewed
from engine.payment.rules import next_deadline
from engine.payment.times import iso
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    T0,
    Told,
    both_terms,
    confirmed,
    lightning_terms,
    mempool,
    replayed,
    terms,
    view,
)

UPDATED = ["updated"]


def amend(**wanted: object) -> Amend:
    return Amend(by="api", **wanted)  # type: ignore[arg-type]


def changed(told: Told) -> object:
    """`data.changed` of the last event, as it is on the wire."""
    wire = msgspec.json.decode(encode(told.last, told.payment.terms))
    assert wire["type"] == "payment.updated"
    assert wire["data"]["by"] == "api"
    return wire["data"]["changed"]


# -- what changes ----------------------------------------------------------------------


def test_each_field_is_told_with_what_was_and_what_is() -> None:
    told = Told(terms(external_id="A", metadata={"a": 1, "b": "x"}))
    later = EXPIRY + 5
    wanted = amend(
        external_id="B",
        description="Two coffees",
        metadata={"a": 2, "c": True},
        expires_at=later,
    )
    assert told(wanted) == UPDATED
    assert changed(told) == {
        "external_id": {"old": "A", "new": "B"},
        "description": {"old": None, "new": "Two coffees"},
        "metadata": {"old": {"a": 1}, "new": {"a": 2, "c": True}},
        "expires_at": {"old": iso(EXPIRY), "new": iso(later)},
    }
    now = told.payment.terms
    assert (now.external_id, now.description) == ("B", "Two coffees")
    assert now.metadata == {"a": 2, "b": "x", "c": True}
    assert (now.expires_at, now.monitor_until) == (later, T0 + 24 * HOUR_MS + 5)
    assert replayed(told.events) == told.payment


def test_what_is_not_named_stays_and_null_takes_away() -> None:
    told = Told(terms(external_id="A", description="d", metadata={"a": 1, "b": 2}))
    assert told(amend(metadata={"a": None, "nothing": None})) == UPDATED
    assert changed(told) == {"metadata": {"old": {"a": 1}, "new": {}}}
    assert told.payment.terms.metadata == {"b": 2}
    assert told.payment.terms.external_id == "A"
    assert told(amend(external_id=None, description="")) == UPDATED
    assert told.payment.terms.external_id is None
    assert told.payment.terms.description == ""
    assert told(amend(metadata=None)) == UPDATED
    assert told.payment.terms.metadata == {}
    assert replayed(told.events) == told.payment


def test_a_field_of_another_kind_is_another_field() -> None:
    told = Told(terms(metadata={"a": 1}))
    assert told(amend(metadata={"a": True})) == UPDATED
    assert told.payment.terms.metadata["a"] is True


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"external_id": "A"},
        {"metadata": {"a": 1}},
        {"metadata": {"b": None}},
        {"metadata": {}},
        {"description": ""},
        {"expires_at": EXPIRY},
    ],
)
def test_what_changes_nothing_is_no_event(wanted: dict[str, object]) -> None:
    told = Told(terms(external_id="A", metadata={"a": 1}))
    assert told(amend(**wanted)) == []


def test_no_sum_and_no_status_moves() -> None:
    told = confirmed(metadata={})
    before = told.payment
    assert told(amend(metadata={"note": "shipped"})) == UPDATED
    assert told.payment.updates == 1
    after = replace(told.payment, terms=before.terms, seq=before.seq, updates=0)
    assert after == before
    assert told.last.received_sat == before.received_sat
    assert told.last.data.booked_sat is None
    assert told.last.data.held_sat is None


# -- the size of metadata --------------------------------------------------------------


def test_metadata_is_bounded_after_the_merge() -> None:
    full = {f"f{n}": n for n in range(MAX_METADATA)}
    told = Told(terms(metadata=full))
    with pytest.raises(AmendmentRefused, match="51 fields") as refused:
        told(amend(metadata={"one more": 1}))
    assert refused.value.path == "/metadata"
    assert told(amend(metadata={"f0": None, "one more": 1})) == UPDATED
    assert len(told.payment.terms.metadata) == MAX_METADATA


# -- the deadline ----------------------------------------------------------------------


def test_a_deadline_moves_both_ways_as_long_as_it_is_ahead() -> None:
    told = Told()
    assert next_deadline(told.payment) == EXPIRY
    for at in (EXPIRY + HOUR_MS, T0 + 1, EXPIRY):
        assert told(amend(expires_at=at)) == UPDATED
        assert next_deadline(told.payment) == at
    assert told.review(EXPIRY - 1) == []
    assert told.review(EXPIRY) == ["expired"]


def test_an_answer_from_before_the_new_deadline_lets_nothing_expire() -> None:
    told = Told()
    assert told(amend(expires_at=EXPIRY + 1_000)) == UPDATED
    assert told(Reviewed(EXPIRY + 999)) == []
    assert told(Reviewed(EXPIRY + 1_000)) == ["expired"]


@pytest.mark.parametrize("at", [T0 + 500, T0 + 499, 0])
def test_a_deadline_never_lies_in_the_past(at: int) -> None:
    told = Told()
    told.now = T0 + 500
    with pytest.raises(AmendmentRefused, match="in the future"):
        told(amend(expires_at=at))


def test_a_deadline_that_has_come_moves_no_more() -> None:
    told = Told()
    told.now = EXPIRY
    with pytest.raises(Refused, match="does not move"):
        told(amend(expires_at=EXPIRY + HOUR_MS))
    told = Told()
    told.now = EXPIRY - 1
    assert told(amend(expires_at=EXPIRY + HOUR_MS)) == UPDATED


def test_what_is_over_keeps_its_deadline_and_may_be_written_on() -> None:
    over = [confirmed(), Told(), Told()]
    over[1](Cancel(by="api"))
    over[2].review(EXPIRY)
    for told in over:
        with pytest.raises(Refused) as refused:
            told(amend(expires_at=told.now + 2 * HOUR_MS))
        assert refused.type is Refused, "409, and not a mistake in the request"
        status = told.payment.status
        wanted = amend(external_id="B", metadata={"a": 1}, description="d")
        assert told(wanted) == UPDATED
        assert told.payment.status is status


def test_one_that_is_paid_in_part_may_get_more_time() -> None:
    told = Told()
    told(view(mempool("t1", 1_000)))
    assert told.payment.status is Status.CONFIRMING
    assert told(amend(expires_at=EXPIRY + 5)) == UPDATED


def test_a_deadline_does_not_move_under_an_invoice() -> None:
    told = Told(both_terms())
    invoice = told.payment.terms.lightning
    assert invoice is not None
    with pytest.raises(AmendmentRefused, match="before its Lightning invoice"):
        told(amend(expires_at=invoice.expires_at - 1))
    assert told(amend(expires_at=invoice.expires_at + 1)) == UPDATED
    alone = Told(lightning_terms())
    with pytest.raises(AmendmentRefused, match="alone pays it"):
        alone(amend(expires_at=EXPIRY + HOUR_MS))


def test_the_invoice_of_a_gateway_is_its_order_number_for_good() -> None:
    external = Terms(
        id="pay_1",
        method="external",
        network="regtest",
        asset="EUR",
        address="external:default:cafe:A",
        gateway="cafe",
        external_id="A",
        created_at=T0,
        expires_at=EXPIRY,
        monitor_until=EXPIRY + 5,
    )
    told = Told(external)
    with pytest.raises(AmendmentRefused, match="payment's gateway speaks of"):
        told(amend(external_id="B"))
    assert told(amend(external_id="A", metadata={"a": 1})) == UPDATED


# -- how often -------------------------------------------------------------------------


def test_a_payment_changes_so_often_and_no_more() -> None:
    told = Told()
    for number in range(MAX_UPDATES):
        assert told(amend(metadata={"n": number})) == UPDATED
    assert told.payment.updates == MAX_UPDATES
    with pytest.raises(TooManyUpdates, match=r"was changed 1,000 times, and does not"):
        told(amend(metadata={"n": -1}))
    with pytest.raises(TooManyUpdates):
        told(amend(external_id="B"))
    assert told(amend(metadata={"n": MAX_UPDATES - 1})) == [], "it changes nothing"
    assert told(Cancel("the shop")) == ["cancelled"]
    assert told.payment.updates == MAX_UPDATES


# -- whose version ---------------------------------------------------------------------


def test_it_changes_only_if_it_is_as_it_was_read() -> None:
    told = Told()
    with pytest.raises(PaymentChanged) as refused:
        told(amend(description="d", seqs=frozenset({2, 3})))
    assert refused.value.seq == 1
    with pytest.raises(PaymentChanged):
        told(amend(description="d", seqs=frozenset()))
    (event,) = [*told.events]
    assert event.type is EventType.CREATED
    now = replace(amend(description="d"), seqs=frozenset({1}))
    assert told(replace(now, seqs=None)) == UPDATED
