/* Sets of a payment's statuses: PAID_ONCE of engine/payment/model.py, for browsers. The till
   has this same file: in its folder there is a link to it. */

export const PAID = new Set(["confirmed", "forwarded", "failed"]); // failed: to be passed on; it is paid
