"""A Lightning account that the operator configured: `[lightning.<name>]`. Pure."""

from typing import Final, Literal

import msgspec

__all__ = ["KINDS", "Account", "Kind"]

Kind = Literal["phoenixd", "blink", "electrum"]

KINDS: Final[tuple[Kind, ...]] = ("phoenixd", "blink", "electrum")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`repr` shows no secret. `merchants`: who may have invoices of it; empty: all.

    `secret`: phoenixd's http-password, Blink's API key, Electrum's RPC password.
    `forward_to`: another account, to which what comes in is passed on; empty: it stays.
    """

    name: str
    kind: Kind
    url: str
    secret: str = ""
    user: str = ""  # of Electrum's RPC
    wallet: str = ""  # Blink: the wallet's id; empty: the account's BTC wallet
    stream_url: str = ""  # Blink's WebSocket (empty: the public one); of payserver
    webhook_secrets: tuple[str, ...] = ()  # Blink: of its webhooks, whsec_…
    merchants: tuple[str, ...] = ()
    forward_to: str = ""
    forward_min_sat: int = 1  # less than this is not passed on
    # The most that the network may take of what is passed on (`TillPolicy`):
    forward_fee_ppm: int = 5_000
    forward_fee_base_sat: int = 5
    poll_s: int = 30  # how often is looked, beside what is pushed
    silence_s: int = 10  # a held connection without any word for so long is dead

    def __repr__(self) -> str:
        return f"Account({self.name}, {self.kind})"
