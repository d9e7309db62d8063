"""What one writes with pywsgi and bottle: a payment by its id, for who has the key.

Both as they come, without a limit or a deadline. Started by the benches as a process
of its own.
"""

from gevent import monkey

monkey.patch_all()

import hmac
import os
from typing import Any

import bottle
from gevent.pywsgi import WSGIServer

KEY = os.environ["BENCH_KEY"]
payments: dict[str, dict[str, Any]] = {
    "pay_1": {"id": "pay_1", "seq": 1, "status": "pending", "amount_sat": 1_000}
}
app = bottle.Bottle()


@app.get("/v1/payments/<payment_id>")  # type: ignore[misc]  # the package has no types
def payment(payment_id: str) -> dict[str, Any]:
    given = bottle.request.get_header("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), KEY.encode()):
        raise bottle.HTTPError(401, "This wants a key.")
    found = payments.get(payment_id)
    if found is None:
        raise bottle.HTTPError(404, "There is no such payment.")
    return found


def main() -> None:
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    print(f"ready on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
