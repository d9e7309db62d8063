"""URLs of a Redis: what is taken, and that no password is ever shown."""

import pytest

from engine.streams.redis_url import RedisUrl, parse_redis_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://cache", RedisUrl(host="cache")),
        ("redis://127.0.0.1:7000/3", RedisUrl(host="127.0.0.1", port=7000, db=3)),
        ("redis://[::1]:7000/", RedisUrl(host="::1", port=7000)),
        (
            "rediss://ann:p%40ss%23@r.example",
            RedisUrl(host="r.example", is_tls=True, username="ann", password="p@ss#"),
        ),
        ("redis://:geheim@h", RedisUrl(host="h", password="geheim")),
        ("unix:///run/redis.sock", RedisUrl(path="/run/redis.sock")),
        ("unix:///r.sock?db=2", RedisUrl(path="/r.sock", db=2)),
    ],
)
def test_what_clients_of_redis_take_is_taken(text: str, url: RedisUrl) -> None:
    assert parse_redis_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "http://geheim@host",
        "redis://",
        "redis:///1",
        "redis://:geheim@host/one",
        "redis://:geheim@host:99999",
        "redis://:gehe#im@host",
        "redis://:geheim@host/1?timeout=5",
        "unix://host/r.sock?password=geheim",
        "unix://",
        "redis://:geheim@host\n/1",
        "redis://" + "h" * 3_000,
    ],
)
def test_what_is_no_such_url_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_redis_url(text)
    assert "geheim" not in str(caught.value)


def test_no_password_is_shown() -> None:
    url = parse_redis_url("rediss://ann:geheim@r.example:7000/2")
    assert url.shown == "rediss://r.example:7000/2"
    assert "geheim" not in repr(url)
