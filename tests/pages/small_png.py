"""A PNG made small: at most 256 colours, one byte for each pixel.

Chromium writes 24 bits a pixel. A page has a few colours and their mixtures at the
edges of letters, so the most frequent ones stand for the others. Pure; some seconds for
a million pixels.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

__all__ = ["small_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256

Colour = bytes


def small_png(picture: bytes) -> bytes:
    """The same picture. Raises ValueError for what is no PNG of 8 bits a channel, RGB
    or RGBA, not interlaced."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(
        ">IIBBBBB", dict(_chunks(picture))[b"IHDR"]
    )
    if depth != 8 or kind not in (2, 6) or interlaced:
        raise ValueError(f"not a picture of Chromium's: {depth=} {kind=}")
    channels = 3 if kind == 2 else 4
    packed = b"".join(data for name, data in _chunks(picture) if name == b"IDAT")
    rows = _unfiltered(zlib.decompress(packed), width * channels, channels)
    lines = [[row[at : at + 3] for at in range(0, len(row), channels)] for row in rows]
    assert len(lines) == height
    palette = [
        colour
        for colour, _ in Counter(
            colour for line in lines for colour in line
        ).most_common(COLOURS)
    ]
    places = {colour: place for place, colour in enumerate(palette)}
    body = bytearray()
    for line in lines:
        body.append(0)  # no filter: neighbours in a palette are no neighbours
        for colour in line:
            place = places.get(colour)
            if place is None:
                place = places[colour] = _nearest(colour, palette)
            body.append(place)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", head),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(bytes(body), 9)),
            (b"IEND", b""),
        )
    )


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not picture.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def _unfiltered(data: bytes, length: int, step: int) -> Iterator[bytes]:
    """Rows of pixels: PNG, section 9 (each row says which of its neighbours it is
    written against)."""
    before = bytes(length)
    for at in range(0, len(data), length + 1):
        row = bytearray(data[at + 1 : at + 1 + length])
        kind = data[at]
        for x in range(length) if kind else ():
            left = row[x - step] if x >= step else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = before[x]
            elif kind == 3:
                guess = (left + before[x]) // 2
            else:
                corner = before[x - step] if x >= step else 0
                guess = _paeth(left, before[x], corner)
            row[x] = (row[x] + guess) & 255
        before = bytes(row)
        yield before


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    to_left, to_above = abs(guess - left), abs(guess - above)
    to_corner = abs(guess - corner)
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    red, green, blue = colour

    def distance(place: int) -> int:
        other = palette[place]
        return (other[0] - red) ** 2 + (other[1] - green) ** 2 + (other[2] - blue) ** 2

    return min(range(len(palette)), key=distance)
