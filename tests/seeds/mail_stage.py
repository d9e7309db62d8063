"""An `EmailSender` on a stage, and mail servers that misbehave."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import msgspec
from gevent.server import StreamServer

from engine.delivery.attempt import SendResult
from engine.delivery.channel import payload
from engine.delivery.email import EMAIL, EmailSettings
from engine.delivery.endpoint import Endpoint
from engine.mail.address import parse_address
from engine.mail.server import parse_server
from engine.merchants.record import Limits, Merchant
from transport.outbound.email import EmailSender, MailNode
from transport.outbound.email_templates import read_folder

__all__ = ["Desk", "Script", "scripted"]

AT = "2026-11-28T01:02:03.004Z"


class Desk:
    """Sends events by mail, by the node's server at `url`."""

    def __init__(
        self,
        url: str | None,
        *,
        customers: dict[str, str] | None = None,
        mails_per_hour: int = 1_000,
        timeout_s: float = 60.0,
        **options: Any,
    ) -> None:
        self.customers = customers or {}
        self.now_s = 0.0
        self.timeout_s = timeout_s
        limits = Limits(mails_per_hour=mails_per_hour)
        self.sender = EmailSender(
            MailNode(
                server=None if url is None else parse_server(url),
                mail_from=None if url is None else parse_address("pay@node.example"),
                texts=read_folder(None),
            ),
            merchant=lambda name: Merchant(
                name=name, display_name=f"{name}'s Café", limits=limits
            ),
            customer_email=self.customers.get,
            now_s=lambda: self.now_s,
            **{"accept_s": timeout_s, **options},
        )

    def send(
        self,
        to: str | None = "shop@example.com",
        *,
        event_id: str = "evt_1",
        type_: str = "payment.confirmed",
        owner: str = "ann",
        settings: dict[str, Any] | None = None,
        **event: Any,
    ) -> SendResult:
        """One attempt. `to` None: to the payment's customer."""
        own = settings or {}
        told = {
            "payment_id": "pay_1", "seq": 2, "status": "confirmed", "flags": [],
            "address": "bcrt1qaddress", "external_id": "order-1", "merchant": owner,
            "amount_sat": 150_000, "received_sat": 150_000, "confirmations": 3,
            "confirmations_required": 3, "txid": "ab" * 32, "data": {}, **event,
        }  # fmt: skip
        return self.sender.send(
            Endpoint(
                kind=EMAIL,
                settings=EmailSettings(to=to, customer=to is None, **own),
                channel="ch_1",
                owner=owner,
                timeout_s=self.timeout_s,
            ),
            event_id,
            payload(msgspec.json.encode(told), type_, AT),
            0,
        )


class Script:
    """What a server says and does, line by line, on each connection."""

    def __init__(self, sock: socket.socket, heard: list[bytes]) -> None:
        self.sock = sock
        self.heard = heard
        self._file = sock.makefile("rb")

    def say(self, *lines: str | bytes) -> None:
        for line in lines:
            raw = line.encode() if isinstance(line, str) else line
            self.sock.sendall(raw + b"\r\n")

    def hear(self, *begin: str) -> bytes:
        """The next command, or b"" at the end."""
        line = self._file.readline()
        self.heard.append(line)
        assert not begin or line.decode().upper().startswith(begin), line
        return line

    def up_to(self, step: str) -> None:
        """Everything is well, up to this command, which is heard and not answered."""
        if step == "CONNECT":
            return
        self.say("220 mail.test")
        for command, answer in (
            ("EHLO", "250 mail.test"),
            ("MAIL", "250 OK"),
            ("RCPT", "250 OK"),
            ("DATA", "354 go on"),
        ):
            self.hear(command)
            if command == step:
                return
            self.say(answer)
        self.message()

    def message(self) -> None:
        while self.hear() not in {b".\r\n", b""}:
            pass

    def hang(self) -> None:
        """Until the other side goes."""
        while self.sock.recv(65_536):
            pass


@contextmanager
def scripted(
    act: Callable[[Script], object], heard: list[bytes] | None = None
) -> Iterator[str]:
    """The URL of a server that does so on each connection."""
    found = [] if heard is None else heard

    def serve(sock: socket.socket, _address: object) -> None:
        try:
            act(Script(sock, found))
        except OSError:
            pass  # the other side went, which is what some tests are about
        finally:
            sock.close()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    try:
        yield f"smtp://127.0.0.1:{server.address[1]}"
    finally:
        server.stop(timeout=0)
        gevent.sleep(0)
