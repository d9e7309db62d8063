"""What an entry of the stream says: whose gateway, which bytes. Pure; trusts nothing.

    gateway   the gateway's name, as in POST /webhook/<gateway>
    body      what the gateway sent, byte for byte: its signature is of that
    headers   JSON, an object of texts: those that the gateway sent, the signature's
    id        the gateway's id of the event, if it has one (else the body is what it is
              known by)

Without `body` the entry itself is the notification: a JSON object of its other fields,
in which a field that holds a JSON object or list is one (the salon's paymentData).
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

__all__ = ["MAX_ENTRY_BYTES", "Notification", "EntryUnreadable", "notification_of"]

MAX_ENTRY_BYTES: Final = 128 * 1024
"""Of names and values. A notification's body has 64 KB at most."""

MAX_FIELDS: Final = 100
MAX_ID_CHARS: Final = 200

_GATEWAY = re.compile(rb"[a-z0-9][a-z0-9_-]{0,31}")
_OURS = {b"channel", b"event"}
_ABOUT = (b"gateway", b"headers", b"body")

_headers = msgspec.json.Decoder(dict[str, str]).decode


class EntryUnreadable(Exception):
    """It says nothing that could be taken; why, in one line without a value."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification as the stream carried it. `repr` shows no body."""

    gateway: str
    raw: bytes
    headers: dict[str, str]  # by name, in lower case
    dedupe: str | None = None
    at: int = 0
    """ms, by the entry's id: when Redis got it."""

    def __repr__(self) -> str:
        return f"Notification({self.gateway}, {len(self.raw)} bytes)"


def notification_of(name: bytes, flat: Sequence[Any]) -> Notification:
    """`name`: the entry's id. `flat`: field names and values, one after the other.
    Raises `EntryUnreadable`."""
    if len(flat) % 2 or len(flat) > 2 * MAX_FIELDS:
        raise EntryUnreadable(f"it has more than {MAX_FIELDS} fields")
    if not all(isinstance(part, bytes) for part in flat):
        raise EntryUnreadable("it is no entry of a stream")
    if sum(map(len, flat)) > MAX_ENTRY_BYTES:
        raise EntryUnreadable(f"it has more than {MAX_ENTRY_BYTES} bytes")
    fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    if len(fields) * 2 != len(flat):
        raise EntryUnreadable("a field is there twice")
    if fields.keys() >= _OURS:
        raise EntryUnreadable("it is an event that a channel has told")
    gateway = fields.get(b"gateway", b"")
    if not _GATEWAY.fullmatch(gateway):
        raise EntryUnreadable("its field gateway names none")
    return Notification(
        gateway=gateway.decode(),
        raw=fields[b"body"] if b"body" in fields else _composed(fields),
        headers=_headers_of(fields.get(b"headers", b"{}")),
        dedupe=_dedupe(fields.get(b"id", b"")),
        at=int(name.partition(b"-")[0]),
    )


def _headers_of(text: bytes) -> dict[str, str]:
    try:
        found = _headers(text or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EntryUnreadable("its field headers is no JSON object of texts") from None
    return {name.lower(): value for name, value in found.items()}


def _dedupe(text: bytes) -> str | None:
    try:
        found = text.decode("utf-8")
    except UnicodeDecodeError:
        raise EntryUnreadable("its field id is not UTF-8") from None
    if len(found) > MAX_ID_CHARS or not found.isprintable():
        raise EntryUnreadable(f"its field id has more than {MAX_ID_CHARS} characters")
    return found or None


def _composed(fields: dict[bytes, bytes]) -> bytes:
    said: dict[str, object] = {}
    for name, value in fields.items():
        if name in _ABOUT:
            continue
        try:
            said[name.decode("utf-8")] = _value(value)
        except UnicodeDecodeError:
            raise EntryUnreadable("one of its fields is not UTF-8") from None
    return msgspec.json.encode(said)


def _value(value: bytes) -> object:
    """As text; an object or a list as it is, numbers digit by digit."""
    if value[:1] in {b"{", b"["}:
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return msgspec.Raw(value)
    return value.decode("utf-8")
