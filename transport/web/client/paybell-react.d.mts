import type { PaymentMessage } from "./paybell.mjs";

export interface PaymentWebSocketOptions {
  externalId: string | null | undefined;
  /** Called once when the order is paid; the latest function is the one called. */
  onPaymentReceived?: (message: PaymentMessage) => void;
  /** True without it. */
  enabled?: boolean;
  /** The node, like https://pay.example; without it the page's own origin. */
  url?: string;
  /** The payment's `client_secret`. */
  token?: string | null;
  merchant?: string;
  /** In a row, before it gives up: 5. */
  attempts?: number;
}

export function usePaymentWebSocket(options: PaymentWebSocketOptions): {
  isConnected: boolean;
  error: (Error & { code: string }) | null;
};
