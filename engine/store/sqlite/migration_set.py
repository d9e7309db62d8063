"""The one list of migrations, to which the files of the schema add theirs.

`schema.py` has those up to m022, `schema_money.py` those of money, `schema_people.py`
those since; `migrations.py` imports them in that order, and applies them.
"""

from sqlite_utils.migrations import Migrations

__all__ = ["migrations"]

migrations = Migrations("paybell")
