"""The pictures of the documents are there, are small, and can be made anew."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.conftest import Visited
from tests.pages.shooting import FOLDER, LARGEST, all_shots, close, take
from tests.pages.shots_checkout import STATES
from tests.pages.small_png import small_png

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"screenshots/([\w-]+)\.png")


@pytest.fixture(scope="module", autouse=True)
def ending() -> Iterator[None]:
    yield
    close()


def named() -> set[str]:
    """By README and the documents."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return {name for page in pages for name in NAMED.findall(page.read_text("utf-8"))}


def test_every_picture_that_a_document_shows_is_there_and_can_be_made() -> None:
    assert "checkout" in named()
    assert named() <= all_shots().keys()
    assert named() <= {picture.stem for picture in FOLDER.glob("*.png")}


def test_every_picture_is_small_made_by_a_function_and_shown_by_a_document() -> None:
    pictures = {picture.stem: picture for picture in FOLDER.glob("*.png")}
    assert pictures.keys() == all_shots().keys()
    assert pictures.keys() == named()
    large = [name for name, file in pictures.items() if file.stat().st_size > LARGEST]
    assert large == []


@pytest.mark.parametrize("state", sorted(STATES))
def test_each_state_of_the_checkout_has_a_picture(state: str) -> None:
    """`tests/pages/shots_checkout.py` has one payment of each, which axe looks at."""
    assert {f"pay-{state}", f"pay-{state}-dark"} & named()


def test_each_page_of_the_dashboard_has_a_picture() -> None:
    pages = (ROOT / "transport/web/desk/pages.mjs").read_text(encoding="utf-8")
    names = re.findall(r' name: "(\w+)"', pages)
    assert len(names) > 10
    pictured = {name for kind in ("dash", "desk") for name in names
                if f"{kind}-{name}" in named()}  # fmt: skip
    assert pictured == set(names)


def test_a_picture_is_made_as_it_is_committed(visited: Visited, tmp_path: Path) -> None:
    picture = tmp_path / "checkout.png"
    take(all_shots()["checkout"], visited, picture)
    assert picture.stat().st_size <= LARGEST
    assert size(picture) == size(FOLDER / "checkout.png")


def size(picture: Path) -> tuple[int, int]:
    """Its width: the height follows from words and fonts."""
    width, _ = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, picture.read_bytes()[25]


def test_a_small_picture_has_the_pixels_of_the_large_one() -> None:
    rows = [[(x * 40, y * 40, 255 - x) for x in range(3)] for y in range(5)]
    expected = [bytes(channel for pixel in row for channel in pixel) for row in rows]
    small = small_png(rgb(expected, filters=[0, 1, 2, 3, 4]))
    palette, body = chunk(small, b"PLTE"), zlib.decompress(chunk(small, b"IDAT"))
    shown = [
        b"".join(palette[3 * place : 3 * place + 3] for place in body[at + 1 : at + 4])
        for at in range(0, len(body), 4)
    ]
    assert shown == expected


def chunk(picture: bytes, name: bytes) -> bytes:
    at = picture.index(name)
    (length,) = struct.unpack(">I", picture[at - 4 : at])
    return picture[at + 4 : at + 4 + length]


def rgb(rows: list[bytes], filters: list[int]) -> bytes:
    """A PNG of 8-bit RGB, each row with its filter (PNG, section 9.2)."""
    body, before = b"", bytes(len(rows[0]))
    for row, kind in zip(rows, filters, strict=True):
        left = bytes(3) + row[:-3]
        corner = bytes(3) + before[:-3]
        guesses = {
            0: bytes(len(row)),
            1: left,
            2: before,
            3: bytes((a + b) // 2 for a, b in zip(left, before, strict=True)),
            4: bytes(map(nearest, left, before, corner)),
        }[kind]
        body += bytes([kind])
        body += bytes((v - g) & 255 for v, g in zip(row, guesses, strict=True))
        before = row
    head = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + bytes(4) for name, data in parts
    )


def nearest(left: int, above: int, corner: int) -> int:
    """Paeth's predictor, said otherwise than in the code under test."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
