"""Bitcoin transactions and blocks as bytes: just enough to pay and to mine in tests.

Written apart from the engine's own parser on purpose: what one of them gets wrong,
the other shows. Pure; no node, no clock. Spends P2PKH outputs only, pays any kind.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import coincurve
from bit.base58 import b58decode_check

__all__ = [
    "RBF_SEQUENCE",
    "Coin",
    "address_for",
    "bech32",
    "bech32_decoded",
    "block",
    "coinbase",
    "script_for",
    "signed",
    "txid_of",
]

RBF_SEQUENCE = 0xFFFFFFFD  # BIP 125: replaceable
FINAL_SEQUENCE = 0xFFFFFFFF
SIGHASH_ALL = 1
REGTEST_BITS = 0x207FFFFF  # every second hash will do
REGTEST_TARGET = 0x7FFFFF << (8 * (0x20 - 3))
BLOCK_VERSION = 0x20000000

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32_CONST, BECH32M_CONST = 1, 0x2BC830A3


@dataclass(frozen=True)
class Coin:
    """An output that pays the wallet's key."""

    txid: str
    vout: int
    amount_sat: int


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash160(data: bytes) -> bytes:
    return hashlib.new("ripemd160", hashlib.sha256(data).digest()).digest()


def txid_of(raw: bytes) -> str:
    """The id of a transaction without witness."""
    return sha256d(raw)[::-1].hex()


def varint(number: int) -> bytes:
    if number < 0xFD:
        return number.to_bytes(1, "little")
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    return b"\xfe" + number.to_bytes(4, "little")


def pushed(data: bytes) -> bytes:
    assert len(data) < 76
    return bytes([len(data)]) + data


def p2pkh(pubkey: bytes) -> bytes:
    return b"\x76\xa9" + pushed(hash160(pubkey)) + b"\x88\xac"


def address_for(kind: str, seed: int) -> str:
    """A regtest address of this kind that nobody else gets; `seed` makes it so.

    Kinds: p2pkh, p2sh, p2wpkh, p2wsh, p2tr. Nobody holds the key of most of them.
    """
    program = hashlib.sha256(b"%s %d" % (kind.encode(), seed)).digest()
    if kind == "p2pkh":
        return base58check(0x6F, program[:20])
    if kind == "p2sh":
        return base58check(0xC4, program[:20])
    version = 1 if kind == "p2tr" else 0
    return bech32(version, program[:20] if kind == "p2wpkh" else program)


def script_for(address: str) -> bytes:
    """The scriptPubKey of a regtest (or testnet) address. ValueError if it is none."""
    if address.lower().startswith(("bcrt1", "tb1")):
        version, program = bech32_decoded(address)
        return bytes([0x50 + version if version else 0]) + pushed(program)
    payload: bytes = b58decode_check(address)
    if len(payload) == 21 and payload[0] == 0x6F:
        return b"\x76\xa9" + pushed(payload[1:]) + b"\x88\xac"
    if len(payload) == 21 and payload[0] == 0xC4:
        return b"\xa9" + pushed(payload[1:]) + b"\x87"
    raise ValueError(f"not a regtest address: {address}")


def signed(
    key: coincurve.PrivateKey,
    coins: Sequence[Coin],
    outputs: Sequence[tuple[bytes, int]],
    sequence: int = RBF_SEQUENCE,
) -> bytes:
    """A transaction that spends the key's coins to (script, amount in satoshi)."""
    pubkey = key.public_key.format()
    scripts = []
    for index in range(len(coins)):
        blank = [p2pkh(pubkey) if n == index else b"" for n in range(len(coins))]
        preimage = serialized(coins, blank, outputs, sequence)
        digest = sha256d(preimage + SIGHASH_ALL.to_bytes(4, "little"))
        signature = key.sign(digest, hasher=None) + bytes([SIGHASH_ALL])
        scripts.append(pushed(signature) + pushed(pubkey))
    return serialized(coins, scripts, outputs, sequence)


def coinbase(height: int, script: bytes, amount_sat: int, nonce: bytes) -> bytes:
    """The first transaction of a block; `nonce` makes two of one height differ."""
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    nothing = Coin(txid="00" * 32, vout=0xFFFFFFFF, amount_sat=0)
    unlock = pushed(number) + pushed(nonce)
    return serialized([nothing], [unlock], [(script, amount_sat)], FINAL_SEQUENCE)


def block(prev_hash: str, time_s: int, txs: Sequence[bytes]) -> tuple[str, bytes]:
    """A mined regtest block (hash, bytes). No transaction may carry a witness."""
    front = (
        BLOCK_VERSION.to_bytes(4, "little")
        + bytes.fromhex(prev_hash)[::-1]
        + merkle_root([sha256d(raw) for raw in txs])
        + time_s.to_bytes(4, "little")
        + REGTEST_BITS.to_bytes(4, "little")
    )
    nonce = 0
    while True:
        header = front + nonce.to_bytes(4, "little")
        digest = sha256d(header)
        if int.from_bytes(digest, "little") <= REGTEST_TARGET:
            return digest[::-1].hex(), header + varint(len(txs)) + b"".join(txs)
        nonce += 1


def serialized(
    coins: Sequence[Coin],
    scripts: Sequence[bytes],
    outputs: Sequence[tuple[bytes, int]],
    sequence: int,
) -> bytes:
    inputs = b"".join(
        bytes.fromhex(coin.txid)[::-1]
        + coin.vout.to_bytes(4, "little")
        + varint(len(script))
        + script
        + sequence.to_bytes(4, "little")
        for coin, script in zip(coins, scripts, strict=True)
    )
    paid = b"".join(
        amount_sat.to_bytes(8, "little") + varint(len(script)) + script
        for script, amount_sat in outputs
    )
    version, locktime = (2).to_bytes(4, "little"), bytes(4)
    counts = varint(len(coins)), varint(len(outputs))
    return version + counts[0] + inputs + counts[1] + paid + locktime


def merkle_root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes.append(hashes[-1])
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256d(left + right) for left, right in pairs]
    return hashes[0]


def base58check(version: int, payload: bytes) -> str:
    data = bytes([version]) + payload
    data += sha256d(data)[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text


def bech32_polymod(values: Sequence[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            check ^= factor if top >> bit & 1 else 0
    return check


def bech32_prefix(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def bech32(version: int, program: bytes, prefix: str = "bcrt") -> str:
    """BIP 173 for version 0, BIP 350 for the later ones."""
    bits = "".join(f"{byte:08b}" for byte in program)
    bits += "0" * (-len(bits) % 5)
    data = [version] + [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    const = BECH32M_CONST if version else BECH32_CONST
    check = bech32_polymod(bech32_prefix(prefix) + data + [0] * 6) ^ const
    data += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(BECH32[value] for value in data)


def bech32_decoded(address: str) -> tuple[int, bytes]:
    """(version, program), whatever the prefix."""
    prefix, _, text = address.lower().rpartition("1")
    data = [BECH32.index(char) for char in text]
    const = BECH32M_CONST if data[0] else BECH32_CONST
    if bech32_polymod(bech32_prefix(prefix) + data) != const:
        raise ValueError(f"the checksum of {address} does not hold")
    bits = "".join(f"{value:05b}" for value in data[1:-6])
    whole = len(bits) // 8 * 8
    return data[0], bytes(int(bits[at : at + 8], 2) for at in range(0, whole, 8))
