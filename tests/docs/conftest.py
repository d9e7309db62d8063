"""The browser of the pages' tests, for the examples that are pages."""

from tests.pages.conftest import browser, visited

__all__ = ["browser", "visited"]
