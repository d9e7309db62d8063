"""What a node says of a transaction, in Bitcoin Core's own words."""

import pytest

from engine.chain.broadcast import Verdict
from transport.calling.chain_words import sent_by


@pytest.mark.parametrize(
    ("code", "words", "verdict"),
    [
        (-27, "Transaction already in block chain", Verdict.TAKEN),
        (-27, "Transaction outputs already in utxo set", Verdict.TAKEN),
        (None, "Transaction already in mempool", Verdict.TAKEN),
        (-26, "txn-already-known", Verdict.TAKEN),
        (-26, "txn-mempool-conflict", Verdict.CONFLICT),
        (-25, "bad-txns-inputs-missingorspent", Verdict.CONFLICT),
        (-25, "Missing inputs", Verdict.CONFLICT),
        (-26, "insufficient fee, rejecting replacement ab", Verdict.LOW_FEE),
        (-26, "min relay fee not met, 10 < 110", Verdict.LOW_FEE),
        (-26, "mempool min fee not met, 10 < 110", Verdict.LOW_FEE),
        (-26, "mempool full", Verdict.LATER),
        (-26, "too-long-mempool-chain", Verdict.LATER),
        (-26, "bad-txns-premature-spend-of-coinbase", Verdict.LATER),
        (-26, "mandatory-script-verify-flag-failed (…)", Verdict.INVALID),
        (-26, "dust", Verdict.INVALID),
        (-22, "TX decode failed", Verdict.INVALID),
        (-25, "a word that nobody knows yet", Verdict.LATER),
    ],
)
def test_a_refusal_means_what_core_means(
    code: int | None, words: str, verdict: Verdict
) -> None:
    assert sent_by(code, words).verdict is verdict
