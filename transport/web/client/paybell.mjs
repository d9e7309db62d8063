/* Paybell's live client as a module. The plain script beside it is the one source of
   both: it defines `Paybell` and `watchPayment` for the page, and so do we. */
import "./paybell.js";

export const { Paybell, watchPayment } = globalThis;
export default watchPayment;
