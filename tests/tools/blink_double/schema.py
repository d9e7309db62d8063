"""The part of Blink's public GraphQL schema that a shop meets. Facts, no behaviour."""

from typing import Final

__all__ = ["SDL"]

_PAGES: Final = "after: String, before: String, first: Int, last: Int"

_WALLET: Final = f"""
  id: ID!
  accountId: ID!
  walletCurrency: WalletCurrency!
  balance: SignedAmount!
  pendingIncomingBalance: SignedAmount!
  invoiceByPaymentHash(paymentHash: PaymentHash!): Invoice!
  transactions({_PAGES}): TransactionConnection
  transactionsByPaymentHash(paymentHash: PaymentHash!): [Transaction!]!
  transactionById(transactionId: ID!): Transaction!
"""

_INVOICE: Final = """
  createdAt: Timestamp!
  paymentHash: PaymentHash!
  paymentRequest: LnPaymentRequest!
  paymentSecret: LnPaymentSecret!
  paymentStatus: InvoicePaymentStatus!
  externalId: TxExternalId
"""

_ACCOUNT: Final = """
  id: ID!
  defaultWallet: PublicWallet!
  wallets: [Wallet!]!
  walletById(walletId: WalletId!): Wallet!
"""

_ASKED: Final = "memo: Memo, expiresIn: Minutes, externalId: TxExternalId"

SDL: Final = f"""
scalar Hex32Bytes
scalar LnPaymentPreImage
scalar LnPaymentRequest
scalar LnPaymentSecret
scalar Memo
scalar Minutes
scalar OnChainAddress
scalar OnChainTxHash
scalar PaymentHash
scalar SafeInt
scalar SatAmount
scalar SignedAmount
scalar Timestamp
scalar TxExternalId
scalar Username
scalar WalletId

enum InvoicePaymentStatus {{ EXPIRED PAID PENDING }}
enum PaymentSendResult {{ ALREADY_PAID FAILURE PENDING SUCCESS }}
enum TxDirection {{ RECEIVE SEND }}
enum TxStatus {{ FAILURE PENDING SUCCESS }}
enum WalletCurrency {{ BTC USD }}
enum TxNotificationType {{
  IntraLedgerPayment IntraLedgerReceipt LigtningReceipt
  OnchainPayment OnchainReceipt OnchainReceiptPending
}}

interface Error {{ code: String, message: String!, path: [String] }}
type GraphQLApplicationError implements Error {{
  code: String, message: String!, path: [String]
}}

interface Account {{ {_ACCOUNT} }}
type ConsumerAccount implements Account {{ {_ACCOUNT} }}
type PublicWallet {{ id: ID!, currency: WalletCurrency! }}
type User {{ id: ID!, username: Username, defaultAccount: Account! }}

interface Wallet {{ {_WALLET} }}
type BTCWallet implements Wallet {{ {_WALLET} }}
type UsdWallet implements Wallet {{ {_WALLET} }}

interface Invoice {{ {_INVOICE} }}
type LnInvoice implements Invoice {{ {_INVOICE} satoshis: SatAmount! }}
type LnNoAmountInvoice implements Invoice {{ {_INVOICE} }}

type PageInfo {{
  endCursor: String, hasNextPage: Boolean!, hasPreviousPage: Boolean!,
  startCursor: String
}}
type TransactionEdge {{ cursor: String!, node: Transaction! }}
type TransactionConnection {{ edges: [TransactionEdge!], pageInfo: PageInfo! }}

union InitiationVia =
  InitiationViaIntraLedger | InitiationViaLn | InitiationViaOnChain
type InitiationViaIntraLedger {{
  counterPartyUsername: Username, counterPartyWalletId: WalletId
}}
type InitiationViaLn {{ paymentHash: PaymentHash!, paymentRequest: LnPaymentRequest! }}
type InitiationViaOnChain {{ address: OnChainAddress! }}

union SettlementVia =
  SettlementViaIntraLedger | SettlementViaLn | SettlementViaOnChain
type SettlementViaIntraLedger {{
  counterPartyUsername: Username, counterPartyWalletId: WalletId,
  preImage: LnPaymentPreImage
}}
type SettlementViaLn {{ preImage: LnPaymentPreImage }}
type SettlementViaOnChain {{ transactionHash: OnChainTxHash, vout: Int }}

type Transaction {{
  id: ID!
  createdAt: Timestamp!
  direction: TxDirection!
  externalId: TxExternalId
  initiationVia: InitiationVia!
  memo: Memo
  settlementAmount: SignedAmount!
  settlementCurrency: WalletCurrency!
  settlementFee: SignedAmount!
  settlementVia: SettlementVia!
  status: TxStatus!
}}

type PriceOfOneSatInMinorUnit {{ base: SafeInt!, offset: Int! }}
type Price {{
  base: SafeInt!, currencyUnit: String!, formattedAmount: String!, offset: Int!
}}
type RealtimePrice {{
  id: ID!, timestamp: Timestamp!, btcSatPrice: PriceOfOneSatInMinorUnit!
}}
type LnUpdate {{
  paymentHash: PaymentHash!, status: InvoicePaymentStatus!,
  transaction: Transaction!, walletId: WalletId!
}}
type OnChainUpdate {{
  txNotificationType: TxNotificationType!, transaction: Transaction!
}}
type IntraLedgerUpdate {{
  txNotificationType: TxNotificationType!, transaction: Transaction!
}}
union UserUpdate = IntraLedgerUpdate | LnUpdate | OnChainUpdate | Price | RealtimePrice
type MyUpdatesPayload {{ errors: [Error!]!, me: User, update: UserUpdate }}

input LnInvoiceCreateInput {{ walletId: WalletId!, amount: SatAmount!, {_ASKED} }}
input LnNoAmountInvoiceCreateInput {{ walletId: WalletId!, {_ASKED} }}
input LnInvoiceCreateOnBehalfOfRecipientInput {{
  recipientWalletId: WalletId!, amount: SatAmount!, descriptionHash: Hex32Bytes,
  {_ASKED}
}}
input LnInvoicePaymentInput {{
  walletId: WalletId!, paymentRequest: LnPaymentRequest!, memo: Memo
}}
input LnInvoiceFeeProbeInput {{
  walletId: WalletId!, paymentRequest: LnPaymentRequest!
}}
type SatAmountPayload {{ amount: SatAmount, errors: [Error!]! }}
type LnInvoicePayload {{ errors: [Error!]!, invoice: LnInvoice }}
type LnNoAmountInvoicePayload {{ errors: [Error!]!, invoice: LnNoAmountInvoice }}
type PaymentSendPayload {{
  errors: [Error!]!, status: PaymentSendResult, transaction: Transaction
}}

type Query {{ me: User }}
type Mutation {{
  lnInvoiceCreate(input: LnInvoiceCreateInput!): LnInvoicePayload!
  lnInvoiceCreateOnBehalfOfRecipient(
    input: LnInvoiceCreateOnBehalfOfRecipientInput!
  ): LnInvoicePayload!
  lnNoAmountInvoiceCreate(
    input: LnNoAmountInvoiceCreateInput!
  ): LnNoAmountInvoicePayload!
  lnInvoiceFeeProbe(input: LnInvoiceFeeProbeInput!): SatAmountPayload!
  lnInvoicePaymentSend(input: LnInvoicePaymentInput!): PaymentSendPayload!
}}
type Subscription {{ myUpdates: MyUpdatesPayload! }}
"""
