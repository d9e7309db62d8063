"""docs/sources.md: a node with the page's line of sources asks them."""

from pathlib import Path

from tests.docs.runs import Runs, here
from tests.docs.shell import typed
from tests.tools.core_double import CoreDouble
from tests.tools.esplora_double import EsploraDouble
from tests.tools.paybell import command

RUN = Runs()
LINE = RUN.take("sources.md", "bash")


def test_both_sources_of_the_line_are_asked_and_answer(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    with CoreDouble(height=0, cookie=cookie) as core, EsploraDouble() as explorer:
        replaced = {
            "http://127.0.0.1:8332?cookie=/home/bitcoin/.bitcoin/.cookie": core.url,
            "https://blockstream.info/api": explorer.url,
        }
        doctor = " ".join(command("doctor", "--port", "0"))
        text = f"set -a\n{here(LINE.text, replaced)}\n{doctor}\n"
        said = typed(text, tmp_path)
        assert core.requests > 0
    assert "ok   source bitcoind: " in said
    assert "ok   source esplora: " in said
