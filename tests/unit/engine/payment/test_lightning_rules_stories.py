"""The books of what came by Lightning; and any story of it, in any order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Refused
from engine.payment.booked import Booked, booked_of
from engine.payment.booking import postings_of
from engine.payment.events import decode, encode
from engine.payment.model import EventType, Status, Terms
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    InvoicePaid,
    Observation,
    Reviewed,
)
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    INVOICE_HASH,
    T0,
    Told,
    alone,
    both,
    both_terms,
    gone,
    invoice,
    lightning_terms,
    mempool,
    mined,
    replayed,
    terms,
    view,
)
from tests.unit.payment_cases import (
    settled as paid,
)

DAY_MS = 24 * HOUR_MS
HALF = 25_000


# -- the books -------------------------------------------------------------------------


def booked(told: Told) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for event in told.events:
        for posting in postings_of(event, told.payment.terms):
            key = posting.source, posting.target
            sums[key] = sums.get(key, 0) + posting.amount
    return sums


def test_gross_goes_to_sales_and_what_the_node_kept_to_fees() -> None:
    told = alone()
    told(paid(50_000, fee_msat=1_000_000, credit_msat=2_000_000))
    assert booked(told) == {
        ("sales", "lightning:shop"): 50_000,
        ("lightning:shop", "fees"): 1_000,
    }
    data = told.last.data
    assert (data.booked_sat, data.booked_lightning_sat) == (50_000, 50_000)
    assert data.lightning_fee_sat == 1_000
    assert data.held_lightning_sat is None


def test_of_a_mixed_payment_each_part_is_where_it_came() -> None:
    told = both()
    told(view(mined("t1", 998, HALF)))
    told(paid(HALF))
    assert booked(told) == {
        ("sales", "lightning:shop"): HALF,
        ("sales", "onchain"): HALF,
    }


def test_too_little_is_held_and_then_sold_when_the_rest_comes() -> None:
    told = both()
    told(paid(HALF, fee_msat=1_000))
    assert booked(told) == {}
    told.review(EXPIRY)
    assert booked(told) == {
        ("held", "lightning:shop"): HALF,
        ("lightning:shop", "fees"): 1,
    }
    told(view(mined("t1", 998, HALF)))
    assert told.status() is Status.CONFIRMED
    sums = booked(told)
    assert sums.pop(("held", "lightning:shop")) == sums.pop(("lightning:shop", "held"))
    assert (
        sums
        == {
            ("sales", "lightning:shop"): HALF,
            ("sales", "onchain"): HALF,
            ("lightning:shop", "fees"): 2,
            ("fees", "lightning:shop"): 1,
        }
        or sums[("lightning:shop", "fees")] - sums.get(("fees", "lightning:shop"), 0)
        == 1
    )


def test_a_reversal_takes_back_what_was_sold_of_both() -> None:
    told = both()
    told(paid(HALF, fee_msat=1_000))
    told(view(mined("t1", 998, HALF)))
    lost = (mined("t1", 998).block_hash or "",)
    told(view(mempool("t1", HALF), off_chain=lost))
    assert told.last.type is EventType.REVERSED
    sums = booked(told)
    for (source, target), amount in list(sums.items()):
        assert sums[target, source] == amount
    assert booked_of(told.payment) == Booked()


# -- whatever comes, in whatever order -------------------------------------------------

steps = st.one_of(
    st.builds(
        lambda sat, fee: paid(sat, fee_msat=fee),
        st.sampled_from([1, HALF, 49_999, 50_000, 60_000]),
        st.integers(0, 10**7),
    ),
    st.builds(
        lambda found, tip, complete, source: view(
            *found, tip=tip, complete=complete, source=source
        ),
        st.lists(
            st.sampled_from(
                [
                    mempool("t1", HALF),
                    mined("t1", 998, HALF),
                    mined("t2", 1_000, 50_000),
                    mempool("t2", 50_000),
                ]
            ),
            unique_by=lambda output: output.txid,
        ),
        st.integers(1_000, 1_004),
        st.booleans(),
        st.sampled_from(["node", "other"]),
    ),
    st.builds(gone, st.sampled_from([T0, EXPIRY - 1, EXPIRY, EXPIRY + DAY_MS])),
    st.builds(
        Reviewed,
        st.sampled_from([T0, EXPIRY, EXPIRY + DAY_MS]),
        st.sampled_from([0, EXPIRY - 1, EXPIRY]),
    ),
    st.just(ConfirmByHand("ann")),
    st.just(Cancel("api")),
)


@settings(max_examples=150)
@given(
    agreed=st.sampled_from(
        [
            lightning_terms(),
            lightning_terms(amount_sat=None, lightning=invoice(amount_msat=None)),
            both_terms(),
            both_terms(confirmations_required=0),
            both_terms(tolerance_sat=1, quorum_above_sat=30_000),
        ]
    ),
    told=st.lists(steps, max_size=12),
)
def test_the_story_stays_true_in_any_order_and_repetition(
    agreed: Terms, told: list[Observation]
) -> None:
    story = Told(agreed)
    said: InvoicePaid | None = None
    for observation in told:
        try:
            story(observation, after_ms=60_000)
        except Refused:
            continue
        if isinstance(observation, InvoicePaid) and said is None:
            said = observation
        if said is not None:
            kept = [r for r in story.payment.receipts if r.is_lightning]
            assert [r.amount_sat for r in kept] == [said.received_msat // 1000]
            enough = said.received_msat // 1000 >= story.payment.threshold_sat
            if enough and story.status() is not Status.CANCELLED:
                assert story.payment.counts_as_paid
    assert replayed(story.events) == story.payment
    once = [e for e in story.events if e.data.receipt and e.data.receipt.is_lightning]
    assert sum(e.type is EventType.DETECTED for e in once) == (said is not None)
    _check_sums(story)


def _check_sums(story: Told) -> None:
    """What the events book comes to what the payment stands at."""
    now = booked_of(story.payment)
    sums = {
        name: sum(getattr(event.data, name) or 0 for event in story.events)
        for name in ("booked_sat", "held_sat", "booked_lightning_sat")
    }
    fees = sum(event.data.lightning_fee_sat or 0 for event in story.events)
    held = sum(event.data.held_lightning_sat or 0 for event in story.events)
    assert sums["booked_sat"] == now.sold_sat
    assert sums["held_sat"] == now.held_sat
    assert sums["booked_lightning_sat"] == now.sold_lightning_sat
    assert held == now.held_lightning_sat
    assert fees == now.lightning_fee_sat


def test_events_of_lightning_come_back_from_the_wire_as_they_were() -> None:
    told = alone()
    created = told.events[0]
    wire = encode(created, told.payment.terms)
    assert b'"address":null' in wire
    assert b'"method":"lightning"' in wire
    assert b'"payment_hash":"%b"' % INVOICE_HASH.encode() in wire
    assert b"lightning:5e" not in wire
    assert decode(wire) == created
    mixed = both()
    wire = encode(mixed.events[0], mixed.payment.terms)
    assert b'"method"' not in wire
    assert b'"payment_hash"' in wire
    assert mixed.payment.terms.address.encode() in wire
    plain = Told(terms())
    assert b"payment_hash" not in encode(plain.events[0], plain.payment.terms)
