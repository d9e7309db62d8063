"""The documents' own snippets, as they stand. Only what they leave open is filled in:
their host and port become the node's, `bc1q...` and `test_address` an address."""

__all__ = ["PAYBUTTON_CURL", "PAYBUTTON_JS", "PHOENIXD_CURL", "PHOENIXD_JS", "WSCAT"]

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

PHOENIXD_JS = """
// Frontend connects to WebSocket
ws = new WebSocket('ws://localhost:4000/ws');

// On open, identify with externalId
ws.onopen = () => {
ws.send(JSON.stringify({
  type: 'identify',
  externalId: 'payment-1729684496123-x7k2mq9'
}));
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);

  if (data.type === 'payment' && data.status === 'paid') {
    onPaymentReceived(); // Show success UI
  }
};
"""

PHOENIXD_CURL = """
curl -X POST http://localhost:4000/api/webhook \\
  -H "Content-Type: application/json" \\
  -d '{
    "externalId": "test-payment-123",
    "paymentHash": "abc123",
    "amountSat": 50000
  }'
"""

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
