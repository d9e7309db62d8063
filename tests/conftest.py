"""Every test runs under gevent, as the engine does: the patch comes first."""

from gevent import monkey

monkey.patch_all()
