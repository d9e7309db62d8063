"""A node whose Bitcoin Core publishes without an end: it serves, and is bounded."""

import re
import sys
from pathlib import Path

from tests.integration.core_shop import PATIENCE_S, CoreShop
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import ROOT, Paybell, serving
from tests.tools.ports import free_ports
from tests.tools.wait import Process, wait_until

SECONDS = 3
GROWTH_BYTES = 100_000_000
"""Three sockets hold 5,000 messages each, and the log 20,000 changes: some 15 MB."""


def resident_bytes(node: Paybell) -> int:
    status = Path(f"/proc/{node.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def counter(node: Paybell, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", node.get("/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_a_publisher_in_a_tight_loop_hides_no_payment_and_fills_no_memory(
    tmp_path: Path,
) -> None:
    (port,) = free_ports(1)
    with CoreDouble() as core:
        core.has_zmq = True
        core.zmq = [
            {"type": f"pub{topic}", "address": f"tcp://127.0.0.1:{port}", "hwm": 1_000}
            for topic in ("rawtx", "sequence", "hashblock")
        ]
        env = {"PAYBELL_SOURCES": f"bitcoind={core.url}"}
        with serving(tmp_path, env=env) as node:
            shop = CoreShop(core, node)
            shop.rounds()
            before = resident_bytes(node)
            assert counter(node, "paybell_source_push_malformed_total") == 0
            assert counter(node, "paybell_source_push_gaps_total") == 0

            flood = [sys.executable, "-m", "tests.tools.zmq_flood"]
            flood += [str(port), str(SECONDS)]
            with Process(flood, ready="subscribed", cwd=ROOT) as publisher:
                order = shop.order(confirmations=1)
                order.paid()
                for _ in range(10):
                    assert node.get("/health").json()["freshness"]["live"]
                order.wait_for("detected")
                core.mine()
                order.wait_for("confirmed")
                assert publisher.wait(PATIENCE_S) == 0
                sent = re.search(r"^sent (\d+)$", publisher.output, re.MULTILINE)
                assert sent is not None
                assert int(sent[1]) > 0
            wait_until(
                lambda: counter(node, "paybell_source_push_malformed_total") > 0,
                PATIENCE_S,
                "what could not be read to be counted",
            )
            assert counter(node, "paybell_source_push_gaps_total") > 0
            shop.rounds()
            assert resident_bytes(node) - before < GROWTH_BYTES
            assert shop.source["errors"] == 0
            assert order.now["flags"] == []
            assert "Traceback" not in node.err
