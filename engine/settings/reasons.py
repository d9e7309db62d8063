"""Why each setting has its default, by subject; docs/settings.md is made of it.

A new setting in `engine/settings/table.py` gets a line here; a test compares
(tests/docs/test_reference.py). Nothing reads this while a node runs. Pure data.
"""

__all__ = ["REASONS"]

REASONS: dict[str, dict[str, str]] = {
    "Where it listens, and who is let in": {
        "host": "The API has keys and no TLS: nobody else's machine should reach it.",
        "port": "Above 1024, so that no rights are needed.",
        "public_url": "Nobody but you knows it.",
        "allowed_hosts": "A page that makes a name of its own lead to us (DNS"
        " rebinding) must not find us.",
        "allowed_origins": "A web site that you did not name learns nothing.",
        "trusted_proxies": "Whoever is believed about a client's address can pretend"
        " to be another.",
        "forwarded_header": "nginx and Caddy write it. One of the two: the other one a"
        " proxy passes through as its client wrote it.",
        "keep_alive_s": "A proxy keeps its connections to us for 60 s (nginx, AWS) or"
        " 120 s (Caddy), and has to be the one that closes. Behind Google's balancer,"
        " which keeps them 600 s: 620.",
        "connections_per_address": "A café of payers behind one router; a million"
        " sockets of one client are no payers.",
        "anonymous_per_s": "A café full of payers behind one router asks less.",
    },
    "Database and keys": {
        "db": "Beside where you start it, for trying things.",
        "node_key": "The file <db>.key is made at the first start.",
        "api_key": "Keys made by `keys create` can be revoked one by one.",
        "max_keys": "Each call's key is compared with all of them: 0.1 ms for 1,000.",
    },
    "The chain": {
        "network": "Nothing is lost there while you try.",
        "sources": "On regtest the dev chain; elsewhere an explorer, as it needs no"
        " set-up.",
        "rpc_timeout_s": "A node that is starting, or busy with a block, answers late.",
        "quorum_above": "Most shops have one node, which is theirs.",
        "esplora_per_minute": "Public explorers answer 429, or ban, who asks too"
        " often.",
        "poll_by_hand_s": "A block comes every ten minutes: who asks more often is not"
        " told sooner.",
        "monitor_s": "Money that comes a week late is somebody's all the same.",
        "tolerance_sat": "What is asked for is what is owed.",
        "tolerance_percent": "A tolerance meant for large sums gives nothing away of"
        " small ones.",
        "log_level": "What an operator acts on.",
        "log_format": "People read it first; a collector can be told to want json.",
    },
    "What providers and sites may send": {
        "webhook_btc_secret": "Without a secret anybody could send them.",
        "webhooks_per_s": "A provider calls for all its customers from one address.",
        "wrong_signatures_per_minute": "A provider whose secret was changed has time to"
        " be told so; nobody guesses one.",
        "claim_window_s": "A transaction is with every node within seconds, as a rule.",
        "claims_per_payment": "A payer sends one transaction, or replaces it a few"
        " times; each claim could keep a payment open.",
        "claims_total_s": "A payer whose transaction is that late will not mind to"
        " wait for the chain.",
        "seeds": "These routes take no key, and some no secret.",
        "seed_calls_per_minute": "A payer asks for a payment or two; a backend beside"
        " phoenixd says each invoice.",
        "seed_calls_per_hour": "Each of these payments is watched for a week after its"
        " hour: 168,000 at most.",
        "broadcasts_per_minute": "Each goes to every client.",
        "identifies_per_s": "Numbers of six digits are guessed through in two days at"
        " 5 a second.",
        "identifies_at_once": "A shop's server that comes back has hundreds at once.",
    },
    "Merchants and their limits": {
        "max_merchants": "All are kept in memory, 1 KB each.",
        "calls_per_s": "More than one node can answer (9,400 that read, or 3,000 that"
        " write): a merchant alone may use all of it.",
        "calls_shared_percent": "The rest stays free, so that nobody's call waits"
        " behind a full queue.",
        "calls_burst": "A page that loads, a shop that starts again, or a batch of"
        " 1,000.",
        "merchant_calls_per_s": "A share is enough where all are friends.",
        "wrong_keys_per_minute": "Nobody guesses 256 bits: it bounds the noise.",
        "channels_per_merchant": "Every event writes a row for each channel that wants"
        " it: with 20, a batch of 1,000 payments keeps the one writer for some 0.15"
        " s.",
        "channel_tests_per_minute": "Enough to try out an endpoint by hand, and nothing"
        " to call others with.",
        "channel_tests_open": "Each keeps a request open for as long as the endpoint"
        " takes.",
        "searches_waiting": "A search looks through much (30 ms for a million"
        " payments), and two threads read for all: one merchant's wait for each"
        " other.",
        "search_wait_s": "A person who has waited longer has asked again.",
        "reorders_per_minute": "A payer wants one; each is a payment that is watched"
        " for a week.",
        "rests_per_minute": "A payer wants one; each is a call of the Lightning node.",
        "ws_topics": "A page follows one payment.",
        "socketio_subscriptions": "A page follows one, a till that shows all open ones"
        " some dozens.",
        "socketio_per_merchant": "3 KB each: more than the node takes clients, if each"
        " follows one.",
    },
    "Telling: webhooks, mail, Redis, alerts": {
        "allow_private_webhooks": "Who may name an endpoint could reach what is inside"
        " your network.",
        "allow_webhook_ports": "A mail server or a database is no endpoint.",
        "smtp": "There is no mail server that fits all.",
        "smtp_password": "It is yours.",
        "mail_from": "It is yours.",
        "mail_templates": "Paybell brings its own.",
        "mails_per_hour": "An order is two events, to the shop and to the customer:"
        " 250 orders an hour. What others think of a mail server is everybody's.",
        "redis": "Most shops have none.",
        "redis_stream": "A name that says what is in it.",
        "redis_group": "One node, one group.",
        "redis_consumer": "This machine's name, so that two machines are two.",
        "redis_trusted": "Who may write to a Redis is nobody's proof that a customer"
        " has paid.",
        "alert_after_s": "What comes and goes within a minute needs nobody.",
        "alert_every_s": "Who sleeps needs one message, not a hundred.",
        "silent_orders": "Of orders that come independently of one another, none where"
        " ten are usual is one case in 22,000.",
        "heartbeat_url": "There is no one outside whom all know.",
        "heartbeat_s": "Within minutes somebody knows that the node is dead.",
    },
    "What is kept": {
        "keep_events_days": "A year, and the month in which its books are closed.",
        "keep_deliveries_days": "A month: for so long the log of attempts is kept,"
        " too.",
        "keep_attempts_days": "The last retry comes after four days.",
        "keep_answers_h": "A retry comes within minutes; the API promises a day. A shop"
        " that repeats a week later wants 168.",
        "keep_inbound_days": "After that, one that a provider repeats is a claim like"
        " any other: the chain decides.",
    },
    "Prices": {
        "rates": "A node talks to nobody whom it was not told to talk to.",
        "rates_every_s": "The providers have new numbers about once a minute, and"
        " bounds on calls.",
        "rates_fresh_s": "A bitcoin moves by 0.2 % in five minutes, as a rule; an hour"
        " can be 2 %.",
        "rates_bound_percent": "Providers differ by 0.5 % on a wild day.",
        "rates_lone_s": "A day to mend it.",
    },
    "Wallets": {
        "wallet_passphrase": "Without one the node watches, and moves no money.",
        "wallet_passphrase_file": "Without one the node watches, and moves no money.",
        "wallet_stock": "A day of a busy shop, or its first second after a sale"
        " begins.",
        "wallet_gap": "BIP 44: wallets give up after 20 addresses in a row that were"
        " never paid.",
        "wallet_reuse": "Who pays the old order after all would pay for the new one.",
        "wallet_restore_skip": "Nobody knows what the lost node gave out after the"
        " backup. To give that out again mixes two orders up; to pass it over is"
        " mended by the wallet's gap limit.",
    },
    "Money that goes out": {
        "forward_destinations": "No address is known that money may go to.",
        "forward_anywhere": "Who has a key that creates payments could send money"
        " anywhere.",
        "forward_per_day_sat": "A day's turnover of most shops; what is stolen by a"
        " fault is at most this.",
        "forward_every_s": "A block takes ten minutes; nobody waits for this.",
        "forward_confirmations": "It is our own transaction: nobody replaces it but"
        " we.",
        "forward_bump_after_s": "Six blocks without it: the fee was too low.",
        "fee_floor": "Most nodes relay nothing below it.",
        "fee_cap": "More was asked for on few days ever.",
        "fee_without_estimate": "It waits rather than guesses.",
        "fee_max_percent": "Smaller coins are gathered until it is worth it.",
        "refunds_per_payment": "Parts of a payment, and mistakes withdrawn; its"
        " refunds are read at each call.",
        "refunds_open": "An open one is looked for in each block, as a payment is.",
        "refund_claims_per_minute": "A payer who mistypes an address tries it again;"
        " nobody has to try often.",
    },
    "Lightning Addresses": {
        "lnurl_per_minute": "A wallet asks once for each payment; a café full of"
        " payers has one address.",
        "lnurl_open": "An invoice that nobody pays is looked after for ten minutes:"
        " 1,200 an hour.",
    },
}
