"""A payment's QR code as pictures, over a real socket, read by a decoder of our own."""

import re
import struct
import zlib
from collections.abc import Iterator

import pytest
import requests

from engine.money.amount import payment_uri
from tests.tools import qrcode
from tests.tools.node import RunningNode, running_node

LEGACY = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def fetch(node: RunningNode, payment_id: str, kind: str) -> requests.Response:
    """Without a key: who knows the id sees the checkout page as well."""
    path = f"/v1/payments/{payment_id}/qr.{kind}"
    return node.call("GET", path, headers={"Authorization": None})


def svg_text(body: bytes) -> str:
    text = body.decode()
    assert 'xmlns="http://www.w3.org/2000/svg"' in text, "a file of its own"
    # The white ground is the first path; the code is drawn by the one with strokes.
    ground = re.compile(r'<path[^>]*fill="(?:#fff|white)"[^>]*/>')
    return qrcode.read_svg(ground.sub("", text))


def png_text(body: bytes) -> str:
    """Of a PNG with one bit for each pixel (RFC 2083)."""
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", body[16:26])
    assert (depth, colour) == (1, 0), "black and white"
    data, at = b"", 8
    while at < len(body):
        length, name = struct.unpack(">I4s", body[at : at + 8])
        if name == b"IDAT":
            data += body[at + 8 : at + 8 + length]
        at += 12 + length
    raw, stride = zlib.decompress(data), 1 + (width + 7) // 8
    above = bytes(stride - 1)
    dark: list[list[bool]] = []
    for start in range(0, height * stride, stride):
        how, row = raw[start], raw[start + 1 : start + stride]
        assert how in {0, 2}, "as it is, or what differs from the row above"
        if how == 2:
            row = bytes((a + b) % 256 for a, b in zip(row, above, strict=True))
        above = row
        dark.append([not row[x // 8] >> 7 - x % 8 & 1 for x in range(width)])
    edge = next(x for x in range(width) if any(row[x] for row in dark))
    # The first row begins with a finder's side, seven modules long.
    module = (dark[edge].index(False, edge) - edge) // 7
    count = (width - 2 * edge) // module
    assert edge == 4 * module, "four modules of white round it (ISO/IEC 18004)"
    places = [edge + n * module + module // 2 for n in range(count)]
    return qrcode.read([[dark[y][x] for x in places] for y in places])


@pytest.mark.parametrize("address", [None, LEGACY])
def test_both_pictures_say_the_uri_in_the_case_that_phones_take(
    node: RunningNode, address: str | None
) -> None:
    given = {} if address is None else {"address": address}
    made = node.create(amount_sat=123_456, **given)
    svg, png = (fetch(node, made["id"], kind) for kind in ("svg", "png"))
    assert (svg.status_code, png.status_code) == (200, 200)
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert png.headers["Content-Type"] == "image/png"
    said = svg_text(svg.content)
    assert png_text(png.content) == said
    assert said.startswith("bitcoin:"), "phones match schemes by case"
    shown = said.removeprefix("bitcoin:").partition("?")[0]
    assert shown == (address or made["address"].upper()), "bech32 in capitals"
    expected = payment_uri(made["address"], 123_456, None)
    assert said.replace(shown, made["address"]) == expected == made["uri"]


def test_no_code_for_what_nobody_shall_pay(node: RunningNode) -> None:
    assert fetch(node, "pay_nobody", "svg").json()["code"] == "payment_not_found"
    assert fetch(node, "pay_nobody", "gif").status_code == 404
    made = node.create(amount_sat=1_000)
    node.post(f"/v1/payments/{made['id']}/cancel")
    over = fetch(node, made["id"], "png")
    assert over.status_code == 404
    assert "QR code" in over.json()["detail"]
