"""What is said of a merchant that is no secret: as it comes in, is kept and is shown.

`record.py` has what is more than this: limits, secrets, versions. Values only.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.merchants.lightning_address import OwnLightningAddress
from engine.merchants.look import BrandColor, ExplorerUrl, Reorder, SupportUrl
from engine.merchants.packages import Packages
from engine.merchants.payment_defaults import PaymentDefaults
from engine.merchants.payment_methods import (
    ONCHAIN,
    Bip321,
    LightningMax,
    Methods,
    OnchainMin,
    OnWarning,
)
from engine.merchants.till_settings import OwnTill, TillSettings
from engine.merchants.web_places import LogoUrl, ReturnUrls
from engine.money.currency import CURRENCY
from engine.wallet.descriptor import MAX_LENGTH

__all__ = [
    "MAX_DESCRIPTOR",
    "MAX_DISPLAY_NAME",
    "DisplayName",
    "ForwardTo",
    "Profile",
]

MAX_DISPLAY_NAME: Final = 100

MAX_DESCRIPTOR: Final = MAX_LENGTH
"""A descriptor of one key with its origin and checksum has fewer than 250 characters,
one of several signers a multiple of that."""

# No control characters, and none that turn the text about them round (bidi).
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"

DisplayName = Annotated[
    str,
    Meta(
        max_length=MAX_DISPLAY_NAME,
        pattern=_PLAIN,
        description=f"at most {MAX_DISPLAY_NAME} characters that are shown to payers,"
        " without control characters",
    ),
]
IdentifyWithoutSecret = Annotated[
    bool,
    Meta(
        description="true if whoever names an order number on /ws is told when it"
        " is paid; else the payment's client_secret is wanted"
    ),
]
Defaults = Annotated[
    PaymentDefaults,
    Meta(
        description="an object with what payments have that do not say otherwise, each"
        " null for the node's: confirmations (0 to 100), expires_in_s, tolerance_sat,"
        " poll_interval_s,"
        " and bands, a rising list of objects with below_sat and confirmations: a"
        " payment of less than below_sat needs so many"
    ),
]
Descriptor = Annotated[
    str,
    Meta(
        max_length=MAX_DESCRIPTOR,
        pattern=r"^([!-~]([ -~]*[!-~])?)?$(?!\n)",
        description="an output descriptor, xpub, ypub or zpub (public keys only), from"
        " which fresh addresses are derived; empty for none",
    ),
]
AccountingCurrency = Annotated[
    str,
    Meta(
        pattern=f"^$|{CURRENCY}" + r"(?!\n)",
        description="three capital letters, as ISO 4217 has them: what postings are"
        " valued in whose payment has no price in a currency; empty for none",
    ),
]
ForwardTo = Annotated[
    str,
    Meta(
        max_length=MAX_ADDRESS_LENGTH,
        pattern=r"^[!-~]*$(?!\n)",
        description="a bitcoin address of this node's network, to which the money of"
        " payments goes on that name no other; empty: it stays",
    ),
]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """See the module docstring. To add to it, add a field with a default here.

    Rows that are kept are read by these types: a bound never becomes tighter.
    """

    display_name: DisplayName = ""
    identify_without_secret: IdentifyWithoutSecret = False
    logo_url: LogoUrl = ""
    defaults: Defaults = PaymentDefaults()
    return_urls: ReturnUrls = ()
    packages: Packages = msgspec.field(default_factory=dict)
    descriptor: Descriptor = ""
    accounting_currency: AccountingCurrency = ""
    forward_to: ForwardTo = ""
    methods: Methods = (ONCHAIN,)
    lightning_max_sat: LightningMax = None
    onchain_min_sat: OnchainMin = None
    bip321: Bip321 = "tabs"
    on_warning: OnWarning = "create"
    lightning_address: OwnLightningAddress = None
    till: OwnTill = TillSettings()
    brand_color: BrandColor = ""
    explorer_url: ExplorerUrl = ""
    support_url: SupportUrl = ""
    reorder: Reorder = False

    def profile(self) -> dict[str, Any]:
        """These fields alone, by name."""
        return {name: getattr(self, name) for name in Profile.__struct_fields__}
