"""What a planted bug is: a function that puts it in for the length of one test."""

from collections.abc import Callable

import pytest

__all__ = ["Patch", "Plant"]

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
