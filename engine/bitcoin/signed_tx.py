"""Whole transactions as they are made, signed and checked.

`engine.bitcoin.transaction` reads only what being paid needs; here a transaction keeps
every part, can be serialized again, and its inputs' signatures can be checked: what
leaves us is checked before it leaves, and the dev chain refuses what a Bitcoin node
refuses. Signatures of P2PKH, P2WPKH and P2SH-P2WPKH with SIGHASH_ALL are understood,
and those of P2TR by its key; a spend of anything else is refused, never waved through.

Pure, no state. It shares no code with the libraries that sign. Formats: BIP 143 and
144; BIP 341 for P2TR.
"""

from collections.abc import Sequence
from hashlib import new as new_hash
from hashlib import sha256
from typing import Final

import msgspec
from coincurve import PublicKey, PublicKeyXOnly

from engine.bitcoin.transaction import (
    COINBASE_TXID,
    compact_size,
    double_sha256,
    parse_tx,
)
from engine.chain.feed import ChainTx, TxOut

__all__ = [
    "SIGHASH_ALL",
    "Digests",
    "Tx",
    "TxIn",
    "check_signature",
    "decode_tx",
    "hash160",
    "make_tx",
    "p2pkh_script",
]

SIGHASH_ALL: Final = 1


class TxIn(msgspec.Struct, frozen=True):
    """One input. `txid` is in the byte order that people read."""

    txid: str
    vout: int
    script_sig: bytes = b""
    sequence: int = 0xFFFFFFFF
    witness: tuple[bytes, ...] = ()


