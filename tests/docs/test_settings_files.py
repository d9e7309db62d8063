"""Files of settings that the pages show: a node starts with each and serves by it.

Nobody outside is asked for money or for a chain: where a page names somebody, the node
looks for him on this machine, where nobody answers.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.runs import Runs
from tests.docs.snippets import Block
from tests.tools.paybell import READY, Paybell

RUN = Runs()
GATEWAYS = RUN.all("gateways.md", "toml")
MERCHANTS = RUN.all("merchants.md", "toml")
SEEDS = RUN.take("seeds.md", "toml", "paybutton")
BLINK_SEED = RUN.take("seeds.md", "toml", "blink")
SETTINGS = RUN.take("settings.md", "toml")
BANDS = RUN.take("mainnet.md", "toml")
FORWARDING = RUN.take("forwarding.md", "toml")
FROM_PHOENIXD = RUN.take("from-phoenixd.md", "toml")
TILLS = RUN.all("lightning.md", "toml")

ELSEWHERE = {
    "…": "a-secret-of-its-own",
    "/var/lib/paybell/": "",
    "https://blockstream.info/api": "http://127.0.0.1:9",
    'kind = "blink"': 'kind = "blink"\nurl = "http://127.0.0.1:9"\n'
    'stream_url = "ws://127.0.0.1:9"',
}
NOWHERE = 'sources = ["bitcoind=http://127.0.0.1:9"]\n'
ROSE = "[merchants.rose]\n"


@contextmanager
def node_of(
    folder: Path, *found: Block, before: str = "", after: str = "", **env: str
) -> Iterator[Paybell]:
    """One that has read these blocks as its file, where `…` is a secret of its own."""
    text = before + "".join(block.text for block in found) + after
    for theirs, ours in ELSEWHERE.items():
        text = text.replace(theirs, ours)
    (folder / "paybell.toml").write_text(text, encoding="utf-8")
    node = Paybell(folder, ["serve", "--config", "paybell.toml", "--port", "0"], env)
    try:
        node.url = node.wait_for_line(READY)[1]
        yield node
    finally:
        node.kill()


def test_every_gateway_of_the_page_is_served_and_believed_only_when_signed(
    tmp_path: Path,
) -> None:
    secrets = ", ".join(f"{name} = 'a-secret-of-it'" for name in ALL_GATEWAYS)
    merchants = "".join(
        f"[merchants.{name}]\nwebhook_secrets = {{{secrets}}}\n"
        for name in ("cafe", "salon")
    )
    with node_of(tmp_path, *GATEWAYS, after=merchants) as node:
        told = {name: node.post(f"/webhook/{name}") for name in (*ALL_GATEWAYS, "no")}
        status = {name: answer.status_code for name, answer in told.items()}
    assert status.pop("no") == 404
    assert set(status.values()) == {401}, status
    assert len(status) == len(GATEWAYS)


ALL_GATEWAYS = [
    name
    for block in GATEWAYS
    for name in re.findall(r"^\[gateways\.(\w+)\]", block.text, re.MULTILINE)
]


def test_merchants_of_the_file_have_what_it_says(tmp_path: Path) -> None:
    with node_of(tmp_path, *MERCHANTS) as node:
        cafe = node.get("/v1/merchants/cafe").json()
        salon = node.get("/v1/merchants/salon").json()
    assert cafe["display_name"] == "Café Lisboa"
    assert cafe["limits"]["claims"] == 4
    assert cafe["defaults"]["bands"] == [{"below_sat": 10_000, "confirmations": 0}]
    assert cafe["packages"]["small"]["credits"] == 100
    assert salon["jwt"]["algorithm"] == "EdDSA"


def test_the_bands_of_mainnets_page_are_the_merchants(tmp_path: Path) -> None:
    with node_of(tmp_path, BANDS) as node:
        found = node.get("/v1/merchants/default").json()
    assert [one["below_sat"] for one in found["defaults"]["bands"]] == [10**5, 10**7]


def test_routes_of_other_systems_are_there_for_the_merchants_named(
    tmp_path: Path,
) -> None:
    with node_of(tmp_path, SEEDS, after=ROSE) as node:
        assert node.post("/payment", amount_sat=1_000).status_code != 404
        assert node.get("/ws/payments/salon/1").status_code != 404
        assert node.post("/api/invoice").status_code == 404


def test_the_settings_of_the_page_are_a_nodes_own(tmp_path: Path) -> None:
    with node_of(tmp_path, SETTINGS) as node:
        sources = node.get("/v1/sources").json()["data"]
    assert [one["name"] for one in sources] == ["bitcoind", "esplora"]


class Accounts(NamedTuple):
    """What stands before the file, and the accounts that the node then holds."""

    found: Block
    before: str
    kinds: Sequence[str]


ACCOUNTS = [
    Accounts(BLINK_SEED, "", ["blink", "blink"]),
    Accounts(FORWARDING, "", ["blink", "blink"]),
    Accounts(FROM_PHOENIXD, NOWHERE, ["phoenixd"]),
    *(
        Accounts(t, "", [k])
        for t, k in zip(TILLS, ("phoenixd", "blink", "electrum"), strict=True)
    ),
]


@pytest.mark.parametrize("case", ACCOUNTS, ids=[str(case.found) for case in ACCOUNTS])
def test_the_accounts_of_the_file_are_held(case: Accounts, tmp_path: Path) -> None:
    secrets = {
        f"PAYBELL_LIGHTNING_{name.upper()}_SECRET": "a-secret-of-its-own"
        for name in re.findall(r"^\[lightning\.(\w+)\]", case.found.text, re.MULTILINE)
        if "secret" not in case.found.text
    }
    with node_of(tmp_path, case.found, before=case.before, **secrets) as node:
        held = node.get("/v1/upstreams").json()["data"]
    assert [one["kind"] for one in held] == list(case.kinds)
