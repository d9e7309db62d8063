"""What any store promises of the ledger; see `test_conformance.py`."""

import pytest
from msgspec.structs import replace

from engine.money.ledger import CREDIT, ISSUED, ONCHAIN, SALES, SAT, SPENT, Posting
from engine.money.worth import Worth
from engine.payment.events import opening
from engine.payment.money_terms import Credit
from engine.payment.rules import follow
from engine.store.ledger_port import LedgerBalance
from engine.store.writes import (
    Committed,
    Conflict,
    Entry,
    LedgerEntry,
    Prune,
    Release,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore
from tests.unit.payment_cases import T0, mined, terms, view

ALICE = "user:alice"


def created(name: str, merchant: str = "shop") -> tuple[Write, Write]:
    """A payment for alice, and its confirmation."""
    agreed = terms(
        id=name,
        merchant=merchant,
        address=f"address of {name}",
        credit=Credit(account="alice", credits=40),
    )
    event, payment = opening(agreed)
    paid = follow(payment, view(mined(f"t {name}", 998), tip=1_000), T0)
    return (
        Write(entries=(Entry(payment, (event,)),)),
        Write(entries=(Entry(paid.payment, tuple(paid.events)),)),
    )


def debit(cause: str, amount: int, user: str = ALICE) -> Write:
    row = LedgerEntry(
        merchant="shop",
        cause=cause,
        kind="debit",
        at=T0 + 1,
        postings=(Posting(CREDIT, user, SPENT, amount),),
        at_least_zero=((CREDIT, user),),
        note="song",
    )
    return Write(rows=(row,))


def outcomes(found: list[object]) -> list[str]:
    return [
        one.what if isinstance(one, Conflict) else type(one).__name__ for one in found
    ]


def test_postings_are_there_with_their_event_and_add_up(store: OpenStore) -> None:
    store.commit(*created("p"))
    reader = store.reader
    assert reader.balance("shop", SAT, ONCHAIN) == 50_000
    assert reader.balance("shop", CREDIT, ALICE) == 40
    assert reader.balance("other", CREDIT, ALICE) is None
    records = reader.postings("shop", None, 0, 10)
    assert [(r.payment_id, r.kind, r.leg, r.posting) for r in records] == [
        ("p", "payment.confirmed", 0, Posting(SAT, SALES, ONCHAIN, 50_000)),
        ("p", "payment.credited", 0, Posting(CREDIT, ISSUED, ALICE, 40)),
    ]
    assert reader.postings_of("p") == records
    store.reopen()
    assert store.reader.postings("shop", None, 0, 10) == records


def test_a_batch_of_many_confirmations_books_each_once(store: OpenStore) -> None:
    pairs = [created(f"p{number}") for number in range(30)]
    store.commit(*(write for write, _ in pairs))
    done = store.commit(*(write for _, write in pairs))
    assert all(isinstance(one, Committed) for one in done)
    assert store.reader.balance("shop", CREDIT, ALICE) == 1_200
    again = store.commit(pairs[3][1])
    assert outcomes(again) == ["seq"]  # type: ignore[arg-type]
    assert store.reader.balance("shop", CREDIT, ALICE) == 1_200


def test_a_debit_sees_what_was_written_before_it_in_its_batch(store: OpenStore) -> None:
    new, paid = created("p")
    done = store.commit(new, debit("early", 1), paid, debit("a", 30), debit("b", 11),
                        debit("c", 10), debit("d", 1))  # fmt: skip
    assert outcomes(done) == [  # type: ignore[arg-type]
        *("Committed", "balance", "Committed", "Committed", "balance"),
        *("Committed", "balance"),
    ]
    assert store.reader.balance("shop", CREDIT, ALICE) == 0
    assert store.reader.postings_of("", "b") == []
    (record,) = store.reader.postings_of("", "a")
    assert (record.kind, record.note, record.payment_id) == ("debit", "song", "")


def test_one_cause_is_booked_once(store: OpenStore) -> None:
    store.commit(*created("p"))
    first, again = store.commit(debit("key", 5), debit("key", 5))
    assert outcomes([first, again]) == ["Committed", "cause"]
    (later,) = store.commit(debit("key", 7))
    assert outcomes([later]) == ["cause"]
    assert store.reader.balance("shop", CREDIT, ALICE) == 35


def test_a_write_that_fails_posts_nothing_of_it(store: OpenStore) -> None:
    new, paid = created("p")
    store.commit(new)
    mixed = Write(entries=paid.entries, rows=debit("x", 41).rows)
    assert outcomes(store.commit(mixed)) == ["balance"]  # type: ignore[arg-type]
    assert store.reader.postings("shop", None, 0, 10) == []
    assert store.reader.balance("shop", SAT, ONCHAIN) in {None, 0}


def test_entries_come_in_pages_both_ways(store: OpenStore) -> None:
    store.commit(*created("p"))
    store.commit(*(debit(f"d{number}", 1) for number in range(7)))
    reader = store.reader
    whole = reader.postings("shop", "alice", 0, 100)
    assert len(whole) == 8
    pages, after = [], 0
    while page := reader.postings("shop", "alice", after, 3):
        pages += page
        after = page[-1].id
    assert pages == whole
    assert reader.postings_before("shop", "alice", None, 100) == whole[::-1]
    middle = whole[4].id
    assert reader.postings_before("shop", "alice", middle, 2) == whole[3:1:-1]
    assert reader.postings("other", "alice", 0, 10) == []
    assert reader.postings("shop", "bob", 0, 10) == []


def test_the_newest_of_a_hundred_entries_are_the_first(store: OpenStore) -> None:
    store.commit(*created("p"), *created("q"), *created("r"))
    store.commit(*(debit(f"d{number}", 1) for number in range(100)))
    newest = store.reader.postings_before("shop", "alice", None, 2)
    assert [record.cause for record in newest] == ["d99", "d98"]


def test_what_a_posting_was_worth_is_kept_with_its_rate(store: OpenStore) -> None:
    worth = Worth(currency="EUR", minor=1_990, decimals=2, rate="61234.5", rate_at=T0)
    posting = Posting(SAT, SALES, ONCHAIN, 32_500, worth)
    row = LedgerEntry("shop", "by hand", "gift", T0, (posting,))
    store.commit(Write(rows=(row,)))
    store.reopen()
    (record,) = store.reader.postings_of("", "by hand")
    assert record.posting == posting
    assert record.posting.worth == worth


def test_balances_come_in_pages(store: OpenStore) -> None:
    store.commit(*created("p"))
    store.commit(debit("d", 1))
    reader = store.reader
    assert reader.balances("shop", ("", ""), 10) == [
        LedgerBalance(CREDIT, ISSUED, -40),
        LedgerBalance(CREDIT, SPENT, 1),
        LedgerBalance(CREDIT, ALICE, 39),
        LedgerBalance(SAT, ONCHAIN, 50_000),
        LedgerBalance(SAT, SALES, -50_000),
    ]
    assert reader.balances("shop", (CREDIT, SPENT), 2) == [
        LedgerBalance(CREDIT, ALICE, 39),
        LedgerBalance(SAT, ONCHAIN, 50_000),
    ]


def test_retention_takes_no_posting(store: OpenStore) -> None:
    store.commit(*created("p"))
    store.commit(*created("newest"))
    before = store.reader.postings("shop", None, 0, 100)
    payment = store.reader.payment("p")
    assert payment is not None
    store.commit(Write(rows=(Release("p"),)))
    (pruned,) = store.commit(Write(rows=(Prune("p", payment.seq),)))
    assert isinstance(pruned, Committed)
    assert pruned.changed == payment.seq
    assert store.reader.postings("shop", None, 0, 100) == before


@pytest.mark.parametrize("amount", [0, -1, 2**53])
def test_no_posting_is_of_nothing_or_beyond_all_bounds(amount: int) -> None:
    with pytest.raises(AssertionError):
        Posting(CREDIT, ISSUED, ALICE, amount)


def test_what_is_moved_to_itself_is_no_posting() -> None:
    with pytest.raises(AssertionError):
        replace(Posting(CREDIT, ISSUED, ALICE, 1), target=ISSUED)
