"""A plan that somebody else signs: a PSBT, for merchants whose keys we do not have.

BIP 174 (version 0), or BIP 370 (version 2) for wallets that ask for it. Each input
carries the whole transaction that made its coin, so that the signer sees by itself what
is spent and what fee is paid; of those we check the same as before we sign ourselves.
Inputs say where their keys stand (BIP 174, and 371 for taproot), as far as the wallet's
descriptor says it.

What is signed does not come back here: its owner sends it. Pure.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from embit import ec, script
from embit.psbt import PSBT, DerivationPath
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from engine.bitcoin.signed_tx import hash160
from engine.errors import CannotSpend, SigningError
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.descriptor import Descriptor
from engine.wallet.extended_key import read_extended_key
from engine.wallet.plan import Plan
from engine.wallet.signing import REPLACEABLE, spent_outputs

__all__ = ["to_psbt"]

_FORMS: Final[dict[str, SpendKind]] = {
    "pkh": "p2pkh",
    "sh(wpkh)": "p2sh-p2wpkh",
    "wpkh": "p2wpkh",
    "tr": "p2tr",
}
_ORIGIN: Final = re.compile(
    r"(?:\[(?P<finger>[0-9a-f]{8})(?P<above>(?:/[0-9]+h?)*)\])?"
    r"(?P<key>[1-9A-HJ-NP-Za-km-z]{100,120})(?P<below>(?:/[0-9]+)*)/\*"
)
_HARDENED: Final = 1 << 31


def to_psbt(
    plan: Plan,
    previous: Mapping[str, bytes],
    descriptors: Mapping[str, Descriptor],
    version: Literal[0, 2] = 0,
) -> bytes:
    """The plan, to be signed. `previous`: as `sign` takes it; `descriptors`: by wallet.

    Raises `SigningError` (the plan says of a coin what is not so) and `CannotSpend` (a
    wallet of several signers: its owner makes the transaction).
    """
    spent = spent_outputs(plan, previous)
    made = Transaction(
        vin=[
            TransactionInput(bytes.fromhex(c.txid), c.vout, sequence=REPLACEABLE)
            for c in plan.coins
        ],
        vout=[
            TransactionOutput(o.amount_sat, script.Script(o.script))
            for o in plan.outputs
        ],
    )
    psbt = PSBT(made, unknown={}, version=version or None)
    for scope, coin, output in zip(psbt.inputs, plan.coins, spent, strict=True):
        scope.non_witness_utxo = Transaction.parse(previous[coin.txid])
        kind = _kind(coin, descriptors)
        if kind != "p2pkh":
            scope.witness_utxo = TransactionOutput(
                output.amount_sat, script.Script(output.script)
            )
        public, derivation = _key_of(coin, descriptors[coin.wallet])
        if kind == "p2tr":
            scope.taproot_internal_key = public
            scope.taproot_bip32_derivations[public] = ([], derivation)
        else:
            scope.bip32_derivations[public] = derivation
        if kind == "p2sh-p2wpkh":
            scope.redeem_script = script.p2wpkh(public)
    content: bytes = psbt.serialize()
    return content


def _kind(coin: Coin, descriptors: Mapping[str, Descriptor]) -> SpendKind:
    descriptor = descriptors.get(coin.wallet)
    if descriptor is None:
        raise SigningError(f"the descriptor of wallet {coin.wallet} is missing")
    kind = _FORMS.get(descriptor.form)
    if kind is None:
        raise CannotSpend(
            "script",
            f"wallet {coin.wallet} is of several signers ({descriptor.form}): its owner"
            " makes the transaction",
        )
    if descriptor.script(coin.index) != coin.script:
        raise SigningError(
            f"{coin.txid}:{coin.vout} is not at index {coin.index} of {coin.wallet}"
        )
    return kind


def _key_of(coin: Coin, descriptor: Descriptor) -> tuple[ec.PublicKey, DerivationPath]:
    """The public key of the coin's address, and where it stands below its master."""
    found = _ORIGIN.search(descriptor.text)
    assert found is not None, "a descriptor of one key has one"
    below = [int(step) for step in found["below"].split("/")[1:]]
    public = ec.PublicKey.parse(descriptor.parents[0].child(coin.index).key)
    if found["finger"] is None:  # the key that was given is all that is known
        finger = _fingerprint(found["key"])
        return public, DerivationPath(finger, [*below, coin.index])
    above = [
        int(step.rstrip("h")) + (_HARDENED if step.endswith("h") else 0)
        for step in found["above"].split("/")[1:]
    ]
    finger = bytes.fromhex(found["finger"])
    return public, DerivationPath(finger, [*above, *below, coin.index])


def _fingerprint(key: str) -> bytes:
    return hash160(read_extended_key(key).node.key)[:4]
