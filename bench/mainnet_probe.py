"""Asks GET /health every 5 ms over one connection until standard input speaks.

Prints the longest and the median wait, in ms. A process of its own, without greenlets:
what is measured is the server's hub, not ours.
"""

from __future__ import annotations

import http.client
import json
import select
import statistics
import sys
import time

__all__: list[str] = []

EVERY_S = 0.005


def main() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    waits = []
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], EVERY_S)[0]:
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        waits.append((time.perf_counter() - began) * 1000)
    found = {"longest_ms": max(waits), "p50_ms": statistics.median(waits)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
