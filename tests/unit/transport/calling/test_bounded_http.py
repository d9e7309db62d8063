"""Answers of megabytes, which are there at once from a node on the same machine."""

from io import BytesIO

import pytest
from urllib3 import HTTPResponse

from transport.calling import bounded_http
from transport.calling.bounded_http import _CHUNK, _PIECES_PER_YIELD, read_bounded


def test_others_have_their_turn_after_half_a_megabyte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = bytes(range(256)) * 256 * 20  # 20 pieces
    yields: list[None] = []
    monkeypatch.setattr(bounded_http, "yield_to_hub", lambda: yields.append(None))
    raw = HTTPResponse(BytesIO(body), preload_content=False)
    assert read_bounded(raw, len(body)) == body
    assert _CHUNK * _PIECES_PER_YIELD == 512 * 1024
    assert len(yields) == len(body) // (512 * 1024)
