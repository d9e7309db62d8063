"""What the doctor finds out about the Redis of `--redis`: does it answer, may we."""

from collections.abc import Iterator

from engine.config import Config
from transport.cli.source_checks import Check
from transport.outbound.exchange import DeliveryError
from transport.outbound.lookups import Lookups
from transport.outbound.redis_link import RedisLink
from transport.outbound.redis_words import said

__all__ = ["check_redis"]

TIMEOUT_S = 10.0


def check_redis(config: Config) -> Iterator[Check]:
    """Nothing if there is none. It is asked, and nothing in it is changed."""
    if config.redis is None:
        return
    place = f"redis {config.redis.shown}"
    link = RedisLink(config.redis, Lookups(), allow_private=True, name="paybell-doctor")
    stream = config.redis_stream
    asked = [("PING",), ("XLEN", stream), ("CONFIG", "GET", "maxmemory-policy")]
    try:
        ping, length, policy = link.ask(asked, TIMEOUT_S)
    except DeliveryError as error:
        yield False, f"{place}: {error.detail}; check --redis, and whether it runs"
        return
    finally:
        link.close()
    for answer in (ping, length):
        if isinstance(answer, Exception):
            yield False, f"{place}: it answered {said(answer)} (stream {stream})"
            return
    yield True, f"{place}: it answers; {length} entries in {stream}"
    if isinstance(policy, list) and policy[1:] and b"allkeys" in policy[1]:
        text = "its maxmemory-policy may take whole streams away; set noeviction"
        yield False, f"{place}: {text}"
