"""What wallets and a Lightning Address say to each other (LNURL-pay). Pure.

    wallet: GET /.well-known/lnurlp/<name>      we: `PayRequest`
    wallet: GET <callback>?amount=<msat>        we: `PayAnswer`, with an invoice
    anybody: GET <verify>                       we: `VerifyAnswer`
    whatever is wrong                           we: `LnurlRefusal`

The documents are github.com/lnurl/luds: LUD-01 (encoding, errors), 06 (payRequest),
09 (success action), 12 (comments), 16 (addresses), 21 (verify). Amounts are
millisatoshi there, and in the names of fields here; whole satoshi are what we take.

Raises, where it says so, ValueError with a sentence for the wallet's user: it holds
nothing of what came.
"""

import hashlib
import json
import re
from typing import Final, Literal, NamedTuple

import msgspec
from embit import bech32

__all__ = [
    "MAX_TAG",
    "LnurlRefusal",
    "LocalPart",
    "MessageAction",
    "PayAnswer",
    "PayRequest",
    "UrlAction",
    "VerifyAnswer",
    "description_hash",
    "encode_lnurl",
    "metadata_of",
    "read_amount_sat",
    "read_comment",
    "read_local_part",
]

MAX_TAG: Final = 32
MSAT: Final = 1_000

_LOCAL = re.compile(
    rf"([a-z0-9](?:[a-z0-9._-]{{0,62}}[a-z0-9])?)(?:\+([a-z0-9._-]{{1,{MAX_TAG}}}))?",
    re.ASCII,
)
_MSAT = re.compile(r"[0-9]{1,19}", re.ASCII)  # 21 million BTC have as many
_CONTROLS = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class LocalPart(NamedTuple):
    """What stands before the @: a merchant's name, and a tag behind `+` (LUD-16)."""

    name: str
    tag: str  # empty: none

    def __str__(self) -> str:
        return f"{self.name}+{self.tag}" if self.tag else self.name


class PayRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """LUD-06, step 3. Sums are millisatoshi."""

    callback: str
    max_sendable: int
    min_sendable: int
    metadata: str
    comment_allowed: int
    tag: Literal["payRequest"] = "payRequest"


class MessageAction(msgspec.Struct, frozen=True, kw_only=True):
    """LUD-09: what a wallet shows when it has paid."""

    message: str
    tag: Literal["message"] = "message"


class UrlAction(msgspec.Struct, frozen=True, kw_only=True):
    """LUD-09: of the same domain as the callback."""

    description: str
    url: str
    tag: Literal["url"] = "url"


class PayAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """LUD-06, step 5, with LUD-21. `disposable` (LUD-11): false, the address stays
    good; without it wallets take it for true."""

    pr: str
    routes: list[str]
    disposable: bool
    verify: str
    successAction: MessageAction | UrlAction | None = None  # noqa: N815


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """LUD-21."""

    status: Literal["OK"] = "OK"
    settled: bool
    preimage: str | None
    pr: str


class LnurlRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """LUD-06: the same for all that goes wrong, with HTTP 200."""

    status: Literal["ERROR"] = "ERROR"
    reason: str


def encode_lnurl(url: str) -> str:
    """LUD-01, in capitals: a QR code is smaller so."""
    assert url.isascii(), "a URL that is none"
    words = bech32.convertbits(url.encode(), 8, 5)
    return str(bech32.bech32_encode(bech32.Encoding.BECH32, "lnurl", words)).upper()


def metadata_of(description: str, identifier: str, tag: str = "") -> str:
    """The JSON that an invoice commits to. `identifier`: as one writes the address."""
    entries = [["text/plain", description], ["text/identifier", identifier]]
    if tag:
        entries.append(["text/tag", tag])
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def description_hash(metadata: str) -> str:
    """64 hexadecimal digits: of exactly this text, in UTF-8 (LUD-06)."""
    return hashlib.sha256(metadata.encode()).hexdigest()


def read_local_part(text: str) -> LocalPart | None:
    """None if there can be no such address. Capitals are read as small letters: people
    write them, and there is never a second address of the other kind."""
    if not text.isascii():
        return None
    match = _LOCAL.fullmatch(text.lower())
    return None if match is None else LocalPart(match[1], match[2] or "")


def read_amount_sat(text: str | None, min_sat: int, max_sat: int) -> int:
    """Raises ValueError."""
    if text is None:
        raise ValueError("amount is missing: a number of millisatoshi.")
    if not _MSAT.fullmatch(text):
        raise ValueError("amount must be a whole number of millisatoshi.")
    sat, rest = divmod(int(text), MSAT)
    if not min_sat <= sat <= max_sat or (sat == max_sat and rest):
        raise ValueError(
            f"amount must be between {min_sat * MSAT} and {max_sat * MSAT}"
            " millisatoshi."
        )
    if rest:
        raise ValueError("amount must be whole satoshi, a multiple of 1000.")
    return sat


def read_comment(text: str, longest: int) -> str:
    """Raises ValueError. Lines are allowed; what would hide text is not."""
    if text and not longest:
        raise ValueError("This address takes no comments.")
    if len(text) > longest:
        raise ValueError(f"comment must have at most {longest} characters.")
    if _CONTROLS.search(text):
        raise ValueError("comment must have no control characters.")
    return text
