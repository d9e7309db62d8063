"""What several modules here use."""

import pytest

from tests.clients.packed import Packed, packed_once


@pytest.fixture(scope="session")
def packed() -> Packed:
    return packed_once()
