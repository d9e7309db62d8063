"""One connection to one Redis: commands out, answers in, every wait bounded.

redis-py packs, parses and greets (AUTH, SELECT); its own clients are not used: they
retry, reconnect and pool by themselves, and who must know whether a command was carried
out can have none of that. RESP 2, as every Redis since 2010 and its kin speak it.

The name is looked up in threads of our own (`lookups.py`), each address is judged by
`guard`, one deadline covers lookup, TLS, greeting and answers, and what is read is
counted: whatever listens on that port, it takes neither memory nor time beyond that.

What a Redis says is never shown but for the word that it begins an error with: what is
no Redis may send the password back. Blocks the calling greenlet. Not to be shared.

Loaded when a link is made: redis-py takes a twentieth of a node's start, and most nodes
have no Redis.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

import gevent
from redis import exceptions
from redis._parsers import _RESP2Parser
from redis.connection import Connection

from engine.streams.redis_url import RedisUrl
from transport.calling.trust import tls_context
from transport.outbound.exchange import (
    DeadlinePassed,
    DeliveryError,
    FailureKind,
    reason_of,
)
from transport.outbound.guard import refusal
from transport.outbound.lookups import Lookups
from transport.outbound.redis_words import Command, TooLarge, said

__all__ = ["MAX_ANSWER_BYTES", "RedisLink"]

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of what one call of `ask` gets back."""

CONNECT_S = 5.0
MAX_TRIES = 4
CHUNK_BYTES = 65_536

