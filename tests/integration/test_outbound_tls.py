"""Webhooks over TLS: the name is certified, the address is the one that was checked."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent.server import StreamServer

from engine.errors import ConfigError
from tests.tools.certificates import self_signed
from tests.tools.receiver import Receiver
from transport.calling.trust import check_ca_file, tls_context
from transport.outbound.pinned import DeliveryError, FailureKind, post

BODY = b"{}"


@pytest.fixture
def shop_tls(tmp_path: Path) -> Iterator[tuple[Receiver, ssl.SSLContext]]:
    server, ca_file = self_signed(tmp_path, "shop.example", "127.0.0.1")
    with Receiver(tls=server) as shop:
        yield shop, tls_context(ca_file.read_text())


def to_loopback(_host: str) -> list[str]:
    return ["127.0.0.1"]


def test_tls_checks_the_name_and_connects_to_the_address(
    shop_tls: tuple[Receiver, ssl.SSLContext],
) -> None:
    shop, trusting = shop_tls
    url = f"https://shop.example:{shop.port}/hook"
    answer = post(url, {}, BODY, 60, True, to_loopback, trusting)
    assert answer.status == 200
    assert shop.server_names == ["shop.example"]
    assert shop.requests[0].headers["host"] == f"shop.example:{shop.port}"


def test_tls_to_an_address_needs_a_certificate_for_it(
    shop_tls: tuple[Receiver, ssl.SSLContext],
) -> None:
    shop, trusting = shop_tls
    assert post(shop.url(), {}, BODY, 60, True, tls=trusting).status == 200


def test_a_certificate_that_nobody_signed_is_refused(
    shop_tls: tuple[Receiver, ssl.SSLContext],
) -> None:
    shop, _ = shop_tls
    url = f"https://shop.example:{shop.port}/hook"
    with pytest.raises(DeliveryError) as failed:
        post(url, {}, BODY, 60, True, to_loopback)
    assert failed.value.kind is FailureKind.TLS
    assert "self-signed certificate" in failed.value.detail
    assert shop.requests == []


def test_a_certificate_for_another_name_is_refused(
    shop_tls: tuple[Receiver, ssl.SSLContext],
) -> None:
    shop, trusting = shop_tls
    url = f"https://other.example:{shop.port}/hook"
    with pytest.raises(DeliveryError) as failed:
        post(url, {}, BODY, 60, True, to_loopback, trusting)
    assert failed.value.kind is FailureKind.TLS
    assert "other.example" in failed.value.detail
    assert shop.requests == []


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    server, ca_file = self_signed(tmp_path, "127.0.0.1", valid_s=-60)
    with Receiver(tls=server) as shop, pytest.raises(DeliveryError) as failed:
        post(shop.url(), {}, BODY, 60, True, tls=tls_context(ca_file.read_text()))
    assert failed.value.kind is FailureKind.TLS
    assert "expired" in failed.value.detail


def test_tls_older_than_1_2_is_refused(tmp_path: Path) -> None:
    server, ca_file = self_signed(tmp_path, "127.0.0.1")
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    with Receiver(tls=server) as shop, pytest.raises(DeliveryError) as failed:
        post(shop.url(), {}, BODY, 60, True, tls=tls_context(ca_file.read_text()))
    assert failed.value.kind is FailureKind.TLS


def test_plain_http_on_a_tls_url_is_a_failure_of_tls() -> None:
    def plain(sock: gevent.socket.socket, _address: object) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nThis port speaks plain HTTP")

    server = StreamServer(("127.0.0.1", 0), plain)
    server.start()
    try:
        with pytest.raises(DeliveryError) as failed:
            post(f"https://127.0.0.1:{server.address[1]}/", {}, BODY, 60, True)
        assert failed.value.kind is FailureKind.TLS
    finally:
        server.stop(timeout=0)


def test_a_handshake_that_drips_is_cut_at_the_deadline() -> None:
    def slow(sock: gevent.socket.socket, _address: object) -> None:
        for value in b"\x16\x03\x03\x40\x00" + b"\x00" * 16_000:
            sock.sendall(bytes([value]))
            gevent.sleep(0.02)

    server = StreamServer(("127.0.0.1", 0), slow)
    server.start()
    try:
        url = f"https://127.0.0.1:{server.address[1]}/"
        with pytest.raises(DeliveryError) as failed:
            post(url, {}, BODY, timeout_s=0.3, allow_private=True)
        assert failed.value.kind in (FailureKind.TIMEOUT, FailureKind.TLS)
    finally:
        server.stop(timeout=0)


def test_the_environment_names_the_authorities_that_are_believed(
    shop_tls: tuple[Receiver, ssl.SSLContext],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, _ = shop_tls
    ca_file = next(tmp_path.glob("*.crt"))
    for named, accepted in ((str(ca_file), True), ("", False)):
        monkeypatch.setenv("SSL_CERT_FILE", named)
        context = tls_context()
        if accepted:
            assert post(shop.url(), {}, BODY, 60, True, tls=context).status == 200
        else:
            with pytest.raises(DeliveryError):
                post(shop.url(), {}, BODY, 60, True, tls=context)


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x00\xff"])
def test_a_file_without_authorities_is_named_at_the_start(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE: .*ca\.pem"):
        check_ca_file()
