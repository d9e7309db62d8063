"""What the subject of each kind of alert is, by the name that the log has for it: whose
line is it. Pure. A test compares with the table in docs/errors.md, which has those too
that are about something for which the log has no name of its own.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["SUBJECTS"]

_KINDS: Final = {
    "payment": (
        "address.released address.unreadable payment.contradicted payment.crowded"
        " payment.damaged payment.unprovable payment.waits watcher.quarantined"
    ),
    "source": "source.behind source.contradicts source.failing",
    "channel": "channel.disabled deliveries.given_up redis.foreign redis.unreachable",
    "merchant": "forward.waits merchant.changed orders.silent",
    "wallet": "wallet.gap wallet.locked wallet.skipped",
    "refund": "refund.damaged refund.waits",
    "outgoing": (
        "forward.conflict forward.damaged forward.failed forward.reorged forward.stuck"
    ),
    "account": "till.waits upstream.failing upstream.key_refused",
    "forward": "till.stuck",
    "provider": "rates.disagree rates.failing",
    "key": "key.moves_money",
}

SUBJECTS: Final[Mapping[str, str]] = {
    kind: field for field, kinds in _KINDS.items() for kind in kinds.split()
}
