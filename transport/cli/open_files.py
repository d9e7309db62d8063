"""How many files this process may have open: a client is one, and so is a journal.

Linux starts processes with a soft limit of 1,024, for programs that use `select`, and
a hard one that is far higher; who does not use `select` may take it. Used by `serve`
and by the doctor.
"""

import resource

__all__ = ["KEPT_BACK", "client_connections", "raise_limit"]

KEPT_BACK = 256
"""Files beside the clients': the journal and its readers, sources, webhook endpoints
that are being told, pages."""


def raise_limit() -> int:
    """Take as many as we may have; how many that is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard or soft == resource.RLIM_INFINITY:
        return _finite(soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems refuse "unlimited"
        return _finite(soft)
    return _finite(hard)


def client_connections(files: int, wanted: int) -> int:
    """So many clients fit, so that accept() never fails for want of a file. Where there
    are hardly any, half of them are for clients."""
    kept_back = max(min(KEPT_BACK, files // 2), files // 8)
    return max(1, min(wanted, files - kept_back))


def _finite(limit: int) -> int:
    return 2**31 - 1 if limit == resource.RLIM_INFINITY else limit
