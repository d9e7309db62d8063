"""docs/sources.md says of Bitcoin Core what the adapter does."""

import re
from pathlib import Path

from engine.config import OPTIONS
from transport.chain.bitcoind import METHODS

PAGE = (Path(__file__).parents[4] / "docs/sources.md").read_text(encoding="utf-8")


def test_the_whitelist_to_paste_is_all_that_is_called() -> None:
    (methods,) = re.findall("^rpcwhitelist=paybell:(.*)$", PAGE, re.MULTILINE)
    assert methods.split(",") == list(METHODS)


def test_the_time_that_an_answer_may_take_is_the_settings() -> None:
    (default,) = (o.default for o in OPTIONS if o.name == "rpc_timeout_s")
    assert f"`--rpc-timeout-s` ({default})" in PAGE
