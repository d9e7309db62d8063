"""Wallets and the addresses drawn from them, in any store."""

from msgspec.structs import replace

from engine.payment.model import Payment
from engine.store.wallet_port import LastDrawn
from engine.store.writes import (
    AddressRow,
    Conflict,
    Release,
    WalletRecord,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore, committed, observed
from tests.unit.journal_cases import creation, wallet
from tests.unit.payment_cases import T0, claim, mempool, view


def drawn(name: str, index: int, identity: str = "identity") -> Write:
    made = creation(name)
    row = AddressRow(identity, index, f"address of {name}", "wal_1", name, "an epoch")
    return Write(entries=made.entries, rows=(row,))


def test_wallets_are_listed_oldest_first_and_replaced_by_their_id(
    store: OpenStore,
) -> None:
    old, new, other = wallet(), wallet("wal_2", at=T0 + 1), wallet("wal_3", "bob")
    store.commit(*(Write(rows=(row,)) for row in (new, other, old)))
    assert store.reader.wallets("ann") == [old, new]
    retired = replace(old, retired_at=T0 + 5)
    (outcome,) = store.commit(Write(rows=(retired,)))
    assert committed(outcome).changed == 1
    store.reopen()
    assert store.reader.wallets("ann") == [retired, new]
    assert {row.id for row in store.reader.wallets()} == {"wal_1", "wal_2", "wal_3"}
    assert store.reader.wallets("nobody") == []


def test_an_index_and_an_address_are_drawn_once(store: OpenStore) -> None:
    """Also by another merchant with the same wallet: the identity is the same."""
    store.commit(drawn("p", 5))
    assert store.reader.last_drawn("identity") == LastDrawn(5, "an epoch")
    again, elsewhere, other = (
        drawn("q", 5),
        Write(rows=(AddressRow("identity", 6, "address of p", "wal_2", "r", "e"),)),
        drawn("s", 5, "another identity"),
    )
    refused, too, fine = store.commit(again, elsewhere, other)
    assert isinstance(refused, Conflict)
    assert isinstance(too, Conflict)
    assert refused.what == too.what == "wallet"
    committed(fine)
    assert store.reader.payment("q") is None, "all of the write is undone"
    assert store.reader.last_drawn("identity") == LastDrawn(5, "an epoch")
    assert store.reader.last_drawn("nothing") is None


def test_who_has_an_address(store: OpenStore) -> None:
    store.commit(drawn("p", 5), creation("given"))
    asked = ["address of p", "address of given", "address of nobody"]
    assert store.reader.known_addresses(asked) == set(asked[:2])
    assert store.reader.drawn_of(asked) == {"address of p": "identity"}
    assert store.reader.drawn_of([]) == {}
    store.commit(Write(rows=(Release("p"),)))
    assert store.reader.over_unpaid("identity", 10) == [
        AddressRow("identity", 5, "address of p", "wal_1", "p", "an epoch")
    ]


def test_how_many_addresses_in_a_row_never_saw_money(store: OpenStore) -> None:
    store.commit(*(drawn(f"p{n}", n) for n in range(6)))
    assert store.reader.unpaid_run("identity", 100) == 6
    assert store.reader.unpaid_run("identity", 4) == 4
    store.commit(observed(store, "p2", view(mempool("a txid"))))
    assert store.reader.unpaid_run("identity", 100) == 3
    assert store.reader.unpaid_run("nothing", 100) == 0
    store.commit(observed(store, "p4", claim("another txid")))
    assert store.reader.unpaid_run("identity", 100) == 1, "a provider speaks of it"


def test_only_what_is_over_and_never_saw_money_is_drawn_again(
    store: OpenStore,
) -> None:
    store.commit(*(drawn(f"p{n}", n) for n in range(4)))
    store.commit(observed(store, "p0", view(mempool("a txid"))))
    assert store.reader.over_unpaid("identity", 10) == []
    store.commit(Write(rows=(Release("p0"), Release("p1"), Release("p3"))))
    over = store.reader.over_unpaid("identity", 10)
    assert [row.payment_id for row in over] == ["p1", "p3"]
    assert store.reader.over_unpaid("identity", 1) == over[:1]

    def again(name: str, former: str) -> Write:
        made = creation(name, address="address of p1")
        row = replace(over[0], payment_id=name, epoch="later", former=former)
        return Write(entries=made.entries, rows=(row,))

    stale, first, second = store.commit(
        again("x", "p3"), again("y", "p1"), again("z", "p1")
    )
    assert isinstance(stale, Conflict)
    committed(first)
    assert isinstance(second, Conflict)
    payment = store.reader.payment_at("address of p1")
    assert isinstance(payment, Payment)
    assert payment.id == "y"
    store.commit(Write(rows=(Release("y"),)))
    (found, _) = store.reader.over_unpaid("identity", 10)
    assert (found.payment_id, found.epoch) == ("y", "later")


def test_a_wallet_holds_what_it_says(store: OpenStore) -> None:
    row = WalletRecord("wal_9", "ann", "keys", "", "pool", 7, T0, T0 + 1)
    store.commit(Write(rows=(row,)))
    store.reopen()
    assert store.reader.wallets() == [row]
