"""Commands of the how-tos, run: each page from top to bottom in a folder of its own.

Where a page names a place of the machine (`/backups`), the folder has one of that name.
A node that is started is waited for and stopped; mainnet's Core is a double. The pages
that are one story, with calls in between, are in `test_stories.py`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.runs import Runs
from tests.docs.snippets import ROOT, blocks
from tests.tools import children
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import serving
from tests.tools.ports import free_ports
from tests.tools.wait import PATIENCE
from tests.unit.engine.wallet.wallet_cases import ZPUB

LEFT_OUT = {
    "paybell wallet new --merchant cafe  ": "shows its words at a terminal only:"
    " tests/money/test_wallet_command.py has one",
    "paybell wallet new --merchant cafe --words-from -": "asks at the terminal, too",
}
"""How lines begin that are not run, each with its reason. It may only shrink."""

PLACES = ("/backups", "/root", "/etc/prometheus", "/var/lib/paybell")

GIVEN = f"""
set -euo pipefail
mkdir -p backups root etc/prometheus var/lib/paybell
echo 'correct horse battery staple' > root/backup-passphrase
echo '{ZPUB}' > descriptor.txt
export PAYBELL_WALLET_PASSPHRASE='correct horse battery staple'
"""


class Page(NamedTuple):
    """`given`: what its reader has done before. `says`: what stands in the answers."""

    name: str
    given: str
    says: str


HAS_NODE = "paybell keys create shop > shop.key"
MAINNET = "export PAYBELL_NETWORK=mainnet"
PAGES = [
    Page("backup.md", f"{HAS_NODE}\npaybell serve", "restored"),
    Page("dashboard.md", HAS_NODE, "pbk_"),
    Page("from-blockonomics.md", "", "paybell ready on"),
    Page("from-btcpay.md", MAINNET, "next: 2000"),
    Page("keys.md", MAINNET, "opens"),
    Page("mail.md", "", "paybell ready on"),
    Page("mainnet.md", "", "paybell ready on"),
    Page("monitoring.md", HAS_NODE, "merchant: all  scopes: read"),
    Page("point-of-sale.md", HAS_NODE, "pbk_"),
    Page("proxy.md", "", "paybell ready on"),
    Page("rates.md", "", "paybell ready on"),
    Page("retention.md", HAS_NODE, "paybell.db"),
    Page("wallets.md", MAINNET, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"),
]

RUN = Runs()
BLOCKS = {page.name: RUN.all(page.name, "bash") for page in PAGES}

SERVE = f"""
import signal, subprocess, sys
node = subprocess.Popen(
    [sys.executable, {str(ROOT / "run.py")!r}, *sys.argv[1:]],
    stdout=subprocess.PIPE, text=True,
)
for line in node.stdout:
    print(line, end="")
    if "paybell ready on" in line:
        node.send_signal(signal.SIGTERM)
sys.exit(node.wait())
"""


def story(name: str) -> str:
    lines = [
        line
        for block in BLOCKS[name]
        for line in block.text.splitlines()
        if not line.startswith(tuple(LEFT_OUT))
    ]
    text = "\n".join(lines)
    for place in PLACES:
        text = text.replace(f"{place}/", f"{place[1:]}/")
    return text.replace("=… ", "=a-secret-of-yours ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With our commands by the names that the pages have for them."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "serve.py").write_text(SERVE)
    serve = f'[ "$1" != serve ] || exec {sys.executable} {tools}/serve.py "$@"\n'
    for name, first, program in (
        ("run.py", serve, f"{ROOT}/run.py "),
        ("paybell", serve, f"{ROOT}/run.py "),
        ("python", "", ""),
    ):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\n{first}exec {sys.executable} {program}"$@"\n')
        tool.chmod(0o755)
    (tmp_path / "run.py").symlink_to(ROOT / "run.py")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_a_how_to_says_can_be_done(page: Page, folder: Path) -> None:
    done(page, folder)


def test_the_key_of_monitoring_reads_the_metrics_and_changes_nothing(
    folder: Path,
) -> None:
    done(next(page for page in PAGES if page.name == "monitoring.md"), folder)
    with serving(folder, db="paybell.db") as node:
        node.api_key = (folder / "etc/prometheus/paybell.key").read_text().strip()
        metrics = node.get("/metrics")
        assert metrics.status_code == 200, metrics.text
        assert "paybell_fresh" in metrics.text
        assert node.get("/v1/payments").status_code == 200
        assert node.post("/v1/payments", amount_sat=1_000).status_code == 403


CORE = "http://127.0.0.1:8332?cookie=/var/lib/bitcoind/.cookie"


@contextmanager
def with_core(text: str, folder: Path) -> Iterator[str]:
    """The page's commands, with a Core of mainnet where they name one."""
    if CORE not in text:
        yield text
        return
    double = CoreDouble(cookie=folder / ".cookie")
    double.network = "main"
    with double:
        yield text.replace(CORE, double.url)


def done(page: Page, folder: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PAYBELL_")}
    environ["PATH"] = f"{folder / 'bin'}:{environ['PATH']}"
    environ["PAYBELL_PORT"] = str(free_ports(1)[0])
    with with_core(story(page.name), folder) as text:
        shell = children.run(
            ["bash", "-c", f"{GIVEN}\n{page.given}\n{text}"],
            cwd=folder,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60 * PATIENCE,
        )
    assert shell.returncode == 0, shell.stdout
    assert page.says in shell.stdout, shell.stdout


def test_what_is_left_out_is_still_there() -> None:
    assert len(LEFT_OUT) <= 2
    lines = [line for block in blocks("bash") for line in block.text.splitlines()]
    for left in LEFT_OUT:
        assert any(line.startswith(left) for line in lines), left
