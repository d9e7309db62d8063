"""The files of transport/web/: read once, served with their hash in their address.
Those of `client/`, which is also packed for npm as it stands, and those of `vendor/`,
which others wrote, are served beside them.

Read when the routes are made; nothing on the disk is touched for a request. The hash
lets a browser keep a file for ever; under its plain name (`/web/paybell.js`, for shops
that use it) it is kept for a short time and asked after by ETag.
"""

import base64
import hashlib
from pathlib import Path

import msgspec

__all__ = ["CLIENT", "FOLDER", "TYPES", "Asset", "Assets"]

FOLDER = Path(__file__).parent.parent / "web"
CLIENT = FOLDER / "client"
VENDOR = FOLDER / "vendor"

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


class Asset(msgspec.Struct, frozen=True):
    """One file; `tag` is the beginning of its SHA-256."""

    name: str
    body: bytes
    type: str
    tag: str

    @property
    def url(self) -> str:
        """The address under which it never changes."""
        stem, _, ending = self.name.rpartition(".")
        return f"/web/{stem}.{self.tag}.{ending}"


class Assets:
    """All files of some folders that are for browsers, by both of their names."""

    def __init__(self, *folders: Path) -> None:
        """Without folders: those of the node."""
        self.by_name: dict[str, Asset] = {}
        self._by_path: dict[str, tuple[Asset, bool]] = {}
        for folder in folders or (FOLDER, CLIENT, VENDOR):
            for path in sorted(folder.iterdir()):
                if path.suffix in TYPES:
                    self._add(path)

    def _add(self, path: Path) -> None:
        body = path.read_bytes()
        digest = hashlib.sha256(body).digest()
        tag = base64.b32encode(digest)[:12].decode().lower()
        asset = Asset(path.name, body, TYPES[path.suffix], tag)
        self.by_name[path.name] = asset
        self._by_path[path.name] = asset, False
        self._by_path[asset.url.removeprefix("/web/")] = asset, True

    def from_top(self, name: str) -> str:
        """For templates of pages like /docs: the way to a file as seen from there, so
        that it holds below any path of a proxy. KeyError for one that is not there."""
        return self.by_name[name].url.removeprefix("/")

    def from_below(self, name: str) -> str:
        """The same for pages like /pay/<id>, one step further down."""
        return f"../{self.from_top(name)}"

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The file behind `/web/<path>`, and whether that address never changes."""
        return self._by_path.get(path)
