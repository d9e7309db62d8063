"""The connections that we hold to Lightning nodes."""
