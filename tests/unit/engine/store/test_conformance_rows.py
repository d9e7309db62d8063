"""What any store keeps beside payments and events: see `test_conformance.py`."""

import pytest
from msgspec.structs import replace

from engine.store.records import MerchantRecord
from engine.store.writes import (
    BEST_TIP,
    MAX_BLOCKS_READ_AGAIN,
    ApiKey,
    Conflict,
    CustomerRow,
    ForgetIdempotency,
    KeptAnswer,
    MerchantRow,
    ReadAgain,
    RevokeKey,
    SourceTip,
    Write,
)
from tests.unit.engine.store.conformance import (
    OpenStore,
    committed,
)
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0

# -- append and replay -----------------------------------------------------------------


def test_the_address_of_a_payer_is_kept_beside_the_payment(store: OpenStore) -> None:
    made = creation("p")
    beside = Write(entries=made.entries, rows=(CustomerRow("p", "sealed"),))
    store.commit(beside)
    assert store.reader.customer_email("p") == "sealed"
    assert store.reader.customer_email("q") is None
    store.reopen()
    assert store.reader.customer_email("p") == "sealed"
    assert "sealed" not in repr(CustomerRow("p", "sealed"))


def test_an_idempotent_answer_is_kept_once_and_for_its_time(store: OpenStore) -> None:
    first = KeptAnswer("scope", "key", b"hash", 201, b"first", T0)
    (outcome, again) = store.commit(
        Write(rows=(first,)), Write(rows=(replace(first, body=b"second", at=T0 + 1),))
    )
    committed(outcome)
    assert isinstance(again, Conflict)
    assert again.what == "idempotency"
    reader = store.reader
    answer = reader.idempotent_answer("scope", "key", T0)
    assert answer is not None
    assert (answer.request_hash, answer.status, answer.body) == (b"hash", 201, b"first")
    assert reader.idempotent_answer("scope", "key", T0 + 1) is None
    assert reader.idempotent_answer("other", "key", 0) is None
    former = reader.idempotent_answer("other", "key", 0, "scope")
    assert former == reader.idempotent_answer("scope", "key", 0)
    assert reader.idempotent_answer("other", "key", T0 + 1, "scope") is None
    newer = KeptAnswer("zone", "key", b"h", 200, b"newer", T0)
    store.commit(Write(rows=(newer,)))
    for own, other in (("zone", "scope"), ("scope", "zone")):
        found = reader.idempotent_answer(own, "key", 0, other)
        assert found == reader.idempotent_answer(own, "key", 0)
    (kept,) = store.commit(Write(rows=(ForgetIdempotency(T0),)))
    (forgot,) = store.commit(Write(rows=(ForgetIdempotency(T0 + 1),)))
    assert (committed(kept).changed, committed(forgot).changed) == (0, 2)
    assert reader.idempotent_answer("scope", "key", 0) is None


def test_keys_are_listed_revoked_once_and_never_two_alike(store: OpenStore) -> None:
    old = ApiKey("k1", "shop", None, b"1" * 32, T0, ("read", "operator"))
    new = ApiKey("k2", "till", "ann", b"2" * 32, T0 + 1, ("create",))
    twin = ApiKey("k3", "twin", None, b"1" * 32, T0 + 2, ())
    outcomes = store.commit(*(Write(rows=(row,)) for row in (new, old, twin)))
    assert isinstance(outcomes[2], Conflict)
    (gone,) = store.commit(Write(rows=(RevokeKey("k1", T0 + 5),)))
    (again,) = store.commit(Write(rows=(RevokeKey("k1", T0 + 6), RevokeKey("x", T0))))
    assert (committed(gone).changed, committed(again).changed) == (1, 0)
    keys = store.reader.api_keys()
    assert [(k.id, k.merchant, k.revoked_at, k.scopes) for k in keys] == [
        ("k1", None, T0 + 5, ("read", "operator")),
        ("k2", "ann", None, ("create",)),
    ]


def test_a_merchant_is_replaced_as_a_whole_and_survives_a_restart(
    store: OpenStore,
) -> None:
    first, other = MerchantRow("bob", 1, T0, b"{}"), MerchantRow("ann", 1, T0, b"1")
    later = MerchantRow("bob", 2, T0 + 1, b'{"display_name":"Bob"}')
    for row in (first, other, later):
        (outcome,) = store.commit(Write(rows=(row,)))
        assert committed(outcome).changed == 1
    kept = [
        MerchantRecord("ann", 1, T0, b"1"),
        MerchantRecord("bob", 2, T0 + 1, later.state),
    ]
    assert store.reader.merchants() == kept
    store.reopen()
    assert store.reader.merchants() == kept


@pytest.mark.parametrize("source", ["other", "slow"])
def test_a_source_begins_where_it_or_else_the_furthest_came(
    store: OpenStore, source: str
) -> None:
    tips = (SourceTip("good", 999, "99"), SourceTip("slow", 900, "90"))
    best = SourceTip(BEST_TIP, 6_000, "be")
    apart = (SourceTip("devchain", 5_000, "dd"), SourceTip("probe", 0, "1"), best)
    store.commit(Write(rows=(*tips, *apart)))
    store.commit(Write(rows=(SourceTip("good", 1_000, "a0"),)))
    wanted = {"slow": tips[1], "other": SourceTip("good", 1_000, "a0")}
    assert store.reader.source_tip(source) == wanted[source]
    assert store.reader.source_tip("devchain") == apart[0]
    assert store.reader.source_tip(BEST_TIP) == best, "what was shown, and not read"


def test_without_a_best_tip_of_its_own_nobodys_place_is_taken_for_it(
    store: OpenStore,
) -> None:
    store.commit(Write(rows=(SourceTip("good", 999, "99"),)))
    assert store.reader.source_tip(BEST_TIP) is None


def test_a_lost_block_is_read_again_by_all_who_had_read_past_it(
    store: OpenStore,
) -> None:
    far = 500 + MAX_BLOCKS_READ_AGAIN
    before = {"below": 499, "above": 600, "far": far + 1, "devchain": 600}
    before[BEST_TIP] = 600
    tips = tuple(SourceTip(name, height, "aa") for name, height in before.items())
    (outcome,) = store.commit(Write(rows=(*tips, ReadAgain(500, "bb"))))
    assert committed(outcome).changed == len(tips) + 1
    assert store.reader.source_tip("above") == SourceTip("above", 500, "bb")
    for name in ("below", "far", "devchain", BEST_TIP):
        assert store.reader.source_tip(name) == SourceTip(name, before[name], "aa")
