"""The salon's shop around a node: its gateway, its backend's tokens, and its page.

The node is `run.py serve` with a file as an operator writes it. The page is
`salon_socketio_service.js`, in a process of Node.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tools.paybell import Paybell, serving
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import Process

__all__ = [
    "gateway_says",
    "heard",
    "notification",
    "salon_serving",
    "service",
    "signed",
]

SECRETS = {"salon": "the-salons-secret", "cafe": "the-cafes-secret"}

_CONFIG = f"""
seeds = "salon=salon"
webhooks_per_s = 1000

[merchants.salon.jwt]
algorithm = "HS256"
secret = "{SECRET}"

[merchants.salon.webhook_secrets]
payable = "{SECRETS["salon"]}"

[merchants.cafe.jwt]
algorithm = "HS256"
secret = "{SECRET}"

[merchants.cafe.webhook_secrets]
payable = "{SECRETS["cafe"]}"

[gateways.payable]
merchants = ["salon", "cafe"]
answer = '{{"Status":200}}'
creates_per_minute = 1000000
currency = "LKR"

[gateways.payable.fields]
invoice = "invoiceNo"
status = "statusMessage"
amount = "payableAmount"
customer = "customerRefNo"
salon = "salonId"
token = "token.tokenId"
last4 = "token.maskedCardNo"
brand = "token.cardScheme"

[gateways.payable.words]
SUCCESS = ["SUCCESS"]
FAILED = ["FAILURE"]
PENDING = ["PENDING"]
TOKEN = ["TOKENIZED"]

[gateways.payable.signature]
header = "X-Signature"
algorithm = "sha256"
"""


@contextmanager
def salon_serving(folder: Path, redis: str = "") -> Iterator[Paybell]:
    """`redis`: the URL of the node's own."""
    config = folder / "paybell.toml"
    more = f'redis = "{redis}"\n' if redis else ""
    config.write_text(more + _CONFIG, encoding="utf-8")
    with serving(folder, "--config", config) as node:
        yield node


def notification(invoice: str, word: str = "SUCCESS", **more: object) -> bytes:
    """What the gateway sends, about 25.00 LKR."""
    said = {"invoiceNo": invoice, "statusMessage": word, "payableAmount": "25.00"}
    return json.dumps(said | more).encode()


def signed(body: bytes, merchant: str = "salon") -> dict[str, str]:
    """The headers of a notification."""
    made = hmac.digest(SECRETS[merchant].encode(), body, "sha256")
    return {"X-Signature": made.hex()}


def gateway_says(
    node: Paybell,
    invoice: str,
    word: str = "SUCCESS",
    merchant: str = "salon",
    **more: object,
) -> None:
    body = notification(invoice, word, **more)
    headers = signed(body, merchant)
    answer = node.call("POST", "/webhook/payable", data=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"Status": 200}), answer.text


def service(
    node: Paybell, invoice: str, path: str, transports: str = "", **more: object
) -> Process:
    """The page of a user of the salon; the node has heard it once it is started.
    `more`: claims of its token."""
    script = Path(__file__).with_name("salon_socketio_service.js")
    packages = script.parents[1] / "node" / "package.json"
    url = node.url.replace("http", "ws", 1) + path
    said = token(claims(**more))
    command: list[str | Path] = ["node", script, packages, url, said, invoice]
    return Process([*command, transports], ready='"connected":true')


def heard(page: Process, what: str) -> list[Any]:
    """All of one kind that it has said: `status`, `token`, `connected`."""
    lines = [json.loads(line) for line in page.output.splitlines()]
    return [line[what] for line in lines if what in line]
