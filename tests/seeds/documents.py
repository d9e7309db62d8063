"""The documents' own snippets, word for word, and what is changed in them.

What they leave open is filled in by the tests: their host and port become the node's,
`bc1q...` and `test_address` an address.

One of them does not run anywhere as it stands. S3's page sends its `identify` in the
line after the one that makes the socket, under the comment "On open": each browser
throws there (InvalidStateError: it is still connecting), before anything came to a
server. `PHOENIXD_JS` does what the comment says, and is not changed otherwise.
`wscat` itself is not installed here: `WSCAT` is the same few lines over npm's `ws`.
"""

__all__ = [
    "PAYBUTTON_CURL",
    "PAYBUTTON_JS",
    "PHOENIXD_CONNECT",
    "PHOENIXD_CURL",
    "PHOENIXD_CURL_SHORT",
    "PHOENIXD_HEALTH",
    "PHOENIXD_JS",
    "WSCAT",
]

PAYBUTTON_JS = """
// Website connects to PayButton service
const ws = new WebSocket('ws://your-service/ws/balance/bc1q...');
ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  if (data.status === 'confirmed') {
    showSuccessMessage(); // Instant success notification
  }
};
"""

PAYBUTTON_CURL = """
curl -X POST http://localhost:8080/webhook/btc \\
  -H "Content-Type: application/json" \\
  -d '{"address":"test_address","amount":0.001}'
"""

PHOENIXD_CONNECT = """
// Frontend connects to WebSocket
ws = new WebSocket('ws://localhost:4000/ws');

// On open, identify with externalId
ws.send(JSON.stringify({
  type: 'identify',
  externalId: 'payment-1729684496123-x7k2mq9'
}));

// Backend stores: Map.set('payment-1729684496123-x7k2mq9', ws)
"""
"""Its step 3, word for word."""

PHOENIXD_ON_MESSAGE = """
ws.onmessage = (event) => {
  const data = JSON.parse(event.data);

  if (data.type === 'payment' && data.status === 'paid') {
    onPaymentReceived(); // Show success UI
  }
};
"""
"""Its step 7, word for word."""

_ON_OPEN = PHOENIXD_CONNECT.replace("ws.send(", "ws.onopen = () => ws.send(")

PHOENIXD_JS = _ON_OPEN + PHOENIXD_ON_MESSAGE
"""Both, with the one change that the module's docstring tells of."""

PHOENIXD_CURL = """
curl -X POST http://localhost:4000/api/webhook \\
  -H "Content-Type: application/json" \\
  -d '{
    "externalId": "test-payment-123",
    "paymentHash": "abc123",
    "amountSat": 50000
  }'
"""

PHOENIXD_CURL_SHORT = """
curl -X POST http://localhost:4000/api/webhook \\
  -H "Content-Type: application/json" \\
  -d '{"externalId":"test","paymentHash":"abc"}'
"""

PHOENIXD_HEALTH = "curl http://localhost:4000/health"

WSCAT = """
const WebSocket = require("ws");
const socket = new WebSocket(process.argv[1]);
socket.on("message", (data) => console.log("< " + data));
socket.on("open", () => {
  require("readline")
    .createInterface({ input: process.stdin })
    .on("line", (line) => socket.send(line));
});
"""
"""`wscat -c <url>`: a line typed is sent, a message that comes is printed."""
