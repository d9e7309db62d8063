"""Runs one subject in this process and prints what it returned as JSON.

python -m bench.subject watchers:paybell '[100000]'
"""

from gevent import monkey

monkey.patch_all()

import importlib
import json
import logging
import sys

from bench.measure import quiet


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    module, _, function = sys.argv[1].partition(":")
    subject = getattr(importlib.import_module(f"bench.{module}"), function)
    print(json.dumps(subject(*json.loads(sys.argv[2]))))
    quiet()


if __name__ == "__main__":
    main()
