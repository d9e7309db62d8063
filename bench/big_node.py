"""A Bitcoin node of mainnet's size, for benches: a process that serves made-up bytes.

    python -m bench.big_node TRANSACTIONS

It speaks the RPC of Bitcoin Core as far as Paybell asks, and publishes over ZMQ what
Core does (doc/zmq.md, zmqnotificationinterface.cpp): rawtx and sequence for each new
transaction; rawtx for each of a block, then sequence, then hashblock; a PUB socket with
Core's own high-water mark. Nothing is verified, and answers are joined from bytes that
are there already: one epoll loop, so that serving is not what is measured.

Methods that begin with `bench_` are the bench's own; what they cost is not counted.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from random import Random
from typing import Any, Final

import msgspec
import zmq

from bench.big_chain import BLOCK_TXS, Tx, make_block, make_tx

__all__: list[str] = []

HWM: Final = 1_000  # Core's default, of every topic
START_BLOCKS: Final = 20
NOT_FOUND: Final = (-5, "No such mempool transaction. Use gettransaction ...")
RECORD: Final = 67  # `"<txid>",` in the list of the mempool's names


class Mempool:
    """Its transactions, and their names as getrawmempool has them, always ready."""

    def __init__(self) -> None:
        self.raw: dict[str, bytes] = {}
        self.names = bytearray()
        self.at: dict[str, int] = {}
        self.sequence = 1  # the number of the next change

    def add(self, txid: str, raw: bytes) -> int:
        """The change's number."""
        self.raw[txid] = raw
        self.at[txid] = len(self.names)
        self.names += b'"' + txid.encode() + b'",'
        self.sequence += 1
        return self.sequence - 1

    def take(self, txid: str) -> bytes:
        """The last name takes its place."""
        self.sequence += 1
        place = self.at.pop(txid)
        last = bytes(self.names[-RECORD:])
        del self.names[-RECORD:]
        moved = last[1:65].decode()
        if moved != txid:
            self.names[place : place + RECORD] = last
            self.at[moved] = place
        return self.raw.pop(txid)


class Publisher:
    """Core's PUB socket, all topics on one address."""

    def __init__(self) -> None:
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.set(zmq.SNDHWM, HWM)
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._numbers = {b"rawtx": 0, b"hashblock": 0, b"sequence": 0}

    def send(self, topic: bytes, body: bytes) -> None:
        number = self._numbers[topic]
        self._numbers[topic] = number + 1
        parts = [topic, body, (number & 0xFFFFFFFF).to_bytes(4, "little")]
        self._socket.send_multipart(parts)


