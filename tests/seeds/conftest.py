"""What tests that drive Paybell as the seeds' websites do share: a node that has all
of their routes, as an operator starts it, and a browser."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.browser.chromium import Chromium, browser
from tests.tools.paybell import Paybell, serving
from transport.seeds import admission

SEEDS = ("--seed", "paybutton=default", "--seed", "phoenixd=default")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    """`run.py serve` on the dev chain, with the routes of PayButton and phoenixd."""
    folder = tmp_path_factory.mktemp("seeded")
    more = "--seed-calls-per-minute", "1000", "--broadcasts-per-minute", "1000"
    with serving(folder, *SEEDS, *more) as node:
        yield node


@pytest.fixture
def minute_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What strangers may call in a minute does not grow, however long their calls take
    on a busy machine."""
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(admission, "time", clock)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with browser() as started:
        yield started
