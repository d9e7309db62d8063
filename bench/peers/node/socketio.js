// npm's socket.io as one would use it: clients subscribe to an invoice's room; a webhook
// in, a message out to the room. The signature is checked; nothing is stored.
'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');
const { createServer } = require('node:http');
const { Server } = require('socket.io');

const SECRET = process.env.BENCH_SECRET;
let seq = 1;

const server = createServer((request, response) => {
  if (request.url !== '/webhook/btc') return; // socket.io's own
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
    payments.to('invoice-1').emit('payment:status-update', update(JSON.parse(body)));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
});

// The same fields as Paybell's message, and as long.
function update(claim) {
  seq += 1;
  return {
    invoiceId: 'invoice-1',
    status: 'PENDING',
    timestamp: Date.now(),
    data: {
      seq,
      type: 'payment.detected',
      at: new Date().toISOString(),
      status: 'pending',
      flags: [],
      address: claim.address,
      amount_sat: 1000,
      received_sat: 0,
      confirmations: 0,
      confirmations_required: 3,
      txid: claim.txid,
      data: { verified: false },
      since: `01234567-${seq}`,
    },
  };
}

const io = new Server(server);
const payments = io.of('/payments/salon/s1');
payments.on('connection', (socket) => {
  socket.on('subscribe:payment-events', ({ invoiceId }, answer) => {
    socket.join(invoiceId);
    if (answer) answer({ invoiceId, state: null });
  });
});

server.listen(0, '127.0.0.1', 1024, () => {
  console.log(`ready on ${server.address().port}`);
});
