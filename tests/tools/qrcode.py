"""Reads a QR code from SVG, as a phone would from a screen. For versions 1 to 8.

Written from ISO/IEC 18004 and independent of segno, which makes our codes: it finds the
format, takes the mask off, puts the blocks in order and reads the segments. It does not
correct errors: what comes from a page has none.
"""

import re
from collections.abc import Iterator

__all__ = ["read_svg"]

Matrix = list[list[bool]]

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
LEVELS = {0b01: "L", 0b00: "M", 0b11: "Q", 0b10: "H"}
ALIGNMENT = {1: (), 2: (6, 18), 3: (6, 22), 4: (6, 26), 5: (6, 30), 6: (6, 34)} | {
    7: (6, 22, 38),
    8: (6, 24, 42),
}
# Data codewords of each block, by version and level (ISO/IEC 18004, table 9).
BLOCKS = {
    1: {"L": [19], "M": [16], "Q": [13], "H": [9]},
    2: {"L": [34], "M": [28], "Q": [22], "H": [16]},
    3: {"L": [55], "M": [44], "Q": [17] * 2, "H": [13] * 2},
    4: {"L": [80], "M": [32] * 2, "Q": [24] * 2, "H": [9] * 4},
    5: {"L": [108], "M": [43] * 2, "Q": [15, 15, 16, 16], "H": [11, 11, 12, 12]},
    6: {"L": [68] * 2, "M": [27] * 4, "Q": [19] * 4, "H": [15] * 4},
    7: {"L": [78] * 2, "M": [31] * 4, "Q": [14] * 2 + [15] * 4, "H": [13] * 4 + [14]},
    8: {
        "L": [97] * 2,
        "M": [38, 38, 39, 39],
        "Q": [18] * 4 + [19] * 2,
        "H": [14] * 4 + [15] * 2,
    },
}


def read_svg(svg: str) -> str:
    """The text in the code that this SVG draws with one path of horizontal strokes."""
    return read(_matrix(svg))


def read(matrix: Matrix) -> str:
    size = len(matrix)
    version = (size - 17) // 4
    level, mask = _format(matrix)
    bits = [
        matrix[row][column] ^ _masked(mask, row, column)
        for row, column in _path(size)
        if not _is_function(version, row, column)
    ]
    words = [_number(bits[i : i + 8]) for i in range(0, len(bits) - 7, 8)]
    data = _in_order(words, BLOCKS[version][level])
    return _segments([bool(word >> i & 1) for word in data for i in range(7, -1, -1)])


def _matrix(svg: str) -> Matrix:
    viewed = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    path = re.search(r' d="([^"]+)"', svg)
    assert viewed is not None
    assert path is not None
    side, x, y = int(viewed[1]), 0, 0.0
    drawn: set[tuple[int, int]] = set()
    for command, first, second in re.findall(
        r"([Mmh])(-?[\d.]+)(?:[ ]?(-?[\d.]+))?", path[1]
    ):
        if command == "M":
            x, y = int(first), float(second)
        elif command == "m":
            x, y = x + int(first), y + float(second)
        else:
            drawn.update((int(y), column) for column in range(x, x + int(first)))
            x += int(first)
    quiet = min(row for row, _ in drawn)
    span = range(quiet, side - quiet)
    return [[(row, column) in drawn for column in span] for row in span]


def _format(matrix: Matrix) -> tuple[str, int]:
    """Level and mask, from the copy around the upper left finder."""
    places = [(8, c) for c in (0, 1, 2, 3, 4, 5, 7, 8)]
    places += [(r, 8) for r in (7, 5, 4, 3, 2, 1, 0)]
    value = _number([matrix[r][c] for r, c in places]) ^ 0b101010000010010
    return LEVELS[value >> 13], value >> 10 & 0b111


def _path(size: int) -> Iterator[tuple[int, int]]:
    """From the lower right corner in columns of two, up and down in turn."""
    upwards = True
    for right in range(size - 1, 0, -2):
        column = right if right > 6 else right - 1  # the timing pattern is left out
        rows = range(size - 1, -1, -1) if upwards else range(size)
        for row in rows:
            yield row, column
            yield row, column - 1
        upwards = not upwards


def _is_function(version: int, row: int, column: int) -> bool:
    size = version * 4 + 17
    if row == 6 or column == 6:
        return True
    if (row < 9 and (column < 9 or column >= size - 8)) or (
        row >= size - 8 and column < 9
    ):
        return True
    low, high = sorted((row, column))
    if version >= 7 and low < 6 and size - 11 <= high < size - 8:
        return True
    last = size - 7
    for r in ALIGNMENT[version]:
        for c in ALIGNMENT[version]:
            at_finder = (r, c) in {(6, 6), (6, last), (last, 6)}
            if not at_finder and abs(row - r) <= 2 and abs(column - c) <= 2:
                return True
    return False


def _masked(mask: int, r: int, c: int) -> bool:
    return (
        (r + c) % 2,
        r % 2,
        c % 3,
        (r + c) % 3,
        (r // 2 + c // 3) % 2,
        r * c % 2 + r * c % 3,
        (r * c % 2 + r * c % 3) % 2,
        ((r + c) % 2 + r * c % 3) % 2,
    )[mask] == 0


def _in_order(words: list[int], blocks: list[int]) -> list[int]:
    """Undo the interleaving of the blocks' data; error correction is left."""
    data: list[list[int]] = [[] for _ in blocks]
    stream = iter(words)
    for i in range(max(blocks)):
        for block, length in zip(data, blocks, strict=True):
            if i < length:
                block.append(next(stream))
    return [word for block in data for word in block]


def _segments(bits: list[bool]) -> str:
    text, at = "", 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return _number(bits[at - count : at])

    while len(bits) - at >= 4 and (mode := take(4)):
        if mode == 0b0100:
            text += bytes(take(8) for _ in range(take(8))).decode()
        elif mode == 0b0010:
            count = take(9)
            for _ in range(count // 2):
                pair = take(11)
                text += ALPHANUMERIC[pair // 45] + ALPHANUMERIC[pair % 45]
            text += ALPHANUMERIC[take(6)] if count % 2 else ""
        elif mode == 0b0001:
            count = take(10)
            for done in range(0, count, 3):
                digits = min(3, count - done)
                text += str(take(digits * 3 + 1)).zfill(digits)
        else:
            raise AssertionError(f"a segment of mode {mode:04b}")
    return text


def _number(bits: list[bool]) -> int:
    value = 0
    for bit in bits:
        value = value << 1 | bit
    return value
