"""Signs a planned transaction, and lets none go that is not signed whole.

What is signed for comes from the raw transactions that made the coins, never from what
somebody said of them: each must hash to the id that the plan spends, and its output
must have the script and the amount of the plan. A liar so cannot make us pay a fee that
nobody planned. Coinbases are known by their transaction, too.

`bit` signs P2PKH and P2SH-P2WPKH inputs; embit signs P2WPKH and P2TR (`bit` leaves such
inputs unsigned, without an error). Then every input is checked by code of our own that
knows neither (`engine.bitcoin.signed_tx`), and a signature that is missing or does not
hold is a `SigningError`.

Some 0.3 ms for each input: called in a native thread, not in the hub. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from bit import PrivateKey as BitKey
from bit.constants import HASH_TYPE
from bit.transaction import TxObj, calculate_preimages, deserialize
from embit import ec, script
from embit.transaction import (
    SIGHASH,
    Transaction,
    TransactionInput,
    TransactionOutput,
)

from engine.bitcoin.signed_tx import (
    Digests,
    Tx,
    TxIn,
    check_signature,
    decode_tx,
    hash160,
    make_tx,
    p2pkh_script,
)
from engine.chain.feed import TxOut
from engine.errors import InvalidTransaction, SigningError
from engine.wallet.coin import Coin, Outpoint, SpendKind, spend_kind
from engine.wallet.plan import Plan
from engine.wallet.secret_key import SecretKey

__all__ = [
    "REPLACEABLE",
    "Keys",
    "Signed",
    "check_signed",
    "is_made_by",
    "sign",
    "spent_outputs",
]

REPLACEABLE = 0xFFFFFFFD
"""BIP 125: an input below 0xfffffffe says that the transaction may be replaced."""


class Keys(Protocol):
    """Port: the keys of our coins, opened. `keyring.py` has one."""

    def key_of(self, coin: Coin) -> SecretKey:
        """Raises `WalletLocked`; `SigningError` if there is none."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that the network takes. `vsize` is its real size."""

    txid: str
    raw: bytes
    fee_sat: int
    vsize: int
    inputs: tuple[Outpoint, ...]

    def __repr__(self) -> str:
        return f"Signed({self.txid})"


def sign(plan: Plan, keys: Keys, previous: Mapping[str, bytes]) -> Signed:
    """The plan as a signed transaction. `previous`: by txid, the raw transactions that
    made its coins. Raises `SigningError`, `WalletLocked`."""
    spent = spent_outputs(plan, previous)
    opened = [_key(coin, keys) for coin in plan.coins]
    outputs = [TxOut(output.script, output.amount_sat) for output in plan.outputs]
    plain = [
        TxIn(coin.txid, coin.vout, _redeem(coin, key), sequence=REPLACEABLE)
        for coin, key in zip(plan.coins, opened, strict=True)
    ]
    kinds = [_kind(coin) for coin in plan.coins]
    by_bit = _signed_by_bit(make_tx(plain, outputs), opened, kinds, spent)
    by_embit = _signed_by_embit(make_tx(plain, outputs), opened, kinds, spent)
    signed = []
    for index, txin in enumerate(plain):
        done = by_bit.get(index) or by_embit.get(index)
        if done is None:
            raise SigningError(f"input {index} of {len(plain)} was not signed")
        signed.append(msgspec.structs.replace(txin, **done))
    tx = decode_tx(make_tx(signed, outputs).raw)  # what is checked are the bytes
    check_signed(tx, plan, spent)
    return Signed(
        txid=tx.txid,
        raw=tx.raw,
        fee_sat=plan.fee_sat,
        vsize=tx.vsize,
        inputs=tuple((txin.txid, txin.vout) for txin in tx.inputs),
    )


def spent_outputs(plan: Plan, previous: Mapping[str, bytes]) -> list[TxOut]:
    """What the plan's coins are by the transactions that made them, in their order.

    Raises `SigningError` where the plan says anything else.
    """
    made: dict[str, Tx] = {}
    return [_output(coin, previous, made) for coin in plan.coins]


def is_made_by(coin: Coin, previous: Mapping[str, bytes]) -> bool:
    """Whether the transaction that is given for the coin made it as is said."""
    try:
        _output(coin, previous, {})
    except SigningError:
        return False
    return True


def _output(coin: Coin, previous: Mapping[str, bytes], made: dict[str, Tx]) -> TxOut:
    where = f"{coin.txid}:{coin.vout}"
    if coin.txid not in made:
        raw = previous.get(coin.txid)
        if raw is None:
            raise SigningError(f"the transaction that made {where} is missing")
        try:
            made[coin.txid] = decode_tx(raw)
        except InvalidTransaction as error:
            text = f"what was given for {coin.txid} is no transaction: {error}"
            raise SigningError(text) from error
    tx = made[coin.txid]
    if tx.txid != coin.txid:
        raise SigningError(f"what was given for {coin.txid} is {tx.txid}")
    if coin.vout >= len(tx.outputs):
        raise SigningError(f"there is no {where}: it has {len(tx.outputs)} outputs")
    output = tx.outputs[coin.vout]
    if output.amount_sat != coin.amount_sat:
        raise SigningError(
            f"{where} has {output.amount_sat} sat, not {coin.amount_sat} as was said"
        )
    if output.script != coin.script:
        raise SigningError(f"{where} has another script than was said")
    if tx.is_coinbase and not coin.is_coinbase:
        raise SigningError(f"{where} is of a coinbase, and was not said to be")
    return output


