"""A client of the dev chain's HTTP, with a clock that tests set."""

from typing import Any

import requests

from transport.devchain.chain import DevChain

__all__ = [
    "ADDRESS",
    "Client",
    "Clock",
    "UNKNOWN",
]

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
UNKNOWN = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Client:
    """One keep-alive connection to a dev chain behind a real server."""

    def __init__(self, port: int, chain: DevChain, clock: Clock) -> None:
        self.port, self.chain, self.clock = port, chain, clock
        self._url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self._session.get(f"{self._url}/dev/esplora{path}", timeout=60)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/plain"
        return answer.text

    def post(self, path: str, body: object = None, **more: Any) -> requests.Response:
        if body is not None:
            more["json"] = body
        return self._session.post(self._url + path, timeout=60, **more)

    def act(self, path: str, **body: object) -> Any:
        answer = self.post(f"/dev/{path}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self._session.close()
