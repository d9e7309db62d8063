"""Every error that crosses a border of this house, in one tree.

    EngineError                 500  internal_error          base; never raised itself
    ├─ ConfigError                                         a wrong setting: no start
    ├─ InvalidInput             422  invalid_request         also a ValueError
    │  ├─ InvalidAmount
    │  ├─ InvalidAddress
    │  ├─ InvalidTransaction
    │  ├─ InvalidBlock
    │  ├─ UrlRefused                                         no endpoint of a webhook
    │  │  └─ AddressRefused
    │  └─ BodyError             400  invalid_body            of an HTTP request
    │     ├─ BodyMalformed
    │     ├─ BodyIncomplete
    │     ├─ BodyTooLarge       413  body_too_large
    │     └─ BodyTimeout        408  request_timeout
    ├─ Refused                  409  wrong_payment_state     a person's command
    ├─ Duplicate                409  duplicate
    ├─ EngineBusy               503  busy                    come again
    ├─ MailboxFull              503  busy
    ├─ SourceError              503  source_unavailable      never to be read as unpaid
    │  ├─ SourceUnavailable
    │  ├─ SourceBusy
    │  └─ SourceGarbage
    ├─ StoreError               503  store_unavailable
    │  ├─ StoreUnreadable                                    what a read raises
    │  │  ├─ StoreUnavailable                                may pass
    │  │  └─ StoreDamaged                                    does not pass by itself
    │  ├─ Unreadable                                         one watcher's payment
    │  ├─ CannotOpenStore                                    no start
    │  │  ├─ JournalError
    │  │  ├─ DatabaseInUse
    │  │  ├─ LockFileError
    │  │  └─ OlderSchema                                    `serve` will adapt it
    │  ├─ KeyFileError                                       no start
    │  └─ WrongKey              500  internal_error          a channel rests
    ├─ TurnTimeout              500  internal_error          ends an actor's turn
    └─ BrokenInvariant          500  internal_error          a bug, or a foreign journal
       ├─ IllegalTransition                                  of a payment
       ├─ IllegalStep                                        of a queue of deliveries
       └─ BrokenSequence

The number is the HTTP status and the word the stable `code` that an edge answers with;
a class without them has its parent's. What each code means to a client, and what to do,
is in docs/errors.md: a test compares. Errors that stay within one folder of
`transport/` are defined there. `str()` is one line that a tired operator can act on;
facts are attributes. Pure; imports nothing of ours.
"""

from enum import Enum, StrEnum
from typing import ClassVar, Self

__all__ = [
    "AddressRefused",
    "BodyError",
    "BodyIncomplete",
    "BodyMalformed",
    "BodyTimeout",
    "BodyTooLarge",
    "BrokenInvariant",
    "BrokenSequence",
    "CannotOpenStore",
    "Code",
    "ConfigError",
    "DatabaseInUse",
    "Duplicate",
    "EngineBusy",
    "EngineError",
    "IllegalStep",
    "IllegalTransition",
    "InvalidAddress",
    "InvalidAmount",
    "InvalidBlock",
    "InvalidInput",
    "InvalidTransaction",
    "JournalError",
    "KeyFileError",
    "LockFileError",
    "MailboxFull",
    "OlderSchema",
    "Refused",
    "SourceBusy",
    "SourceError",
    "SourceGarbage",
    "SourceUnavailable",
    "StoreDamaged",
    "StoreError",
    "StoreUnavailable",
    "StoreUnreadable",
    "StreamCode",
    "TurnTimeout",
    "Unreadable",
    "UrlRefused",
    "WrongKey",
]


