"""Parsers of wallets' kinds, written anew from what their own code is published to do.

Each takes a scanned text and says what that wallet would pay: ("onchain", address,
amount or None), ("lightning", invoice), or None for what it refuses. Invoices are read
by the library `bolt11`, addresses by our own reader.

Read in November 2026:

core      Bitcoin Core, src/qt/guiutil.cpp, parseBitcoinURI: QUrl makes the scheme lower
          case; `req-` it does not know refuses all; any other unknown key is passed
          over, `lightning` too.
electrum  Electrum, electrum/bip21.py, parse_bip21_URI: keys by their case, none twice;
          an invoice that does not read, or whose sum differs from `amount` by more than
          a satoshi (or that has none beside it), refuses the whole URI.
          electrum/payment_identifier.py: a text with `lightning:` or without is an
          invoice.
rust      rust-bitcoin/bitcoin-payment-instructions, src/lib.rs (LDK and what is built
          on it): scheme and keys whatever their case, the invoice's network is checked,
          ways with and without a sum in one URI refuse it; BIP 321 whole.
breez     Breez, lib/utils/bip21.dart, extractBolt11FromBip21: everything is made lower
          case first, then `lightning` is taken.
blue      BlueWallet, class/deeplink-schema-match.ts, isBothBitcoinAndLightning: the
          text is cut at `bitcoin:` and `lightning=` in small letters; the payer chooses
          a wallet, and so the half; without such a key the address alone is taken.
phoenix   Phoenix, Parser.kt, readPaymentRequest and readBitcoinAddress: prefixes in any
          case; where there are both the payer is asked: here, who says Lightning.
old       Wallets from before unified URIs: BIP 21 by the letter, unknown keys are
          passed over, the scheme in small letters only, and no word of Lightning.
"""

from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import bolt11

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress

__all__ = ["WALLETS", "Pays"]

Pays = tuple[str, str, str | None] | None

NETWORK = "regtest"


def _address(text: str) -> str | None:
    try:
        return parse_address(text, NETWORK).text
    except InvalidAddress:
        return None


def _invoice(text: str) -> str | None:
    try:
        read = bolt11.decode(text.lower())
    except Exception:  # noqa: BLE001 - the library has many
        return None
    return text.lower() if read.currency == "bcrt" else None


def _sats(text: str) -> int | None:
    amount = bolt11.decode(text.lower()).amount_msat
    return None if amount is None else int(amount) // 1000


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(key, value) for key, _, value in parts]


def _chain(text: str, amount: str | None) -> Pays:
    address = _address(text)
    return None if address is None else ("onchain", address, amount)


def _lightning(text: str) -> Pays:
    invoice = _invoice(text)
    return None if invoice is None else ("lightning", invoice, None)


def core(text: str) -> Pays:
    url = urlsplit(text)  # like QUrl, the scheme in small letters
    if url.scheme != "bitcoin":
        return None
    keys = dict(_pairs(url.query))
    if any(key.startswith("req-") for key in keys):
        return None
    return _chain(url.path.rstrip("/"), keys.get("amount"))


def old(text: str) -> Pays:
    return core(text) if text.startswith("bitcoin:") else None


def electrum(text: str) -> Pays:
    head, colon, rest = text.partition(":")
    if not colon or head.lower() == "lightning":
        return _lightning(rest if colon else text)
    if head.lower() != "bitcoin":
        return None
    path, _, query = rest.partition("?")
    found = parse_qs(query)
    if any(len(values) != 1 or key.startswith("req-") for key, values in found.items()):
        return None
    keys = {key: values[0] for key, values in found.items()}
    if path and _address(path) is None:
        return None
    if "lightning" in keys:
        if _invoice(keys["lightning"]) is None:
            return None
        sats = _sats(keys["lightning"])
        if "amount" in keys:
            asked = int(Decimal(keys["amount"]) * 10**8)
            if sats is None or abs(asked - sats) > 1:
                return None
        return _lightning(keys["lightning"])
    return _chain(path, keys.get("amount"))


def rust(text: str) -> Pays:
    head, colon, rest = text.partition(":")
    if colon and head.lower() == "lightning":
        return _lightning(rest)
    if not colon or head.lower() != "bitcoin":
        return _lightning(text)
    path, _, query = rest.partition("?")
    keys = {key.lower(): value for key, value in _pairs(query)}
    if path and _address(path) is None:
        return None
    known = {"amount", "lightning", "label", "message", "lno", "pop", "bc", "tb"}
    if any(k.startswith("req-") and k[4:] not in known for k in keys):
        return None
    amount = keys.get("amount", keys.get("req-amount"))
    invoice = keys.get("lightning", keys.get("req-lightning"))
    if invoice is None:
        return _chain(path, amount)
    if _invoice(invoice) is None:
        return None
    if path and (amount is None) != (_sats(invoice) is None):
        return None
    return _lightning(invoice)


def breez(text: str) -> Pays:
    small = text.lower()
    if small.startswith("bitcoin:"):
        keys = dict(_pairs(urlsplit(small).query))
        if keys.get("lightning"):
            return _lightning(keys["lightning"])
        return _chain(urlsplit(small).path, keys.get("amount"))
    return _lightning(small.removeprefix("lightning:"))


def blue_of_the_chain(text: str) -> Pays:
    """Its payer has chosen a wallet of the chain."""
    head = text.replace("BITCOIN:", "bitcoin:", 1)
    if not head.startswith("bitcoin:"):
        return None
    half = head.split("lightning=")[0].removeprefix("bitcoin:")
    path, _, query = half.partition("?")
    return _chain(path, dict(_pairs(query)).get("amount"))


def blue_of_lightning(text: str) -> Pays:
    """Its payer has chosen a wallet of Lightning."""
    if text.lower().startswith("lightning:lnb"):
        return _lightning(text[len("lightning:") :])
    if text.lower().startswith("lnb"):
        return _lightning(text)
    if "lightning=" in text and ("bitcoin" in text or "BITCOIN" in text):
        return _lightning(text.split("lightning=")[1].split("&")[0])
    return None


def phoenix(text: str) -> Pays:
    small = text.lower()
    if small.startswith("lightning:"):
        return _lightning(text[len("lightning:") :])
    if small.startswith("bitcoin:"):
        path, _, query = text[len("bitcoin:") :].partition("?")
        keys = dict(_pairs(query))
        if any(key.startswith("req-") for key in keys):
            return None
        if "lightning" in keys:  # beside the address: the payer is asked
            return _lightning(keys["lightning"])
        return _chain(path, keys.get("amount"))
    return _lightning(text)


WALLETS: dict[str, Callable[[str], Pays]] = {
    one.__name__: one
    for one in (
        core,
        old,
        electrum,
        rust,
        breez,
        blue_of_the_chain,
        blue_of_lightning,
        phoenix,
    )
}
