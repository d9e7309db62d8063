"""Electrum's history, looked through: nothing twice without need, nothing never."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random

import pytest

from engine.lightning.node import PaidPage
from transport.lightning.electrum_look import OVERLAP_S, PAGE, STEADY_S, Looks
from transport.lightning.electrum_words import Moved

ASKED_MSAT = 1_000
T0 = 1_795_862_000


def row(number: int, at_s: int, msat: int = ASKED_MSAT) -> Moved:
    return Moved(
        type="payment",
        direction=1,
        payment_hash=sha256(str(number).encode()).hexdigest(),
        amount_msat=msat,
        timestamp=at_s,
    )


class History:
    """What Electrum shows, and what was asked for."""

    def __init__(self, *rows: Moved) -> None:
        self.rows = list(rows)
        self.asked: dict[str, int] = {}
        self.asked_for = 0
        self.now = 100.0

    def looks(self) -> Looks:
        """A new one: Paybell has been started again."""
        return Looks(lambda: self.rows, self.of, lambda: self.now)

    def of(self, payment_hash: str) -> int:
        self.asked_for += 1
        return self.asked.get(payment_hash, ASKED_MSAT)


def hashes(page: PaidPage) -> list[str]:
    return [one.payment_hash for one in page.paid]


def of(rows: Sequence[Moved]) -> list[str]:
    return [row.payment_hash for row in rows]


def test_nothing_of_before_the_first_look_is_told() -> None:
    history = History(row(1, T0), row(2, T0 + 5))
    looks = history.looks()
    first = looks.page("")
    assert (first.paid, first.more) == ((), False)
    assert looks.page(first.cursor).paid == ()
    history.rows.append(row(3, T0 + 5))  # in the very second of the latest
    history.rows.append(row(4, T0 + 6))
    assert hashes(looks.page(first.cursor)) == of(history.rows[2:])


def test_all_is_told_that_comes_to_an_empty_history() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    history.rows.append(row(1, T0))
    [seen] = looks.page(cursor).paid
    assert (seen.received_msat, seen.settled_at) == (ASKED_MSAT, T0 * 1_000)


def test_a_page_is_told_until_somebody_comes_with_its_cursor() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    history.rows.append(row(1, T0))
    first = looks.page(cursor)
    again = looks.page(cursor)
    assert hashes(first) == hashes(again) == of(history.rows)
    assert looks.page(again.cursor) == PaidPage(paid=(), cursor=again.cursor)


def test_what_arrived_earlier_and_is_settled_later_is_told() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    history.rows.append(row(1, T0))
    cursor = looks.page(cursor).cursor
    history.rows.insert(0, row(2, T0 - 3_600))
    page = looks.page(cursor)
    assert hashes(page) == of(history.rows[:1])
    assert looks.page(page.cursor).paid == ()


def test_a_restart_tells_nothing_again_where_nothing_came_in_between() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    for number in range(250):
        history.rows.append(row(number, T0 + number))
        cursor = looks.page(cursor).cursor
    assert history.looks().page(cursor) == PaidPage(paid=(), cursor=cursor)
    history.rows.append(row(250, T0 + 250))
    before = history.asked_for
    assert hashes(history.looks().page(cursor)) == of(history.rows[-1:])
    assert history.asked_for == before + 1


def test_a_restart_finds_what_was_settled_behind_the_cursor_meanwhile() -> None:
    history = History(row(0, T0 - 10 * OVERLAP_S))
    looks = history.looks()
    cursor = looks.page("").cursor
    history.rows += [row(1, T0), row(2, T0 + 60)]
    cursor = looks.page(cursor).cursor
    assert looks.page(cursor).paid == ()
    history.rows.insert(1, row(3, T0 - 1_000))
    looks = history.looks()
    page = looks.page(cursor)
    assert page.paid[0].payment_hash == history.rows[1].payment_hash
    assert hashes(page) == of(history.rows[1:]), "told again, with what came behind"
    cursor = page.cursor
    assert looks.page(cursor).paid == ()
    assert history.looks().page(cursor).paid == ()


def test_pages_are_bounded_and_go_on_in_order() -> None:
    history = History()
    cursor = history.looks().page("").cursor
    count = 2 * PAGE + 50
    history.rows = [row(number, T0 + number) for number in range(count)]
    looks, told, more = history.looks(), [], True
    while more:
        page = looks.page(cursor)
        assert len(page.paid) <= PAGE
        told += hashes(page)
        cursor, more = page.cursor, page.more
    assert told == of(history.rows)
    assert looks.page(cursor).paid == ()


def test_an_older_cursor_is_told_all_that_came_after_it() -> None:
    history = History()
    looks = history.looks()
    old = looks.page("").cursor
    history.rows.append(row(1, T0))
    new = looks.page(old).cursor
    assert looks.page(new).paid == ()
    assert hashes(looks.page(old)) == of(history.rows)


def test_parts_that_are_not_settled_yet_are_counted_where_an_amount_was_asked() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    half = row(1, T0, ASKED_MSAT // 2)
    history.rows.append(half)
    [seen] = looks.page(cursor).paid
    assert seen.received_msat == ASKED_MSAT


def test_the_sum_of_an_amountless_invoice_has_to_be_steady() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    first, whole = row(1, T0, 300), row(1, T0, 700)
    history.asked[first.payment_hash] = 0
    history.rows.append(first)
    assert looks.page(cursor).paid == ()
    history.rows[0] = whole
    history.now += STEADY_S
    assert looks.page(cursor).paid == ()
    history.now += STEADY_S / 2
    assert looks.page(cursor).paid == ()
    history.now += STEADY_S / 2
    page = looks.page(cursor)
    [seen] = page.paid
    assert seen.received_msat == 700
    assert looks.page(page.cursor).paid == ()


def test_what_is_unsteady_holds_nobody_up_and_is_not_forgotten() -> None:
    history = History()
    looks = history.looks()
    cursor = looks.page("").cursor
    unsure, sure = row(1, T0, 300), row(2, T0 + 9)
    history.asked[unsure.payment_hash] = 0
    history.rows += [unsure, sure]
    page = looks.page(cursor)
    assert hashes(page) == [sure.payment_hash]
    looks = history.looks()
    found = [hashes(looks.page(page.cursor))]
    history.now += STEADY_S
    found.append(hashes(looks.page(page.cursor)))
    assert unsure.payment_hash in found[1]


@pytest.mark.parametrize("text", ["{", "{}x", '{"seen": "soon"}', "[]"])
def test_a_cursor_that_cannot_be_read_begins_at_the_beginning(text: str) -> None:
    history = History(row(1, T0), row(2, T0 + 1))
    assert hashes(history.looks().page(text)) == of(history.rows)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_everything_is_told(seed: int) -> None:
    """Rows come in any order; Paybell is killed before or after it keeps a cursor."""
    random = Random(seed)
    history = History()
    looks, kept = history.looks(), history.looks().page("").cursor
    committed: set[str] = set()
    for number in range(60):
        history.rows.append(row(number, T0 + random.randrange(3_600)))
        history.rows.sort(key=lambda one: one.timestamp)
        page = looks.page(kept)
        if random.random() < 0.2:
            looks = history.looks()  # killed before anything of it was committed
            continue
        committed |= set(hashes(page))
        if random.random() < 0.8:
            kept = page.cursor
        if random.random() < 0.2:
            looks = history.looks()
    committed |= set(hashes(looks.page(kept)))
    assert committed == set(of(history.rows))
