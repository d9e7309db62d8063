"""A folder of modules below transport/web/: served whole, under a name with its hash.

ES modules name each other by relative paths, so that a hash in each file's name would
have to be written into the files. Here it stands in the folder's name, and is of all
that is in it: no file of one version is ever seen beside one of another, and each is
kept by browsers for ever. Read when the routes are made.
"""

import base64
import hashlib
from pathlib import Path

import bottle
from bottle import HTTPResponse

from engine.errors.codes import Code
from transport.http.problems import Problem
from transport.pages.answers import guarded
from transport.pages.assets import TYPES, Asset
from transport.pages.squeezed import file_answer

__all__ = ["AssetFolder"]


class AssetFolder:
    """The files of one folder that are for browsers."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError for a folder that holds nothing for browsers."""
        paths = sorted(p for p in folder.iterdir() if p.suffix in TYPES)
        if not paths:
            raise ValueError(f"{folder} holds no file for browsers")
        bodies = {path: path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for path, body in bodies.items():
            digest.update(f"{path.name} {len(body)}\n".encode())
            digest.update(body)
        tag = base64.b32encode(digest.digest())[:12].decode().lower()
        #: What stands in place of the folder's name, below /web/.
        self.name = f"{folder.name}.{tag}"
        self._by_name = {
            path.name: Asset(path.name, body, TYPES[path.suffix], tag)
            for path, body in bodies.items()
        }

    def from_top(self, name: str) -> str:
        """The way to a file from a page like `/docs`. KeyError: there is none."""
        return f"web/{self.name}/{self._by_name[name].name}"

    def names(self, ending: str) -> list[str]:
        """Of the files that end so, in order."""
        return [name for name in self._by_name if name.endswith(ending)]

    def find(self, folder: str, name: str) -> Asset | None:
        """The file behind `/web/<folder>/<name>`."""
        return self._by_name.get(name) if folder == self.name else None

    def routes(self, app: bottle.Bottle) -> None:
        """Add its files. Needs no key."""
        app.get(f"/web/{self.name}/<name>", callback=self._file)

    def _file(self, name: str) -> HTTPResponse:
        asset = self.find(self.name, name)
        if asset is None:
            raise Problem(Code.NOT_FOUND, "There is no such file.")
        headers = guarded(asset.type, "public, max-age=31536000, immutable")
        headers["ETag"] = f'"{asset.tag}"'
        return file_answer(asset.body, headers)
