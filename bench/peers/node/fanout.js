// Node's ws as one would use it: a webhook in, a message out to who watches.
// The signature is checked; nothing is stored.
'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');
const { createServer } = require('node:http');
const { WebSocketServer } = require('ws');

const SECRET = process.env.BENCH_SECRET;
const watching = new Map(); // address -> Set of sockets
let seq = 1;

const server = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const body = Buffer.concat(pieces);
    const expected = createHmac('sha256', SECRET).update(body).digest();
    const given = Buffer.from(request.headers['x-signature'] ?? '', 'hex');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      response.writeHead(401, { 'Content-Length': 0 }).end();
      return;
    }
    const claim = JSON.parse(body);
    const message = JSON.stringify(event(claim));
    for (const socket of watching.get(claim.address) ?? []) {
      if (socket.readyState === socket.OPEN) socket.send(message);
    }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
});

// The same fields as Paybell's event, and as long.
function event(claim) {
  seq += 1;
  return {
    id: `evt_${seq}`,
    offset: seq,
    payment_id: 'pay_0000000000000000000000',
    seq,
    type: 'payment.detected',
    at: new Date().toISOString(),
    status: 'pending',
    flags: [],
    address: claim.address,
    external_id: 'order-1',
    merchant: 'default',
    amount_sat: 1000,
    received_sat: 0,
    confirmations: 0,
    confirmations_required: 2,
    txid: claim.txid,
    metadata: {},
    data: { verified: false, source: 'webhook', txid: claim.txid, value_sat: claim.value },
  };
}

// The heartbeat of its documentation.
const heartbeat = setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping();
  }
}, 30_000);
server.on('close', () => clearInterval(heartbeat));

const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket, request) => {
  socket.isAlive = true;
  socket.on('pong', () => { socket.isAlive = true; });
  const address = request.url.slice(request.url.lastIndexOf('/') + 1);
  if (!watching.has(address)) watching.set(address, new Set());
  const those = watching.get(address);
  those.add(socket);
  socket.on('close', () => those.delete(socket));
  socket.on('error', () => socket.terminate());
  socket.send('{"type":"state"}');
});

server.listen(0, '127.0.0.1', 1024, () => {
  console.log(`ready on ${server.address().port}`);
});