class Node:
    """The chain, the mempool and the methods of the RPC."""

    def __init__(self, size: int) -> None:
        self.rand = Random(1)
        self.pool = Mempool()
        self.zmq = Publisher()
        self.blocks: dict[str, tuple[int, bytes]] = {}
        self.best: list[str] = []
        self.paying: list[str] = []  # mempool transactions that a block takes first
        self.per_s = 0.0
        self.next_at = 0.0
        for _ in range(START_BLOCKS):
            self._append(self._others(BLOCK_TXS))
        for txid, raw in self._others(size):
            self.pool.add(txid[::-1].hex(), raw)

    def _others(self, count: int) -> list[Tx]:
        return [make_tx(self.rand) for _ in range(count)]

    def _append(self, txs: list[Tx]) -> str:
        prev = self.best[-1] if self.best else "00" * 32
        height = len(self.best)
        block_hash, raw = make_block(height, prev, int(time.time()), txs)
        self.blocks[block_hash] = height, raw
        self.best.append(block_hash)
        return block_hash

    def tick(self) -> float:
        """Seconds until there is something to do."""
        if not self.per_s:
            return 1.0
        now = time.perf_counter()
        while self.next_at <= now:
            self.next_at += 1 / self.per_s
            self._enter(*make_tx(self.rand))
        return self.next_at - now

    def _enter(self, txid: bytes, raw: bytes) -> str:
        name = txid[::-1].hex()
        number = self.pool.add(name, raw)
        self.zmq.send(b"rawtx", raw)
        body = txid[::-1] + b"A" + number.to_bytes(8, "little")
        self.zmq.send(b"sequence", body)
        return name

    # -- the bench's own ---------------------------------------------------------------

    def bench_flow(self, per_s: float) -> None:
        self.per_s, self.next_at = per_s, time.perf_counter()

    def bench_pay(self, scripts: list[str], sat: int, per_tx: int = 1) -> float:
        """Transactions to these, into the mempool; when the last was there."""
        wanted = [(bytes.fromhex(script), sat) for script in scripts]
        for first in range(0, len(wanted), per_tx):
            tx = make_tx(self.rand, wanted[first : first + per_tx])
            self.paying.append(self._enter(*tx))
        return time.perf_counter()

    def bench_mine(self) -> float:
        """A block of what pays, filled up from the mempool; when it was there."""
        names = self.paying[:BLOCK_TXS]
        taken = set(names)
        for name in self.pool.raw:
            if len(names) >= BLOCK_TXS:
                break
            if name not in taken:
                names.append(name)
        self.paying = self.paying[BLOCK_TXS:]
        txs = [(bytes.fromhex(name)[::-1], self.pool.take(name)) for name in names]
        block_hash = self._append(txs)
        there_at = time.perf_counter()
        for _, raw in txs:
            self.zmq.send(b"rawtx", raw)
        name = bytes.fromhex(block_hash)
        self.zmq.send(b"sequence", name + b"C")
        self.zmq.send(b"hashblock", name)
        return there_at

    def bench_grow(self, count: int) -> int:
        """So many full blocks of which nothing was in the mempool. The height."""
        for _ in range(count):
            self._append(self._others(BLOCK_TXS))
        return len(self.best) - 1

    # -- Bitcoin Core's ----------------------------------------------------------------

    def getblockchaininfo(self) -> dict[str, Any]:
        height = len(self.best) - 1
        return {
            "chain": "regtest",
            "blocks": height,
            "headers": height,
            "bestblockhash": self.best[-1],
            "time": int.from_bytes(self.blocks[self.best[-1]][1][68:72], "little"),
            "verificationprogress": 1.0,
            "initialblockdownload": False,
            "chainwork": f"{2 * (height + 1):064x}",
            "pruned": False,
        }

    def getmempoolinfo(self) -> dict[str, Any]:
        return {"loaded": True, "size": len(self.pool.raw)}

    def getnetworkinfo(self) -> dict[str, Any]:
        return {"version": 290000, "subversion": "/Satoshi:29.0.0/"}

    def getzmqnotifications(self) -> list[dict[str, Any]]:
        where = f"tcp://127.0.0.1:{self.zmq.port}"
        topics = ("pubhashblock", "pubrawtx", "pubsequence")
        return [{"type": t, "address": where, "hwm": HWM} for t in topics]

    def getblockhash(self, height: int) -> str:
        if not 0 <= height < len(self.best):
            raise LookupError(-8, "Block height out of range")
        return self.best[height]

    def getblockheader(self, block_hash: str, _verbose: bool = True) -> dict[str, Any]:
        if block_hash not in self.blocks:
            raise LookupError(-5, "Block not found")
        height, raw = self.blocks[block_hash]
        return {
            "hash": block_hash,
            "height": height,
            "time": int.from_bytes(raw[68:72], "little"),
            "confirmations": len(self.best) - height,
            "nTx": BLOCK_TXS + 1,
            "chainwork": f"{2 * (height + 1):064x}",
            **({"previousblockhash": raw[4:36][::-1].hex()} if height else {}),
        }

    def getblock(self, block_hash: str, _verbosity: int = 0) -> bytes:
        if block_hash not in self.blocks:
            raise LookupError(-5, "Block not found")
        return b'"' + self.blocks[block_hash][1].hex().encode() + b'"'

    def getrawmempool(self, verbose: bool = False, sequence: bool = False) -> bytes:
        assert not verbose
        names = b"[" + memoryview(self.pool.names)[:-1] + b"]"
        if not sequence:
            return names
        number = b"%d" % self.pool.sequence
        return b'{"txids":' + names + b',"mempool_sequence":' + number + b"}"

    def getrawtransaction(self, txid: str, _verbose: bool = False) -> bytes:
        raw = self.pool.raw.get(txid)
        if raw is None:
            raise LookupError(*NOT_FOUND)
        return b'"' + raw.hex().encode() + b'"'


