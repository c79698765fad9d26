"""WSGI entry point for gunicorn and the flask command."""

import sys

from retainstream.app import create_app
from retainstream.config import SettingsError

try:
    app = create_app()
except SettingsError as wrong:
    sys.stderr.write(f"{wrong}\n")
    raise SystemExit(
        3
    ) from None  # 3 is gunicorn's own status for a worker that can't begin: it ends, and does not try for ever
