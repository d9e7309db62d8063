"""The node's key beside a backup: opened by its passphrase, and by nothing else."""

import json
from typing import Any

import pytest

from engine.errors import KeyFileError
from engine.secrets.sealed_key import open_key, seal_key

KEY = bytes(range(32))
PASSPHRASE = "correct horse battery"


def changed(**fields: Any) -> bytes:
    file = json.loads(seal_key(KEY, PASSPHRASE))
    return json.dumps(file | fields).encode()


def test_its_passphrase_opens_it() -> None:
    assert open_key(seal_key(KEY, PASSPHRASE), PASSPHRASE) == KEY


def test_it_shows_nothing_of_the_key_and_is_never_the_same_twice() -> None:
    first, second = seal_key(KEY, PASSPHRASE), seal_key(KEY, PASSPHRASE)
    assert first != second
    for sealed in (first, second):
        assert KEY.hex().encode() not in sealed
        assert PASSPHRASE.encode() not in sealed


def test_another_passphrase_opens_nothing() -> None:
    sealed = seal_key(KEY, PASSPHRASE)
    for wrong in (PASSPHRASE + " ", PASSPHRASE.upper(), "another passphrase", ""):
        with pytest.raises(KeyFileError, match="passphrase is wrong"):
            open_key(sealed, wrong)


@pytest.mark.parametrize("field", ["salt", "nonce", "sealed"])
def test_a_changed_byte_opens_nothing(field: str) -> None:
    file = json.loads(seal_key(KEY, PASSPHRASE))
    text = file[field]
    file[field] = ("B" if text[0] == "A" else "A") + text[1:]
    with pytest.raises(KeyFileError, match=r"passphrase is wrong, or .* damaged"):
        open_key(json.dumps(file).encode(), PASSPHRASE)


@pytest.mark.parametrize(
    "fields",
    [
        {"scrypt_n": 1 << 21},  # 2 GB, asked for by a file from elsewhere
        {"scrypt_n": 1 << 40},
        {"scrypt_n": 33_000},  # no power of two
        {"scrypt_n": 1},
        {"scrypt_n": 0},
        {"scrypt_n": -2},
        {"nonce": "AAAA"},
    ],
)
def test_parameters_out_of_range_are_refused_before_they_cost_anything(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(KeyFileError, match="out of range"):
        open_key(changed(**fields), PASSPHRASE)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", bytes(32), b"\xff" * 90, changed(more=1)]
)
def test_what_is_no_sealed_key_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(KeyFileError, match="no sealed key"):
        open_key(content, PASSPHRASE)
