"""No secret comes out: not in a log, an answer, an event, the database or `ps`.

Every secret that a node is given or gives is a word that stands nowhere else. After a
run with traffic and all kinds of errors, none of these words may be found anywhere but
in the answer that made it.
"""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.tools.fake_upstream import Request, Upstream, of, text
from tests.tools.log_lines import undocumented
from tests.tools.paybell import Finished, Paybell, paybell, serving
from tests.tools.receiver import Receiver, raw
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

STEP_S = 20.0

API_KEY = "canary-api-key-4c1f"
WRONG_KEY = "canary-wrong-key-77d0"
HOOK_SECRET = "canary-hook-secret-9e21"
WRONG_HOOK_SECRET = "canary-wrong-hook-secret-b3"
RPC_PASSWORD = "canary-rpc-password-5ab8"
RPC_USER = "canary-rpc-user-1d"
NODE_KEY = hashlib.sha256(b"canary node key").hexdigest()
CHANNEL_BYTES = b"canary-channel-secret-0123456789"
CHANNEL_SECRET = "whsec_" + base64.b64encode(CHANNEL_BYTES).decode()
WRONG_TOKEN = "canary-wrong-token-e0"
STRANGE = "canary-strange-header-c4"
CLI_KEY = "canary-key-of-a-command-61"
EXPLORER_USER = "canary-explorer-user-08"
EXPLORER_PASSWORD = "canary-explorer-password-f2"
EXPLORER_TOKEN = "canary-explorer-token-3d"
HOOK_TOKEN = "canary-token-of-an-endpoint-a7"  # in its URL, as chat services want it
PAYER = "canary-of-a-payer@example.com"
OTHER_NODE_KEY = hashlib.sha256(b"canary key of another node").hexdigest()


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may look where it should not be."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    yield secret.encode().hex().encode()


