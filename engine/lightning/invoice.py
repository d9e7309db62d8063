"""Lightning invoices (BOLT 11): read, and held against what was asked for. Pure.

A node that is broken, taken over or mistaken must not make a payer pay for something
else: no invoice is shown to anybody that did not come through `check_invoice`.

Written out here because the library that reads invoices takes 7 ms for each, of a loop
that serves everybody; this takes a tenth of one. The library is the tests' judge.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec
from coincurve import PublicKey, verify_signature
from coincurve.ecdsa import cdata_to_der, deserialize_recoverable, recoverable_convert

from engine.errors import InvalidInput, InvoiceMismatch
from engine.lightning.agreed import Invoice
from engine.lightning.bech32 import from_groups, number_of, read_bech32
from engine.lightning.node import InvoiceAsked, InvoiceMade
from engine.money.amount import MAX_SAT

__all__ = [
    "EXPIRY_SLACK_S",
    "MAX_INVOICE_LENGTH",
    "MAX_MSAT",
    "ReadInvoice",
    "check_invoice",
    "read_invoice",
]

#: Longer text is refused unread. With the longest description (639 bytes) and three
#: hints of routes an invoice has about 1,700.
MAX_INVOICE_LENGTH: Final = 4_096

#: All bitcoin that there will ever be.
MAX_MSAT: Final = MAX_SAT * 1_000

#: So much may the expiry differ from what was asked: a node's clock, a service that
#: counts in minutes (Blink), the time that its answer took.
EXPIRY_SLACK_S: Final = 120

_NETWORKS: Final = {
    "bc": "mainnet",
    "tb": "testnet",
    "tbs": "signet",
    "bcrt": "regtest",
}
_PREFIX: Final = re.compile(r"ln(bcrt|bc|tbs|tb)(?:([1-9][0-9]{0,19})([munp]?))?")

#: A bitcoin is 10^11 msat; of pico-bitcoin ten make one, so the last digit is 0.
_MSAT: Final = {"": 10**11, "m": 10**8, "u": 10**5, "n": 10**2}

_SIGNATURE: Final = 104  # groups of five bits: 64 bytes, and which of four keys it is
_TIMESTAMP: Final = 7
_DEFAULT_EXPIRY_S: Final = 3_600

#: Of an invoice that can be paid for longer something is wrong: a hundred years.
_MAX_EXPIRY_S: Final = 100 * 366 * 86_400

#: BOLT 9 has given out the bits below. An even one above is a demand that no wallet
#: knows, and each must refuse.
_KNOWN_FEATURES: Final = 64

_TAGS: Final = dict(zip(b"\x01\x10\x0d\x13\x17\x06\x05", "psdnhx9", strict=True))
_LENGTHS: Final = {"p": 52, "s": 52, "n": 53, "h": 52}  # others are to be skipped


class ReadInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in an invoice, its signature checked. Times in ms."""

    bolt11: str  # in small letters
    network: str
    payment_hash: str  # 64 small hexadecimal digits, as `description_hash`
    amount_msat: int | None  # None: whatever the payer likes
    description: str | None
    description_hash: str | None
    created_at: int
    expires_at: int
    has_payment_secret: bool
    payee: str  # public key of the node that takes it, hexadecimal


def read_invoice(text: str, network: str = "") -> ReadInvoice:
    """Read and check one; `network`: only of that one. Raises `InvalidInput`."""
    if len(text) > MAX_INVOICE_LENGTH:
        raise InvalidInput(f"an invoice has at most {MAX_INVOICE_LENGTH} characters")
    prefix, values = read_bech32(text)
    found, amount_msat = _read_prefix(prefix)
    if network and found != network:
        raise InvalidInput(f"the invoice is of {found}, not {network}")
    if len(values) < _TIMESTAMP + _SIGNATURE:
        raise InvalidInput("it is too short for an invoice")
    signed, signature = values[:-_SIGNATURE], values[-_SIGNATURE:]
    fields: dict[str, bytes] = {}
    for tag, data in _fields(signed[_TIMESTAMP:]):
        fields.setdefault(tag, data)  # of several the first is preferred
    if "p" not in fields:
        raise InvalidInput("the invoice has no payment hash")
    _check_features(number_of(fields.get("9", b"")))
    created_at = number_of(signed[:_TIMESTAMP])
    expiry_s = number_of(fields["x"]) if "x" in fields else _DEFAULT_EXPIRY_S
    if expiry_s > _MAX_EXPIRY_S:
        raise InvalidInput("the invoice does not expire for a hundred years")
    return ReadInvoice(
        bolt11=text.lower(),
        network=found,
        payment_hash=from_groups(fields["p"]).hex(),
        amount_msat=amount_msat,
        description=_text(fields["d"]) if "d" in fields else None,
        description_hash=from_groups(fields["h"]).hex() if "h" in fields else None,
        created_at=created_at * 1000,
        expires_at=(created_at + expiry_s) * 1000,
        has_payment_secret="s" in fields,
        payee=_signer(prefix, signed, signature, fields.get("n")),
    )


