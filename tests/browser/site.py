"""A shop's own web site for tests: another origin than the node's, with the client's
files as npm packs them, and React from node_modules as modules.

React comes as CommonJS for bundlers; `/react.mjs` is its development build behind a
`require` of a few lines, which is all that a bundler would do with it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from gevent.pywsgi import WSGIServer

from transport.pages.assets import CLIENT, TYPES

__all__ = ["Site"]

MODULES = Path(__file__).parents[1] / "node" / "node_modules"
PARTS = {
    "scheduler": "scheduler/cjs/scheduler.development.js",
    "react": "react/cjs/react.development.js",
    "react-dom": "react-dom/cjs/react-dom.development.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.development.js",
}
HTML = """<!doctype html><meta charset=utf-8><title>shop</title>
<link rel=icon href=data:,>
<script type=importmap>{"imports": {"react": "/react.mjs"}}</script>
<script src="/paybell.js"></script><main id=root></main>"""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Site:
    """Started by making it; `close()` it."""

    def __init__(self, html: str = HTML) -> None:
        self.html = html
        self.server = WSGIServer(("127.0.0.1", 0), self._answer, log=None)
        self.server.start()
        self.origin = f"http://localhost:{self.server.server_port}"

    def close(self) -> None:
        self.server.stop(timeout=1)

    def _answer(
        self, environ: dict[str, str], start_response: StartResponse
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"].removeprefix("/")
        kind = TYPES.get(Path(path).suffix, "text/html; charset=utf-8")
        if path == "react.mjs":
            body = react()
        elif path == "":
            body = self.html
        elif path in {file.name for file in CLIENT.iterdir()}:
            body = (CLIENT / path).read_text(encoding="utf-8")
        else:
            start_response("404 Not Found", [])
            return [b""]
        start_response("200 OK", [("Content-Type", kind)])
        return [body.encode()]


def react() -> str:
    """React, React DOM and what they require, as one module."""
    parts = "".join(
        f'"{name}": (module, exports, require) => {{'
        f"{(MODULES / file).read_text(encoding='utf-8')}\n}},"
        for name, file in PARTS.items()
    )
    return (
        'const process = {env: {NODE_ENV: "development"}};'
        f"const parts = {{{parts}}}, made = {{}};"
        "const require = name => {"
        " if (!(name in made)) {"
        "  const module = {exports: {}}; made[name] = module;"
        "  parts[name](module, module.exports, require); }"
        " return made[name].exports; };"
        'export const {createRoot} = require("react-dom/client");'
        "export const {createElement, StrictMode, useEffect, useRef, useState} ="
        ' require("react");'
    )
