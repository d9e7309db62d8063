/* The React hook that tells a page when its order is paid.

     const { isConnected, error } = usePaymentWebSocket({
       externalId, onPaymentReceived: message => …, enabled: !!invoice });

   It connects while `enabled`, comes back with growing pauses, identifies again, and
   gives up after five attempts in a row with an `error` whose `cause` is the code of the
   reason (`watchPayment` never does).
   `onPaymentReceived` is called once per payment, with the message
   {type: "payment", status: "paid", paymentHash, amountSat, externalId, …}; the latest
   function that was handed over is the one that is called. */
import { useEffect, useRef, useState } from "react";
import { watchPayment } from "./paybell.mjs";

const IDLE = { isConnected: false, error: null };

export function usePaymentWebSocket({ externalId, onPaymentReceived, enabled = true,
  url, token, merchant, attempts = 5 }) {
  const [link, setLink] = useState(IDLE);
  const callback = useRef(onPaymentReceived);
  useEffect(() => {
    callback.current = onPaymentReceived;
  });
  useEffect(() => {
    if (!enabled || !externalId) return undefined;
    const watch = watchPayment({
      externalId, url, token, merchant, attempts, forever: false,
      onPayment: message => message.status === "paid" && callback.current?.(message),
      onLink: ({ live }) => setLink(old => live ? { isConnected: true, error: null }
        : { ...old, isConnected: false }),
      onError: ({ code, cause, message }) => {
        if (code !== "gave_up") return; // it may come right yet
        const error = Object.assign(new Error(message, { cause }), { code });
        setLink({ isConnected: false, error });
      },
    });
    return () => {
      watch.stop();
      setLink(IDLE);
    };
  }, [externalId, enabled, url, token, merchant, attempts]);
  return link;
}
