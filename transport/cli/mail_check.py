"""What the doctor finds out about the node's mail: templates, and the server.

The server is greeted, TLS begun and the login made, as before a mail; none is sent.
"""

from collections.abc import Iterator

from engine.config import Config
from engine.errors import ConfigError
from transport.calling.trust import tls_context
from transport.cli.source_checks import Check
from transport.outbound.email_templates import read_folder
from transport.outbound.lookups import Lookups
from transport.outbound.smtp import Dial, SmtpFailed, Timing, check_server

__all__ = ["check_mail"]

STEP_S = 10.0


def check_mail(config: Config) -> Iterator[Check]:
    """Nothing, if there is no mail to send."""
    if config.mail_templates is not None:
        try:
            read_folder(config.mail_templates)
        except ConfigError as error:
            yield False, f"mail templates: {error}"
        else:
            yield True, f"mail templates {config.mail_templates}: without faults"
    server = config.mail_server
    if server is None:
        return
    dial = Dial(Lookups(), tls_context(None, ()), allow_any=True)
    try:
        check_server(server, dial, Timing(STEP_S, STEP_S))
    except SmtpFailed as failed:
        yield False, f"mail server: {failed.detail}; check --smtp (docs/mail.md)"
    else:
        how = "and logs us in" if server.user else "and wants no login"
        yield True, f"mail server {server.origin}: answers {how}"
