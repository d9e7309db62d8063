"""Which addresses and URLs may be called: tables of addresses and encodings."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import AddressRefused, UrlRefused
from transport.outbound.guard import check_url, origin_of, refusal
from transport.outbound.refused_ports import REFUSED_PORTS

REFUSED = """
0.0.0.0 0.0.0.1 0.255.255.255
10.0.0.0 10.0.0.1 10.255.255.255
100.64.0.0 100.100.100.200 100.127.255.255
127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.255
168.63.129.16
169.254.0.1 169.254.169.254 169.254.170.2
172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 192.168.255.255
198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9
224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.254 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8
::ffff:0.0.0.0 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1
::ffff:169.254.169.254 ::ffff:192.168.1.1
::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b::a9fe:a9fe 64:ff9b:1::1
64:ff9b:1:ffff:ffff:ffff:ffff:ffff
100::1 100:0:0:1::1
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1
2001:db8::1 2001:db8:ffff::1 2002:7f00:1:: 2002:808:808::1
3fff::1 3fff:fff:ffff::1 5f00::1
fc00::1 fd00:ec2::254 fdff::1
fe80::1 fe80::1%eth0 fe80::1%1 febf::1 fec0::1 feff::1
ff02::1 ff0e::1
4000::1 8000::1 e000::1
2606:4700:4700::1111%eth0
""".split()  # noqa: SIM905  one to a line would be three pages

ALLOWED = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0
126.255.255.255 128.0.0.1 168.63.129.15 169.253.255.255 169.255.0.0
172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.0 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 223.255.255.255
::ffff:8.8.8.8 2001:200::1 2001:4860:4860::8888 2003::1
2606:4700:4700::1111 2a00:1450:4001::1 3ffe:ffff::1
""".split()  # noqa: SIM905

GARBAGE = ["", "localhost", "1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "256.1.1.1", "x"]


@pytest.mark.parametrize("ip", REFUSED)
def test_a_special_address_is_refused(ip: str) -> None:
    assert refusal(ip)


@pytest.mark.parametrize("ip", ALLOWED)
def test_an_address_of_the_internet_is_allowed(ip: str) -> None:
    assert refusal(ip) is None


@pytest.mark.parametrize("ip", GARBAGE)
def test_what_is_no_address_is_refused(ip: str) -> None:
    assert refusal(ip) == "not an address"
    assert refusal(ip, allow_private=True) == "not an address"


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "10.1.2.3", "172.17.0.2", "192.168.1.1", "100.64.0.1", "::1"),
        *("fd00::1", "::ffff:127.0.0.1", "8.8.8.8", "2a00::1"),
    ],
)
def test_the_operator_can_allow_private_networks(ip: str) -> None:
    assert refusal(ip, allow_private=True) is None


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "168.63.129.16", "fe80::1"),
        *("0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fd00::1%eth0"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"),
    ],
)
def test_metadata_tunnels_and_nonsense_stay_refused_even_then(ip: str) -> None:
    assert refusal(ip, allow_private=True)


@given(st.integers(0, 2**32 - 1))
def test_mapped_addresses_are_judged_as_the_one_inside(value: int) -> None:
    mapped = IPv6Address(0xFFFF_0000_0000 + value)
    assert bool(refusal(mapped)) == bool(refusal(IPv4Address(value)))


@given(st.integers(0, 2**32 - 1))
def test_all_that_python_calls_private_is_refused(value: int) -> None:
    address = IPv4Address(value)
    if address.is_private or address.is_multicast or address.is_reserved:
        assert refusal(address)


@given(st.integers(0, 2**128 - 1))
def test_nothing_outside_of_global_unicast_is_called(value: int) -> None:
    address = IPv6Address(value)
    if refusal(address) is None:
        assert value >> 125 == 1 or address.ipv4_mapped is not None


WRITTEN_ODDLY = [
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0X7F.0.0.1/",
    "http://0x/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://127.0.0.1.5/",
    "http://1.2.3.4.5.6/",
    "http://example.0x1/",
    "http://999.999.999.999/",
    "http://8.8.8.08/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://0.0.0.0/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[2606:4700::1111%251]/",
    "http://[fd00:ec2::254]/",
]