class Tx(msgspec.Struct, frozen=True):
    """A transaction with its bytes and hashes; made by `make_tx` and `decode_tx`."""

    version: int
    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    locktime: int
    raw: bytes
    txid: str
    wtxid: str
    weight: int

    @property
    def vsize(self) -> int:
        """Virtual bytes, rounded up (BIP 141)."""
        return -(-self.weight // 4)

    @property
    def is_coinbase(self) -> bool:
        return self.inputs[0].txid == COINBASE_TXID

    @property
    def has_witness(self) -> bool:
        return any(txin.witness for txin in self.inputs)

    def chain_tx(self) -> ChainTx:
        spends = tuple((txin.txid, txin.vout) for txin in self.inputs)
        return ChainTx(self.txid, self.outputs, spends)


def make_tx(
    inputs: Sequence[TxIn],
    outputs: Sequence[TxOut],
    *,
    version: int = 2,
    locktime: int = 0,
) -> Tx:
    """Serialize and hash. The parts are the caller's, and not checked."""
    head, tail = version.to_bytes(4, "little"), locktime.to_bytes(4, "little")
    body = b"".join(
        [
            compact_size(len(inputs)),
            *(_encode_input(txin) for txin in inputs),
            compact_size(len(outputs)),
            *(_encode_output(out) for out in outputs),
        ]
    )
    stripped = head + body + tail
    raw = stripped
    if any(txin.witness for txin in inputs):
        witness = b"".join(_encode_witness(txin) for txin in inputs)
        raw = head + b"\x00\x01" + body + witness + tail
    return Tx(
        version=version,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        locktime=locktime,
        raw=raw,
        txid=double_sha256(stripped)[::-1].hex(),
        wtxid=double_sha256(raw)[::-1].hex(),
        weight=3 * len(stripped) + len(raw),
    )


def decode_tx(raw: bytes) -> Tx:
    """Every part of one transaction. Raises `InvalidTransaction`."""
    outputs = parse_tx(raw).outputs  # every length is checked here, so trust them below
    segwit = raw[4] == 0
    at = 6 if segwit else 4
    count, at = _size(raw, at)
    plain = []
    for _ in range(count):
        txid, vout = raw[at : at + 32][::-1].hex(), _int(raw, at + 32)
        length, at = _size(raw, at + 36)
        script, at = raw[at : at + length], at + length
        plain.append(TxIn(txid, vout, script, _int(raw, at)))
        at += 4
    _, at = _size(raw, at)
    for out in outputs:
        _, at = _size(raw, at + 8)
        at += len(out.script)
    inputs = []
    for txin in plain:
        items, at = _size(raw, at) if segwit else (0, at)
        witness = []
        for _ in range(items):
            length, at = _size(raw, at)
            witness.append(raw[at : at + length])
            at += length
        inputs.append(msgspec.structs.replace(txin, witness=tuple(witness)))
    version = _int(raw, 0)
    return make_tx(inputs, outputs, version=version, locktime=_int(raw, at))


class Digests:
    """What signatures sign, for one transaction: its shared parts are hashed once.

    `spent`: all outputs that it spends, in the order of its inputs; taproot wants them.
    """

    def __init__(self, tx: Tx, spent: Sequence[TxOut] = ()) -> None:
        self._tx = tx
        self._spent = spent
        self._prevouts_once = _sha256(b"".join(map(_encode_outpoint, tx.inputs)))
        sequences = (txin.sequence.to_bytes(4, "little") for txin in tx.inputs)
        self._sequences_once = _sha256(b"".join(sequences))
        self._outputs_once = _sha256(b"".join(map(_encode_output, tx.outputs)))
        self._prevouts = _sha256(self._prevouts_once)
        self._sequences = _sha256(self._sequences_once)
        self._outputs = _sha256(self._outputs_once)

    def segwit(self, index: int, script_code: bytes, amount_sat: int) -> bytes:
        """The BIP 143 digest of one input for SIGHASH_ALL."""
        return sha256(self.segwit_hashed_once(index, script_code, amount_sat)).digest()

    def segwit_hashed_once(
        self, index: int, script_code: bytes, amount_sat: int
    ) -> bytes:
        """What SHA-256 makes `segwit` of; for signers that hash by themselves."""
        tx, txin = self._tx, self._tx.inputs[index]
        preimage = (
            tx.version.to_bytes(4, "little")
            + self._prevouts
            + self._sequences
            + _encode_outpoint(txin)
            + compact_size(len(script_code))
            + script_code
            + amount_sat.to_bytes(8, "little")
            + txin.sequence.to_bytes(4, "little")
            + self._outputs
            + tx.locktime.to_bytes(4, "little")
            + SIGHASH_ALL.to_bytes(4, "little")
        )
        return sha256(preimage).digest()

    def taproot(self, index: int) -> bytes:
        """The BIP 341 digest of one input that is spent by its key, SIGHASH_DEFAULT.

        "Common signature message": amounts and scripts of all inputs are signed.
        """
        tx, spent = self._tx, self._spent
        assert len(spent) == len(tx.inputs), "taproot signs all that is spent"
        amounts = b"".join(out.amount_sat.to_bytes(8, "little") for out in spent)
        scripts = b"".join(compact_size(len(out.script)) + out.script for out in spent)
        message = (
            b"\x00\x00"  # the epoch, SIGHASH_DEFAULT
            + tx.version.to_bytes(4, "little")
            + tx.locktime.to_bytes(4, "little")
            + self._prevouts_once
            + _sha256(amounts)
            + _sha256(scripts)
            + self._sequences_once
            + self._outputs_once
            + b"\x00"  # by the key, without annex
            + index.to_bytes(4, "little")
        )
        tag = _sha256(b"TapSighash")
        return _sha256(tag + tag + message)

    def legacy(self, index: int, script_code: bytes) -> bytes:
        """The digest before segwit: all other inputs' scripts are blank."""
        tx = self._tx
        inputs = [
            TxIn(t.txid, t.vout, script_code if i == index else b"", t.sequence)
            for i, t in enumerate(tx.inputs)
        ]
        blank = make_tx(inputs, tx.outputs, version=tx.version, locktime=tx.locktime)
        return double_sha256(blank.raw + SIGHASH_ALL.to_bytes(4, "little"))


def check_signature(digests: Digests, tx: Tx, index: int, spent: TxOut) -> str | None:
    """None if input `index` may spend `spent`, else what is wrong, in a few words."""
    txin, script = tx.inputs[index], spent.script
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14":
        pushes = _two_pushes(txin.script_sig)
        if txin.witness:
            return "Unexpected witness"
        if pushes is None:
            return "a P2PKH input wants a signature and a public key"
        return _check(pushes, script[3:23], digests.legacy(index, script))
    if len(script) == 34 and script[:2] == b"\x51\x20":
        return _check_taproot(digests, txin, index, script[2:])
    program = script
    if len(script) == 23 and script[:2] == b"\xa9\x14":
        program = txin.script_sig[1:]
        if len(program) != 22 or txin.script_sig[:1] != b"\x16":
            return "only P2WPKH inside P2SH is understood"
        if hash160(program) != script[2:22]:
            return "the redeem script does not fit the P2SH address"
    elif txin.script_sig:
        return "Witness requires empty scriptSig"
    if len(program) != 22 or program[:2] != b"\x00\x14":
        return "only P2PKH, P2WPKH, P2SH-P2WPKH and P2TR are understood"
    if len(txin.witness) != 2:
        return "Witness program hash mismatch"
    digest = digests.segwit(index, p2pkh_script(program[2:]), spent.amount_sat)
    return _check((txin.witness[0], txin.witness[1]), program[2:], digest)


def p2pkh_script(key_hash: bytes) -> bytes:
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


def hash160(data: bytes) -> bytes:
    return new_hash("ripemd160", _sha256(data)).digest()


def _check(pair: tuple[bytes, bytes], key_hash: bytes, digest: bytes) -> str | None:
    signature, public_key = pair
    if hash160(public_key) != key_hash:
        return "the public key does not fit the address"
    if signature[-1:] != bytes([SIGHASH_ALL]):
        return "only SIGHASH_ALL is understood"
    try:
        good = PublicKey(public_key).verify(signature[:-1], digest, hasher=None)
    except ValueError:  # not a point, not DER
        good = False
    return None if good else "Signature must be valid"


def _check_taproot(
    digests: Digests, txin: TxIn, index: int, output_key: bytes
) -> str | None:
    """BIP 340 and 341: one item, 64 bytes, is a signature by the output's key."""
    if txin.script_sig:
        return "Witness requires empty scriptSig"
    if len(txin.witness) != 1 or len(txin.witness[0]) != 64:
        return "only a signature by the key, of 64 bytes, is understood for P2TR"
    try:
        key = PublicKeyXOnly(output_key)
    except ValueError:  # not a point: nobody can spend it
        return "Invalid Schnorr signature"
    good = key.verify(txin.witness[0], digests.taproot(index))
    return None if good else "Invalid Schnorr signature"


def _two_pushes(script: bytes) -> tuple[bytes, bytes] | None:
    """Exactly two direct pushes (up to 75 bytes each), as a P2PKH input has."""
    if not script or not 1 <= script[0] <= 75:
        return None
    first, rest = script[1 : 1 + script[0]], script[1 + script[0] :]
    if not rest or not 1 <= rest[0] <= 75 or len(rest) != 1 + rest[0]:
        return None
    return first, rest[1:]


def _sha256(data: bytes) -> bytes:
    return sha256(data).digest()


def _encode_outpoint(txin: TxIn) -> bytes:
    return bytes.fromhex(txin.txid)[::-1] + txin.vout.to_bytes(4, "little")


def _encode_input(txin: TxIn) -> bytes:
    script = txin.script_sig
    return b"".join(
        (
            _encode_outpoint(txin),
            compact_size(len(script)),
            script,
            txin.sequence.to_bytes(4, "little"),
        )
    )


def _encode_output(out: TxOut) -> bytes:
    return (
        out.amount_sat.to_bytes(8, "little")
        + compact_size(len(out.script))
        + out.script
    )


def _encode_witness(txin: TxIn) -> bytes:
    items = (compact_size(len(item)) + item for item in txin.witness)
    return compact_size(len(txin.witness)) + b"".join(items)


def _int(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "little")


def _size(raw: bytes, at: int) -> tuple[int, int]:
    first = raw[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    return int.from_bytes(raw[at + 1 : at + 1 + width], "little"), at + 1 + width
