"""LNURL-pay and Lightning Addresses over HTTP."""
