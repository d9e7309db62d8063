"""What an Esplora explorer says of scripts, transactions and blocks, as JSON values.

Pure translations of what the dev chain's contents holds. The shapes are those of
Blockstream's Esplora (API.md), so the dev chain can stand in for a real explorer.
"""

from typing import Any, Final

from engine.bitcoin.address import script_to_address
from engine.bitcoin.signed_tx import Tx, TxIn
from engine.chain.feed import TxOut
from transport.devchain.mempool_and_blocks import KnownTx, MempoolAndBlocks
from transport.devchain.miner import BITS, MinedBlock
from transport.devchain.wallet import NETWORK

__all__ = ["Json", "address_stats", "block_json", "status_json", "tx_json"]

Json = dict[str, Any]

_OPCODES: Final = {
    0x4C: "OP_PUSHDATA1",
    0x4D: "OP_PUSHDATA2",
    0x4E: "OP_PUSHDATA4",
    0x4F: "OP_PUSHNUM_NEG1",
    0x63: "OP_IF",
    0x67: "OP_ELSE",
    0x68: "OP_ENDIF",
    0x69: "OP_VERIFY",
    0x6A: "OP_RETURN",
    0x75: "OP_DROP",
    0x76: "OP_DUP",
    0x87: "OP_EQUAL",
    0x88: "OP_EQUALVERIFY",
    0xA8: "OP_SHA256",
    0xA9: "OP_HASH160",
    0xAC: "OP_CHECKSIG",
    0xAD: "OP_CHECKSIGVERIFY",
    0xAE: "OP_CHECKMULTISIG",
    0xB1: "OP_CLTV",
    0xB2: "OP_CSV",
}


def tx_json(contents: MempoolAndBlocks, entry: KnownTx) -> Json:
    """`GET /tx/:txid`; `entry` is in the mempool or in the best chain."""
    tx = entry.tx
    prevouts = entry.prevouts or (None,) * len(tx.inputs)  # a coinbase spends nothing
    return {
        "txid": tx.txid,
        "version": tx.version,
        "locktime": tx.locktime,
        "vin": [
            _vin(tx, txin, prevout)
            for txin, prevout in zip(tx.inputs, prevouts, strict=True)
        ],
        "vout": [_output(out) for out in tx.outputs],
        "size": len(tx.raw),
        "weight": tx.weight,
        "fee": entry.fee_sat,
        "status": status_json(contents, entry),
    }


def status_json(contents: MempoolAndBlocks, entry: KnownTx | None) -> Json:
    """Confirmed or not. Esplora calls what it does not know unconfirmed, too."""
    if entry is None or entry.block_hash is None:
        return {"confirmed": False}
    return {
        "confirmed": True,
        "block_height": entry.height,
        "block_hash": entry.block_hash,
        "block_time": contents.blocks[entry.block_hash].header.time_s,
    }


def block_json(block: MinedBlock) -> Json:
    header = block.header
    return {
        "id": header.hash,
        "height": header.height,
        "version": int.from_bytes(block.header_bytes[:4], "little"),
        "timestamp": header.time_s,
        "tx_count": len(block.txs),
        "size": block.size,
        "weight": block.weight,
        "merkle_root": block.header_bytes[36:68][::-1].hex(),
        "previousblockhash": header.prev_hash if header.height else None,
        "mediantime": block.median_time_s,
        "nonce": int.from_bytes(block.header_bytes[76:80], "little"),
        "bits": BITS,
        "difficulty": 0,
    }


def address_stats(contents: MempoolAndBlocks, script: bytes, address: str) -> Json:
    """`GET /address/:address`: how often and how much came in and went out."""
    chain_stats, mempool_stats = _no_stats(), _no_stats()
    for txid in contents.by_script.get(script, ()):
        entry = contents.entries[txid]
        stats = mempool_stats if entry.block_hash is None else chain_stats
        stats["tx_count"] += 1
        for out in entry.tx.outputs:
            if out.script == script:
                stats["funded_txo_count"] += 1
                stats["funded_txo_sum"] += out.amount_sat
        for out in entry.prevouts:
            if out.script == script:
                stats["spent_txo_count"] += 1
                stats["spent_txo_sum"] += out.amount_sat
    return {
        "address": address,
        "chain_stats": chain_stats,
        "mempool_stats": mempool_stats,
    }


def _no_stats() -> dict[str, int]:
    names = ("funded_txo_count", "funded_txo_sum", "spent_txo_count", "spent_txo_sum")
    return dict.fromkeys((*names, "tx_count"), 0)


def _vin(tx: Tx, txin: TxIn, prevout: TxOut | None) -> Json:
    vin: Json = {
        "txid": txin.txid,
        "vout": txin.vout,
        "prevout": None if prevout is None else _output(prevout),
        "scriptsig": txin.script_sig.hex(),
        "scriptsig_asm": _asm(txin.script_sig),
    }
    if txin.witness:
        vin["witness"] = [item.hex() for item in txin.witness]
    return {**vin, "is_coinbase": tx.is_coinbase, "sequence": txin.sequence}


def _output(out: TxOut) -> Json:
    shape = {
        "scriptpubkey": out.script.hex(),
        "scriptpubkey_asm": _asm(out.script),
        "scriptpubkey_type": _script_type(out.script),
    }
    address = script_to_address(out.script, NETWORK)
    if address is not None:
        shape["scriptpubkey_address"] = address
    return {**shape, "value": out.amount_sat}


def _script_type(script: bytes) -> str:
    match len(script), script[:2].hex():
        case 25, "76a9":
            return "p2pkh"
        case 23, "a914":
            return "p2sh"
        case 22, "0014":
            return "v0_p2wpkh"
        case 34, "0020":
            return "v0_p2wsh"
        case 34, "5120":
            return "v1_p2tr"
    if script[:1] == b"\x6a":
        return "op_return"
    return "p2pk" if len(script) in (35, 67) and script[-1] == 0xAC else "unknown"


def _asm(script: bytes) -> str:
    words, at = [], 0
    while at < len(script):
        opcode = script[at]
        at += 1
        width = {0x4C: 1, 0x4D: 2, 0x4E: 4}.get(opcode, 0)
        if 1 <= opcode <= 0x4E:
            length = opcode
            if width:
                length = int.from_bytes(script[at : at + width], "little")
                at += width
            words.append(_OPCODES.get(opcode, f"OP_PUSHBYTES_{opcode}"))
            if at + length > len(script):
                return " ".join([*words, "<push past end>"])
            words.append(script[at : at + length].hex())
            at += length
        elif opcode == 0:
            words.append("OP_0")
        elif 0x51 <= opcode <= 0x60:
            words.append(f"OP_PUSHNUM_{opcode - 0x50}")
        else:
            words.append(_OPCODES.get(opcode, f"OP_UNKNOWN_{opcode:02x}"))
    return " ".join(words)
