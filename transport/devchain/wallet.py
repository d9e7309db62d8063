"""The dev chain's own money: one key, its coins, and signed payments.

Not a wallet for anybody's bitcoin: the keys follow from the dev chain's seed and guard
coins of a chain that exists in this process only. No real money is ever in it.

`Coins` remembers which of the wallet's outputs may be spent in the next block; the dev
chain tells it of every change. All of it runs under the dev chain's lock.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import Final, Literal

import msgspec
from bit import PrivateKeyTestnet
from coincurve import PublicKeyXOnly

from engine.bitcoin.address import script_to_address
from engine.bitcoin.signed_tx import (
    SIGHASH_ALL,
    Digests,
    Tx,
    TxIn,
    hash160,
    make_tx,
    p2pkh_script,
)
from engine.bitcoin.transaction import compact_size
from engine.chain.feed import TxOut
from engine.money.amount import sat_to_btc

__all__ = [
    "NETWORK",
    "AddressKind",
    "Coins",
    "DevChainError",
    "DevWallet",
    "InsufficientFunds",
    "dust_sat",
]

NETWORK: Final = "regtest"

AddressKind = Literal["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]

Outpoint = tuple[str, int]

#: BIP 125: an input below 0xfffffffe says that the transaction may be replaced.
_REPLACEABLE: Final = 0xFFFFFFFD

#: Coins from here on are saved for big payments.
_LARGE_SAT: Final = 100_000_000

#: A transaction with more inputs than this nears the size that nodes relay.
_MAX_INPUTS: Final = 1_000


class DevChainError(ValueError):
    """The dev chain was asked for something impossible; the message says what."""


class InsufficientFunds(DevChainError):
    """The dev chain has no confirmed coins left for this payment."""


class Coins:
    """The wallet's outputs that the next block may spend, oldest first."""

    def __init__(self) -> None:
        # OrderedDict: taking the first of a plain dict gets slower with every deletion.
        self._small: OrderedDict[Outpoint, int] = OrderedDict()
        self._large: OrderedDict[Outpoint, int] = OrderedDict()

    def add(self, outpoint: Outpoint, amount_sat: int) -> None:
        shelf = self._large if amount_sat >= _LARGE_SAT else self._small
        shelf[outpoint] = amount_sat

    def discard(self, outpoint: Outpoint) -> None:
        if self._small.pop(outpoint, None) is None:
            self._large.pop(outpoint, None)

    def clear(self) -> None:
        self._small.clear()
        self._large.clear()

    def total_sat(self) -> int:
        return sum(self._small.values()) + sum(self._large.values())

    def offer(self, amount_sat: int) -> Iterator[tuple[Outpoint, int]]:
        """Coins in the order in which a payment of this size should take them."""
        if amount_sat >= _LARGE_SAT // 25:
            return chain(self._large.items(), self._small.items())
        return chain(self._small.items(), self._large.items())


