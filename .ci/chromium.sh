#!/usr/bin/env bash
# Make sure that there is a Chromium for the browser tests: Debian's, unless one is there
# already or CHROMIUM names it. tests/browser/chromium.py looks for the same names.
exec "$(dirname "$0")/debian.sh" chromium "for the browser tests" \
    chromium chromium-browser google-chrome "${CHROMIUM:-}"
