"""Without a key: so many a minute from one address, so many an hour from all."""

from typing import Any

import pytest

from transport.http.problems import Problem
from transport.seeds.admission import Admission, SeedLimits


def calls(admission: Admission, client: str, count: int) -> list[str | None]:
    """The limit that each call ran into, if any."""
    found: list[str | None] = []
    for _ in range(count):
        try:
            admission.require({"REMOTE_ADDR": client})
        except Problem as problem:
            assert problem.status == 429
            assert int(problem.headers["Retry-After"]) > 0
            assert problem.limit is not None
            assert problem.limit in problem.detail
            found.append(problem.limit)
        else:
            found.append(None)
    return found


def test_one_address_is_held_to_its_share_and_another_has_its_own() -> None:
    admission = Admission(SeedLimits(per_minute=2, per_hour=100))
    assert calls(admission, "10.0.0.1", 3) == [None, None, "seed_calls_per_minute"]
    assert calls(admission, "10.0.0.2", 1) == [None]


def test_many_addresses_together_are_held_to_so_many_an_hour() -> None:
    admission = Admission(SeedLimits(per_minute=2, per_hour=3))
    told = [calls(admission, f"10.0.0.{n}", 1)[0] for n in range(5)]
    assert told == [None, None, None, "seed_calls_per_hour", "seed_calls_per_hour"]


def test_addresses_of_one_network_of_ipv6_are_one() -> None:
    admission = Admission(SeedLimits(per_minute=1, per_hour=100))
    assert calls(admission, "2001:db8::1", 1) == [None]
    assert calls(admission, "2001:db8::2", 1) == ["seed_calls_per_minute"]


@pytest.mark.parametrize("environ", [{}, {"REMOTE_ADDR": ""}])
def test_a_call_from_nowhere_is_counted_too(environ: dict[str, Any]) -> None:
    admission = Admission(SeedLimits(per_minute=1, per_hour=100))
    admission.require(environ)
    with pytest.raises(Problem):
        admission.require(environ)
