"""One real Lightning network for all tests of this folder that ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.wait import PATIENCE
from transport.devnet.network import LightningNetwork
from transport.devnet.places import find_programs


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightningNetwork]:
    folder: Path = tmp_path_factory.mktemp("lightning")
    with LightningNetwork(find_programs(), folder, patience=PATIENCE) as running:
        yield running
