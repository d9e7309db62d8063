"""Which blocks of README and docs a file of tests runs.

    RUN = Runs()
    ALERTS = RUN.take("alerts.md", "bash")

A file that runs blocks takes them here and nowhere else, so that what is counted as run
is the text that its tests execute, as it stands on the page.
"""

from pathlib import Path

from tests.docs.snippets import ROOT, Block, blocks, of_readmes

__all__ = ["Runs", "here"]


class Runs:
    """`blocks`: those that were taken. A page is named as in docs/, another README by
    its path."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def take(self, page: str, language: str, holding: str = "") -> Block:
        """The one block of the page in this language that holds this text."""
        (found,) = [each for each in _of(page, language) if holding in each.text]
        return self._taken([found])[0]

    def all(self, page: str, language: str) -> list[Block]:
        return self._taken(_of(page, language))

    def steps(self, readme: Path) -> Path:
        """A README whose steps in `sh` a `Reader` follows, all of them."""
        page = str(readme.relative_to(ROOT))
        self._taken(_of(page, "sh") + _of(page, "sh server"))
        return readme

    def _taken(self, found: list[Block]) -> list[Block]:
        assert found, "the page has no such block"
        self.blocks += found
        return found


def here(text: str, replaced: dict[str, str]) -> str:
    """A block with what cannot be the same in a test: ports, hosts, what is left out
    ("…"). AssertionError if the page says nothing of it."""
    for old, new in replaced.items():
        assert old in text, f"{old} is not in {text}"
        text = text.replace(old, new)
    return text


def _of(page: str, language: str) -> list[Block]:
    every = [*blocks(), *of_readmes()]
    return [b for b in every if (b.page, b.language) == (page, language)]
