"""Rows that the housekeeper and the alerts write: parts of `engine.store.writes`."""

import msgspec

__all__ = [
    "FillSearch",
    "Forget",
    "ForgetDeliveries",
    "OrdersRow",
    "Prune",
    "ShrinkFile",
    "ToldRow",
    "UpkeepRow",
    "Whole",
]


class Prune(msgspec.Struct, frozen=True):
    """A payment that is over loses its events, and what is known of its payer; its row
    stays, as their snapshot.

    Nothing is done to one that is watched, or has moved on from this `seq`. Changes as
    many rows as there were events. What channels were still owed of them goes too.
    """

    payment_id: str
    seq: int


class Whole(msgspec.Struct, frozen=True):
    """Conflict "seq": the payment has lost events. Beside what is to be written only
    while all of them are there: what `Prune` does in the same moment is seen."""

    payment_id: str


class Forget(msgspec.Struct, frozen=True):
    """The oldest `limit` rows at most of a log go, if they are from before (ms).

    `log`: "attempts" or "inbound".
    """

    log: str
    before: int
    limit: int


class ForgetDeliveries(msgspec.Struct, frozen=True):
    """What a channel was told of the events after an offset, up to another, goes.

    What it has still to be told stays, and so do its dead letters.
    """

    channel_id: str
    after: int
    up_to: int


class ToldRow(msgspec.Struct, frozen=True):
    """A channel was told of an alert; `is_over`: of its end, and it is forgotten."""

    channel_id: str
    kind: str
    subject: str
    detail: str
    since: int  # ms
    is_over: bool = False


class OrdersRow(msgspec.Struct, frozen=True):
    """So many more orders of a merchant came in an hour (number since 1970, UTC). What
    is older than `keep_from` (an hour) is forgotten."""

    merchant: str
    hour: int
    orders: int
    keep_from: int = 0


class ShrinkFile(msgspec.Struct, frozen=True):
    """Give so many free pages back to the file system, if the store can."""

    pages: int


class FillSearch(msgspec.Struct, frozen=True):
    """The next `limit` payments, of those from before payments could be searched, can
    be. Changes as many; none: all can be."""

    limit: int


UpkeepRow = (
    Prune
    | Whole
    | Forget
    | ForgetDeliveries
    | ShrinkFile
    | FillSearch
    | OrdersRow
    | ToldRow
)
