"""The database schema since m023: ledger, wallets, and money on its way out.

Schema changes are appended here, never edited.
"""

__all__: list[str] = []
