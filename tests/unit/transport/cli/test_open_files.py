"""Clients never take the last open file: accept() would fail for everybody."""

import resource

from hypothesis import given
from hypothesis import strategies as st

from transport.cli.open_files import KEPT_BACK, client_connections, raise_limit
from transport.server.limits import ServerLimits


@given(st.integers(64, 2**31 - 1), st.integers(1, 100_000))
def test_clients_fit_below_the_limit_and_are_never_more_than_wanted(
    files: int, wanted: int
) -> None:
    clients = client_connections(files, wanted)
    assert 1 <= clients <= wanted
    assert clients + min(KEPT_BACK, files // 2) <= files


def test_with_256_files_there_are_still_128_clients() -> None:
    assert client_connections(256, 10_000) == 128


def test_an_ordinary_machine_holds_as_many_clients_as_are_wanted() -> None:
    wanted = ServerLimits().connections
    assert client_connections(1_048_576, wanted) == wanted


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(before[1], 512)
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
    try:
        assert raise_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
