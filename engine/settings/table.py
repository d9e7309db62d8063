"""Every setting in one table: its name everywhere, its default, and what it is.

To add a setting: a line in `OPTIONS`, a field of `Config` in `engine/config.py`, and
why its default is what it is in `engine/settings/reasons.py`; the option, the variable
and the key of the file follow. How a value is read stands in
`engine/settings/values.py`. Pure data.
"""

from engine.bitcoin.address import NETWORKS
from engine.money.amount import MAX_SAT
from engine.money.providers import PROVIDERS, parse_providers
from engine.policy.defaults import (
    CLAIM_WINDOW_S,
    CLAIMS_PER_PAYMENT,
    MAX_KEYS,
    MAX_MERCHANTS,
    MONITOR_S,
)
from engine.settings.option import Option
from engine.settings.values import (
    destinations,
    gateway_merchants,
    heartbeat,
    hosts,
    mail_address,
    mail_server,
    networks,
    node_key,
    one_of,
    origins,
    passphrase,
    ports,
    public_url,
    redis_key,
    redis_url,
    secret,
    seeds,
    sources,
    text,
    whole,
    yes_no,
)

__all__ = ["OPTIONS", "OTHER_NAMES"]

LOG_FORMATS = ("kv", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

FORWARDED_HEADERS = ("x-forwarded-for", "forwarded")

OTHER_NAMES = (
    "PAYBELL_BACKUP_PASSPHRASE",
    "PAYBELL_CONFIG",
    "PAYBELL_KEY",
    "PAYBELL_URL",
)
"""Variables that the command line reads by itself."""


OPTIONS: tuple[Option, ...] = (
    Option("host", text, "127.0.0.1", "an address of this machine",
           "Address to listen on. Use another than loopback only behind a TLS proxy."),
    Option("port", whole(0, 65_535), "8080", "0 to 65535; 0 takes a free one",
           "Port for HTTP, WebSocket and SSE."),
    Option("db", text, "paybell.db", "a path of a file",
           "Database file. Its key is kept beside it, as <db>.key."),
    Option("network", one_of(NETWORKS), "regtest", ", ".join(NETWORKS),
           "Bitcoin network: mainnet, testnet, signet or regtest."),
    Option("sources", sources, None,
           "bitcoind=http://user:pass@host:port, esplora=https://host/api, devchain"
           " (a comma in a password is written %2C)",
           "Where chain data comes from: bitcoind=http://user:pass@host:port,"
           " bitcoind=http://host:port?cookie=/path/.cookie, bitcoind=https://host/token,"
           " esplora=https://host/api or devchain. Repeat it for several, in order of"
           " preference; ?name=… says who runs one (docs/sources.md). Default:"
           " devchain on regtest, else a public Esplora. Keep passwords in"
           " PAYBELL_SOURCES or the file: options are visible in `ps`.",
           repeated=True, shown=False),
    Option("rpc_timeout_s", whole(1, 600), "60", "1 to 600 seconds",
           "How long a Bitcoin Core node may take for one answer. A slow node is not"
           " a broken one; a hanging one is left after this time."),
    Option("api_key", secret(1), None,
           "1 to 200 printable ASCII characters without spaces",
           "An API key for the whole node, besides those made by `keys`.", secret=True),
    Option("node_key", node_key, None, "64 hexadecimal digits",
           "The node's own key, instead of the file <db>.key.", secret=True),
    Option("wallet_passphrase", passphrase, None, "12 to 1000 printable characters",
           "What opens the wallets whose keys this node holds (docs/keys.md).",
           secret=True),
    Option("wallet_passphrase_file", text, None, "a path, or - to be asked",
           "File whose first line is the wallets' passphrase; - asks at the terminal."
           " Without one the node watches, and moves no money."),
    Option("webhook_btc_secret", secret(8), None,
           "8 to 200 printable ASCII characters without spaces",
           "Secret of /webhook/btc. Without it, inbound webhooks are off.",
           secret=True),
    Option("public_url", public_url, None, "a URL like https://shop.example/pay",
           "Where clients reach this node, by way of a proxy that takes the path off."
           " All links begin with it; its host and its pages are allowed."),
    Option("seeds", seeds, "",
           "bitcoin, blink, paybutton, phoenixd or salon, each with =<merchant>,"
           " separated by commas",
           "Systems whose web sites and backends find their own routes here, and the"
           " merchant for whom these act: paybutton=default. See docs/seeds.md.",
           repeated=True),
    Option("redis", redis_url, None,
           "redis://, rediss:// or unix://, with a host or a path",
           "A Redis (redis://[user:password@]host:port/db, rediss:// with TLS, or"
           " unix:///path): what others put into --redis-stream is taken into the"
           " journal, and channels of the kind redis may write to it (docs/redis.md)."
           " Keep a password in PAYBELL_REDIS or the file.", shown=False),
    Option("redis_stream", redis_key, "payment:events",
           "1 to 200 printable ASCII characters without spaces",
           "The stream of --redis whose entries are notifications of gateways."),
    Option("redis_group", redis_key, "paybell",
           "1 to 200 printable ASCII characters without spaces",
           "The consumer group that reads --redis-stream; made if it is missing."),
    Option("redis_consumer", redis_key, None,
           "1 to 200 printable ASCII characters without spaces",
           "This node's name in --redis-group. Default: this machine's name."),
    Option("redis_trusted", gateway_merchants, "",
           "<gateway>=<merchant>, separated by commas",
           "Gateways whose entries are believed without their signature, and the"
           " merchant for whom: whoever may write to the stream can then say that an"
           " invoice is paid. By default each entry carries what the gateway signed.",
           repeated=True),
    Option("seed_calls_per_minute", whole(1, 1_000_000), "30", "1 to 1000000 calls",
           "How many payments one client address may create, or webhooks without a"
           " secret send, in a minute by the routes of --seed."),
    Option("seed_calls_per_hour", whole(1, 1_000_000), "1000", "1 to 1000000 calls",
           "How many of these all client addresses together may, in an hour, for each"
           " system of --seed."),
    Option("lnurl_per_minute", whole(1, 1_000_000), "30", "1 to 1000000 invoices",
           "How many invoices one client address may ask of Lightning Addresses in a"
           " minute."),
    Option("lnurl_open", whole(1, 1_000_000), "200", "1 to 1000000 invoices",
           "How many unpaid invoices a Lightning Address may have at one time; one"
           " client address a tenth of them."),
    Option("broadcasts_per_minute", whole(1, 10_000), "6", "1 to 10000 messages",
           "How many messages to all clients of /ws (POST /v1/broadcast) may be sent in"
           " a minute."),
    Option("allowed_hosts", hosts, "",
           "host names without port, separated by commas, or *",
           "Further names under which this node is asked (in Host), as of a container."
           " Loopback names, IP addresses and the host of --public-url are allowed"
           " always.", repeated=True),
    Option("allowed_origins", origins, "",
           "origins like https://shop.example, http://localhost:* or"
           " capacitor://localhost, or null, separated by commas, or *",
           "Web sites and apps whose pages may follow payments. On the dev chain pages"
           " of this machine and in files may by themselves.", repeated=True),
    Option("trusted_proxies", networks, "",
           "addresses or networks like 10.0.0.0/8, separated by commas",
           "Proxies whose word about their clients is trusted: see --forwarded-header.",
           repeated=True),
    Option("forwarded_header", one_of(FORWARDED_HEADERS), FORWARDED_HEADERS[0],
           ", ".join(FORWARDED_HEADERS),
           "The header in which trusted proxies name their clients."),
    Option("keep_alive_s", whole(1, 86_400), "130", "1 to 86400 seconds",
           "How long an open connection may be silent between two requests. Longer than"
           " the proxy in front keeps it."),
    Option("allow_private_webhooks", yes_no, "no", "yes or no",
           "Allow webhook channels to reach private and loopback addresses.",
           switch=True),
    Option("allow_webhook_ports", ports, "",
           "ports like 6379, separated by commas, each 1 to 65535",
           "Ports of other services (mail, databases, …) to which webhooks may go all"
           " the same. By default those that browsers refuse, too, are refused.",
           repeated=True),
    Option("smtp", mail_server, None,
           "smtp+starttls://user:password@host:587, smtps://user:password@host:465 or"
           " smtp://localhost:25",
           "The node's mail server, for e-mail channels (docs/mail.md). Keep the"
           " password in PAYBELL_SMTP_PASSWORD, PAYBELL_SMTP or the file: options"
           " are visible in `ps`.", shown=False),
    Option("smtp_password", secret(1), None,
           "1 to 200 printable ASCII characters without spaces",
           "Password of --smtp, if its URL has none.", secret=True),
    Option("mail_from", mail_address, None, "an address like paybell@shop.example",
           "Whom the node's mail is from. Needed with --smtp."),
    Option("mail_templates", text, None, "a folder",
           "Templates of mails in place of those that Paybell brings along"
           " (docs/mail.md)."),
    Option("mails_per_hour", whole(0, 1_000_000), "1000", "0 to 1000000 mails",
           "How many mails one merchant may send in an hour by the node's server (a"
           " quarter of them at once): what others think of that server is everybody's."
           " Each merchant may have its own (limits.mails_per_hour)."),
    Option("refunds_per_payment", whole(0, 100), "20", "0 to 100 refunds",
           "How many refunds one payment may have, those withdrawn among them. Each"
           " merchant may have its own (limits.refunds_per_payment)."),
    Option("refunds_open", whole(0, 100_000), "1000", "0 to 100000 refunds",
           "How many refunds of one merchant may wait to be claimed or paid. Each"
           " merchant may have its own (limits.refunds_open)."),
    Option("refund_claims_per_minute", whole(1, 600), "6", "1 to 600 attempts",
           "How often in a minute an address may be named for one refund by its claim"
           " link."),
    Option("claim_window_s", whole(5, 86_400), str(CLAIM_WINDOW_S),
           "5 to 86400 seconds",
           "After this time a provider's claim is withdrawn if the chain does not"
           " show it."),
    Option("calls_per_s", whole(1, 10_000_000), "12000", "1 to 10000000 calls",
           "How many calls with API keys the node takes in a second, of all merchants"
           " together; one that writes counts as three, a payment in a batch as a half."
           " A merchant alone may use all of it: the default is more than one node can"
           " answer (9,400 that read, or 3,000 that write)."),
    Option("calls_shared_percent", whole(1, 100), "50", "1 to 100 percent",
           "Which part of --calls-per-s is given out while several merchants call: each"
           " has an equal share, and borrows what others leave. The rest stays free, so"
           " that nobody's call waits behind a full queue."),
    Option("calls_burst", whole(1, 1_000_000), "1000", "1 to 1000000 calls",
           "How many calls of one merchant may come at once: a page that loads, a shop"
           " that starts again, or a batch of 1,000."),
    Option("merchant_calls_per_s", whole(1, 1_000_000), None, "1 to 1000000 calls",
           "The most that one merchant may call in a second, also while others rest."
           " Default: no limit but the share. Each merchant may have its own."),
    Option("wrong_keys_per_minute", whole(1, 1_000_000), "30", "1 to 1000000 calls",
           "How many calls without a valid API key are answered 401 to one address (20"
           " at once); more are a 429. Nobody guesses 256 bits: it bounds the noise."),
    Option("webhooks_per_s", whole(1, 1_000_000), "200", "1 to 1000000 calls",
           "How many webhooks one address of a provider may send in a second (five"
           " seconds' worth at once): it calls for all customers from one address."),
    Option("wrong_signatures_per_minute", whole(1, 1_000_000), "30",
           "1 to 1000000 webhooks",
           "How many webhooks with a wrong signature or secret are answered 401 to one"
           " address (20 at once); more are a 429."),
    Option("claims_per_payment", whole(0, 1_000), str(CLAIMS_PER_PAYMENT),
           "0 to 1000 claims",
           "How many claims are taken for one payment in all; each could keep it open."
           " A payer sends one transaction, or replaces it a few times. Each merchant"
           " may have its own (limits.claims)."),
    Option("claims_total_s", whole(0, 31_536_000), None, "0 to 31536000 seconds",
           "How long unproven claims may keep one payment open, in all. Default: 12"
           " times --claim-window-s: a payer whose transaction is that late will not"
           " mind to wait for the chain. Each merchant may have its own."),
    Option("channels_per_merchant", whole(0, 1_000), "20", "0 to 1000 channels",
           "How many webhook channels a merchant may have; those for the events of all"
           " merchants count as one merchant's. Each merchant may have its own"
           " (limits.channels)."),
    Option("channel_tests_per_minute", whole(1, 10_000), "12", "1 to 10000 tests",
           "How often in a minute one merchant may have its channels tested (POST"
           " /v1/channels/<id>/test)."),
    Option("channel_tests_open", whole(1, 1_000), "2", "1 to 1000 tests",
           "How many of these may wait for their endpoints at one time."),
    Option("searches_waiting", whole(0, 10_000), "20", "0 to 10000 searches",
           "How many searches of one merchant's payments may wait for the one that"
           " runs."),
    Option("search_wait_s", whole(1, 60), "5", "1 to 60 seconds",
           "How long each of these waits for its turn."),
    Option("reorders_per_minute", whole(1, 10_000), "10", "1 to 10000 payments",
           "How many new payments one client address may ask for in a minute in the"
           " place of those that are over, on the checkout page."),
    Option("rests_per_minute", whole(1, 10_000), "10", "1 to 10000 invoices",
           "How many Lightning invoices for what is missing of a payment one client"
           " address may ask for in a minute, on the checkout page."),
    Option("identifies_per_s", whole(1, 1_000_000), "5", "1 to 1000000 numbers",
           "How many order numbers or invoices one client address may ask after in a"
           " second without a secret (/ws, /ws/payments/…)."),
    Option("identifies_at_once", whole(1, 1_000_000), "300", "1 to 1000000 numbers",
           "How many of these it may ask after at once: a server that comes back."),
    Option("ws_topics", whole(1, 1_000), "64", "1 to 1000 topics",
           "How many payments, order numbers and invoices one WebSocket may follow at a"
           " time. A page follows one."),
    Option("socketio_subscriptions", whole(1, 1_000), "100", "1 to 1000 invoices",
           "How many invoices one Socket.IO client may follow at a time. A page follows"
           " one, a till that shows all open ones some dozens."),
    Option("socketio_per_merchant", whole(1, 10_000_000), "20000",
           "1 to 10000000 invoices",
           "How many invoices all Socket.IO clients of a merchant may follow together,"
           " and as many all plain WebSockets, 3 KB each: more than the node takes"
           " clients, if each follows one. One visitor has a sixteenth of it."),
    Option("max_merchants", whole(1, 1_000_000), str(MAX_MERCHANTS),
           "1 to 1000000 merchants",
           "How many merchants may have records: all are kept in memory, 1 KB each."),
    Option("max_keys", whole(1, 100_000), str(MAX_KEYS), "1 to 100000 keys",
           "How many API keys may be active: each call's key is compared with all of"
           " them, so that the time tells nothing (0.1 ms for 1,000)."),
    Option("monitor_s", whole(0, 31_536_000), str(MONITOR_S), "0 to 31536000 seconds",
           "How long a payment is watched for late money after its expiry."),
    Option("keep_events_days", whole(0, 36_500), "400", "0 to 36500 days; 0 for ever",
           "How long the events of a payment that is over are kept: a year, and the"
           " month in which its books are closed."),
    Option("keep_deliveries_days", whole(0, 36_500), "30",
           "0 to 36500 days; 0 for ever",
           "For how long what a channel was told can be told it again by time range."),
    Option("keep_attempts_days", whole(5, 36_500), "30", "5 to 36500 days",
           "How long the delivery log is kept. The last retry comes after four days."),
    Option("keep_inbound_days", whole(1, 36_500), "90", "1 to 36500 days",
           "How long webhooks that were heard are known again. After that, one that a"
           " provider repeats is a claim like any other: the chain decides."),
    Option("keep_answers_h", whole(24, 8_760), "24", "24 to 8760 hours",
           "How long an Idempotency-Key gets the first answer again."),
    Option("alert_after_s", whole(0, 86_400), "60", "0 to 86400 seconds",
           "How long an alert stands, or is over, before channels are told."),
    Option("alert_every_s", whole(0, 86_400), "300", "0 to 86400 seconds",
           "Least time between two messages of one kind of alert to one channel; what"
           " comes meanwhile is told together."),
    Option("silent_orders", whole(0, 1_000_000), "10", "0 to 1000000 orders; 0 never",
           "When so many orders that usually come at this hour are missing, and not one"
           " came, that is an alert (orders.silent)."),
    Option("heartbeat_url", heartbeat, None, "a URL like https://hc.example/ping/…",
           "Somebody outside who is called as long as the node works, and raises the"
           " alarm when the calls stay away.", secret=True),
    Option("heartbeat_s", whole(5, 86_400), "60", "5 to 86400 seconds",
           "Time between two such calls."),
    Option("tolerance_sat", whole(0, 1_000_000), "0", "0 to 1000000 sat",
           "Default tolerance for underpayment, in satoshi."),
    Option("tolerance_percent", whole(0, 50), "1", "0 to 50 percent",
           "A tolerance is never more than this share of the amount."),
    Option("wallet_stock", whole(16, 100_000), "2000", "16 to 100000 addresses",
           "How many addresses of a wallet in use are derived ahead at most, 200 bytes"
           " each. When there are none left a new payment waits some ms."),
    Option("wallet_gap", whole(1, 1_000), "20", "1 to 1000 addresses",
           "How many addresses in a row may stay unpaid before that is an alert"
           " (wallet.gap): further ahead most wallets do not look."),
    Option("wallet_reuse", yes_no, "no", "yes or no",
           "When so many are unpaid, give out those again whose payments are over and"
           " never saw money, before new ones.", switch=True),
    Option("wallet_restore_skip", whole(0, 1_000_000), "1000",
           "0 to 1000000 addresses",
           "How many addresses of each wallet are passed over after a restore: at least"
           " as many as were given out since the backup (wallet.skipped)."),
    Option("quorum_above", whole(0, MAX_SAT), None, f"0 to {MAX_SAT} sat",
           "More than this is confirmed only when two independent sources show it."),
    Option("rates", parse_providers, "",
           f"two or more of {', '.join(PROVIDERS)}, each also as <name>=<URL>,"
           " separated by commas; or fixed:EUR=50000 (not on mainnet)",
           "Who is asked what a bitcoin is worth, for prices in other currencies"
           " (docs/rates.md), in this order: at least two, as the median counts."
           " Default: nobody, and no such prices. fixed:EUR=50000 is a rate that never"
           " changes, for tests.", repeated=True),
    Option("rates_every_s", whole(10, 3_600), "60", "10 to 3600 seconds",
           "How often each provider of --rates is asked."),
    Option("rates_fresh_s", whole(20, 86_400), "300", "20 to 86400 seconds",
           "How old a rate may be to set a price: at least twice --rates-every-s."),
    Option("rates_bound_percent", whole(1, 50), "5", "1 to 50 percent",
           "Who is further than this from the others is set aside (rates.disagree)."
           " Providers differ by 0.5 % on a wild day."),
    Option("rates_lone_s", whole(0, 2_592_000), "86400", "0 to 2592000 seconds",
           "How long one provider alone may set prices, held against the last median:"
           " a day to mend it. 0: never."),
    Option("forward_destinations", destinations, "",
           "Bitcoin addresses, separated by commas",
           "Addresses that money may be sent on to (forward_to of a payment or a"
           " merchant). See docs/forwarding.md.", repeated=True),
    Option("forward_anywhere", yes_no, "no", "yes or no",
           "Let payments name any address that money is sent on to.", switch=True),
    Option("forward_per_day_sat", whole(0, MAX_SAT), "100000000",
           f"0 to {MAX_SAT} sat; 0 without limit",
           "The most that is sent on for one merchant in 24 hours."),
    Option("forward_every_s", whole(1, 86_400), "10", "1 to 86400 seconds",
           "How often it is looked for money to send on."),
    Option("forward_confirmations", whole(1, 100), "1", "1 to 100 confirmations",
           "From how many confirmations on money that was sent on has arrived."),
    Option("forward_bump_after_s", whole(60, 31_536_000), "3600",
           "60 to 31536000 seconds", "After this time a higher fee is paid."),
    Option("fee_floor", whole(1, 10_000), "1", "1 to 10000 sat/vB",
           "The lowest fee rate that is paid for what is sent."),
    Option("fee_cap", whole(1, 10_000), "200", "1 to 10000 sat/vB",
           "The highest: more was asked for on few days ever."),
    Option("fee_without_estimate", whole(0, 10_000), "0",
           "0 to 10000 sat/vB; 0 waits", "The fee rate while nobody has an estimate."),
    Option("fee_max_percent", whole(1, 100), "10", "1 to 100 percent",
           "A fee is no larger part of what is sent on; smaller coins are gathered."),
    Option("esplora_per_minute", whole(1, 1_000_000), "200",
           "1 to 1000000 requests",
           "Maximum requests per minute to an Esplora source."),
    Option("poll_by_hand_s", whole(0, 3_600), "10", "0 to 3600 seconds",
           "Least time between looks at one address by hand (POST"
           " /v1/watchers/<address>/poll) at an Esplora source."),
    Option("connections_per_address", whole(1, 1_000_000), "256",
           "1 to 1000000 connections",
           "Maximum open connections per client address."),
    Option("anonymous_per_s", whole(1, 1_000_000), "30", "1 to 1000000 requests",
           "Maximum requests per second and client address without an API key (pages,"
           " health, openings of streams); ten times as many at once."),
    Option("log_level", one_of(LOG_LEVELS), "info", ", ".join(LOG_LEVELS),
           "Log level, on stderr: debug, info, warning or error."),
    Option("log_format", one_of(LOG_FORMATS), "kv", ", ".join(LOG_FORMATS),
           "Form of a line of the log: kv (event key=value) or json (an object)."),
)  # fmt: skip
