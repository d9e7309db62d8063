"""Blink for tests: its GraphQL over HTTP, its socket, its ledger, over real sockets.

    with BlinkDouble() as blink:
        till, shop = blink.account("till"), blink.account("shop", usd_cents=500)
        ...Account(kind="blink", url=blink.url, stream_url=blink.stream_url,
                   secret=till.key)...
        blink.pay_from_outside(payment_hash)

Built from the sources of Blink (github.com/GaloyMoney/blink: the public schema,
`ws-server.ts`, `my-updates.ts`, `idempotency.ts`, `send-lightning.ts`,
`paginated-ledger.ts`, `tx-history.ts`, `error-map.ts`) and of the server that it uses
for its socket (github.com/enisdenjo/graphql-ws, `server.ts`), not from what Paybell
expects. Documents are parsed, validated and executed by graphql-core against that
schema: a field that Blink does not have is refused as Blink refuses it.

What it knows and they do not say is left out: nothing about a send is ever published
to its sender; a receipt over Lightning comes as `LnUpdate`, however it was settled.
"""

from tests.tools.blink_double.accounts import BlinkAccount
from tests.tools.blink_double.double import BlinkDouble

__all__ = ["BlinkAccount", "BlinkDouble"]
