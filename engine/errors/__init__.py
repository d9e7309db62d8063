"""Every error that crosses a border of this house, in one tree.

    EngineError                 500  internal_error          base; never raised itself
    ├─ ConfigError                                         a wrong setting: no start
    ├─ InvalidInput             422  invalid_request         also a ValueError
    │  ├─ InvalidAmount
    │  ├─ InvalidAddress
    │  ├─ InvalidDescriptor                                no wallet to watch
    │  ├─ InvalidTransaction
    │  ├─ InvalidBlock
    │  ├─ InvalidMerchant                                  a name that is none
    │  ├─ InvalidTemplate                                    of a mail, and where
    │  ├─ UrlRefused                                         no endpoint of a webhook
    │  │  └─ AddressRefused
    │  └─ BodyError             400  invalid_body            of an HTTP request
    │     ├─ BodyMalformed
    │     ├─ BodyIncomplete
    │     ├─ BodyTooLarge       413  body_too_large
    │     └─ BodyTimeout        408  request_timeout
    ├─ Refused                  409  wrong_payment_state     a person's command
    │  ├─ PaymentChanged        412  payment_changed         If-Match
    │  ├─ AmendmentRefused      422  invalid_request         what can never be
    │  └─ TooManyUpdates        409  limit_reached           a payment's 1,000 changes
    ├─ CannotSpend              409  insufficient_funds      coins do not do it now
    ├─ Duplicate                409  duplicate
    ├─ EngineBusy               503  busy                    come again
    │  └─ AlreadyDrawn                                       an address; nothing done
    ├─ MailboxFull              503  busy
    ├─ SourceError              503  source_unavailable      never to be read as unpaid
    │  ├─ SourceUnavailable
    │  │  ├─ SourceBehind                                    it will catch up
    │  │  └─ RpcError          transport/chain/jsonrpc.py
    │  ├─ SourceBusy
    │  ├─ SourceGarbage
    │  │  ├─ HistoryIncomplete                               one address, not the source
    │  │  └─ AnswerCutOff      transport/chain/http_client.py
    │  └─ NoEstimate           transport/chain/broadcasters.py
    ├─ StoreError               503  store_unavailable
    │  ├─ StoreUnreadable                                    what a read raises
    │  │  ├─ StoreUnavailable                                may pass
    │  │  └─ StoreDamaged                                    does not pass by itself
    │  ├─ Unreadable                                         one watcher's payment
    │  ├─ CannotOpenStore                                    no start
    │  │  ├─ BackupError                                     none made, none restored
    │  │  ├─ JournalError
    │  │  ├─ DatabaseInUse
    │  │  ├─ LockFileError
    │  │  └─ OlderSchema                                    `serve` will adapt it
    │  ├─ KeyFileError                                       no start
    │  └─ WrongKey              500  internal_error          a channel rests
    ├─ LightningError           503  lightning_unavailable
    │  ├─ NodeUnavailable                                    it may have been done
    │  │  └─ SocketClosed      transport/lightning/held_socket.py
    │  ├─ NodeBusy
    │  ├─ NodeRefused                                        nothing was done
    │  │  └─ SaidNo            transport/lightning/electrum_rpc.py
    │  └─ NodeGarbage                                        it may have been done
    │     └─ InvoiceMismatch                                 no payer may see it
    ├─ WalletLocked             503  wallet_locked           its passphrase is needed
    ├─ SigningError             500  internal_error          nothing leaves unsigned
    ├─ TurnTimeout              500  internal_error          ends an actor's turn
    └─ BrokenInvariant          500  internal_error          a bug, or a foreign journal
       ├─ IllegalTransition                                  of a payment
       ├─ IllegalStep                                        of a queue of deliveries
       └─ BrokenSequence

The number is the HTTP status and the word the stable `code` that an edge answers with
(`engine/errors/codes.py`); a class without them has its parent's. One with a file
beside it is what a single wire says more exactly, to itself: others catch its parent.
Errors that are no `EngineError` never leave `transport/` and are defined there, each
where it is raised: an answer that an edge has decided on (`Problem`, in
`transport/http/problems.py`), what a wire said or a command cannot do. No two of one
name are in both. `str()` is one line that a tired operator can act on; facts are
attributes. Pure. Those of the store, of wallets and of Lightning stand in files of
their own beside this one; all of the engine's are imported from here.
"""

