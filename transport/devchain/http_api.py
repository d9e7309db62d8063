"""The dev chain over HTTP: /dev/pay, /dev/mine, … and its explorer at /dev/esplora/.

There only while the dev chain is a source; `run.py` merges these routes into the one
server. They want no key: they move coins of a chain that exists in this process only.
Bodies must be `application/json`, which keeps other sites' forms out of a browser's
reach. Errors are problem details (RFC 9457). Runs in the server's request greenlets.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from bottle import Bottle, HTTPResponse, request

from engine.errors import InvalidAddress
from engine.errors.codes import Code
from engine.money.amount import MAX_SAT
from transport.bodies.problem_body import MEDIA_TYPE, FieldError, problem_body
from transport.devchain.chain import (
    MAX_BLOCKS_AT_ONCE,
    MAX_FEE_RATE,
    MAX_REORG,
    DevChain,
    DevChainError,
    UnknownTransaction,
)
from transport.devchain.explorer import explorer_routes
from transport.devchain.feed import MAX_OUTAGE_S
from transport.devchain.http_kit import read_body, respond
from transport.devchain.wallet import AddressKind, InsufficientFunds

__all__ = ["devchain_routes"]

_MAX_BODY: Final = 64 * 1024

_PLACE: Final = re.compile(r"(?P<message>.*) - at `\$\.?(?P<path>[^`]*)`", re.DOTALL)

Txid = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
AmountSat = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAT)]
FeeRate = Annotated[float, msgspec.Meta(ge=1, le=MAX_FEE_RATE)]
AddressText = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a call takes. Unknown keys are refused: they are mostly typing errors."""


T = TypeVar("T", bound=_Body)


class Pay(_Body):
    address: AddressText
    amount_sat: AmountSat
    fee_rate: FeeRate = 1.0


class Mine(_Body):
    blocks: Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOCKS_AT_ONCE)] = 1


class Reorg(_Body):
    depth: Annotated[int, msgspec.Meta(ge=1, le=MAX_REORG)] = 1
    drop: Annotated[list[Txid], msgspec.Meta(max_length=900)] = []
    remine: bool = True


class Replace(_Body):
    txid: Txid
    to: AddressText | None = None
    fee_rate: FeeRate | None = None


class Evict(_Body):
    txid: Txid


class Down(_Body):
    seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_OUTAGE_S)]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503


class NewAddress(_Body):
    kind: AddressKind = "p2wpkh"


def devchain_routes(chain: DevChain) -> Bottle:
    """An app with all of /dev/…, for `Bottle.merge` of the server's app."""
    app = Bottle()
    app.route("/dev", "GET", lambda: respond(200, _state(chain)))
    _post(app, "/dev/pay", Pay, lambda body: _pay(chain, body))
    _post(app, "/dev/mine", Mine, lambda body: _mined(chain, chain.mine(body.blocks)))
    _post(app, "/dev/reorg", Reorg, lambda body: _reorg(chain, body))
    _post(app, "/dev/replace", Replace, lambda body: _replace(chain, body))
    _post(app, "/dev/evict", Evict, lambda body: {"evicted": chain.evict(body.txid)})
    _post(app, "/dev/down", Down, lambda body: _down(chain, body))
    _post(app, "/dev/address", NewAddress, lambda body: _new_address(chain, body))
    app.merge(explorer_routes(chain))
    return app


def _state(chain: DevChain) -> dict[str, Any]:
    tip, outage = chain.contents.tip, chain.outage()
    return {
        "height": tip.height,
        "hash": tip.hash,
        "mempool": len(chain.contents.mempool),
        "down": None
        if outage is None
        else {"status": outage.status, "seconds": round(outage.left_s, 3)},
    }


def _pay(chain: DevChain, body: Pay) -> dict[str, Any]:
    return {"txid": chain.pay(body.address, body.amount_sat, body.fee_rate)}


def _mined(chain: DevChain, blocks: list[str]) -> dict[str, Any]:
    return {"blocks": blocks, "height": chain.contents.tip.height}


def _reorg(chain: DevChain, body: Reorg) -> dict[str, Any]:
    return _mined(chain, chain.reorg(body.depth, body.drop, remine=body.remine))


def _replace(chain: DevChain, body: Replace) -> dict[str, Any]:
    txid = chain.replace(body.txid, body.to, body.fee_rate)
    return {"txid": txid, "replaced": body.txid}


def _down(chain: DevChain, body: Down) -> dict[str, Any]:
    chain.down(body.seconds, body.status)
    return {"seconds": body.seconds, "status": body.status}


def _new_address(chain: DevChain, body: NewAddress) -> dict[str, Any]:
    return {"address": chain.new_address(body.kind)}


def _post(
    app: Bottle, path: str, body_type: type[T], act: Callable[[T], dict[str, Any]]
) -> None:
    """Route a POST: read its body, act, and turn every refusal into a problem."""

    def handle() -> HTTPResponse:
        try:
            return respond(200, act(_read_body(body_type)))
        except _Problem as problem:
            return problem.response()
        except InvalidAddress as error:
            field = "to" if body_type is Replace else "address"
            return _Problem(
                Code.INVALID_REQUEST, "a value is not allowed", f"/{field}", error
            ).response()
        except UnknownTransaction as error:
            return _Problem(Code.TRANSACTION_NOT_FOUND, str(error)).response()
        except InsufficientFunds as error:
            return _Problem(Code.INSUFFICIENT_FUNDS, str(error)).response()
        except DevChainError as error:
            return _Problem(Code.INVALID_REQUEST, str(error)).response()

    app.route(path, "POST", handle)


class _Problem(Exception):
    """A refusal, as problem details say it; with `path`, what is wrong in the body."""

    def __init__(
        self, code: Code, detail: str, path: str | None = None, wrong: object = ""
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = () if path is None else (FieldError(path, str(wrong)),)

    def response(self) -> HTTPResponse:
        base = request.environ.get("SCRIPT_NAME", "")
        body = problem_body(self.code, self.detail, self.errors, base=base)
        return respond(body.status, msgspec.json.encode(body), MEDIA_TYPE)


def _read_body(body_type: type[T]) -> T:
    """The request's JSON as `body_type`; no body at all is an empty object."""
    raw = read_body(_MAX_BODY)
    if raw is None:
        raise _Problem(Code.BODY_TOO_LARGE, f"a body has at most {_MAX_BODY} bytes")
    media_type = request.content_type.partition(";")[0].strip().lower()
    if raw and media_type != "application/json":
        raise _Problem(Code.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    try:
        return msgspec.json.decode(raw or b"{}", type=body_type)
    except msgspec.ValidationError as error:
        message, path = _place(str(error))
        raise _Problem(
            Code.INVALID_REQUEST, "a value is not allowed", path, message
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec lets bad UTF-8 inside a string out as the latter.
        raise _Problem(Code.INVALID_JSON, f"the body is not JSON: {error}") from error


def _place(text: str) -> tuple[str, str]:
    """msgspec's "… - at `$.a[0]`" as a message and a JSON pointer, "/a/0"."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return text, ""
    path = match["path"].replace("[", ".").replace("]", "").strip(".")
    return match["message"], "/" + path.replace(".", "/") if path else ""