class Server:
    """HTTP/1.1 with connections that are kept, one epoll loop."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.epoll = select.epoll()
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)
        self.clients: dict[int, tuple[socket.socket, bytearray]] = {}
        self.calls: dict[str, int] = {}
        self.sent = 0
        self.first_at: dict[str, float] = {}
        self.last_at: dict[str, float] = {}

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def run(self) -> None:
        while True:
            for number, _ in self.epoll.poll(max(self.node.tick(), 0.0)):
                if number == self.listener.fileno():
                    client, _where = self.listener.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.epoll.register(client.fileno(), select.EPOLLIN)
                    self.clients[client.fileno()] = client, bytearray()
                else:
                    self._read(number)

    def _read(self, number: int) -> None:
        client, buffer = self.clients[number]
        try:
            data = client.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.epoll.unregister(number)
            client.close()
            del self.clients[number]
            return
        buffer += data
        while (request := _whole_request(buffer)) is not None:
            try:
                client.sendall(self._answer(request))
            except ConnectionError:
                return  # read as the end, next time

    def _answer(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body)
        batch = isinstance(asked, list)
        counted = False
        replies = []
        for call in asked if batch else [asked]:
            method = call["method"]
            if not method.startswith("bench_"):
                counted = True
                self.calls[method] = self.calls.get(method, 0) + 1
                self.first_at.setdefault(method, time.perf_counter())
                self.last_at[method] = time.perf_counter()
            replies.append(self._reply(method, call))
        answer = b"[" + b",".join(replies) + b"]" if batch else replies[0]
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        ).encode()
        if counted:
            self.sent += len(head) + len(answer)
        return head + answer

    def _reply(self, method: str, call: dict[str, Any]) -> bytes:
        result, error = b"null", b"null"
        try:
            if method == "bench_stats":
                found = self.bench_stats(*call["params"])
            else:
                found = getattr(self.node, method)(*call["params"])
            result = found if isinstance(found, bytes) else msgspec.json.encode(found)
        except LookupError as refused:
            code, message = refused.args
            error = msgspec.json.encode({"code": code, "message": message})
        except AttributeError:
            error = b'{"code":-32601,"message":"Method not found"}'
        number = msgspec.json.encode(call["id"])
        return b'{"result":%b,"error":%b,"id":%b}' % (result, error, number)

    def bench_stats(self, reset: bool = True) -> dict[str, Any]:
        """Since the last time: calls, bytes, and when each method was asked."""
        found = {
            "calls": self.calls,
            "bytes": self.sent,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }
        if reset:
            self.calls, self.sent, self.first_at, self.last_at = {}, 0, {}, {}
        return found


def _whole_request(buffer: bytearray) -> bytes | None:
    head, there, _ = buffer.partition(b"\r\n\r\n")
    if not there:
        return None
    size = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    end = len(head) + 4 + size
    if len(buffer) < end:
        return None
    body = bytes(buffer[len(head) + 4 : end])
    del buffer[:end]
    return body


def main() -> None:
    server = Server(Node(int(sys.argv[1])))
    print(f"ready on {server.port}, zmq on {server.node.zmq.port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
