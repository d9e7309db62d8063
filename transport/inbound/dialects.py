"""What a provider's webhook says, read from its raw form. Pure; trusts nothing.

Two dialects: the JSON of `POST /webhook/btc`, and the query string with which
Blockonomics calls back (`addr`, `status`, `value` in satoshi, `txid`, `rbf`;
developers.blockonomics.co/reference/callback-notification). Whoever sends them is
checked in `webhooks.py`.
"""

import hashlib
import json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from engine.errors import Code, InvalidAmount
from engine.money.amount import MAX_SAT, btc_to_sat
from transport.http.problems import Problem, invalid
from transport.server.refusal import FieldError

__all__ = ["ProviderNotification", "read_blockonomics", "read_btc"]

_TXID: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_STATUS: Final = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9A-Za-z]{1,128}", re.ASCII)

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
        """Whether it says that something was paid: a status that is not negative."""
        if _STATUS.fullmatch(self.status):
            return int(self.status) >= 0
        return self.status in _CLAIMING

    def key(self, payment_id: str | None) -> str:
        """Two webhooks with one key say the same thing about the same payment.

        The payment is part of it: what was heard before there was a payment must not
        make a duplicate of what is heard afterwards.
        """
        said = msgspec.json.encode((self, payment_id))
        return hashlib.sha256(said).hexdigest()


def read_btc(body: bytes) -> ProviderNotification:
    """`{"address", "amount" in BTC | "value" in satoshi, "txid"?, "status"?}`.

    An amount that is a JSON number is taken digit by digit from the text, never
    through a float. Raises `Problem` 400 (no JSON) or 422 (wrong values).
    """
    said = _json_object(body)
    errors: list[FieldError] = []

    def wrong(name: str, text: str) -> None:
        errors.append(FieldError(f"/{name}", text))

    address = said.get("address")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        wrong("address", "is required: a bitcoin address")
    txid = said.get("txid")
    if txid is not None and not (isinstance(txid, str) and _TXID.fullmatch(txid)):
        wrong("txid", "must be 64 hexadecimal digits, or absent")
    status = said.get("status")
    if status is None:  # null is how some leave a field out
        status = ""
    if isinstance(status, bool) or not isinstance(status, int | str):
        wrong("status", "must be a number or a word, or absent")
    elif len(str(status)) > 40:
        wrong("status", "must be of at most 40 characters")
    amount_sat = None
    try:
        amount_sat = _amount(said)
    except InvalidAmount as error:
        wrong("value" if "value" in said else "amount", str(error))
    if errors:
        raise invalid(*errors)
    return ProviderNotification(
        provider="btc",
        address=str(address),
        txid=txid.lower() if isinstance(txid, str) else None,
        amount_sat=amount_sat,
        status=str(status).strip().lower(),
    )


def read_blockonomics(said: dict[str, str]) -> ProviderNotification:
    """Blockonomics' query, without its secret. Raises `Problem` 422.

    A status that is unknown, negative or no number is no mistake: it claims nothing.
    """
    errors = []
    address, txid, value = (said.get(name, "") for name in ("addr", "txid", "value"))
    if not _ADDRESS.fullmatch(address):
        errors.append(FieldError("?addr", "is required: a bitcoin address"))
    if txid and not _TXID.fullmatch(txid):
        errors.append(FieldError("?txid", "must be 64 hexadecimal digits, or absent"))
    digits = value.isascii() and value.isdigit() and len(value) <= 16
    if value and not (digits and int(value) <= MAX_SAT):
        text = f"must be a whole number of satoshi from 0 to {MAX_SAT}"
        errors.append(FieldError("?value", text))
    if errors:
        raise invalid(*errors)
    status = said.get("status", "").strip()
    known = _STATUS.fullmatch(status) is not None
    return ProviderNotification(
        provider="blockonomics",
        address=address,
        txid=txid.lower() or None,
        amount_sat=int(value or 0) or None,
        # Words are not theirs; what they would mean nobody knows.
        status=str(int(status)) if known else "unknown",
        replaceable=said.get("rbf") == "1",
    )


def _amount(said: dict[str, Any]) -> int | None:
    amount, value = said.get("amount"), said.get("value")
    if amount is None and value is None:
        raise InvalidAmount('is required: BTC in "amount" or satoshi in "value"')
    from_btc = None if amount is None else btc_to_sat(amount)
    if value is None:
        return from_btc or None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidAmount("must be a whole number of satoshi")
    if not 0 <= value <= MAX_SAT:
        raise InvalidAmount(f"must be from 0 to {MAX_SAT} satoshi")
    if from_btc not in (None, value):
        raise InvalidAmount("is not the same sum as amount")
    return value or None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        said = _decoder.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # Also what is no UTF-8, and numbers of thousands of digits.
        raise Problem(
            Code.INVALID_JSON, "The body is not JSON that is read here."
        ) from error
    if not isinstance(said, dict):
        raise invalid(FieldError("", "must be a JSON object"))
    return said


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


_decoder: Final = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object
)