class Code(StrEnum):
    """What went wrong, for programs: the `code` of a problem answer, with its status.

    A code never changes its meaning or its status; new ones may come.
    """

    status: int

    def __new__(cls, code: str, status: int) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        return member

    BAD_REQUEST = "bad_request", 400
    INVALID_BODY = "invalid_body", 400
    INVALID_JSON = "invalid_json", 400
    INVALID_QUERY = "invalid_query", 400
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key", 400
    UNAUTHORIZED = "unauthorized", 401
    FORBIDDEN = "forbidden", 403
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", 403
    NOT_FOUND = "not_found", 404
    PAYMENT_NOT_FOUND = "payment_not_found", 404
    CHANNEL_NOT_FOUND = "channel_not_found", 404
    KEY_NOT_FOUND = "key_not_found", 404
    WATCHER_NOT_FOUND = "watcher_not_found", 404
    TRANSACTION_NOT_FOUND = "transaction_not_found", 404
    WEBHOOKS_OFF = "webhooks_off", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    REQUEST_TIMEOUT = "request_timeout", 408
    ADDRESS_TAKEN = "address_taken", 409
    DUPLICATE = "duplicate", 409
    WRONG_PAYMENT_STATE = "wrong_payment_state", 409
    LIMIT_REACHED = "limit_reached", 409
    INSUFFICIENT_FUNDS = "insufficient_funds", 409
    BODY_TOO_LARGE = "body_too_large", 413
    URI_TOO_LONG = "uri_too_long", 414
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415
    INVALID_REQUEST = "invalid_request", 422
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422
    UPGRADE_REQUIRED = "upgrade_required", 426
    RATE_LIMITED = "rate_limited", 429
    TOO_MANY_CONNECTIONS = "too_many_connections", 429
    HEADERS_TOO_LARGE = "headers_too_large", 431
    INTERNAL_ERROR = "internal_error", 500
    BUSY = "busy", 503
    NOT_READY = "not_ready", 503
    OVERLOADED = "overloaded", 503
    REQUEST_IN_PROGRESS = "request_in_progress", 503
    SOURCE_UNAVAILABLE = "source_unavailable", 503
    STOPPING = "stopping", 503
    STORE_UNAVAILABLE = "store_unavailable", 503
    HTTP_VERSION_NOT_SUPPORTED = "http_version_not_supported", 505


class StreamCode(StrEnum):
    """What went wrong, in a message to a client whose stream goes on."""

    BAD_JSON = "bad_json"
    BAD_MESSAGE = "bad_message"
    NOT_ALLOWED = "not_allowed"
    SINCE_IN_FUTURE = "since_in_future"
    TOO_MANY = "too_many"
    UNKNOWN = "unknown"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNKNOWN_TYPE = "unknown_type"


class EngineError(Exception):
    """Base of them all."""

    code: ClassVar[Code] = Code.INTERNAL_ERROR


class ConfigError(EngineError):
    """One wrong setting, in one line for a person."""


# -- what was asked is wrong ---------------------------------------------------------


class InvalidInput(EngineError, ValueError):
    """Something that was given cannot be; the message says what is wrong with it."""

    code = Code.INVALID_REQUEST


class InvalidAmount(InvalidInput):
    """An amount that is no amount of bitcoin; the message says why, for people."""


class InvalidAddress(InvalidInput):
    """Not an address of the wanted network; the message says what is wrong."""


class InvalidTransaction(InvalidInput):
    """Bytes that are no transaction; the message says where they go wrong."""


class InvalidBlock(InvalidInput):
    """Bytes that are no block, or a block whose transactions are not its own."""


class UrlRefused(InvalidInput):
    """The URL cannot be an endpoint. The text says why, without repeating the URL."""


class AddressRefused(UrlRefused):
    """The URL's host is an address that is not called."""


class BodyError(InvalidInput):
    """The body of a request cannot be had; the message says why, for people."""

    code = Code.INVALID_BODY


class BodyMalformed(BodyError):
    """Chunks that are none, or a length that is none."""


class BodyIncomplete(BodyError):
    """The client hung up in the middle; nobody will read the answer."""

    def __init__(self) -> None:
        super().__init__("The body ended before its announced length.")


