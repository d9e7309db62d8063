"""The calls of a tenant, on a node that takes none of them."""

from io import BytesIO
from typing import Any

import pytest
import requests

from tests.tenants.calls import CALLS, Caller


class _Session:
    """Every request is answered with the same."""

    def __init__(self, status: int) -> None:
        self.cookies: dict[str, str] = {}
        self._status = status

    def _answer(self, *_: object, **_options: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code = self._status
        answer.raw = BytesIO(b'{"status": %d, "code": "refused"}' % self._status)
        return answer

    get = post = request = _answer


class _Refusing:
    """As much of a node as `Caller` uses."""

    url = "http://node"

    def __init__(self, status: int) -> None:
        self.session = _Session(status)
        self.call = self.session.request

    def create(self, **_fields: object) -> dict[str, str]:
        return {"id": "pay_1", "address": "bcrt1q", "client_secret": "cs"}

    def add_till_key(self, _merchant: str) -> str:
        return "pbk_till"


@pytest.mark.parametrize("status", [429, 503])
def test_a_refused_call_is_an_answer_like_any_other(status: int) -> None:
    """Its loop goes on with the next one."""
    node: Any = _Refusing(status)
    caller = Caller(node, "pbk_x")
    for name, calls in CALLS.items():
        assert {call(caller).status_code for call in calls} == {status}, name
