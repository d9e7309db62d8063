"""A name server for tests: UDP, as small as one can be, that may lie.

It answers questions for A and AAAA with what `answers(name, lookup)` gives: the
addresses of a name when it is asked for the `lookup`-th time (from 1; A and AAAA of one
lookup are two questions with one number), or "localhost" for an alias of that. Nobody
may keep an answer: its time to live is 0. Other types get no data.

Runs in one greenlet.
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import gevent
from gevent import socket

__all__ = ["Answers", "NameServer"]

Answers = Callable[[str, int], Sequence[str]]

A, AAAA, CNAME, IN = 1, 28, 5, 1
_HEADER = struct.Struct(">6H")
_QUESTION = struct.Struct(">2H")
_RECORD = struct.Struct(">2HIH")
NAME_OF_QUESTION = b"\xc0\x0c"  # a pointer to where the question's name stands
LOCALHOST = {A: "127.0.0.1", AAAA: "::1"}
RESPONSE = 0x8580  # authoritative, recursion available; no error


class NameServer:
    """See the module. `questions` counts what was asked, by name and type."""

    def __init__(self, answers: Answers, host: str, port: int = 53) -> None:
        self.questions: Counter[tuple[str, int]] = Counter()
        self._answers = answers
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, port))
        self.port: int = self._sock.getsockname()[1]
        self._greenlet = gevent.spawn(self._serve)

    def close(self) -> None:
        self._greenlet.kill()
        self._sock.close()

    def _serve(self) -> None:
        while True:
            packet, client = self._sock.recvfrom(4096)
            self._sock.sendto(self._answer(packet), client)

    def _answer(self, packet: bytes) -> bytes:
        number, *_ = _HEADER.unpack_from(packet)
        name, end = _name(packet, _HEADER.size)
        kind, _ = _QUESTION.unpack_from(packet, end)
        question = packet[_HEADER.size : end + _QUESTION.size]
        self.questions[name, kind] += 1
        records = []
        if kind in {A, AAAA}:
            for text in self._answers(name, self.questions[name, kind]):
                records += _records(text, kind)
        head = _HEADER.pack(number, RESPONSE, 1, len(records), 0, 0)
        return head + question + b"".join(records)


def _records(text: str, kind: int) -> list[bytes]:
    """An address of the kind that was asked for; "localhost" is another name for it."""
    if text == "localhost":
        owner, address = _encoded(text), LOCALHOST[kind]
        alias = _record(NAME_OF_QUESTION, CNAME, owner)
        return [alias, _record(owner, kind, ip_address(address).packed)]
    if (ip_address(text).version == 4) is not (kind == A):
        return []
    return [_record(NAME_OF_QUESTION, kind, ip_address(text).packed)]


def _record(owner: bytes, kind: int, content: bytes) -> bytes:
    return owner + _RECORD.pack(kind, IN, 0, len(content)) + content


def _encoded(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _name(packet: bytes, at: int) -> tuple[str, int]:
    labels = []
    while size := packet[at]:
        labels.append(packet[at + 1 : at + 1 + size].decode("latin-1").lower())
        at += 1 + size
    return ".".join(labels), at + 1
