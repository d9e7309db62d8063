"""Every store that there is, for the tests that any store must pass."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.store.conformance import STORES, OpenStore


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
