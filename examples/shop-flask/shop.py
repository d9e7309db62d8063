"""A shop that sells one mug for bitcoin: its page, its orders, its webhook.

Two rules make it safe, whatever comes twice, late, or in the wrong order:

1. A webhook counts if it is signed, and once (`webhook_id`).
2. Nothing is done because an event says "confirmed". The event goes into the payment's
   state, where an older one never undoes a newer one; then the order is compared with
   the state (`settle`). Shipping is one column, set in the same transaction.
"""

import os
import secrets
import sqlite3
from contextlib import closing
from urllib.parse import urljoin

from flask import Flask, abort, redirect, render_template_string, request

from paybell_client import Client, PaymentState, WebhookRefused, verify_webhook

PAYBELL = os.environ.get("PAYBELL_URL", "http://127.0.0.1:8080")
KEY = os.environ["PAYBELL_KEY"]
SECRET = os.environ.get("WEBHOOK_SECRET", "").split()  # two while it is rotated
DATABASE = os.environ.get("SHOP_DB", "shop.db")
PRICE_SAT = 50_000

app = Flask(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, todo TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS payments (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS webhooks (id TEXT PRIMARY KEY);
"""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mugs</title>
{% if order %}<h1>Order {{ order["id"] }}</h1><p>{{ order["todo"] }}</p>
{% else %}<h1>A mug</h1><form method="post" action="/orders"><button>Buy it for
{{ price }} sat</button></form>{% endif %}"""


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(DATABASE, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)
    return connection


@app.get("/")
def front():
    return render_template_string(PAGE, price=PRICE_SAT)


@app.post("/orders")
def buy():
    """The order is there before its payment is asked for. Its id is the key of the
    call: to ask again, after whatever went wrong, makes no second payment."""
    order_id = secrets.token_urlsafe(12)
    with closing(database()) as db:
        db.execute("INSERT INTO orders VALUES (?, 'waits for money')", (order_id,))
    with Client(PAYBELL, KEY) as paybell:
        payment = paybell.create(
            amount_sat=PRICE_SAT,
            external_id=order_id,
            confirmations=1,
            idempotency_key=order_id,
        )
    return redirect(urljoin(PAYBELL, payment["checkout_url"]), 303)


@app.get("/orders/<order_id>")
def show(order_id):
    with closing(database()) as db:
        found = db.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    return render_template_string(PAGE, order=found) if found else abort(404)


@app.post("/paybell")
def webhook():
    """Paybell tells. 2xx means: it is on our disk. Anything else: it comes again."""
    try:
        told = verify_webhook(request.get_data(), request.headers, SECRET)
    except WebhookRefused:
        abort(401)
    if not told.type.startswith("payment."):
        return "", 204
    with closing(database()) as db:
        db.execute("BEGIN IMMEDIATE")  # one webhook at a time; all of it, or nothing
        known = db.execute("SELECT 1 FROM webhooks WHERE id = ?", (told.id,)).fetchone()
        if known is None:
            db.execute("INSERT INTO webhooks VALUES (?)", (told.id,))
            settle(db, told.event)
        db.execute("COMMIT")
    return "", 204


def settle(db, event):
    """What is to be done with the order, now that this event is known."""
    wanted = (event["external_id"],)
    order = db.execute("SELECT * FROM orders WHERE id = ?", wanted).fetchone()
    if order is None:
        return  # of something else that this node sells
    rows = db.execute("SELECT * FROM payments WHERE order_id = ?", wanted)
    states = {row["id"]: PaymentState.load(row["state"]) for row in rows}
    state = states.setdefault(event["payment_id"], PaymentState())
    if not state.apply(event):
        return  # older than what we know
    row = (state.payment_id, order["id"], state.dump())
    db.execute("INSERT OR REPLACE INTO payments VALUES (?, ?, ?)", row)
    todo = decide(order["todo"], states.values())
    db.execute("UPDATE orders SET todo = ? WHERE id = ?", (todo, order["id"]))


def decide(before, states):
    """An order may have several payments: one that ran out, and the next."""
    if any(state.may_ship for state in states):
        if before.startswith("stop") or "has not left" in before:
            return "ship it, if it has not left: the money is back"
        is_twice = sum(state.is_paid for state in states) > 1
        return "ship it; it was paid twice: give one back" if is_twice else "ship it"
    if before.startswith(("ship", "stop")):
        return "stop: the money was taken back; call the customer"
    if any(state.is_paid or state.is_late for state in states):
        return "decide: the money came late"
    if all(state.status in {"expired", "cancelled", "failed"} for state in states):
        if any(state.received_sat for state in states):
            return "decide: too little came; ask for the rest, or give it back"
        return "over: not paid"
    return "waits for money"


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "5000")))
