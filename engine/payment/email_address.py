"""What may be an e-mail address of a payer. A pattern and its words; pure.

Less than RFC 5321 and 6531 allow, and all that people have: one `@`, a domain with a
dot, any script. No quoted names, no blanks, no brackets, no control characters: what
comes through cannot become a second header or a second recipient of a mail.
"""

from typing import Final

__all__ = ["ALLOWED", "MAX_EMAIL", "PATTERN"]

MAX_EMAIL: Final = 254
"""Characters. RFC 5321 4.5.3.1.3: a path has 256 bytes, two of them brackets."""

# Blanks and control characters of any script, what turns text about (bidi), specials.
_NOT: Final = (
    r"\s@<>()\[\]\\,;:\"`|\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f"
    r"\u2066-\u2069\ufeff"
)

# With `$` alone a newline at the end would come through.
_LABEL: Final = rf"[^{_NOT}.\-][^{_NOT}.]{{0,62}}"

PATTERN: Final = rf"^[^{_NOT}]{{1,64}}@({_LABEL}\.)+{_LABEL}$(?!\n)"
"""As a JSON schema has it, and as Python reads it."""

ALLOWED: Final = (
    f"an e-mail address of at most {MAX_EMAIL} characters like ann@example.com, or null"
)
