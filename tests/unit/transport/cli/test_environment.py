"""Names that Kubernetes writes for a service called paybell are not settings."""

from engine.config import unknown_names
from engine.settings.table import OPTIONS
from transport.cli.environment import without_kubernetes

SERVICE = {
    "PAYBELL_SERVICE_HOST": "10.0.171.239",
    "PAYBELL_SERVICE_PORT": "8080",
    "PAYBELL_SERVICE_PORT_HTTP": "8080",
    "PAYBELL_PORT": "tcp://10.0.171.239:8080",
    "PAYBELL_PORT_8080_TCP": "tcp://10.0.171.239:8080",
    "PAYBELL_PORT_8080_TCP_PROTO": "tcp",
    "PAYBELL_PORT_8080_TCP_PORT": "8080",
    "PAYBELL_PORT_8080_TCP_ADDR": "10.0.171.239",
}
OTHER_SERVICE = {
    "PAYBELL_DB_SERVICE_HOST": "10.0.0.2",
    "PAYBELL_DB_PORT": "udp://[2001:db8::1]:53",
    "PAYBELL_DB_PORT_53_UDP_ADDR": "2001:db8::1",
}


def test_all_that_kubernetes_writes_for_a_service_is_known_and_taken_away() -> None:
    kept, ignored = without_kubernetes({**SERVICE, **OTHER_SERVICE, "PATH": "/bin"})
    assert kept == {"PATH": "/bin"}
    assert ignored == sorted({**SERVICE, **OTHER_SERVICE})
    assert unknown_names(kept) == []


def test_what_is_ours_stays_whatever_its_value() -> None:
    ours = {option.environ: "tcp" for option in OPTIONS}
    ours |= {"PAYBELL_PORT": "8080", "PAYBELL_DB": "tcp://not/theirs"}
    assert without_kubernetes(ours) == (ours, [])


def test_a_typing_error_is_still_told() -> None:
    wrong = {"PAYBELL_PORT_": "8080", "PAYBELL_PROT": "1", "PAYBELL_PORT ": "tcp://x"}
    assert without_kubernetes(wrong) == (wrong, [])
    assert len(unknown_names(wrong)) == 3
