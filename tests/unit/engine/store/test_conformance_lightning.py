"""What any store keeps of Lightning invoices: see `test_conformance.py`."""

import pytest

from engine.payment.model import Invoice, Payment, Status
from engine.payment.observations import AgreeRest, Cancel, Observation, Reviewed
from engine.payment.rules import decide, evolve, follow
from engine.payment.search import sought
from engine.store.further import Further
from engine.store.lightning_port import OpenInvoice
from engine.store.writes import (
    Committed,
    Conflict,
    Entry,
    Prune,
    Release,
    UpstreamCursor,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore
from tests.unit.engine.store.lightning_cases import hash_of, invoiced
from tests.unit.payment_cases import (
    ADDRESS,
    EXPIRY,
    T0,
    gone,
    invoice,
    mined,
    settled,
    view,
)


def observe(store: OpenStore, number: int, *told: Observation, at: int = T0) -> Payment:
    """Decided on what is stored, and committed."""
    payment = store.reader.payment_of_invoice(hash_of(number))
    assert payment is not None
    events = []
    for observation in told:
        for event in decide(payment, observation, at):
            payment = evolve(payment, event)
            events.append(event)
    (outcome,) = store.commit(Write((Entry(payment, tuple(events)),)))
    assert isinstance(outcome, Committed), outcome
    return payment


def paid(number: int) -> Observation:
    return settled(payment_hash=hash_of(number))


def open_ones(store: OpenStore, node: str = "shop") -> list[str]:
    return [one.payment_id for one in store.reader.open_invoices(node)]


def test_a_payment_is_found_by_its_invoice_before_and_after_it_is_over(
    store: OpenStore,
) -> None:
    store.commit(invoiced(1), invoiced(2))
    store.reopen()
    found = store.reader.payment_of_invoice(hash_of(1))
    assert found == store.reader.payment("ln1")
    assert store.reader.payment_of_invoice(hash_of(3)) is None
    observe(store, 1, paid(1))
    store.commit(Write(rows=(Release("ln1"),)))
    after = store.reader.payment_of_invoice(hash_of(1))
    assert after is not None
    assert after.status is Status.CONFIRMED


def test_one_that_the_chain_can_pay_too_is_found_as_well(store: OpenStore) -> None:
    both = invoiced(1, id="both", method="onchain", address=ADDRESS)
    store.commit(both)
    found = store.reader.payment_of_invoice(hash_of(1))
    assert found is not None
    assert found.id == "both"


def test_an_invoice_is_of_one_payment(store: OpenStore) -> None:
    again = invoiced(1, id="other", method="onchain", address=ADDRESS)
    first, second, third = store.commit(invoiced(1), again, invoiced(2))
    assert isinstance(first, Committed)
    assert isinstance(second, Conflict)
    assert second.what == "address"
    assert isinstance(third, Committed)
    assert store.reader.payment("other") is None


def test_many_that_are_created_at_once_are_all_there(store: OpenStore) -> None:
    store.commit(*(invoiced(n, "a" if n % 2 else "b") for n in range(500)))
    assert len(store.reader.open_invoices("a", "", 1_000)) == 250
    assert store.reader.open_invoices("b", "", 1) == [
        OpenInvoice(hash_of(0), "ln0", EXPIRY)
    ]


def test_open_ones_come_page_by_page_of_one_account(store: OpenStore) -> None:
    store.commit(*(invoiced(n) for n in range(5)), invoiced(9, "other"))
    first = store.reader.open_invoices("shop", "", 3)
    rest = store.reader.open_invoices("shop", first[-1].payment_hash, 3)
    assert [one.payment_id for one in (*first, *rest)] == [f"ln{n}" for n in range(5)]
    assert open_ones(store, "other") == ["ln9"]
    assert open_ones(store, "none") == []


@pytest.mark.parametrize("with_creation", [False, True])
def test_what_was_paid_or_has_expired_is_open_no_more(
    store: OpenStore, with_creation: bool
) -> None:
    made = [invoiced(n) for n in range(4)]
    store.commit(*made)
    observe(store, 0, paid(0))
    observe(store, 1, gone_of(1), at=EXPIRY)
    observe(store, 2, Cancel("ann"))  # its invoice may yet be paid
    assert open_ones(store) == ["ln2", "ln3"]
    store.reopen()
    assert open_ones(store) == ["ln2", "ln3"]
    observe(store, 2, paid(2))
    observe(store, 1, paid(1), at=EXPIRY + 1)
    assert open_ones(store) == ["ln3"]
    if with_creation:
        store.commit(invoiced(7))
        assert open_ones(store) == ["ln3", "ln7"]


def gone_of(number: int) -> Observation:
    return type(gone())(payment_hash=hash_of(number), asked_at=EXPIRY)


def test_a_payment_that_is_created_and_paid_in_one_batch_is_not_open(
    store: OpenStore,
) -> None:
    made = invoiced(1)
    payment = made.entries[0].payment
    events = decide(payment, paid(1), T0)
    for event in events:
        payment = evolve(payment, event)
    store.commit(made, Write((Entry(payment, tuple(events)),)))
    assert open_ones(store) == []


def test_a_pruned_payment_is_found_by_its_invoice(store: OpenStore) -> None:
    store.commit(invoiced(1), invoiced(2))
    payment = observe(store, 1, paid(1))
    observe(store, 2, paid(2))  # the newest event is always kept
    store.commit(Write(rows=(Release("ln1"),)))
    store.commit(Write(rows=(Prune("ln1", payment.seq),)))
    assert store.reader.payment_of_invoice(hash_of(1)) == payment


def test_a_cursor_is_what_was_written_last(store: OpenStore) -> None:
    assert store.reader.upstream_cursor("shop") is None
    for number in range(3):
        row = UpstreamCursor("shop", f"c{number}", T0 + number)
        (outcome,) = store.commit(Write(rows=(row,)))
        assert isinstance(outcome, Committed)
        assert outcome.changed == 1
        store.reopen()
        assert store.reader.upstream_cursor("shop") == row
    store.commit(Write(rows=(UpstreamCursor("till", "", T0),)))
    assert store.reader.upstream_cursor("till") == UpstreamCursor("till", "", T0)
    assert store.reader.upstream_cursor("none") is None


def test_payments_of_the_chain_leave_nothing_here(store: OpenStore) -> None:
    assert invoice().node == "shop"
    plain = invoiced(1, id="plain", method="onchain", address=ADDRESS, lightning=None)
    store.commit(plain)
    assert open_ones(store) == []
    assert store.reader.payment_of_invoice(hash_of(1)) is None


# -- an invoice for what is missing ----------------------------------------------------


def short_one(store: OpenStore) -> None:
    """Too little came over the chain, and there is an invoice for the rest: 2."""
    store.commit(invoiced(1, id="both", method="onchain", address=ADDRESS))
    agreed = AgreeRest(invoice=rest(2), by="payer")
    observe(store, 1, view(mined("t1", 998, 49_700)), agreed)


def rest(number: int) -> Invoice:
    return invoice(payment_hash=hash_of(number), amount_msat=300_000)


def test_a_payment_is_found_by_each_of_its_invoices(store: OpenStore) -> None:
    short_one(store)
    store.reopen()
    for number in (1, 2):
        found = store.reader.payment_of_invoice(hash_of(number))
        assert found == store.reader.payment("both"), number
    assert [one.payment_hash for one in store.reader.open_invoices("shop")] == [
        hash_of(1),
        hash_of(2),
    ]
    by_hash = Further(sought=sought(hash_of(2), "regtest"))
    page = store.reader.list_payments({}, None, 50, by_hash)
    assert [one.id for one in page.payments] == ["both"]


def test_the_one_that_was_paid_is_closed_and_the_other_is_not(store: OpenStore) -> None:
    short_one(store)
    observe(store, 2, settled(300, payment_hash=hash_of(2)))
    (left,) = store.reader.open_invoices("shop")
    assert left.payment_hash == hash_of(1)
    observe(store, 1, settled(payment_hash=hash_of(1)))
    assert store.reader.open_invoices("shop") == []


def test_one_that_nobody_spoke_of_is_payable_until_its_end(store: OpenStore) -> None:
    """As the whole sum's is where the rest was paid by the chain."""
    assert not store.reader.has_payable_invoice("shop", 0)
    short_one(store)
    last = max(one.expires_at for one in store.reader.open_invoices("shop"))
    assert store.reader.has_payable_invoice("shop", last)
    assert not store.reader.has_payable_invoice("shop", last + 1)
    assert not store.reader.has_payable_invoice("another", 0)
    for number in (1, 2):
        observe(store, number, settled(payment_hash=hash_of(number)))
    assert not store.reader.has_payable_invoice("shop", 0)


def test_an_expired_payment_has_no_open_invoice(store: OpenStore) -> None:
    short_one(store)
    observe(store, 2, Reviewed(EXPIRY, EXPIRY), at=EXPIRY)
    assert store.reader.open_invoices("shop") == []
    assert store.reader.payment_of_invoice(hash_of(2)) is not None


def test_no_invoice_for_what_is_missing_is_another_payments(store: OpenStore) -> None:
    store.commit(invoiced(1, id="both", method="onchain", address=ADDRESS), invoiced(3))
    payment = observe(store, 1, view(mined("t1", 998, 49_700)))
    agreed = follow(payment, AgreeRest(invoice=rest(3), by="payer"), T0)
    assert agreed.events
    write = Write((Entry(agreed.payment, tuple(agreed.events)),))
    (outcome,) = store.commit(write)
    assert isinstance(outcome, Conflict)
    assert store.reader.payment("both") == payment
