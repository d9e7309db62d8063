export interface PaymentStatusEvent {
  invoiceId: string;
  status: "SUCCESS" | "FAILED" | "PENDING";
  /** Milliseconds. */
  timestamp: number;
  data?: any;
}

export interface TokenSavedEvent {
  tokenId: string;
  /** Milliseconds. */
  timestamp: number;
  data?: any;
}

export interface PaymentServiceOptions {
  /** The node, like wss://pay.example; without it the page's own origin. */
  url?: string;
  salonId?: string | null;
  /** In place of `salonId`: a merchant of a shared node. */
  merchant?: string | null;
  /** Without it: `authToken` of localStorage, read at each connection. */
  token?: string | null | (() => string | null | undefined);
  onError?: ((error: Error & { code: string }) => void) | null;
  onConnection?: ((connected: boolean) => void) | null;
}

export class PaymentService {
  constructor(options?: PaymentServiceOptions);
  configure(options: PaymentServiceOptions): this;
  readonly connected: boolean;
  connect(): Promise<void>;
  disconnect(): void;
  subscribeToPayment(
    invoiceId: string | number, callback: (status: PaymentStatusEvent) => void): () => void;
  unsubscribeFromPayment(
    invoiceId: string | number, callback?: (status: PaymentStatusEvent) => void): void;
  subscribeToTokenEvents(callback: (event: TokenSavedEvent) => void): () => void;
}

export const webSocketPaymentService: PaymentService;
export default webSocketPaymentService;
