"""The TypeScript client as it is packed: checked, built, put where a shop has it."""

import atexit
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import copyfile, copytree, rmtree
from typing import Any

from tests.clients.schema import NODE_MODULES, ROOT
from tests.tools import children

__all__ = ["Packed", "pack", "packed_once"]

PACKAGE = ROOT / "clients" / "ts"
PROGRAMS = Path(__file__).parent / "ts"


@dataclass(frozen=True)
class Packed:
    """`folder`: of a program whose node_modules has the package."""

    folder: Path

    def steps(
        self, steps: Sequence[dict[str, Any]], *flags: str
    ) -> list[dict[str, Any]]:
        """What came of each, by `ts/steps.mjs` in one process; `flags` are Node's."""
        done = children.run(
            ["node", *flags, self.folder / "steps.mjs"],
            input="".join(json.dumps(step) + "\n" for step in steps),
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(told) == len(steps)
        return told

    def step(self, **step: Any) -> Any:
        (told,) = self.steps([step])
        assert "value" in told, told
        return told["value"]


@cache
def packed_once() -> Packed:
    """In a folder of its own until the test run ends."""
    folder = tempfile.mkdtemp(prefix="paybell-ts-")
    atexit.register(rmtree, folder, ignore_errors=True)
    return pack(Path(folder))


def pack(folder: Path) -> Packed:
    """AssertionError with what the compiler says of the sources or of a shop's use of
    them (`ts/consumer.ts`)."""
    source = folder / "source"
    copytree(PACKAGE, source, ignore=lambda *_: ["dist", "node_modules"])
    copyfile(PROGRAMS / "consumer.ts", source / "src" / "consumer.ts")
    _run(["node", NODE_MODULES / "typescript" / "bin" / "tsc", "-p", "."], source)
    for name in ("consumer.js", "consumer.d.ts"):
        (source / "dist" / name).unlink()
    copyfile(source / "src" / "schema.d.ts", source / "dist" / "schema.d.ts")
    # `prepack` would do the same with a compiler of its own.
    _run(["npm", "pack", "--ignore-scripts", "--silent", "--offline"], source)
    (archive,) = source.glob("*.tgz")
    installed = folder / "node_modules" / "paybell-api"
    installed.mkdir(parents=True)
    _run(["tar", "xzf", archive, "--strip-components=1", "-C", installed], folder)
    for program in PROGRAMS.glob("*.mjs"):
        copyfile(program, folder / program.name)
    return Packed(folder)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    done = children.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