class DevWallet:
    """One P2WPKH key that owns every coinbase, and addresses for demos."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key = self._derive("wallet", 0)
        self._public = self._key.public_key
        self._script_code = p2pkh_script(hash160(self._public))
        self.script = b"\x00\x14" + hash160(self._public)
        self._addresses = 0

    def __repr__(self) -> str:
        return f"DevWallet({script_to_address(self.script, NETWORK)})"

    def new_address(self, kind: AddressKind) -> str:
        """A fresh address that the wallet itself does not count as its money."""
        self._addresses += 1
        key = self._derive("address", self._addresses)
        address = script_to_address(_script(kind, key), NETWORK)
        assert address is not None  # every kind has one
        return address

    def payment(self, outputs: Sequence[TxOut], coins: Coins, fee_rate: float) -> Tx:
        """A signed transaction paying `outputs` from `coins`.

        Raises `InsufficientFunds`. The coins stay where they are.
        """
        return self.spend([], outputs, coins, fee_rate, 0)

    def spend(
        self,
        inputs: Sequence[tuple[Outpoint, int]],
        outputs: Sequence[TxOut],
        coins: Coins,
        fee_rate: float,
        least_fee: int,
    ) -> Tx:
        """As `payment`, but with these inputs in any case, and at least this fee.

        One sat/vB comes on top of `least_fee`, as BIP 125 wants of a replacement.
        """
        wanted = sum(out.amount_sat for out in outputs)
        change = TxOut(self.script, 0)
        chosen = list(inputs)
        total = sum(amount for _, amount in chosen)
        offers = coins.offer(wanted)
        while True:
            vsize = _vsize(len(chosen), [*outputs, change])
            fee = _ceil(fee_rate * vsize)
            if least_fee:
                fee = max(fee, least_fee + vsize)
            rest = total - wanted - fee
            if chosen and rest >= (0 if outputs else dust_sat(self.script)):
                break
            offer = next(offers, None)
            if offer is None or len(chosen) >= _MAX_INPUTS:
                raise InsufficientFunds(
                    f"the dev chain cannot pay {sat_to_btc(wanted)} BTC now: it has "
                    f"{sat_to_btc(coins.total_sat())} BTC in confirmed coins. "
                    "Mine a block, or pay less"
                )
            chosen.append(offer)
            total += offer[1]
        if rest >= dust_sat(self.script):
            outputs = [*outputs, TxOut(self.script, rest)]
        return self._signed(chosen, outputs)

    def _signed(
        self, inputs: Sequence[tuple[Outpoint, int]], outputs: Sequence[TxOut]
    ) -> Tx:
        plain = [TxIn(txid, vout, sequence=_REPLACEABLE) for (txid, vout), _ in inputs]
        digests = Digests(make_tx(plain, outputs))
        signed = []
        for index, (txin, (_, amount)) in enumerate(zip(plain, inputs, strict=True)):
            hashed = digests.segwit_hashed_once(index, self._script_code, amount)
            # `bit` hashes with SHA-256 what it signs: that is the second time.
            signature = self._key.sign(hashed) + bytes([SIGHASH_ALL])
            witness = (signature, self._public)
            signed.append(msgspec.structs.replace(txin, witness=witness))
        return make_tx(signed, outputs)

    def _derive(self, purpose: str, index: int) -> PrivateKeyTestnet:
        label = f"paybell dev chain {purpose} {index}:".encode()
        return PrivateKeyTestnet.from_bytes(sha256(label + self._seed).digest())


def dust_sat(script: bytes) -> int:
    """Below this amount nodes do not relay an output (Bitcoin Core, GetDustThreshold).

    Three sat/vB for the output and for the input that would spend it one day.
    """
    size = 8 + len(compact_size(len(script))) + len(script)
    witness_program = len(script) in (22, 34) and script[0] in (0x00, 0x51)
    return 3 * (size + (67 if witness_program else 148))


def _script(kind: AddressKind, key: PrivateKeyTestnet) -> bytes:
    public: bytes = key.public_key
    program = b"\x00\x14" + hash160(public)
    match kind:
        case "p2wpkh":
            return program
        case "p2pkh":
            return p2pkh_script(hash160(public))
        case "p2sh":
            return b"\xa9\x14" + hash160(program) + b"\x87"
        case "p2wsh":
            witness_script = b"\x21" + public + b"\xac"
            return b"\x00\x20" + sha256(witness_script).digest()
        case "p2tr":
            return b"\x51\x20" + _taproot_key(key)
    raise DevChainError(f"unknown kind of address {kind!r}")


def _taproot_key(key: PrivateKeyTestnet) -> bytes:
    """BIP 341/86: the internal key tweaked with its own tagged hash, no script tree."""
    internal: bytes = key.public_key[1:]  # compressed: its sign, then its x
    tag = sha256(b"TapTweak").digest()
    output = PublicKeyXOnly(internal)
    output.tweak_add(sha256(tag + tag + internal).digest())
    return output.format()


def _vsize(inputs: int, outputs: Sequence[TxOut]) -> int:
    """Of a signed P2WPKH spend; a low-s signature with its type has up to 72 bytes."""
    base = 8 + len(compact_size(inputs)) + 41 * inputs + len(compact_size(len(outputs)))
    base += sum(8 + len(compact_size(len(o.script))) + len(o.script) for o in outputs)
    witness = 2 + inputs * (1 + 1 + 72 + 1 + 33)
    return -(-(4 * base + witness) // 4)


def _ceil(amount: float) -> int:
    return -int(-amount // 1)
