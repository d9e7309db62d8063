"""What a node says of itself, `getblockchaininfo` and `getmempoolinfo`, as a status.

Core 0.21 to 30 and bcoin 1.0.2 tell different fields of these; one that is not there is
not known, and one that cannot be makes the answer no answer.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.chain.feed import SourceStatus, Tip
from transport.chain.block_hashes import is_hash

__all__ = ["ChainInfo", "MempoolInfo", "impossible", "source_status"]

_MAX_HEIGHT = 2**31 - 1


class ChainInfo(msgspec.Struct):
    blocks: int
    bestblockhash: str
    chain: str | None = None
    headers: int | None = None  # -1 while it has none
    time: int | None = None  # of the tip, since Core 23
    mediantime: int | None = None  # about an hour before
    initialblockdownload: bool = False
    chainwork: str | None = None
    pruneheight: int | None = None  # only if it prunes, and bcoin does not tell


class MempoolInfo(msgspec.Struct):
    loaded: bool = True  # since Core 0.19; bcoin has none
    size: Annotated[int, Meta(ge=0)] | None = None  # transactions


def impossible(info: ChainInfo) -> str | None:
    """What of it cannot be, for the error; None: it may be true."""
    time_s = _time_s(info)
    heights = (info.blocks, info.headers or 0, info.pruneheight or 0)
    if info.blocks < 0 or max(heights) > _MAX_HEIGHT or min(heights) < -1:
        return "a height that cannot be"
    if (info.pruneheight or 0) > info.blocks + 1:
        return "a tip below the blocks that it has"
    if not is_hash(info.bestblockhash):
        return "a hash that is not 64 hex digits"
    if time_s is not None and not 0 <= time_s < 2**32:
        return "a time that cannot be"
    if info.chainwork is not None and not is_hash(info.chainwork):
        return "a chainwork that cannot be"
    return None


def source_status(info: ChainInfo, mempool: MempoolInfo) -> SourceStatus:
    assert impossible(info) is None
    headers = info.headers
    return SourceStatus(
        tip=Tip(info.blocks, info.bestblockhash),
        tip_time_s=_time_s(info),
        headers=None if headers is None or headers < 0 else headers,
        initial_download=info.initialblockdownload,
        mempool_loaded=mempool.loaded,
        mempool_size=mempool.size,
        chainwork=None if info.chainwork is None else int(info.chainwork, 16),
    )


def _time_s(info: ChainInfo) -> int | None:
    return info.mediantime if info.time is None else info.time
