"""A block of bash, typed as it stands on its page."""

import os
import subprocess
from pathlib import Path

from tests.tools import children
from tests.tools.wait import PATIENCE

__all__ = ["typed"]

# What fails ends the block; so does an answer of curl's that is an error.
STRICT = """
set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; echo; }
"""


def typed(text: str, folder: Path, **env: str) -> str:
    """What it prints, in this folder. AssertionError with that, where it fails."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PAYBELL_")}
    done = children.run(
        ["bash", "-c", STRICT + text],
        cwd=folder,
        env={**mine, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60 * PATIENCE,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    return str(done.stdout)
