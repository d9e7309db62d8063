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
    help="Where the node listens; also PAYBELL_URL.",
)

api_key_option = click.option(
    "--api-key",
    envvar=["PAYBELL_KEY", "PAYBELL_API_KEY"],
    metavar="KEY",
    help="A key of the control API, from `keys create`. Better in PAYBELL_KEY:"
    " options are seen in `ps`.",
)
