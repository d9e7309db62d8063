"""docs/sources.md: a node with the page's line of sources asks them, and one of Core's
lineage with the page's configuration lets it."""

import hmac
from pathlib import Path

import requests

from tests.docs.runs import Runs, here
from tests.docs.shell import typed
from tests.node.litecoin import LitecoinNode
from tests.tools.core_double import CoreDouble
from tests.tools.esplora_double import EsploraDouble
from tests.tools.paybell import command, paybell

RUN = Runs()
LINE = RUN.take("sources.md", "bash")
CONF = RUN.take("sources.md", "ini")

PASSWORD, SALT = "of-the-page", "0123456789abcdef"


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


def test_core_with_the_configuration_of_the_page_lets_a_node_ask_what_it_needs(
    tmp_path: Path,
) -> None:
    """A node of Core's lineage reads it. Debian builds that without ZMQ."""
    hashed = hmac.new(SALT.encode(), PASSWORD.encode(), "sha256").hexdigest()
    text = here(CONF.text, {"rpcauth=paybell:…": f"rpcauth=paybell:{SALT}${hashed}"})
    conf = tmp_path / "bitcoin.conf"
    conf.write_text(text, encoding="utf-8")
    # The tests' own user may call all.
    with LitecoinNode(f"-conf={conf}", "-rpcwhitelistdefault=0") as core:
        core.generate(1)
        source = f"bitcoind=http://paybell:{PASSWORD}@127.0.0.1:{core.port}"
        options = ("--port", "0", "--network", "regtest", "--source", source)
        done = paybell("doctor", *options, cwd=tmp_path)
        assert "ok   source bitcoind: height 1" in done.stdout, (
            done.stdout + done.stderr
        )
        refused = requests.post(
            f"http://127.0.0.1:{core.port}",
            auth=("paybell", PASSWORD),
            json={"method": "stop", "params": [], "id": 1},
            timeout=60,
        )
        assert refused.status_code == 403
