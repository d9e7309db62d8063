"""Ids: nobody guesses one, and those of payments sort by the time they were made."""

from transport.http.new_ids import new_id, new_payment_id


def test_payments_of_later_times_have_ids_that_sort_behind() -> None:
    moments = [0, 1, 61, 62, 1_760_000_000_000, 1_760_000_000_001, 4_000_000_000_000]
    ids = [new_payment_id(at) for at in moments]
    assert ids == sorted(ids)
    assert {len(name) for name in ids} == {len("pay_") + 22}


def test_two_ids_are_never_the_same() -> None:
    made = {new_payment_id(5) for _ in range(1_000)} | {
        new_id("pay_") for _ in range(1_000)
    }
    assert len(made) == 2_000
    assert all(name.isascii() and name[4:].isalnum() for name in made)
