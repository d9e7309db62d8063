"""A real SMTP server (`aiosmtpd`) in a process of its own, and what it was sent.

    with mail_server(tmp_path, "starttls", user="ann", password="…") as server:
        …
        mail = server.wait_for(1)[0]

It runs apart because asyncio does not run under gevent's patch. What it answers to a
recipient is in the local part: `code-452-…@` gets 452, `code-550-…@` 550, and
`data-451-…@` gets 451 after the message; everybody else's mail is taken. `once-450-…@`
gets 450 the first time only, as by greylisting.
"""

import asyncio
import base64
import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8, strict
from pathlib import Path
from typing import Any, NamedTuple

from tests.tools import children
from tests.tools.certificates import self_signed
from tests.tools.wait import wait_until

__all__ = ["MailServerProcess", "Taken", "mail_server", "read_strictly"]

ROOT = Path(__file__).resolve().parents[2]


class Taken(NamedTuple):
    """One mail that the server took, with what it was told round it."""

    sender: str
    to: str
    raw: bytes
    user: str  # who had logged in
    tls: bool

    @property
    def message(self) -> EmailMessage:
        return read_strictly(self.raw)

    @property
    def text(self) -> str:
        return part(self.message, "plain")

    @property
    def html(self) -> str:
        return part(self.message, "html")


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def read_strictly(raw: bytes) -> EmailMessage:
    """By the standard library's parser, under the policy that raises for any defect;
    of headers in UTF-8 (RFC 6531), which it takes for a defect, by the usual one."""
    if raw.isascii():
        return message_from_bytes(raw, policy=strict)
    return message_from_string(raw.decode(), policy=SMTPUTF8)


class MailServerProcess:
    """The running server."""

    def __init__(self, port: int, ca_pem: str, taken: Path, host: str) -> None:
        self.port = port
        self.ca_pem = ca_pem
        self.host = host
        self._taken = taken

    @property
    def mails(self) -> list[Taken]:
        lines = self._taken.read_text().splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [
            Taken(r["from"], r["to"], base64.b64decode(r["raw"]), r["user"], r["tls"])
            for r in rows
        ]

    def wait_for(self, count: int, to: str | None = None) -> list[Taken]:
        """So many, of those to this address."""

        def come() -> list[Taken]:
            return [m for m in self.mails if to is None or m.to == to]

        wait_until(
            lambda: len(come()) >= count,
            20,
            lambda: f"{count} mails; there are {self.mails}",
        )
        return come()


@contextmanager
def mail_server(
    folder: Path,
    mode: str = "plain",
    *,
    user: str = "",
    password: str = "",
    host: str = "localhost",
    utf8: bool = True,
) -> Iterator[MailServerProcess]:
    """`mode`: plain, starttls (required) or tls."""
    folder.mkdir(exist_ok=True, parents=True)
    _, certificate = self_signed(folder, host, "127.0.0.1")
    taken, said = folder / "taken.jsonl", folder / "port"
    taken.write_text("")
    said.unlink(missing_ok=True)
    options = json.dumps(
        {"mode": mode, "user": user, "password": password, "utf8": utf8,
         "certificate": str(certificate), "taken": str(taken), "said": str(said)}
    )  # fmt: skip
    with (folder / "server.log").open("w") as log:
        process = children.start(
            [sys.executable, "-m", __name__, options], cwd=ROOT, stderr=log, stdout=log
        )
    try:
        wait_until(
            lambda: said.exists() and said.read_text().endswith("\n"),
            20,
            lambda: "the mail server: " + (folder / "server.log").read_text(),
        )
        port = int(said.read_text())
        yield MailServerProcess(port, certificate.read_text(), taken, host)
    finally:
        process.kill()
        process.wait()


class _Handler:
    def __init__(self, taken: Path) -> None:
        self._taken = taken
        self._seen: set[str] = set()

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        kind, _, rest = address.partition("-")
        code = rest[:3]
        if kind == "code" or (kind == "once" and address not in self._seen):
            self._seen.add(address)
            return f"{code} 5.1.1 <{address}>: no \x1b[31mmail for you"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        to = envelope.rcpt_tos[0]
        if to.startswith("data-"):
            return f"{to[5:8]} 5.7.1 this is spam"
        row = {
            "from": envelope.mail_from,
            "to": to,
            "raw": base64.b64encode(envelope.content).decode(),
            "user": (session.auth_data.login.decode() if session.auth_data else ""),
            "tls": session.ssl is not None or server.transport.get_extra_info("cipher")
            is not None,
        }  # fmt: skip
        with self._taken.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return "250 OK queued"


async def _serve(options: dict[str, Any]) -> None:
    from aiosmtpd.smtp import SMTP, AuthResult

    def check(server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
        right = (options["user"].encode(), options["password"].encode())
        is_right = (data.login, data.password) == right
        return AuthResult(success=is_right, handled=False, auth_data=data)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = Path(options["certificate"])
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    mode, handler = options["mode"], _Handler(Path(options["taken"]))

    def protocol() -> SMTP:
        return SMTP(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=options["utf8"],
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=check if options["user"] else None,
            auth_required=bool(options["user"]),
            auth_require_tls=mode == "starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if mode == "tls" else None
    )
    port = server.sockets[0].getsockname()[1]
    Path(options["said"]).write_text(f"{port}\n")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
