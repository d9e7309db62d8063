// How pages use the client's types: this file must compile, and the marked lines not.
import watch, { Paybell, watchPayment, type PaymentState } from "paybell-client";
import { usePaymentWebSocket } from "paybell-client/react";
import { PaymentService, webSocketPaymentService } from "paybell-client/salon";

const one = watchPayment({ address: "bc1q", url: "https://pay.example", token: null,
  onState: state => { const status: string = state.status; void status; },
  onEvent: (event, missed) => { const kind: string = event.type; void [kind, missed]; },
  onLink: ({ live, over, offline }) => { void [live, over === "poll", offline]; },
  onError: ({ code, message, cause }) => { void [code, message, cause]; } });
one.stop();
const position: string | null = one.position;
watch({ externalId: "o", merchant: "cafe", since: position, attempts: 5, forever: false });
watchPayment({ paymentId: "pay_1", token: "secret" }).bell.addEventListener("state",
  event => { const state: PaymentState = event.detail; void state.receipts?.[0]?.txid;
    void state.lightning?.bolt11.length; void state.receipts?.[0]?.fee_sat?.toFixed(); });
new Paybell("bc1q", { url: "https://pay.example" }).start().stop();

export function Page(props: { id?: string; paid: () => void }): boolean {
  const { isConnected, error } = usePaymentWebSocket(
    { externalId: props.id, onPaymentReceived: props.paid, enabled: !!props.id });
  return isConnected && error?.code !== "gave_up";
}

const service = new PaymentService({ url: "wss://pay.example", salonId: "s1" });
await service.connect();
const end = webSocketPaymentService.subscribeToPayment("INV", ({ status }) => {
  if (status === "SUCCESS") end();
});
webSocketPaymentService.subscribeToTokenEvents(({ tokenId, timestamp }) => {
  void [tokenId, timestamp.toFixed()];
});

// @ts-expect-error: nothing to follow
watchPayment({ url: "https://pay.example" });
// @ts-expect-error: one of them
watchPayment({ address: "bc1q", paymentId: "pay_1" });
// @ts-expect-error: no such status
webSocketPaymentService.subscribeToPayment("INV", ({ status }) => status === "PAID");
