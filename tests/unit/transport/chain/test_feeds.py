"""A source is made of its configuration, and the dev chain only where it is one."""

import json
import sys
from pathlib import Path

import pytest

from engine.config import SourceConfig, load
from tests.tools import children
from transport.chain.feeds import make_feed

# In a process of its own: here, other tests have loaded everything already.
LOADED = """
import json, sys
import run  # patches first of all
import installation
from engine.config import load

source, db = sys.argv[1:]
node = installation.Installation(load({"sources": source, "db": db}, {}, {}))
node.close()
print(json.dumps(sorted(name for name in sys.modules if ".devchain" in name)))
"""


def modules_of_the_dev_chain(source: str, folder: Path) -> list[str]:
    """Those that a node with this source has loaded, put together but not started."""
    done = children.run(
        [sys.executable, "-c", LOADED, source, str(folder / "paybell.db")],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        check=True,
        timeout=300,
    )
    names: list[str] = json.loads(done.stdout)
    return names


@pytest.mark.parametrize(
    "source", ["bitcoind=http://u:p@127.0.0.1:1", "esplora=http://127.0.0.1:1/api"]
)
def test_a_node_on_a_real_chain_has_nothing_of_the_dev_chain(
    source: str, tmp_path: Path
) -> None:
    assert modules_of_the_dev_chain(source, tmp_path) == []


def test_a_node_on_the_dev_chain_has_loaded_it(tmp_path: Path) -> None:
    loaded = modules_of_the_dev_chain("devchain", tmp_path)
    assert {"transport.devchain.chain", "transport.devchain.http_api"} <= set(loaded)


def test_a_source_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no such source: tea-leaves"):
        make_feed(SourceConfig("tea-leaves", ""), load({}, {}, {}))
