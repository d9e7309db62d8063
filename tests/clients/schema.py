"""The TypeScript client's types, as openapi-typescript makes them of the contract.

Of `openapi.json` as it is committed, without its wording: so a sentence that is
rewritten changes no generated file. Written by `python -m tests.contract --write`.
"""

import tempfile
from pathlib import Path

from tests.tools import children

__all__ = ["FILE", "NODE_MODULES", "generated", "write"]

ROOT = Path(__file__).resolve().parents[2]
NODE_MODULES = ROOT / "tests" / "node" / "node_modules"
FILE = ROOT / "clients" / "ts" / "src" / "schema.d.ts"
_DOCUMENT = ROOT / "tests" / "contract" / "openapi.json"
_PROGRAM = NODE_MODULES / "openapi-typescript" / "bin" / "cli.js"


def generated() -> str:
    """What the present contract comes to. AssertionError, with what it said, if not."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "schema.d.ts"
        # A field with a default may be left out of a request.
        wanted = ["--default-non-nullable=false", "--output", str(made)]
        done = children.run(
            ["node", _PROGRAM, _DOCUMENT, *wanted],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return made.read_text(encoding="utf-8")


def write() -> bool:
    """Whether it could be: the tests' Node packages must be there (`make setup`)."""
    if not _PROGRAM.exists():
        return False
    FILE.write_text(generated(), encoding="utf-8")
    return True
