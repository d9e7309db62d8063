"""A program that publishes as fast as it can: what no node does, and a broken one may.

    python -m tests.tools.zmq_flood PORT SECONDS

It waits until somebody has subscribed to each topic, says `subscribed`, and sends for
so long: foreign transactions, names of such as are in no mempool, blocks that nobody
knows, gaps in the counters and frames that mean nothing. Then it says how many.
"""

import os
import sys
import time

import zmq

__all__: list[str] = []

TOPICS = (b"rawtx", b"sequence", b"hashblock")
BATCH = 100


def _frames(number: int) -> list[list[bytes]]:
    counter = (number * 3 & 0xFFFFFFFF).to_bytes(4, "little")  # each with a gap
    name = os.urandom(32)
    return [
        [b"rawtx", os.urandom(250), counter],
        [b"sequence", name + b"A" + number.to_bytes(8, "little"), counter],
        [b"sequence", name[:20], counter],
        [b"hashblock", name, counter],
    ]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(port: int, seconds: float) -> None:
    socket = zmq.Context().socket(zmq.XPUB)
    socket.set(zmq.LINGER, 0)
    socket.bind(f"tcp://127.0.0.1:{port}")
    subscribed: set[bytes] = set()
    while len(subscribed) < len(TOPICS):
        subscribed.add(socket.recv()[1:])
    _say("subscribed")
    sent, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(BATCH):
            for frame in _frames(sent):
                socket.send_multipart(frame)
            sent += 1
    _say(f"sent {sent * 4}")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
