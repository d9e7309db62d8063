/** Types of Paybell's live client; docs/clients.md says what each does. */

export interface Receipt {
  txid: string;
  vout: number;
  amount_sat: number;
  block_hash: string | null;
  block_height: number | null;
  confirmations: number;
  /** Of a settled Lightning invoice, whose payment hash `txid` is. */
  method?: "lightning";
  net_sat?: number;
  fee_sat?: number;
  credit_sat?: number;
  msat?: number;
}

/** The invoice that pays a payment. `amount_msat` null: whatever comes. */
export interface LightningInvoice {
  bolt11: string;
  payment_hash: string;
  expires_at: string;
  amount_msat: number | null;
}

/** A payment as it is. What only its `client_secret` opens may be absent, and what an
 * event does not say is absent until the server tells the whole state again. */
export interface PaymentState {
  type: "state";
  epoch: string;
  seq: number;
  status: string;
  flags: string[];
  address: string | null;
  amount_sat: number | null;
  received_sat: number;
  confirmations: number;
  confirmations_required: number;
  created_at: string;
  expires_at: string;
  confirmed_sat?: number;
  receipts?: Receipt[];
  id?: string;
  external_id?: string | null;
  merchant?: string;
  metadata?: Record<string, unknown>;
  price?: Price;
  /** Where Lightning can pay; without it, the chain alone. */
  methods?: ("onchain" | "lightning")[];
  lightning?: LightningInvoice;
  [field: string]: unknown;
}

/** What it costs in the shop's currency, and the rate that made it satoshi. */
export interface Price {
  currency: string;
  amount: string;
  amount_minor: number;
  decimals: number;
  rate: string;
  rate_at: string;
  providers: string[];
  is_lone: boolean;
}

export interface PaymentEvent {
  seq: number;
  type: `payment.${string}`;
  at: string;
  status: string;
  flags: string[];
  address: string | null;
  amount_sat: number | null;
  received_sat: number;
  confirmations: number;
  confirmations_required: number;
  txid: string | null;
  /** Of the invoice, where Lightning can pay. */
  payment_hash?: string;
  data: Record<string, unknown>;
  [field: string]: unknown;
}

/** What who knows only an order's number is told. */
export interface PaymentMessage {
  type: "payment";
  status: "paid" | "reversed";
  /** Of the invoice that paid; of coins the transaction. */
  paymentHash: string | null;
  amountSat: number;
  externalId: string;
  message: string;
  timestamp: string;
}

export interface SourceMessage {
  type: "source";
  live: boolean;
  since: string | null;
  [field: string]: unknown;
}

export interface Link {
  live: boolean;
  over: "websocket" | "sse" | "poll";
  offline: boolean;
}

export interface WatchError {
  code: string;
  message: string;
  /** Of `gave_up`: the code of the reason. */
  cause?: string;
}

export interface LineOptions {
  /** The node, like https://pay.example; without it the page's own origin. */
  url?: string;
  /** The payment's `client_secret`. */
  token?: string | null;
  /** Where the last visit ended: its `position`. */
  since?: string | null;
  /** The newest seq, asked for after 45 s of silence. */
  check?: (() => Promise<number>) | null;
  /** Quick ones, before it slows down: 5. */
  attempts?: number;
  /** False: it stops after the quick ones, with the error `gave_up`. */
  forever?: boolean;
}

/** `address`: of a payment that Lightning alone can pay, the payment hash of its
 * invoice. */
export type Which =
  | { address: string; paymentId?: undefined; externalId?: undefined }
  | { paymentId: string; address?: undefined; externalId?: undefined }
  | { externalId: string; merchant?: string; address?: undefined; paymentId?: undefined };

export interface WatchCallbacks {
  /** For drawing: the payment as it is now, once for however much was missed. */
  onState?: (state: PaymentState | PaymentMessage) => void;
  /** Each event, in order, once; `missed`: the state that was told knows it already. */
  onEvent?: (event: PaymentEvent | PaymentMessage, missed: boolean) => void;
  onPayment?: (message: PaymentMessage) => void;
  onSource?: (source: SourceMessage) => void;
  onLink?: (link: Link) => void;
  onError?: (error: WatchError) => void;
}

export type WatchOptions = Which & LineOptions & WatchCallbacks;

export interface Watch {
  readonly live: boolean;
  readonly position: string | null;
  readonly bell: Paybell;
  stop(): void;
  reconnect(): void;
}

export function watchPayment(options: WatchOptions): Watch;
export default watchPayment;

export interface PaybellEvents {
  state: CustomEvent<PaymentState>;
  event: CustomEvent<PaymentEvent>;
  payment: CustomEvent<PaymentMessage>;
  source: CustomEvent<SourceMessage>;
  link: CustomEvent<Link>;
  error: CustomEvent<WatchError>;
}

export class Paybell extends EventTarget {
  static readonly TYPES: readonly string[];
  constructor(what: string | Which, options?: LineOptions);
  readonly seq: number | null;
  readonly epoch: string | null;
  readonly live: boolean;
  readonly catchingUp: boolean;
  readonly position: string | null;
  start(): this;
  stop(): void;
  reconnect(): void;
  addEventListener<K extends keyof PaybellEvents>(
    type: K, listener: (event: PaybellEvents[K]) => void,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;
}
