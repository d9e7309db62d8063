"""`run.py`, which kills itself (SIGKILL) at the n-th stop on a payment's way out.

    python -m tests.money.killed 7 serve --port=…

A stop is before and after each commit of the forwarder and of a till, each word to a
payment (whose watcher commits), each broadcast, and each question of a till to Blink.
Nothing else of the node is touched.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import run  # first of all: it patches
from actors.money import rounds, telling
from actors.money.rounds import RoundsActor
from actors.money.steps import AskStore
from transport.chain.broadcasters import Broadcasters
from transport.lightning.blink import Blink

__all__ = ["main"]


class Stops:
    """Counts them, and ends at the one that was asked for."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, what: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.write(2, f"\nstop: {what}\n".encode())  # past the log, which has a queue
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    stop = Stops(int(sys.argv[1]))
    del sys.argv[1]
    carry_out = telling.carry_out
    go_on = RoundsActor._go_on
    send = Broadcasters.send
    last: list[str] = []

    def carried_out(node: Any, wanted: Any, reply: Any) -> None:
        if not isinstance(wanted, AskStore) and wanted:
            last.append(type(wanted).__name__)
            stop(f"before {last[-1]}")
        carry_out(node, wanted, reply)

    def gone_on(self: Any, answer: Any) -> None:
        if last:
            stop(f"after {last.pop()}")
        go_on(self, answer)

    def sent(self: Any, raw: bytes) -> Any:
        stop("before a broadcast")
        answer = send(self, raw)
        stop("after a broadcast")
        return answer

    def asked(name: str) -> Callable[..., Any]:
        ask = getattr(Blink, name)

        def stopping(self: Any, *args: Any, **named: Any) -> Any:
            stop(f"before {name}")
            answer = ask(self, *args, **named)
            stop(f"after {name}")
            return answer

        return stopping

    changed: list[tuple[Any, str, Callable[..., Any]]] = [
        (rounds, "carry_out", carried_out),
        (RoundsActor, "_go_on", gone_on),
        (Broadcasters, "send", sent),
        *((Blink, name, asked(name)) for name in ("balance", "payout", "pay")),
    ]
    for owner, name, function in changed:
        setattr(owner, name, function)
    run.main()


if __name__ == "__main__":
    main()
