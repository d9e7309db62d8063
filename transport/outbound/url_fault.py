"""Why a URL that a user names is not called, in words for an API's answer. Pure."""

from collections.abc import Container

from engine.errors import UrlRefused
from transport.outbound.guard import check_url

__all__ = ["url_fault"]


def url_fault(
    url: str, allow_private: bool, allow_ports: Container[int] = ()
) -> str | None:
    """What completes "url …", with the option that would allow it; None: nothing."""
    try:
        check_url(url, allow_private, allow_ports)
    except UrlRefused as error:
        text = f"is not allowed: {error}"
        if not allow_private and _is_only_private(url, allow_ports):
            text += "; start the node with --allow-private-webhooks to allow it"
        return text
    return None


def _is_only_private(url: str, allow_ports: Container[int]) -> bool:
    """Whether it is the option that refuses it, not the URL itself."""
    try:
        check_url(url, True, allow_ports)
    except UrlRefused:
        return False
    return True
