// The service of the salon's front end, written from its document alone
// (webSocketPaymentService), over a plain WebSocket of the browser's kind. It sends no
// token, asks for no answer and drops a callback after its first event, as there.
//
//     node salon_service.js <package.json> <base of ws URLs> <salonId> <invoiceId>

const { createRequire } = require("node:module");

const [packages, base, salonId, invoiceId] = process.argv.slice(2);
const WebSocket = createRequire(packages)("ws");

class WebSocketPaymentService {
  constructor(url) {
    this.url = url;
    this.callbacks = new Map();
    this.tokenCallbacks = [];
    this.attempts = 0;
    this.wanted = true;
  }

  get connected() {
    return this.socket !== undefined && this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    return new Promise((resolve) => {
      this.socket = new WebSocket(this.url);
      this.socket.onopen = () => {
        this.attempts = 0;
        for (const id of this.callbacks.keys()) this.subscribe(id);
        resolve();
      };
      this.socket.onmessage = (message) => this.handle(JSON.parse(message.data));
      this.socket.onerror = () => {};
      this.socket.onclose = () => {
        if (this.wanted && this.attempts++ < 5) {
          setTimeout(() => this.connect().then(resolve), 100 * 2 ** this.attempts);
        }
      };
    });
  }

  handle(event) {
    if (event.type === "payment:token-saved") {
      for (const callback of this.tokenCallbacks) callback(event);
    } else if (event.type.startsWith("payment:")) {
      const callback = this.callbacks.get(event.invoiceId);
      this.callbacks.delete(event.invoiceId);
      if (callback) callback(event);
    }
  }

  subscribe(id) {
    const message = { type: "subscribe:payment-events", invoiceId: id };
    this.socket.send(JSON.stringify(message));
  }

  subscribeToPayment(id, callback) {
    this.callbacks.set(id, callback);
    if (this.connected) this.subscribe(id);
  }

  subscribeToTokenEvents(callback) {
    this.tokenCallbacks.push(callback);
  }

  disconnect() {
    this.wanted = false;
    this.socket.close();
  }
}

async function main() {
  const service = new WebSocketPaymentService(`${base}/ws/payments/salon/${salonId}`);
  await service.connect();
  service.subscribeToTokenEvents((event) => console.log(JSON.stringify({ token: event })));
  service.subscribeToPayment(invoiceId, (status) => {
    console.log(JSON.stringify(status));
    service.disconnect();
  });
  console.log("subscribed");
}

main();
