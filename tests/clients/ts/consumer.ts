// What a shop writes, and what its compiler must not let through.
import {
  type Event, type Payment, Paybell, PaymentState, Problem, verifyWebhook,
} from "./index.js";

export async function shop(paybell: Paybell, request: Request): Promise<string> {
  const payment: Payment = await paybell.create(
    { amount_sat: 5_000, external_id: "order-1", metadata: { table: 7 } },
    { idempotencyKey: "order-1" },
  );
  const address: string | null = payment.address;
  const first: string | undefined = payment.receipts[0]?.txid;
  for await (const one of paybell.list({ status: "confirmed", limit: 10 })) void one.seq;
  for await (const event of paybell.events({ after: "0", saveCursor: async () => {} })) {
    const said: Event = event;
    if (new PaymentState().apply(said)) break;
  }
  const { event } = await verifyWebhook(await request.text(), request.headers, ["whsec_"]);
  await paybell.change(payment.id, { description: null }, { ifSeq: payment.seq });
  await paybell.refund(payment.id, { amount_sat: 1 });
  return `${address} ${first} ${event?.type === "payment.confirmed"}`;
}

export async function mistakes(paybell: Paybell, payment: Payment): Promise<void> {
  // @ts-expect-error: there is no such field
  await paybell.create({ amount: 5, sats: 1 });
  // @ts-expect-error: a sum is a number of satoshi
  await paybell.create({ amount_sat: "5000" });
  // @ts-expect-error: there is no such status
  if (payment.status === "paid") return;
  // @ts-expect-error: it may be null
  payment.address.length;
  // @ts-expect-error: a parsed body has lost its bytes
  await verifyWebhook({ type: "x" }, {}, "whsec_");
  // @ts-expect-error: no such filter
  paybell.page({ state: "confirmed" });
  try {
    await paybell.get("pay_1");
  } catch (error) {
    // @ts-expect-error: no such code
    if (error instanceof Problem && error.code === "not_there") return;
  }
}
