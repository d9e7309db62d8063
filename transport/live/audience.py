"""Who hears what of an address: an insider everything, a stranger the allow-list.

An insider has the `client_secret` of the payment that the address stands for, as
`?token=`, or a key that may read payments of its merchant (`Authorization: Bearer`), or
a session of one, on a page of ours. A
token of another payment is no mistake: the address had an earlier payment, and whoever
followed that one comes back. A wrong key is one, and is refused as everywhere. What a
connection is told is settled when it is opened.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from engine.errors.codes import Code
from engine.merchants.scopes import Scope
from engine.payment.model import Payment
from engine.secrets.vault import Vault
from transport.http.auth import Principal
from transport.http.problems import Problem
from transport.live.encoding import Frames

__all__ = ["NOT_PROVEN", "Audience", "Require", "parameters"]

NOT_PROVEN = (
    "token must be the client_secret of the payment, which the answer that created it"
    " holds."
)

OPENED_BY: Final = "paybell.opened_by"
"""In the environ: the id of the API key, or the session, that opens what is asked for.
What stays open ends with it (`Principal.lease`)."""

#: Raises `Problem` 401 or 429. `transport.http.auth.Auth.require` is one.
Require = Callable[[dict[str, Any]], Principal]


class Audience:
    """One per node. `frames` are those of insiders."""

    def __init__(
        self,
        frames: Frames,
        vault: Vault,
        require: Require | None = None,
        for_strangers: Callable[[Payment], Frames] | None = None,
        of_own_page: Callable[[dict[str, Any]], Principal | None] | None = None,
    ) -> None:
        """Without `require`, no key opens anything; without `of_own_page`
        (`Auth.of_own_page`) no session. `for_strangers`: what a stranger is
        told of a payment, where that is not the same of all."""
        self._frames = frames
        self._for_strangers = for_strangers
        self._vault = vault
        self._require = require
        self._of_own_page = of_own_page

    def frames(self, environ: dict[str, Any], payment: Payment) -> Frames:
        """What the caller is told of this payment. May read the store, for a key.
        Raises `Problem`."""
        if self._is_insider(environ, payment):
            return self._frames
        if self._for_strangers is not None:
            return self._for_strangers(payment)
        return self._frames.for_strangers

    @property
    def visitors(self) -> Frames:
        """For who has a token of the shop's site."""
        return self._frames.for_visitors

    def insiders(self, environ: dict[str, Any], payment: Payment | None) -> Frames:
        """All of a payment, for who names it by its id. Raises `Problem`: the same for
        an id that there is not and for a token that is not its own."""
        if payment is None or not self._is_insider(environ, payment):
            raise Problem(Code.FORBIDDEN, NOT_PROVEN)
        return self._frames

    def _is_insider(self, environ: dict[str, Any], payment: Payment) -> bool:
        try:
            tokens = parameters(environ).get("token", ())
        except ValueError as error:
            raise Problem(Code.INVALID_REQUEST, str(error)) from error
        return any(
            self._vault.is_client_secret(payment.id, token) for token in tokens
        ) or self._has_key(environ, payment.terms.merchant)

    def _has_key(self, environ: dict[str, Any], merchant: str) -> bool:
        # Another scheme than ours is between the client and a proxy in front.
        scheme = environ.get("HTTP_AUTHORIZATION", "")[:7].lower()
        if scheme == "bearer ":
            principal = None if self._require is None else self._require(environ)
        else:  # a session that has ended is no mistake: a payer may have that browser
            principal = self._of_own_page and self._of_own_page(environ)
        if principal is None:
            return False
        if not (principal.may(Scope.READ) and principal.may_see(merchant)):
            return False
        environ[OPENED_BY] = principal.lease
        return True


def parameters(environ: dict[str, Any]) -> dict[str, list[str]]:
    """Of the query. Raises ValueError, with a sentence for the client."""
    try:
        return parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=16)
    except ValueError as error:
        raise ValueError("The query has too many fields.") from error
