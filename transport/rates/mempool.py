"""mempool.space, or a mempool of one's own: one request for seven currencies.

`GET /api/v1/prices`, no key: mempool.space/docs/api/rest, "GET Price": whole numbers by
currency beside `time` (Unix time); an average of several exchanges. What it does not
know yet is -1 there, and before the first prices `time` is 0; new ones come as often as
`PRICE_UPDATES_PER_HOUR` says (backend/src/tasks/price-updater.ts).
"""

from collections.abc import Iterable
from decimal import Decimal

from transport.rates.dialect import Dialect, Malformed, Said, moment

__all__ = ["MEMPOOL"]

_UNKNOWN = Decimal(-1)


def _read(answer: object) -> Iterable[Said]:
    if not isinstance(answer, dict):
        raise Malformed("an answer that is no object")
    at_s = moment(answer, "time")
    return [
        Said(code, value, at_s)
        for code, value in answer.items()
        if code != "time" and value != _UNKNOWN
    ]


MEMPOOL = Dialect(
    name="mempool",
    url="https://mempool.space",
    paths=("/api/v1/prices",),
    read=_read,
)
