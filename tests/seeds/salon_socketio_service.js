// The service of the salon's front end (webSocketPaymentService), written from its
// document alone, on the client that it names: Socket.IO. It calls `io(wsUrl, {auth:
// {token}})` with the document's URL, asks for no acknowledgement, and drops a callback
// after its first event. What the document leaves open is the client's own default.
//
//     node salon_socketio_service.js <package.json> <wsUrl> <authToken> <invoiceId, or "">
//         [<transports, with commas>]
//
// Without an invoice it is a page that shows cards and nothing else: it ends with the
// first token event. Each thing that it hears is a line of JSON.

const { createRequire } = require('node:module');

const [packages, wsUrl, authToken, invoiceId, transports] = process.argv.slice(2);
const { io } = createRequire(packages)('socket.io-client');
const localStorage = new Map([['authToken', authToken]]);

class WebSocketPaymentService {
  socket = null;
  paymentCallbacks = new Map();
  tokenCallbacks = new Set();

  get connected() {
    return this.socket?.connected ?? false;
  }

  connect() {
    return new Promise((resolve, reject) => {
      const token = localStorage.get('authToken');
      const others = transports ? { transports: transports.split(',') } : {};
      this.socket = io(wsUrl, { auth: { token }, ...others });
      this.socket.on('connect', () => {
        for (const id of this.paymentCallbacks.keys()) this.ask(id); // after a reconnect
        resolve();
      });
      this.socket.on('connect_error', reject);
      this.socket.on('payment:status-update', (event) => this.handle(event));
      this.socket.on('payment:completed', (event) => this.handle(event));
      this.socket.on('payment:token-saved', (event) => {
        for (const callback of this.tokenCallbacks) callback(event);
      });
    });
  }

  ask(id) {
    this.socket.emit('subscribe:payment-events', { invoiceId: id });
  }

  handle(event) {
    const callback = this.paymentCallbacks.get(event.invoiceId);
    this.paymentCallbacks.delete(event.invoiceId);
    callback?.(event);
  }

  subscribeToPayment(id, callback) {
    this.paymentCallbacks.set(id, callback);
    if (this.connected) this.ask(id);
  }

  subscribeToTokenEvents(callback) {
    this.tokenCallbacks.add(callback);
  }

  disconnect() {
    for (const id of this.paymentCallbacks.keys()) {
      this.socket.emit('unsubscribe:payment-events', { invoiceId: id });
    }
    this.paymentCallbacks.clear();
    this.tokenCallbacks.clear();
    this.socket.disconnect();
  }
}

const say = (what) => console.log(JSON.stringify(what));

async function main() {
  const service = new WebSocketPaymentService();
  await service.connect();
  service.subscribeToTokenEvents((token) => {
    say({ token });
    if (!invoiceId) service.disconnect();
  });
  if (invoiceId) {
    service.subscribeToPayment(invoiceId, (status) => {
      say({ status });
      service.disconnect();
      say({ connected: service.connected });
    });
  }
  // The tests', not the service's: all that was said before has been understood then.
  const transport = service.socket.io.engine.transport.name;
  service.socket.emit('unsubscribe:payment-events', { invoiceId: 'none' }, () => {
    say({ connected: service.connected, transport });
  });
}

main().catch((error) => {
  say({ refused: error.message });
  process.exit(1);
});
