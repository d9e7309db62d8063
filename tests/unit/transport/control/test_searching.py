"""Searches wait for each other, and nobody for another merchant's."""

from contextlib import ExitStack

import gevent
import pytest

from engine.payment.model import Flag
from engine.payment.search import sought
from engine.store.further import ALL, Further, Stretch
from transport.control.searching import Searches
from transport.http.asking_limits import AskingLimits
from transport.http.problems import Problem

SEARCH = Further(sought=sought("12345", "regtest"))


def test_of_one_merchant_one_at_a_time_and_of_others_meanwhile() -> None:
    searches, now, most, done = Searches(AskingLimits()), 0, 0, []

    def search() -> None:
        nonlocal now, most
        with searches.turn("ann", SEARCH):
            now += 1
            most = max(most, now)
            gevent.sleep(0)
            now -= 1
        done.append(1)

    with searches.turn("bob", SEARCH):
        gevent.joinall([gevent.spawn(search) for _ in range(5)], raise_error=True)
    assert (most, len(done)) == (1, 5)
    assert not searches._turns, "nothing is kept of who has done"


def test_who_sends_many_at_once_is_told_to_wait_and_others_are_not() -> None:
    searches = Searches(AskingLimits(searches_waiting=3))
    with searches.turn("ann", SEARCH):

        def search() -> None:
            with searches.turn("ann", SEARCH):
                pass

        waiting = [gevent.spawn(search) for _ in range(3)]
        gevent.sleep(0)
        with pytest.raises(Problem) as refused, searches.turn("ann", SEARCH):
            pass
        assert refused.value.status == 429
        assert refused.value.limit == "searches_waiting"
        with searches.turn("", SEARCH), searches.turn("ann", ALL):
            pass
    gevent.joinall(waiting, raise_error=True)


def test_nobody_waits_for_ever() -> None:
    searches = Searches(AskingLimits(search_wait_s=0.01))
    first = searches.turn("ann", SEARCH)
    first.__enter__()
    with pytest.raises(Problem) as refused, searches.turn("ann", SEARCH):
        pass
    assert refused.value.limit == "search_wait_s"
    first.__exit__(None, None, None)
    with searches.turn("ann", SEARCH):
        pass


def test_what_is_listed_plainly_waits_for_nobody() -> None:
    searches = Searches(AskingLimits())
    costly = [
        SEARCH,
        Further(flag=Flag.LATE),
        Further(created=Stretch(after=1)),
        Further(confirmed=Stretch(before=1)),
    ]
    with ExitStack() as held:
        held.enter_context(searches.turn("ann", SEARCH))
        for plain in (ALL, Further(oldest_first=True)):
            held.enter_context(searches.turn("ann", plain))
    assert not any(further.costs_little for further in costly)
