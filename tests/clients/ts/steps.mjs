// Does what each line of standard input says with the packed client, and prints what came
// of it, a line each: {"value": …} or {"error": {"name", …}}.
import { createInterface } from "node:readline";
import { Paybell, PaymentState, verifyWebhook } from "paybell-api";

const steps = {
  async verify({ body, headers, secrets, now, bytes }) {
    const raw = bytes ? Buffer.from(body, "base64") : body;
    return verifyWebhook(raw, headers, secrets, { now });
  },

  // How the payment stood after each event: kept and read again, as a shop does.
  async state({ events }) {
    let state = new PaymentState();
    return events.map(event => {
      const isNews = state.apply(event);
      state = PaymentState.load(state.dump());
      const { status, seq, mayShip, isPaid } = state;
      return { isNews, id: state.event.id, status, seq, mayShip, isPaid, kept: state.dump() };
    });
  },

  async kept({ text }) {
    const state = text === undefined ? new PaymentState() : PaymentState.load(text);
    const { event, paymentId, status, flags, seq, receivedSat, isPaid } = state;
    return { event, paymentId, status, flags: [...flags], seq, receivedSat, isPaid, kept: state.dump() };
  },

  async call({ options, method, given = [] }) {
    const answer = new Paybell(options)[method](...given);
    if (!answer[Symbol.asyncIterator]) return answer;
    const all = [];
    for await (const one of answer) all.push(one);
    return all;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { step, ...asked } = JSON.parse(line);
  let told;
  try {
    told = { value: await steps[step](asked) };
  } catch (error) {
    const { name, message, status, code, errors, mayHaveHappened } = error;
    told = { error: { name, message, status, code, errors, mayHaveHappened } };
  }
  console.log(JSON.stringify(told));
}