from enum import Enum
from typing import Any

from engine.errors.base import EngineError
from engine.errors.codes import Code
from engine.errors.lightning import (
    InvoiceMismatch,
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.errors.refused import (
    AmendmentRefused,
    PaymentChanged,
    Refused,
    TooManyUpdates,
)
from engine.errors.store import (
    BackupError,
    CannotOpenStore,
    DatabaseInUse,
    JournalError,
    KeyFileError,
    LockFileError,
    OlderSchema,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
    StoreUnreadable,
    Unreadable,
    WrongKey,
)
from engine.errors.wallet import CannotSpend, SigningError, WalletLocked

__all__ = [
    "AlreadyDrawn",
    "AddressRefused",
    "BackupError",
    "BodyError",
    "BodyIncomplete",
    "BodyMalformed",
    "BodyTimeout",
    "BodyTooLarge",
    "BrokenInvariant",
    "BrokenSequence",
    "CannotSpend",
    "CannotOpenStore",
    "ConfigError",
    "DatabaseInUse",
    "Duplicate",
    "EngineBusy",
    "EngineError",
    "HistoryIncomplete",
    "IllegalStep",
    "IllegalTransition",
    "InvalidAddress",
    "InvalidAmount",
    "InvalidBlock",
    "InvalidDescriptor",
    "InvalidInput",
    "InvalidMerchant",
    "InvalidTemplate",
    "InvalidTransaction",
    "InvoiceMismatch",
    "JournalError",
    "KeyFileError",
    "LightningError",
    "LockFileError",
    "MailboxFull",
    "NodeBusy",
    "NodeGarbage",
    "NodeRefused",
    "NodeUnavailable",
    "OlderSchema",
    "Refused",
    "PaymentChanged",
    "AmendmentRefused",
    "SigningError",
    "SourceBehind",
    "SourceBusy",
    "SourceError",
    "SourceGarbage",
    "SourceUnavailable",
    "StoreDamaged",
    "StoreError",
    "StoreUnavailable",
    "StoreUnreadable",
    "TooManyUpdates",
    "TurnTimeout",
    "Unreadable",
    "UrlRefused",
    "WalletLocked",
    "WrongKey",
]


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

    @classmethod
    def secret(cls) -> "InvalidAddress":
        return cls(
            "this is, or may be, a private key or the words of a seed, and an address"
            " belongs here: nothing of it was kept. Move the money if others may have"
            " read this"
        )


class InvalidDescriptor(InvalidInput):
    """No descriptor or extended key of public keys that addresses can be drawn from.

    The message says why, and quotes nothing: what was given may hold a private key.
    """

    @classmethod
    def secret(cls) -> "InvalidDescriptor":
        return cls(
            "it holds a private key or the words of a seed, and only public keys belong"
            " here: nothing of it was kept. Give the xpub, and move the money if others"
            " may have read this"
        )


class InvalidTransaction(InvalidInput):
    """Bytes that are no transaction; the message says where they go wrong."""


class InvalidBlock(InvalidInput):
    """Bytes that are no block, or a block whose transactions are not its own."""


class InvalidMerchant(InvalidInput):
    """No name of a merchant; the message says what is one."""


class InvalidTemplate(InvalidInput):
    """What is wrong with a template, and where. Lines and columns count from 1."""

    def __init__(self, text: str, offset: int, detail: str) -> None:
        before = text[:offset]
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {detail}")


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


class AlreadyDrawn(EngineBusy):
    """An address was drawn of an index that is taken: nothing was done."""


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


class SourceBehind(SourceUnavailable):
    """It answers, of a chain that is behind what we know: nothing can be read yet."""


class SourceBusy(SourceError):
    """429 or 503 with Retry-After: we are asked to slow down."""


class SourceGarbage(SourceError):
    """An answer that cannot be believed: not JSON, wrong types, too large, lies."""


class HistoryIncomplete(SourceGarbage):
    """A source that works, and cannot show all that was paid to one address.

    `outputs`: what it does show, as `engine.chain.feed.Output`, which stands above
    here. It is news where it is new; what is not among it proves nothing.
    """

    def __init__(self, detail: str, outputs: tuple[Any, ...] = ()) -> None:
        super().__init__(detail)
        self.outputs = outputs


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
