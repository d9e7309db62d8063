"""Where the programs of the development network are, and what of them is missing.

`make demo ARGS=--lightning`, `make test` and `make setup-lightning` install them. The
environment names other ones: ELECTRUM, ELECTRUMX_PYTHON, NODE. Nothing is started here.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Missing", "Programs", "find_programs"]

ROOT = Path(__file__).resolve().parents[2]
BITCOIN = ROOT / "tests" / "node"  # where `make` puts bcoin, for the tests as for us
ELECTRUMX = ROOT / ".venv-electrumx"
HOW = "make setup-lightning"


class Missing(Exception):
    """Programs are not here. The text is one line: which, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Paths of what is started; see `find_programs`."""

    electrum: str  # Debian's
    electrumx: str  # the Python of the environment that has ElectrumX
    node: str  # Node.js, for bcoin
    bitcoin: Path  # the folder with node_modules/bcoin and preload.js


def find_programs(environ: Mapping[str, str] = os.environ) -> Programs:
    """All of them. Raises `Missing` with one line that names each that is not here."""
    electrum = shutil.which(environ.get("ELECTRUM", "electrum"))
    node = shutil.which(environ.get("NODE", "node"))
    electrumx = shutil.which(
        environ.get("ELECTRUMX_PYTHON", str(ELECTRUMX / "bin" / "python"))
    )
    missing = [
        name
        for name, found in (
            ("electrum (Debian: apt-get install electrum)", electrum),
            ("node (Debian: apt-get install nodejs)", node),
            (f"ElectrumX ({HOW})", electrumx),
            (f"bcoin ({HOW})", (BITCOIN / "node_modules" / "bcoin").is_dir()),
        )
        if not found
    ]
    if missing:
        raise Missing(
            f"a Lightning network needs what is not installed: {', '.join(missing)};"
            f" '{HOW}' in Paybell's folder installs all of it"
        )
    assert electrum is not None
    assert electrumx is not None
    assert node is not None
    return Programs(electrum=electrum, electrumx=electrumx, node=node, bitcoin=BITCOIN)
