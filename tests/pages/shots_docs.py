"""The pictures of the documentation."""

from tests.pages.conftest import Visited
from tests.pages.shooting import Shot, node

__all__ = ["SHOTS"]


def checkout(visited: Visited) -> None:
    """The first picture of README: what a payer sees."""
    visited.do("goto", node().url(node().create()))
    visited.do("wait_for_text", "h1", "Pay")
    visited.do("wait_for", "svg")


SHOTS: dict[str, Shot] = {"checkout": checkout}
