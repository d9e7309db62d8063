"""Options that several commands take: where the node is, and which key to show it."""

import click

__all__ = ["DEFAULT_URL", "api_key_option", "url_option"]

DEFAULT_URL = "http://127.0.0.1:8080"

url_option = click.option(
    "--url",
    envvar="PAYBELL_URL",
    default=DEFAULT_URL,
    show_default=True,
    metavar="URL",
    help="URL of the node; also PAYBELL_URL.",
)

api_key_option = click.option(
    "--api-key",
    envvar=["PAYBELL_KEY", "PAYBELL_API_KEY"],
    metavar="KEY",
    help="API key, from `keys create`. Better in PAYBELL_KEY: other users see options"
    " in `ps`.",
)
