"""docs/lightning.md: from nothing to a first invoice, with a phoenixd that is a double.

The page's node has mainnet's usual explorer for a source, which a test cannot ask: it
has a double of Bitcoin Core here.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from bolt11 import decode

from tests.docs.runs import Runs, here
from tests.docs.snippets import ROOT
from tests.tools import children
from tests.tools.core_double import CoreDouble
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.ports import free_ports
from tests.tools.wait import PATIENCE

RUN = Runs()
FIRST_INVOICE = RUN.take("lightning.md", "bash", "[lightning.shop]")

READY = """paybell serve &
for try in $(seq 3000); do
    curl --silent --fail --output /dev/null http://127.0.0.1:{port}/ready && break
    sleep 0.1
done
"""


def test_a_first_invoice_is_made_by_phoenixd(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "paybell"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/run.py "$@"\n')
    tool.chmod(0o755)
    (port,) = free_ports(1)
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PAYBELL_")}
    mine |= {"PATH": f"{tool.parent}:{mine['PATH']}", "PAYBELL_PORT": str(port)}
    core = CoreDouble()
    core.network = "main"
    with PhoenixdDouble("mainnet") as phoenixd, core:
        mine["PAYBELL_SOURCES"] = f"bitcoind={core.url}"
        replaced = {
            "http://127.0.0.1:9740": phoenixd.url,
            "SECRET=… ": f"SECRET={phoenixd.limited} ",
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "paybell serve &\n": READY.format(port=port),
            "curl -s": "curl -s --fail-with-body",
        }
        text = "set -euo pipefail\n" + here(FIRST_INVOICE.text, replaced)
        with (tmp_path / "printed").open("w+") as printed:
            shell = children.start(
                ["bash", "-c", text],
                cwd=tmp_path,
                env=mine,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
            try:
                status = shell.wait(timeout=60 * PATIENCE)
            finally:
                with suppress(ProcessLookupError):  # it has started nothing
                    os.killpg(shell.pid, signal.SIGKILL)
        said = (tmp_path / "printed").read_text(encoding="utf-8")
        assert status == 0, said
        assert "lightning shop (phoenixd): it answers" in said
        answer = next(line for line in said.splitlines() if line.startswith("{"))
        made = json.loads(answer)
        (row,) = phoenixd.rows
        assert row.description == "Two coffees"
        assert made["lightning"]["bolt11"] == row.serialized
        assert decode(row.serialized).amount_msat == 100_000
