"""Electrum's own LNURL code, as Debian ships it, pays to our Lightning Address.

It runs in the interpreter that Electrum is installed for; only its way to the network
is ours, as it calls https URLs of a host that leads here.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import bolt11

from tests.lightning.lightning_node import lightning_node
from tests.tools import children
from tests.tools.wait import PATIENCE
from tests.unit.transport.lnurl.lnurl_shop import PUBLIC

WALLET = r"""
import asyncio, json, sys, urllib.parse, urllib.request
from electrum import lnurl
from electrum.network import Network

here, code, address = sys.argv[1:]

async def send(method, url, params=None, **_more):
    assert method == "get" and url.startswith("PUBLIC"), url
    if params:
        url += "?" + urllib.parse.urlencode(params)
    local = url.replace("PUBLIC", here, 1)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer = await asyncio.to_thread(opener.open, local, timeout=180)
    return answer.read().decode()

Network.async_send_http_on_proxy = send

async def pay():
    url = lnurl.decode_lnurl(code)
    assert url == lnurl.lightning_address_to_url(address), url
    data = await lnurl.request_lnurl(url)
    answer = await lnurl.callback_lnurl(data.callback_url, {"amount": 2_100_000})
    refused = ""
    try:
        await lnurl.callback_lnurl(data.callback_url, {"amount": 1})
    except lnurl.LNURLError as error:
        refused = str(error)
    print(json.dumps([data.min_sendable_sat, data.max_sendable_sat,
                      data.metadata_plaintext, answer["pr"], refused]))

asyncio.run(pay())
"""


def test_electrum_pays_to_a_lightning_address() -> None:
    electrum = shutil.which(os.environ.get("ELECTRUM", "electrum"))
    assert electrum is not None, "no Electrum here: see `make setup`"
    python = Path(electrum).read_text().splitlines()[0].removeprefix("#!").strip()
    with lightning_node(web={"public_url": PUBLIC}) as shop:
        record = {"lightning_address": {"name": "tips", "min_sat": 10}}
        assert shop.node.call("PUT", "/v1/merchants/default", json=record).ok
        told = shop.node.get("/v1/merchants/default/lightning_address").json()
        program = WALLET.replace("PUBLIC", PUBLIC)
        done = children.run(
            [python, "-c", program, shop.node.url, told["lnurl"], told["address"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60 * PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        least, most, text, invoice, refused = json.loads(done.stdout)
        assert (least, most) == (10, 1_000_000)
        assert text == "Payment to tips@shop.example"
        assert bolt11.decode(invoice).amount_msat == 2_100_000
        assert "amount must be between" in refused
        made = shop.node.get("/v1/payments").json()["data"][0]
        assert made["lightning"]["bolt11"] == invoice
