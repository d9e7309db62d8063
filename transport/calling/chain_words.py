"""What a node's words about a transaction mean.

Bitcoin Core (validation.cpp, node/transaction.cpp, rpc/util.cpp): `sendrawtransaction`
answers code -26 with the mempool's reject reason first, -25 for what is missing or
costs too much, -27 for what is in a block already, -22 for what cannot be decoded. A
transaction that is in the mempool already is told to peers again and is no error; older
nodes, and others, have words for it. Explorers hand on both in the text of a refusal.
"""

import re
from typing import Final

from engine.chain.broadcast import Sent, Verdict

__all__ = ["sent_by"]

_IN_CHAIN: Final = -27
_UNDECODABLE: Final = -22

#: Looked for in this order, in what the node says.
_WORDS: Final[tuple[tuple[Verdict, tuple[str, ...]], ...]] = (
    (
        Verdict.TAKEN,
        (
            "already in block chain",
            "already in utxo set",
            "already in mempool",
            "txn-already-in-mempool",
            "txn-already-known",
            "txn-same-nonwitness-data-in-mempool",
        ),
    ),
    (
        Verdict.LOW_FEE,
        (
            "insufficient fee",
            "replacement-failed",
            "min relay fee not met",
            "mempool min fee not met",
        ),
    ),
    (
        Verdict.CONFLICT,
        (
            "txn-mempool-conflict",
            "missingorspent",
            "missing inputs",
            "missing-inputs",
            "bad-txns-spends-conflicting-tx",
            "too many potential replacements",
        ),
    ),
    (
        Verdict.LATER,
        (
            "mempool full",
            "too-long-mempool-chain",
            "non-final",
            "non-bip68-final",
            "premature-spend-of-coinbase",
            "too-large-cluster",
        ),
    ),
)


_INVALID: Final = re.compile(r"bad-txns|script-verify-flag|dust|tx-size|scriptpubkey")


def sent_by(code: int | None, words: str) -> Sent:
    """The verdict of an error. What nobody has heard of is no reason to give up."""
    said = words.lower()
    if code == _IN_CHAIN:
        return Sent(Verdict.TAKEN, words)
    for verdict, known in _WORDS:
        if any(word in said for word in known):
            return Sent(verdict, words)
    if code == _UNDECODABLE or _INVALID.search(said):
        return Sent(Verdict.INVALID, words)
    return Sent(Verdict.LATER, words)