class BodyTooLarge(BodyError):
    code = Code.BODY_TOO_LARGE

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is limited to {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class BodyTimeout(BodyError):
    """It did not come within its deadline."""

    code = Code.REQUEST_TIMEOUT

    def __init__(self) -> None:
        super().__init__("The body did not arrive in time.")


class Refused(EngineError):
    """A person's command that the payment's state does not allow."""

    code = Code.WRONG_PAYMENT_STATE


class Duplicate(EngineError):
    """This was done before: a webhook came twice, an Idempotency-Key was used twice."""

    code = Code.DUPLICATE


# -- not now -------------------------------------------------------------------------


class EngineBusy(EngineError):
    """Not now: a mailbox is full, the journal cannot write, the node is starting.

    `retry_after_s` is for Retry-After. Nothing was done, unless `unknown`: then the
    answer did not come in time and the caller must ask again with the same key.
    """

    code = Code.BUSY

    def __init__(
        self, detail: str, retry_after_s: int = 2, *, unknown: bool = False
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.unknown = unknown


class MailboxFull(EngineError):
    """The actor's mailbox is at its limit."""

    code = Code.BUSY


class SourceError(EngineError):
    """The source gave no usable answer. Never to be read as "unpaid".

    `retry_after_s` is what the source asked for (Retry-After), or None.
    """

    code = Code.SOURCE_UNAVAILABLE

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class SourceUnavailable(SourceError):
    """Connection refused, time-out, 5xx: nothing was answered."""


class SourceBusy(SourceError):
    """429 or 503 with Retry-After: we are asked to slow down."""


class SourceGarbage(SourceError):
    """An answer that cannot be believed: not JSON, wrong types, too large, lies."""


# -- the store -----------------------------------------------------------------------


class StoreError(EngineError):
    """The store cannot do what it is for; the message says how to mend it."""

    code = Code.STORE_UNAVAILABLE


class StoreUnreadable(StoreError):
    """What was asked for cannot be read. `detail`: what is wrong; `advice`: what it
    means and what to do. (What cannot be written is an `Unavailable` outcome.)"""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(f"{detail}; {advice}")
        self.detail = detail
        self.advice = advice


class StoreUnavailable(StoreUnreadable):
    """Not just now; that may pass."""


class StoreDamaged(StoreUnreadable):
    """What is read is not what was written, and will not be next time."""


class Unreadable(StoreError):
    """The journal could not be read just now; the payment has no part in it."""


class CannotOpenStore(StoreError):
    """There is no store to work with. The message says how to mend it."""


class JournalError(CannotOpenStore):
    """The database cannot be opened, or is not the one that it should be."""


class OlderSchema(CannotOpenStore):
    """The database is of an earlier version, and may not be changed here."""


class DatabaseInUse(CannotOpenStore):
    """Another process holds the database. `url`: where it listens, if it said so."""

    def __init__(self, db: str, pid: int | None, url: str | None) -> None:
        who = f" (process {pid})" if pid is not None else ""
        where = f" that listens on {url}" if url is not None else ""
        super().__init__(
            f"database {db} is held by another Paybell process{who}{where}: stop it"
            " first"
        )
        self.db = db
        self.pid = pid
        self.url = url


class LockFileError(CannotOpenStore):
    """The lock file cannot be made; the message says why and what to do."""


class KeyFileError(StoreError):
    """The key file cannot be used; the message says what to do."""


class WrongKey(StoreError):
    """A sealed secret does not open: this is not the key it was sealed with."""

    code = Code.INTERNAL_ERROR


# -- bugs ----------------------------------------------------------------------------


class BrokenInvariant(EngineError):
    """Something that cannot be: a bug of ours, or a journal that is not ours."""


class IllegalTransition(BrokenInvariant):
    """An event the table does not allow: a bug in `decide`, or a foreign journal."""

    def __init__(self, status: str | None, event: str, after: str) -> None:
        super().__init__(f"{event} may not lead from {status} to {after}")
        self.status = status
        self.event = event
        self.after = after


class IllegalStep(BrokenInvariant):
    """Something happened to a queue that cannot happen in its state: a bug."""

    def __init__(self, state: Enum, happening: Enum) -> None:
        super().__init__(f"a queue that is {state.value}: {happening.value}")
        self.state = state
        self.happening = happening


class BrokenSequence(BrokenInvariant):
    """An event that is not the next one of its payment: the journal is damaged."""


class TurnTimeout(EngineError):
    """A blocking actor's handler took longer than its class allows."""
