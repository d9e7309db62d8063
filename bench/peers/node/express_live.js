// What one writes with Express and ws: a webhook in, a message out to who watches.
//
// The signature is checked over the raw body, the payment is kept in a Map, nothing is
// stored on a disk: what was heard before a crash is lost. GET /v1/payments/:id reads a
// payment back for who has the key. Started by the benches as a process of its own.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");
const express = require("express");
const { WebSocketServer } = require("ws");

const SECRET = process.env.BENCH_SECRET;
const KEY = process.env.BENCH_KEY;
const ADDRESS = /^\/ws\/balance\/([0-9A-Za-z]{1,128})$/;

const payments = new Map(); // by address
const watching = new Map(); // address -> set of sockets

const app = express();
app.disable("x-powered-by");

app.post("/webhook/btc", express.raw({ type: () => true, limit: "16kb" }), (req, res) => {
  const expected = crypto.createHmac("sha256", SECRET).update(req.body).digest();
  const given = Buffer.from(req.get("x-signature") || "", "hex");
  if (given.length !== expected.length || !crypto.timingSafeEqual(given, expected)) {
    res.status(401).json({ detail: "X-Signature is not the HMAC of this body." });
    return;
  }
  const claim = JSON.parse(req.body.toString("utf8"));
  const payment = payments.get(claim.address) || { id: claim.address, seq: 0 };
  payment.seq += 1;
  payment.claim = claim;
  payments.set(claim.address, payment);
  const message = JSON.stringify({ type: "payment.detected", seq: payment.seq, data: claim });
  for (const socket of watching.get(claim.address) || []) {
    socket.send(message);
  }
  res.json({ status: "accepted" });
});

app.get("/v1/payments/:id", (req, res) => {
  const given = Buffer.from((req.get("authorization") || "").replace(/^Bearer /, ""));
  const wanted = Buffer.from(KEY);
  if (given.length !== wanted.length || !crypto.timingSafeEqual(given, wanted)) {
    res.status(401).json({ detail: "This wants a key." });
    return;
  }
  const payment = payments.get(req.params.id);
  if (payment === undefined) {
    res.status(404).json({ detail: "There is no such payment." });
    return;
  }
  res.json(payment);
});

const server = http.createServer(app);
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

server.on("upgrade", (req, socket, head) => {
  const found = ADDRESS.exec(req.url);
  if (found === null) {
    socket.destroy();
    return;
  }
  sockets.handleUpgrade(req, socket, head, (client) => {
    const address = found[1];
    if (!watching.has(address)) {
      watching.set(address, new Set());
    }
    watching.get(address).add(client);
    client.on("close", () => watching.get(address).delete(client));
    client.send('{"type":"state"}');
  });
});

server.listen(0, "127.0.0.1", 1024, () => console.log(`ready on ${server.address().port}`));
