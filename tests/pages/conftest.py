"""One browser for all tests of the pages, with a new profile for each of them.

After each test its judge looks at what every page owes: no error on the console, and
nothing asked of another origin than the node's.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.playwright_page import VisitorPage, visiting

__all__ = ["Visited"]


class Visited:
    """A page of the browser, and what it may do without complaint.

    visited.begin(viewport={"width": 1280, "height": 800}, locale="de-DE")
    visited.do("goto", url)
    """

    def __init__(self, page: VisitorPage) -> None:
        self._page = page
        self._origin: str | None = None
        #: Parts of complaints that the test itself provoked (a server that is away).
        self.expected: tuple[str, ...] = ()
        #: Origins beside the node's that belong to the test (the shop's own page).
        self.friends: tuple[str, ...] = ()

    def begin(self, **options: Any) -> None:
        """A new profile; see `Visitor.anew`."""
        self._page.do("anew", options)

    def do(self, name: str, *arguments: object) -> Any:
        """A command of `Visitor`."""
        if name == "goto" and self._origin is None:
            parts = urlsplit(str(arguments[0]))
            self._origin = f"{parts.scheme}://{parts.netloc}"
        return self._page.do(name, *arguments)

    def judge(self) -> None:
        complaints = [
            text
            for text in self.do("complaints")
            if not any(part in text for part in self.expected)
        ]
        assert complaints == []
        if self._origin is not None:
            asked = self.do("strangers", self._origin)
            assert [url for url in asked if not url.startswith(self.friends)] == []


@pytest.fixture(scope="session")
def browser() -> Iterator[VisitorPage]:
    with visiting() as page:
        yield page


@pytest.fixture
def visited(browser: VisitorPage) -> Iterator[Visited]:
    page = Visited(browser)
    page.begin()
    yield page
    page.judge()
