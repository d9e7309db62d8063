"""A board for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.actors.alerting.board import Board


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    yield board
    board.stage.close()
