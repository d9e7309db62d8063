"""What a provider's webhook says, read from its raw form. Pure; trusts nothing.

Two dialects: the JSON of `POST /webhook/btc`, and the query string with which
Blockonomics calls back (`addr`, `status`, `value` in satoshi, `txid`, `rbf`;
developers.blockonomics.co/reference/callback-notification). Whoever sends them is
checked in `webhooks.py`.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.errors import InvalidAmount
from engine.money.amount import MAX_SAT, btc_to_sat
from transport.bodies.problem_body import FieldError
from transport.http.problems import invalid
from transport.http.strict_json import parse_json

__all__ = ["MAX_STATUS_LENGTH", "ProviderNotification", "read_blockonomics", "read_btc"]

MAX_STATUS_LENGTH: Final = 40
MAX_TXID_LENGTH: Final = 200

_TXID: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_STATUS: Final = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
#: With the `_` of the `test_address` in PayButton's document, which nobody has.
_ADDRESS: Final = re.compile(rf"[0-9A-Za-z_]{{1,{MAX_ADDRESS_LENGTH}}}", re.ASCII)
_SATOSHI: Final = re.compile(rf"[0-9]{{1,{len(str(MAX_SAT))}}}", re.ASCII)

_WHOLE_SATOSHI: Final = f"must be a whole number of satoshi between 0 and {MAX_SAT}"
_LONG_TXID: Final = f"must have at most {MAX_TXID_LENGTH} characters"
_NO_TXID: Final = "must be 64 hexadecimal digits, or absent"
_NO_ADDRESS: Final = "is required: a bitcoin address"

#: Words for "money is on its way or there", in the JSON dialect. With any other word
#: nothing is claimed: it may mean that the transaction was dropped.
_CLAIMING: Final = {
    "",
    "unconfirmed",
    "pending",
    "mempool",
    "detected",
    "received",
    "confirming",
    "partially_confirmed",
    "confirmed",
    "completed",
    "paid",
}


class ProviderNotification(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook, read. Its amount is satoshi; None: it does not say."""

    provider: str
    address: str
    txid: str | None = None
    amount_sat: int | None = None
    status: str = ""
    replaceable: bool = False

    @property
    def claims_money(self) -> bool:
        """Whether it says that something was paid: a status that is not negative, of
        what can be a transaction."""
        if self.txid is not None and not _TXID.fullmatch(self.txid):
            return False
        if _STATUS.fullmatch(self.status):
            return int(self.status) >= 0
        return self.status in _CLAIMING

    def key(self, payment_id: str | None) -> str:
        """Two webhooks with one key say the same thing about the same payment.

        The payment is part of it: what came before there was a payment must not make a
        duplicate of what comes afterwards.
        """
        content = msgspec.json.encode((self, payment_id))
        return hashlib.sha256(content).hexdigest()


def read_btc(body: bytes) -> ProviderNotification:
    """`{"address", "amount" in BTC | "value" in satoshi, "txid"?, "status"?}`.

    An amount that is a JSON number is taken digit by digit from the text, never
    through a float. Raises `Problem` 400 (no JSON) or 422 (wrong values).
    """
    payload = parse_json(body, exact=True)
    if not isinstance(payload, dict):
        raise invalid(FieldError("", "must be a JSON object"))
    errors: list[FieldError] = []

    def wrong(name: str, text: str) -> None:
        errors.append(FieldError(f"/{name}", text))

    address = payload.get("address")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        wrong("address", _NO_ADDRESS)
    txid = payload.get("txid")
    if txid is not None and not (isinstance(txid, str) and _TXID.fullmatch(txid)):
        wrong("txid", _NO_TXID)
    status = payload.get("status")
    if status is None:  # null is how some leave a field out
        status = ""
    if isinstance(status, bool) or not isinstance(status, int | str):
        wrong("status", "must be a number or a word, or absent")
    elif len(str(status)) > MAX_STATUS_LENGTH:
        wrong("status", f"must have at most {MAX_STATUS_LENGTH} characters")
    amount_sat = None
    try:
        amount_sat = _amount(payload)
    except InvalidAmount as error:
        wrong("value" if "value" in payload else "amount", str(error))
    if errors:
        raise invalid(*errors)
    return ProviderNotification(
        provider="btc",
        address=str(address),
        txid=txid.lower() if isinstance(txid, str) else None,
        amount_sat=amount_sat,
        status=str(status).strip().lower(),
    )


def read_blockonomics(fields: Mapping[str, str]) -> ProviderNotification:
    """Blockonomics' query, without its secret. Raises `Problem` 422.

    A status that is unknown, negative or no number is no mistake: it claims nothing.
    Nor is a txid that is none: its test bench sends
    `WarningThisIsAGeneratedTestPaymentAndNotARealBitcoinTransaction`.
    """
    errors = []
    address, txid, value = (fields.get(name, "") for name in ("addr", "txid", "value"))
    if not _ADDRESS.fullmatch(address):
        errors.append(FieldError("?addr", _NO_ADDRESS))
    if len(txid) > MAX_TXID_LENGTH:
        errors.append(FieldError("?txid", _LONG_TXID))
    if value and not (_SATOSHI.fullmatch(value) and int(value) <= MAX_SAT):
        errors.append(FieldError("?value", _WHOLE_SATOSHI))
    if errors:
        raise invalid(*errors)
    status = fields.get("status", "").strip()
    known = _STATUS.fullmatch(status) is not None
    return ProviderNotification(
        provider="blockonomics",
        address=address,
        txid=(txid.lower() if _TXID.fullmatch(txid) else txid) or None,
        amount_sat=int(value or 0) or None,
        # Words are not theirs; what they would mean nobody knows.
        status=str(int(status)) if known else "unknown",
        replaceable=fields.get("rbf") == "1",
    )


def _amount(payload: Mapping[str, Any]) -> int | None:
    """The sum in satoshi, which may be given twice if it is the same; 0 is None."""
    amount, value = payload.get("amount"), payload.get("value")
    if amount is None and value is None:
        raise InvalidAmount('is required: BTC in "amount" or satoshi in "value"')
    from_btc = None if amount is None else btc_to_sat(amount)
    if value is None:
        return from_btc or None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidAmount(_WHOLE_SATOSHI)
    if not 0 <= value <= MAX_SAT:
        raise InvalidAmount(_WHOLE_SATOSHI)
    if from_btc is not None and from_btc != value:
        raise InvalidAmount("is not the same sum as amount")
    return value or None
