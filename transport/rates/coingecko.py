"""CoinGecko: one request for all its currencies; an average of many exchanges.

`GET /api/v3/simple/price`, no key: docs.coingecko.com, "Coin Price by IDs"; the
currencies are those of `/simple/supported_vs_currencies`. Prices are numbers;
`last_updated_at` is Unix time. New numbers come about once a minute.
"""

from collections.abc import Iterable
from typing import Final

from transport.rates.dialect import Dialect, Said, moment, table

__all__ = ["COINGECKO"]

_CURRENCIES: Final = (
    "usd,eur,gbp,aed,ars,aud,bdt,bhd,bmd,brl,cad,chf,clp,cny,czk,dkk,gel,hkd,huf,idr,"
    "ils,inr,jpy,krw,kwd,lkr,mmk,mxn,myr,ngn,nok,nzd,php,pkr,pln,sar,sek,sgd,thb,try,"
    "twd,uah,vnd,zar"
)


def _read(answer: object) -> Iterable[Said]:
    said = table(answer, "bitcoin")
    at_s = moment(said, "last_updated_at")
    return [
        Said(code.upper(), value, at_s)
        for code, value in said.items()
        if code != "last_updated_at"
    ]


COINGECKO = Dialect(
    name="coingecko",
    url="https://api.coingecko.com",
    paths=(
        "/api/v3/simple/price?ids=bitcoin&precision=full"
        f"&include_last_updated_at=true&vs_currencies={_CURRENCIES}",
    ),
    read=_read,
)