def _key(coin: Coin, keys: Keys) -> SecretKey:
    """The key that guards the coin, and no other."""
    key = keys.key_of(coin)
    if key.script(_kind(coin)) != coin.script:
        raise SigningError(
            f"the key of {coin.wallet} at {coin.index} does not guard"
            f" {coin.txid}:{coin.vout}"
        )
    return key


def _kind(coin: Coin) -> SpendKind:
    kind = spend_kind(coin.script)
    if kind is None:
        raise SigningError(f"{coin.txid}:{coin.vout} has a script that we do not sign")
    return kind


def _redeem(coin: Coin, key: SecretKey) -> bytes:
    """The script of the input before it is signed: of P2SH what the hash is of."""
    if _kind(coin) != "p2sh-p2wpkh":
        return b""
    return b"\x16\x00\x14" + hash160(key.public)


def _signed_by_bit(
    tx: Tx, keys: Sequence[SecretKey], kinds: Sequence[SpendKind], spent: list[TxOut]
) -> dict[int, dict[str, Any]]:
    """By input, what a signature puts there: `script_sig`, `witness`."""
    obj: TxObj = deserialize(tx.raw.hex())
    wanted = []
    for index, kind in enumerate(kinds):
        if kind not in ("p2pkh", "p2sh-p2wpkh"):
            continue
        is_segwit = kind == "p2sh-p2wpkh"
        code = p2pkh_script(hash160(keys[index].public))
        txin = obj.TxIn[index]
        txin.script_sig, txin.script_sig_len = code, bytes([len(code)])
        if is_segwit:  # `bit` wants the amount behind the code that it hashes
            txin.script_sig += spent[index].amount_sat.to_bytes(8, "little")
        wanted.append((index, HASH_TYPE, is_segwit))
    done: dict[int, dict[str, Any]] = {}
    preimages = calculate_preimages(obj, wanted)
    for (index, _, is_segwit), hashed in zip(wanted, preimages, strict=True):
        key = BitKey.from_bytes(keys[index].secret())
        signature, public = key.sign(hashed) + b"\x01", keys[index].public
        if is_segwit:
            done[index] = {"witness": (signature, public)}
        else:
            done[index] = {"script_sig": _pushed(signature) + _pushed(public)}
    return done


def _signed_by_embit(
    tx: Tx, keys: Sequence[SecretKey], kinds: Sequence[SpendKind], spent: list[TxOut]
) -> dict[int, dict[str, Any]]:
    """As above."""
    made = Transaction(
        version=tx.version,
        vin=[
            TransactionInput(bytes.fromhex(t.txid), t.vout, sequence=t.sequence)
            for t in tx.inputs
        ],
        vout=[
            TransactionOutput(o.amount_sat, script.Script(o.script)) for o in tx.outputs
        ],
    )
    scripts = [script.Script(out.script) for out in spent]
    amounts = [out.amount_sat for out in spent]
    done: dict[int, dict[str, Any]] = {}
    for index, kind in enumerate(kinds):
        if kind not in ("p2wpkh", "p2tr"):
            continue
        key = ec.PrivateKey(keys[index].secret())
        if kind == "p2wpkh":
            code = script.p2pkh_from_p2wpkh(scripts[index])
            digest = made.sighash_segwit(index, code, amounts[index])
            signature = key.sign(digest).serialize() + bytes([SIGHASH.ALL])
            done[index] = {"witness": (signature, keys[index].public)}
        else:
            digest = made.sighash_taproot(index, scripts, amounts)
            signature = key.taproot_tweak().schnorr_sign(digest).serialize()
            done[index] = {"witness": (signature,)}
    return done


def check_signed(tx: Tx, plan: Plan, spent: Sequence[TxOut]) -> None:
    """That this is the plan, and that each input may spend what it spends.

    Raises `SigningError`.
    """
    if [(t.txid, t.vout) for t in tx.inputs] != [c.outpoint for c in plan.coins]:
        raise SigningError("the transaction spends something else than the plan")
    paid = [(out.script, out.amount_sat) for out in tx.outputs]
    if paid != [(out.script, out.amount_sat) for out in plan.outputs]:
        raise SigningError("the transaction pays something else than the plan")
    if tx.vsize > plan.vsize:
        raise SigningError("the transaction is larger than its fee was planned for")
    digests = Digests(tx, spent)
    for index, output in enumerate(spent):
        wrong = check_signature(digests, tx, index, output)
        if wrong is not None:
            raise SigningError(f"input {index} is not signed as it must be: {wrong}")


def _pushed(data: bytes) -> bytes:
    assert len(data) < 76, "a push of one byte"
    return bytes([len(data)]) + data
