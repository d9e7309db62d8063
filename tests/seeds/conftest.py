"""What tests that drive Paybell as the seeds' websites do share: a node that has all
of their routes, as an operator starts it, and a browser."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, browser
from tests.tools.paybell import Paybell, serving

SEEDS = ("--seed", "paybutton=default", "--seed", "phoenixd=default")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    """`run.py serve` on the dev chain, with the routes of PayButton and phoenixd."""
    folder = tmp_path_factory.mktemp("seeded")
    more = "--seed-calls-per-minute", "1000", "--broadcasts-per-minute", "1000"
    with serving(folder, *SEEDS, *more) as node:
        yield node


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with browser() as started:
        yield started