class Ears:
    """Everything that came out of the node, by where it came from."""

    def __init__(self, node: Paybell) -> None:
        self.node = node
        self.heard: dict[str, bytes] = {}

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self.node.call(method, path, stream=True, **options)
        if "event-stream" in response.headers.get("Content-Type", ""):
            content = next(response.iter_content(65_536))  # it has no end
            response.close()
        else:
            content = response.content
        where = f"{method} {path[:40]} {response.status_code} #{len(self.heard)}"
        head = "\n".join(f"{n}: {v}" for n, v in response.headers.items())
        self.heard[where] = head.encode() + content
        return response

    def made(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """An answer that tells a secret on purpose, which is the only one that may."""
        response = self.node.call(method, path, **options)
        assert response.status_code == 201, response.text
        value: dict[str, Any] = response.json()
        return value


def as_a_misbehaving_node(request: Request) -> Any:
    """Quotes what it was asked, credentials included, as debugging proxies do."""
    shown = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    if len(request.body) % 2:
        return of({"id": 0, "result": None, "error": {"code": -1, "message": shown}})
    return text(shown, status=401)


def test_no_secret_is_heard_from_the_node_or_found_on_its_disk(tmp_path: Path) -> None:
    with Upstream(answer=as_a_misbehaving_node) as upstream, Receiver() as shop:
        sources = (
            f"bitcoind=http://{RPC_USER}:{RPC_PASSWORD}@127.0.0.1:{upstream.port},"
            f"esplora=http://127.0.0.1:{upstream.port}/{EXPLORER_TOKEN}/api,devchain"
        )
        env = {
            "PAYBELL_API_KEY": API_KEY,
            "PAYBELL_NODE_KEY": NODE_KEY,
            "PAYBELL_WEBHOOK_BTC_SECRET": HOOK_SECRET,
            "PAYBELL_SOURCES": sources,
        }
        options = "--allow-private-webhooks", "--log-level", "debug"
        with serving(tmp_path, *options, env=env) as node:
            wait_until(lambda: upstream.requests, STEP_S, "the source to be asked")
            ears = Ears(node)
            canaries = _live_a_little(ears, shop)
            database = _database(tmp_path)
            _check(ears.heard, canaries)
            _check(_but_about_channels(ears.heard), [HOOK_TOKEN])
            _check(_seen_by_others(node), canaries)
            _check(database, canaries)
            assert node.stop() == 0
            _check(_output(node), [*canaries, HOOK_TOKEN])
        _check(_database(tmp_path), canaries)
        _check(_commands(tmp_path, env), [*canaries, HOOK_TOKEN])
        env["PAYBELL_NODE_KEY"] = OTHER_NODE_KEY
        with serving(tmp_path, *options, env=env) as node:
            node.api_key = API_KEY
            ears = Ears(node)
            _with_the_wrong_key(ears)
            _check(ears.heard, canaries)
            _check(_seen_by_others(node), canaries)
            node.stop()
            _check(_output(node), [*canaries, HOOK_TOKEN])


def _live_a_little(ears: Ears, shop: Receiver) -> list[str]:
    """Traffic and errors; all the secrets that there are then."""
    node = ears.node
    node.api_key = API_KEY
    node.session.headers["X-Strange"] = STRANGE
    key = ears.made("POST", "/v1/keys", json={"name": "shop"})
    echo = b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n"
    shop.default = raw(echo + CHANNEL_SECRET.encode())
    channel = ears.made(
        "POST",
        "/v1/channels",
        json={
            "url": shop.url(f"/{HOOK_TOKEN}/hook?token={HOOK_TOKEN}"),
            "secret": CHANNEL_SECRET,
            "schedule_s": [0, 0.1],
        },
    )
    payment = ears.made(
        "POST",
        "/v1/payments",
        json={
            "amount_sat": 1_000,
            "confirmations": 1,
            "external_id": "order-1",
            "customer_email": PAYER,
        },
        headers={"Idempotency-Key": "order-1"},
    )
    node.api_key = key["key"]
    ears.call("GET", "/v1/payments")
    _webhooks(ears, payment)
    _strangers(ears, payment)
    _live(ears, payment)
    node.api_key = API_KEY
    ears.call("POST", "/dev/pay",
              json={"address": payment["address"], "amount_sat": 1_000})  # fmt: skip
    ears.call("POST", "/dev/mine", json={"blocks": 1})
    node.wait_for_status(payment["id"], "confirmed")
    shop.wait_for(1, STEP_S)
    ears.call("POST", f"/v1/channels/{channel['id']}/test")
    rotated = node.call(
        "PATCH", f"/v1/channels/{channel['id']}", json={"rotate_secret": True}
    ).json()
    wait_until(
        lambda: node.get(f"/v1/channels/{channel['id']}/deliveries").json()["data"],
        STEP_S,
        "an attempt to be logged",
    )
    _dead_letters(ears, payment)
    _look_at_everything(ears, payment, channel)
    return [
        API_KEY,
        WRONG_KEY,
        NODE_KEY,
        HOOK_SECRET,
        WRONG_HOOK_SECRET,
        RPC_PASSWORD,
        f"{RPC_USER}:{RPC_PASSWORD}",
        WRONG_TOKEN,
        STRANGE,
        CLI_KEY,
        EXPLORER_USER,
        EXPLORER_PASSWORD,
        EXPLORER_TOKEN,
        OTHER_NODE_KEY,
        CHANNEL_SECRET.removeprefix("whsec_"),
        CHANNEL_BYTES.decode(),
        rotated["secret"].removeprefix("whsec_"),
        key["key"],
        payment["client_secret"],
        PAYER,
    ]


def _dead_letters(ears: Ears, payment: Mapping[str, Any]) -> None:
    """Deliveries that were given up, asked for again, and given up again."""

    def some_are_dead() -> bool:
        metrics = ears.node.get("/metrics").text
        found = re.search(r'paybell_outbox\{state="dead"\} (\d+)', metrics)
        return found is not None and int(found[1]) > 0

    wait_until(some_are_dead, STEP_S, "a delivery to be given up")
    ears.call("POST", f"/v1/payments/{payment['id']}/redeliver", json={})
    day = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    ears.call("POST", "/v1/redeliver", json=day)
    wait_until(some_are_dead, STEP_S, "it to be given up again")


def _with_the_wrong_key(ears: Ears) -> None:
    """The node cannot read its channels' secrets, and is asked to use them."""
    (channel,) = ears.call("GET", "/v1/channels").json()["data"]
    ears.call("POST", f"/v1/channels/{channel['id']}/test")
    payment = ears.node.create(amount_sat=1_000)
    ears.call("POST", f"/v1/payments/{payment['id']}/redeliver", json={})
    for path in ("/metrics", "/health", "/ready", "/v1/watchers", "/v1/sources"):
        ears.call("GET", path)


def _webhooks(ears: Ears, payment: Mapping[str, Any]) -> None:
    """Providers with the right secret and with wrong ones."""
    for secret in (HOOK_SECRET, WRONG_HOOK_SECRET):
        for status, value in (("0", "1000"), ("x", "y")):
            ears.call(
                "GET",
                f"/webhook/btc?secret={secret}&addr={payment['address']}"
                f"&status={status}&value={value}&txid={'ab' * 32}",
            )
        body = json.dumps({"address": payment["address"], "value": 1_000}).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Signature": signature, "Content-Type": "application/json"}
        ears.call("POST", "/webhook/btc", data=body, headers=headers)
    ears.call("GET", f"/webhook/btc?secret={HOOK_SECRET}&secret={HOOK_SECRET}")
    ears.call("GET", f"/webhook/btc?secret={HOOK_SECRET}%ff&addr=%00")


def _strangers(ears: Ears, payment: Mapping[str, Any]) -> None:
    """Calls that fail in as many ways as there are, each with a secret in it."""
    wrong = {"Authorization": f"Bearer {WRONG_KEY}"}
    for path in ("/v1/payments", "/v1/keys", "/metrics", f"/nothing?key={WRONG_KEY}"):
        ears.call("GET", path, headers=wrong)
    for header in (f"Basic {WRONG_KEY}", f"Bearer {API_KEY} {WRONG_KEY}"):
        ears.call("GET", "/v1/payments", headers={"Authorization": header})
    ears.call("POST", "/v1/payments", data=b"{", headers={"Content-Type": "text/html"})
    ears.call("POST", "/v1/payments", json={WRONG_KEY[:6]: 1})
    ears.call("GET", f"/v1/payments?cursor={'x' * 30}")
    ears.call("GET", f"/pay/{payment['id']}?client_secret={payment['client_secret']}")
    ears.call("GET", f"/pay/pay_none?token={WRONG_TOKEN}")
    for url in (
        f"http://{EXPLORER_USER}:{WRONG_TOKEN}@shop.example/hook",
        f"https://169.254.169.254/{WRONG_TOKEN}?token={WRONG_TOKEN}",
        f"ftp://{WRONG_TOKEN}/",
        f"https://{WRONG_TOKEN}:x/",
    ):
        wanted = {"url": url, "secret": WRONG_TOKEN, "description": "x"}
        assert ears.call("POST", "/v1/channels", json=wanted).status_code == 422


def _live(ears: Ears, payment: Mapping[str, Any]) -> None:
    port, name = ears.node.port, payment["id"]
    client = connect("127.0.0.1", port, f"/ws?token={WRONG_TOKEN}")
    if client.accepted:
        for message in (
            {"type": "subscribe", "payment_id": name, "token": WRONG_TOKEN},
            {"type": "subscribe", "payment_id": name,
             "token": payment["client_secret"]},
            {"type": "identify", "user_id": WRONG_TOKEN, "token": WRONG_TOKEN},
            {"type": WRONG_TOKEN},
        ):  # fmt: skip
            client.send_json(message)
            answer = client.recv(STEP_S)
            if WRONG_TOKEN not in json.dumps(message.get("type")):
                ears.heard[f"/ws {message['type']} {len(ears.heard)}"] = (
                    answer if isinstance(answer, bytes) else answer.encode()
                )
        client.sock.close()
    client = connect("127.0.0.1", port, f"/ws/balance/{payment['address']}")
    ears.heard["/ws/balance"] = str(client.recv()).encode()
    client.sock.close()


def _look_at_everything(
    ears: Ears, payment: Mapping[str, Any], channel: Mapping[str, Any]
) -> None:
    document = ears.call("GET", "/openapi.json").json()
    known = {
        "{payment_id}": payment["id"],
        "{channel_id}": channel["id"],
        "{address}": payment["address"],
        "{key_id}": "key_none",
    }
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        for name, value in known.items():
            path = path.replace(name, value)
        ears.call("GET", path)
    for path in ("/docs", f"/pay/{payment['id']}", "/v1/events?limit=1000"):
        ears.call("GET", path)


def _seen_by_others(node: Paybell) -> dict[str, bytes]:
    """What `ps` shows of the process to anybody on the machine."""
    folder = Path(f"/proc/{node.pid}")
    shown = {name: (folder / name).read_bytes() for name in ("cmdline", "comm")}
    assert (folder / "environ").stat().st_uid == os.getuid()
    return shown


def _database(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.glob("node.db*")}
    assert "node.db" in found
    assert "node.db.key" not in found  # the key came from the environment
    return found


def _commands(folder: Path, env: Mapping[str, str]) -> dict[str, bytes]:
    """Commands with the same secrets around them, and one that fails."""
    said: dict[str, bytes] = {}
    env = {**env, "PAYBELL_KEY": CLI_KEY}
    for arguments in (
        ["doctor", "--db", "node.db"],
        ["keys", "list", "--db", "node.db"],
        ["replay", "--check", "--db", "node.db"],
        ["payments", "--url", "http://127.0.0.1:1"],
        ["replay", "--db", "node.db"],
        ["serve", "--db", "none/node.db"],
        ["serve", "--help"],
    ):
        finished = paybell(*arguments, env=env, cwd=folder)
        assert "Traceback" not in finished.stderr
        said[" ".join(arguments)] = (finished.stdout + finished.stderr).encode()
    return said


def test_no_setting_that_is_wrong_is_quoted(tmp_path: Path) -> None:
    env = {"PAYBELL_API_KEY": API_KEY, "PAYBELL_NODE_KEY": NODE_KEY}
    said: dict[str, bytes] = {}
    for name, wrong in (
        ("PAYBELL_NODE_KEY", WRONG_TOKEN),
        ("PAYBELL_API_KEY", f"{API_KEY} {WRONG_KEY}\x7f"),
        ("PAYBELL_SOURCES", f"bitcoind=http://{RPC_USER}:{RPC_PASSWORD}@host:port"),
        ("PAYBELL_SOURCES", f"esplora={EXPLORER_TOKEN}://{EXPLORER_PASSWORD}@host/"),
        ("PAYBELL_SOURCES", f"{EXPLORER_TOKEN}=http://host"),
        ("PAYBELL_SOURCES", f"esplora=http://{EXPLORER_USER}:{EXPLORER_PASSWORD}@h/"),
        ("PAYBELL_SOURCES", f"esplora=http://host/?key={EXPLORER_TOKEN}"),
    ):
        arguments = ["doctor"] if len(said) % 3 == 0 else ["serve", "--port", "0"]
        finished = paybell(*arguments, env={**env, name: wrong}, cwd=tmp_path)
        said[f"{name} {len(said)}"] = _complaint(finished)
    for number, file in enumerate(
        (
            f'node_key = "{NODE_KEY}',
            f'api_key = "{API_KEY}"\napi_key = "{WRONG_KEY}"\n',
            f'api_key = ["{API_KEY}"]\nnode_key = {{x = "{NODE_KEY}"}}\n',
        )
    ):
        (tmp_path / "paybell.toml").write_text(file)
        arguments = ["serve", "--port", "0", "--config", "paybell.toml"]
        said[f"file {number}"] = _complaint(paybell(*arguments, cwd=tmp_path))
    secrets = [API_KEY, WRONG_KEY, NODE_KEY, WRONG_TOKEN, RPC_USER]
    secrets += [RPC_PASSWORD, EXPLORER_USER, EXPLORER_PASSWORD, EXPLORER_TOKEN]
    _check(said, secrets)


def _complaint(finished: Finished) -> bytes:
    assert finished.returncode, finished.args
    assert "Traceback" not in finished.stderr
    assert "paybell: " in finished.stderr or "FAIL" in finished.stdout
    return (finished.stdout + finished.stderr).encode()


def _output(node: Paybell) -> dict[str, bytes]:
    assert undocumented(node.err) == []
    return {"stdout": node.out.encode(), "stderr": node.err.encode()}


def _but_about_channels(heard: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is said to others than those who made a channel, and know its URL."""
    return {w: said for w, said in heard.items() if " /v1/channels" not in w}


def _check(heard: Mapping[str, bytes], canaries: list[str]) -> None:
    for where, content in heard.items():
        for canary in canaries:
            for form in forms(canary):
                at = content.find(form)
                around = content[max(0, at - 80) : at + 20]
                assert at < 0, f"{canary} in {where}: {around!r}"
    assert not re.search(rb"Traceback \(most recent", b"".join(heard.values()))
