"""Packets of Engine.IO 4 and Socket.IO 5, as their documents write them."""

import msgspec
import pytest

from transport.live.socketio import packets
from transport.live.socketio.packets import Encoded, Packet, PacketError


def test_the_packets_of_the_protocols_documents_are_made_as_they_stand_there() -> None:
    opened = packets.opened("lv_VI97HAXpY6yYWAAAC", ["websocket"], (25, 20), 1_000_000)
    assert opened == (
        '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,'
        '"pingTimeout":20000,"maxPayload":1000000}'
    )
    assert packets.connected("/", "oSO0") == '40{"sid":"oSO0"}'
    assert packets.connected("/admin", "oSO0") == '40/admin,{"sid":"oSO0"}'
    assert packets.refused("/admin", "Not authorized", "not_allowed") == (
        '44/admin,{"message":"Not authorized","data":{"code":"not_allowed"}}'
    )
    assert packets.disconnected("/admin") == "41/admin,"
    assert packets.event("/", "foo", 1) == '42["foo",1]'
    assert packets.event("/admin", "bar", msgspec.Raw(b'{"a":1}')) == (
        '42/admin,["bar",{"a":1}]'
    )
    assert packets.acknowledgement("/admin", 12, {"a": 1}) == '43/admin,12[{"a":1}]'
    assert packets.joined(["2", "3"]) == "2\x1e3"


def test_what_comes_in_is_read() -> None:
    joining = Packet('0/payments/salon/1,{"token":"x"}')
    assert (joining.packet_type, joining.namespace) == (0, "/payments/salon/1")
    assert joining.data == {"token": "x"}
    assert Packet("0/admin?token=1,{}").namespace == "/admin"
    assert Packet("1").namespace == "/"
    event = Packet('2/a-b,17["subscribe",{"i":1}]')
    assert (event.namespace, event.id) == ("/a-b", 17)
    assert event.data == ["subscribe", {"i": 1}]


@pytest.mark.parametrize(
    "text",
    ["", "3[1]", '4{"m":1}', '51-["a"]', "6", "9", "x", '21-["a"]', "2[]", "2{}", "2",
     "2[1]", '2["disconnecting"]', '2["newListener"]', "0/" + "n" * 200],
)  # fmt: skip
def test_what_no_client_sends_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PacketError) as refused:
        Packet(text)
    assert "newListener" not in str(refused.value)


def test_two_packets_are_one_text_for_a_poll_and_two_frames_for_a_websocket() -> None:
    both = Encoded('42["a"]', '42["b"]')
    assert both.text == '42["a"]\x1e42["b"]'
    assert both.frame == b'\x81\x0742["a"]\x81\x0742["b"]'