@pytest.mark.parametrize("url", WRITTEN_ODDLY)
def test_no_way_of_writing_an_address_gets_past(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


MALFORMED = [
    "",
    "example.com",
    "//example.com/",
    "https:example.com",
    "https:/example.com",
    "https:///path",
    "https://",
    "https://:443/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\\.evil.test/",
    "https://example.com:/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:080/",
    "https://example.com:+80/",
    "https://example.com:-1/",
    "https://example.com:８０/",
    "https://example.com:80:80/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    " https://example.com/",
    "https://example.com/ ",
    "https://exa mple.com/",
    "https://example.com/a b",
    "https://exam\tple.com/",
    "https://example.com/\r\nX-Evil: 1",
    "https://example.com/\x00",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%2f.example.com/",
    "https://example.com%00.evil.test/",
    "https://example..com/",
    "https://.example.com/",
    "https://example.com../",
    "https://-example.com/",
    "https://exa*mple.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://" + "ä" * 250 + "/",
    "https://example.com/" + "a" * 2048,
    "https://\ud800.com/",
    "https://example.com/\ud800",
    "https://[::1/",
    "https://::1/",
    "https://[::1]x/",
    "https://[v1.fe80]/",
    "https://[127.0.0.1]/",
    "https://[]/",
    "https://[[::1]]/",
    "https://[::12345]/",
]


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(url, allow_private=True)


@pytest.mark.parametrize(
    ("url", "host_header", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("HTTPS://Example.COM/Path", "example.com", 443, "/Path"),
        ("http://example.com/", "example.com", 80, "/"),
        ("https://example.com:443/", "example.com", 443, "/"),
        ("https://example.com:8443/x", "example.com:8443", 8443, "/x"),
        ("http://example.com:443/x", "example.com:443", 443, "/x"),
        ("https://example.com./x", "example.com", 443, "/x"),
        ("https://example.com?a=b", "example.com", 443, "/?a=b"),
        ("https://example.com/a?b=c&d=%20e", "example.com", 443, "/a?b=c&d=%20e"),
        ("https://example.com/ä", "example.com", 443, "/%C3%A4"),
        ("https://example.com/@127.0.0.1", "example.com", 443, "/@127.0.0.1"),
        ("https://my_shop/hook", "my_shop", 443, "/hook"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/"),
        ("https://ⓔxample.com/", "example.com", 443, "/"),
        ("https://example。com/", "example.com", 443, "/"),
        ("https://1.1.1.1:8443/", "1.1.1.1:8443", 8443, "/"),
        ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]", 443, "/"),
        (
            "https://[2606:4700:4700:0:0:0:0:1111]:2/",
            "[2606:4700:4700::1111]:2",
            2,
            "/",
        ),
    ],
)
def test_a_url_is_read(url: str, host_header: str, port: int, target: str) -> None:
    parsed = check_url(url)
    assert (parsed.host_header, parsed.port, parsed.target) == (
        host_header,
        port,
        target,
    )
    assert parsed.is_tls is url.lower().startswith("https:")


@given(st.text(max_size=40))
def test_an_address_that_the_system_would_understand_is_never_taken_for_a_name(
    text: str,
) -> None:
    try:
        parsed = check_url(f"http://{text}/")
    except UrlRefused:
        return
    if parsed.literal is None:
        with pytest.raises(OSError):
            socket.inet_aton(parsed.host)


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_either_read_or_refused(text: str, allow_private: bool) -> None:
    try:
        parsed = check_url("https://example.com/" + text, allow_private)
    except UrlRefused:
        return
    assert parsed.host == "example.com"
    assert parsed.target.isascii()
    assert parsed.target.isprintable()


def test_what_is_shown_of_a_url_holds_no_secret() -> None:
    url = "https://shop.example:8443/hooks/PATHTOKEN?key=QUERYTOKEN"
    assert origin_of(url) == "https://shop.example:8443"
    assert "TOKEN" not in repr(check_url(url))
    assert origin_of("https://user:PASSWORD@shop.example/") == "(unreadable URL)"


def test_refusals_do_not_repeat_the_url() -> None:
    for url in MALFORMED:
        with pytest.raises(UrlRefused) as refused:
            check_url(url)
        assert "password@" not in str(refused.value)
        assert len(str(refused.value)) < 120


@pytest.mark.parametrize("port", sorted(REFUSED_PORTS))
def test_a_port_of_another_service_is_refused_by_default(port: int) -> None:
    for url in (f"http://shop.example:{port}/", f"https://9.9.9.9:{port}/SET"):
        for allow_ports in ((), {port + 1}):
            with pytest.raises(UrlRefused, match=f"port {port} .*is refused"):
                check_url(url, True, allow_ports)
        assert check_url(url, allow_ports={port}).port == port


def test_the_refused_ports_hold_those_that_hurt_and_no_web_servers() -> None:
    assert {22, 25, 6379, 11211, 5432, 2375, 8332} <= REFUSED_PORTS.keys()
    assert {80, 443, 3000, 5000, 8000, 8080, 8443}.isdisjoint(REFUSED_PORTS)
    assert max(REFUSED_PORTS) < 32_768, "an operating system hands it out"


def test_what_a_refused_port_is_shown_as_is_its_origin() -> None:
    assert origin_of("http://shop.example:25/TOKEN") == "http://shop.example:25"