_NO_REDIS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""What redis-py makes of bytes that no Redis sends."""


class RedisLink:
    """Connects when it is asked something. After a failure it is closed, and connects
    anew at the next call."""

    def __init__(
        self,
        url: RedisUrl,
        lookups: Lookups,
        *,
        allow_private: bool,
        owner: str = "",
        ca_pem: str | None = None,
        name: str = "paybell",
    ) -> None:
        """`owner`: in whose share of the lookups. `name`: in CLIENT LIST."""
        self.url = url
        self._lookups = lookups
        self._allow_private = allow_private
        self._owner = owner
        self._ca_pem = ca_pem
        self._name = name
        self._meter = _Meter()
        self._connection: Any = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def ask(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """The answers, in order; a command that Redis refused has its error as a value.

        All of them are sent before an answer is read. Raises `DeliveryError`, after
        which nobody knows which of them were carried out.
        """
        place = self.url.shown
        try:
            with gevent.Timeout(timeout_s, DeadlinePassed):
                self._meter.left = MAX_ANSWER_BYTES
                if self._connection is None:
                    self._open(timeout_s)
                connection = self._connection
                connection.send_packed_command(connection.pack_commands(commands))
                return [_answer(connection) for _ in commands]
        except DeliveryError:
            self.close()
            raise
        except (DeadlinePassed, exceptions.TimeoutError):
            self.close()
            self._lookups.forget(self.url.host)
            detail = f"no answer from {place} within {timeout_s:g} s"
            raise DeliveryError(FailureKind.TIMEOUT, detail) from None
        except exceptions.ResponseError as error:
            self.close()
            detail = f"{place} answered {said(error)}"
            raise DeliveryError(FailureKind.PROTOCOL, detail) from None
        except (exceptions.AuthenticationError, exceptions.BusyLoadingError) as error:
            self.close()
            detail = f"{place} answered {said(error)}"
            raise DeliveryError(FailureKind.CONNECT, detail) from None
        except (exceptions.RedisError, OSError) as error:
            self.close()
            raise self._broken(error) from None
        except _NO_REDIS:
            self.close()
            detail = f"{place} did not answer as a Redis does"
            raise DeliveryError(FailureKind.PROTOCOL, detail) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Also what was sent and not answered is given up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _open(self, timeout_s: float) -> None:
        url = self.url
        self._connection = _Wire(
            lambda: _Metered(self._socket(timeout_s), self._meter),
            db=url.db,
            username=url.username,
            password=url.password,
            protocol=2,
            parser_class=_RESP2Parser,
            socket_read_size=CHUNK_BYTES,
            client_name=self._name,
            driver_info=None,
            socket_timeout=None,  # the deadline of the call rules
        )
        self._connection.connect()

    def _socket(self, timeout_s: float) -> socket.socket:
        """Connected, to an address that was judged; with TLS if that is wanted."""
        url, failures = self.url, []
        for family, address in self._places(timeout_s)[:MAX_TRIES]:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(CONNECT_S)
                sock.connect(address)
                sock.settimeout(None)
                if family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                return self._with_tls(sock) if url.is_tls else sock
            except ssl.SSLError as error:
                sock.close()
                reason = getattr(error, "verify_message", None) or error.reason
                detail = f"no TLS with {url.shown}: {reason}"
                raise DeliveryError(FailureKind.TLS, detail) from None
            except OSError as error:
                sock.close()
                failures.append(reason_of(error))
            except BaseException:
                sock.close()
                raise
        self._lookups.forget(url.host)
        detail = f"no connection to {url.shown}: {', '.join(dict.fromkeys(failures))}"
        raise DeliveryError(FailureKind.CONNECT, detail)

    def _with_tls(self, sock: socket.socket) -> socket.socket:
        context = tls_context(self._ca_pem)
        context.set_alpn_protocols([])
        return context.wrap_socket(sock, server_hostname=self.url.host)

    def _places(self, timeout_s: float) -> list[tuple[int, Any]]:
        if self.url.path:
            if not self._allow_private:
                detail = f"{self.url.shown} is of this machine, which is refused"
                raise DeliveryError(FailureKind.REFUSED_ADDRESS, detail)
            return [(socket.AF_UNIX, self.url.path)]
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, (text, self.url.port))
            for text in self._addresses(timeout_s)
        ]

    def _addresses(self, timeout_s: float) -> list[str]:
        host = self.url.host
        try:
            texts: Sequence[str] = [str(ip_address(host))]
        except ValueError:
            texts = self._lookups.find(host, self._owner, timeout_s).texts
        for text in texts:
            why = refusal(text, self._allow_private)
            if why is not None:
                detail = f"{host} is {text[:64]}, which is refused: {why}"
                raise DeliveryError(FailureKind.REFUSED_ADDRESS, detail)
        return list(texts)

    def _broken(self, error: Exception) -> DeliveryError:
        place = self.url.shown
        if isinstance(error, exceptions.InvalidResponse):
            detail = f"{place} did not answer as a Redis does"
            return DeliveryError(FailureKind.PROTOCOL, detail)
        return DeliveryError(FailureKind.CONNECT, f"{place} broke off")


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except exceptions.ResponseError as error:
        return error


class _NoRetry:
    """redis-py asks one for everything."""

    def call_with_retry(self, do: Any, fail: Any, *_args: Any, **_kwargs: Any) -> Any:
        try:
            return do()
        except Exception as error:
            fail(error)
            raise


class _Wire(Connection):
    """redis-py's connection over a socket that is brought along."""

    def __init__(self, open_socket: Callable[[], Any], **options: Any) -> None:
        init: Callable[..., None] = super().__init__
        init(**options)
        self._open_socket = open_socket
        self.retry: Any = _NoRetry()

    def _connect(self) -> Any:
        return self._open_socket()


class _Meter:
    """How many bytes may still come."""

    left = 0


class _Metered:
    """A socket whose bytes are counted; after a large piece of them others run."""

    def __init__(self, sock: Any, meter: _Meter) -> None:
        self._sock = sock
        self._meter = meter

    def recv(self, size: int) -> bytes:
        data: bytes = self._sock.recv(size)
        self._meter.left -= len(data)
        if self._meter.left < 0:
            detail = f"its answer has more than {MAX_ANSWER_BYTES >> 20} MB"
            raise TooLarge(FailureKind.TOO_LARGE, detail)
        if len(data) > CHUNK_BYTES // 4:
            gevent.sleep(0)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