def check_invoice(
    made: InvoiceMade, asked: InvoiceAsked, network: str, now: int, node: str
) -> Invoice:
    """What the account `node` made, if it is what was asked for at about `now` (ms).

    Raises `InvoiceMismatch`, which says what is wrong: for the operator, no payer.
    """
    try:
        read = read_invoice(made.bolt11, network)
    except InvalidInput as error:
        raise InvoiceMismatch(f"the node's invoice cannot be used: {error}") from error
    wrong = "".join(_differences(read, made, asked, now))
    if wrong:
        raise InvoiceMismatch(f"the node's invoice is not what was asked for{wrong}")
    return Invoice(
        node=node,
        bolt11=read.bolt11,
        payment_hash=read.payment_hash,
        amount_msat=read.amount_msat,
        expires_at=read.expires_at,
    )


def _differences(
    read: ReadInvoice, made: InvoiceMade, asked: InvoiceAsked, now: int
) -> Iterator[str]:
    if read.payment_hash != made.payment_hash:
        yield "; its payment hash is not the one that the node names"
    if read.amount_msat != asked.amount_msat:
        yield f"; it is for {read.amount_msat} msat, not {asked.amount_msat}"
    if not read.has_payment_secret:
        yield "; it has no payment secret"
    if read.expires_at <= now:
        yield "; it has expired"
    elif abs(read.expires_at - now - asked.expires_in_s * 1000) > EXPIRY_SLACK_S * 1000:
        yield f"; it expires in {(read.expires_at - now) // 1000} s,"
        yield f" not {asked.expires_in_s}"
    if not _is_described(read, asked):
        yield "; it has another description"


def _is_described(read: ReadInvoice, asked: InvoiceAsked) -> bool:
    """As it was asked: by the text, or by its hash. Where no text was asked for, the
    node may say what it likes."""
    if asked.description_hash:
        return read.description_hash == asked.description_hash
    if not asked.description or read.description == asked.description:
        return True
    return read.description_hash == sha256(asked.description.encode()).hexdigest()


def _read_prefix(prefix: str) -> tuple[str, int | None]:
    match = _PREFIX.fullmatch(prefix)
    if match is None:
        raise InvalidInput("it does not begin as an invoice does: network and amount")
    currency, digits, unit = match.groups()
    if digits is None:
        return _NETWORKS[currency], None
    if unit == "p" and digits[-1] != "0":
        raise InvalidInput("the invoice is for parts of a millisatoshi")
    number = int(digits)
    msat = number // 10 if unit == "p" else number * _MSAT[unit]
    if msat > MAX_MSAT:
        raise InvalidInput("the invoice is for more bitcoin than there will ever be")
    return _NETWORKS[currency], msat


def _fields(values: bytes) -> Iterator[tuple[str, bytes]]:
    """Those that we read, in order; whatever else there is, is skipped (BOLT 11)."""
    at = 0
    while at < len(values):
        head = values[at : at + 3]
        length = number_of(head[1:])
        data = values[at + 3 : at + 3 + length]
        if len(head) < 3 or len(data) < length:
            raise InvalidInput("a field of the invoice is cut off")
        tag = _TAGS.get(head[0])
        if tag and _LENGTHS.get(tag, length) == length:
            yield tag, data
        at += 3 + length


def _check_features(bits: int) -> None:
    above, bit = bits >> _KNOWN_FEATURES, _KNOWN_FEATURES
    while above:
        if above & 1:
            raise InvalidInput(f"the invoice demands the unknown feature {bit}")
        above, bit = above >> 2, bit + 2


def _text(groups: bytes) -> str:
    try:
        return from_groups(groups).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the description of the invoice is not UTF-8") from error


def _signer(prefix: str, signed: bytes, signature: bytes, payee: bytes | None) -> str:
    """Who signed it (BOLT 11): the payee that it names, or whose key comes of it."""
    message = prefix.encode() + _filled_up(signed)
    raw = from_groups(signature)
    try:
        if payee is None:
            key = PublicKey.from_signature_and_message(raw, message)
            return key.format().hex()
        named = from_groups(payee)
        given = recoverable_convert(deserialize_recoverable(raw))
        is_good = verify_signature(cdata_to_der(given), message, named)
    except Exception as error:  # coincurve raises nothing narrower
        raise InvalidInput("the signature of the invoice is none") from error
    if not is_good:
        raise InvalidInput("the payee that the invoice names did not sign it")
    return named.hex()


def _filled_up(groups: bytes) -> bytes:
    """Groups of five bits to bytes, filled up with zero bits: what is signed."""
    length = -(-len(groups) * 5 // 8)
    padding = length * 8 - len(groups) * 5
    return (number_of(groups) << padding).to_bytes(length, "big")
