"""The texts of mails: ours, the node's from a folder, and a channel's own.

Each of the three parts (subject, text, HTML) is taken from the channel if it has it,
else from the operator's folder (`--mail-templates`), else from here. The folder may
hold `shop.subject`, `shop.txt`, `shop.html`, `customer.subject`, `customer.txt` and
`customer.html`; what is wrong with one refuses the start, with its line and column.
"""

import functools
from pathlib import Path
from typing import Final

from engine.errors import ConfigError, InvalidTemplate
from engine.mail.template import MAX_CHARS, Template, parse
from transport.outbound.email_fields import NAMES

__all__ = ["PARTS", "Texts", "parsed", "read_folder"]

PARTS: Final = ("subject", "text", "html")
_SUFFIX: Final = {"subject": "subject", "text": "txt", "html": "html"}

_FIELDS: Final = (
    ("Amount", "amount"), ("Price", "price"), ("Received", "received"),
    ("Still missing", "short"), ("Too much", "excess"), ("Sent back", "returned"),
    ("Confirmations", "confirmations"),
    ("Address", "address"), ("Transaction", "txid"), ("Payment hash", "payment_hash"),
    ("Time", "time"),
)  # fmt: skip
_FOR_SHOP: Final = (
    ("Order", "external_id"), ("Payment", "payment_id"), ("Status", "status"),
    ("Flags", "flags"), ("Watched", "fast"), ("Gateway", "gateway"),
    ("Credits", "credits"), ("Sent on", "sent_on"),
    ("Reason", "reason"), ("Alert", "alert"),
    ("Alerts of this kind", "total"), ("Events not told", "skipped"),
)  # fmt: skip


def _text(fields: tuple[tuple[str, str], ...], end: str) -> str:
    lines = [f"{{{{#{n}}}}}\n{label}: {{{{{n}}}}}\n{{{{/{n}}}}}" for label, n in fields]
    return "\n".join(["{{headline}}", "", "{{sentence}}", "", *lines, "", end, ""])


def _html(fields: tuple[tuple[str, str], ...], end: str) -> str:
    cell = 'style="padding:2px 12px 2px 0;vertical-align:top;word-break:break-all"'
    rows = "\n".join(
        f"{{{{#{name}}}}}<tr><td {cell}>{label}</td>"
        f"<td {cell}>{{{{{name}}}}}</td></tr>{{{{/{name}}}}}"
        for label, name in fields
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<title>{{headline}}</title></head>\n"
        '<body style="font-family:sans-serif;max-width:40em">\n'
        '<h1 style="font-size:1.3em">{{headline}}</h1>\n<p>{{sentence}}</p>\n'
        f'<table style="border-collapse:collapse">\n{rows}\n</table>\n'
        f'<p style="color:#666">{end}</p>\n</body></html>\n'
    )


_SHOP_END = "Sent by Paybell for {{shop}}."
_CUSTOMER_END = "Sent for {{shop}}. Questions? Please ask the shop."
_SHOP = _FOR_SHOP + _FIELDS
_OURS: Final = {
    ("shop", "subject"): "{{headline}}{{#external_id}}: {{external_id}}{{/external_id}}"
    "{{#amount}} ({{amount}}{{#fast}}, fast{{/fast}}){{/amount}}"
    "{{#alert}}: {{alert}}{{/alert}}",
    ("shop", "text"): _text(_SHOP, _SHOP_END),
    ("shop", "html"): _html(_SHOP, _SHOP_END),
    ("customer", "subject"): "{{shop}}: {{headline}}",
    ("customer", "text"): _text(_FIELDS, _CUSTOMER_END),
    ("customer", "html"): _html(_FIELDS, _CUSTOMER_END),
}

Texts = dict[tuple[str, str], Template]
"""By audience (`shop` or `customer`) and part."""


@functools.lru_cache(maxsize=256)
def parsed(audience: str, template: str) -> Template:
    """A template of this audience. Raises `InvalidTemplate`."""
    return parse(template, NAMES[audience])


def read_folder(folder: str | None) -> Texts:
    """All the node's texts. Raises `ConfigError` that names file, line and column."""
    texts = {key: parsed(key[0], text) for key, text in _OURS.items()}
    if folder is None:
        return texts
    place = Path(folder)
    if not place.is_dir():
        raise ConfigError(f"--mail-templates: {folder!r} is no folder")
    known = {
        f"{audience}.{_SUFFIX[part]}": (audience, part) for audience, part in _OURS
    }
    for path in sorted(place.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue  # an editor's
        if path.name not in known:
            allowed = ", ".join(sorted(known))
            raise ConfigError(f"{path}: no such template; there are: {allowed}")
        texts[known[path.name]] = _read(path, known[path.name][0])
    return texts


def _read(path: Path, audience: str) -> Template:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return parsed(audience, file.read(MAX_CHARS + 1))
    except InvalidTemplate as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {why}") from None
