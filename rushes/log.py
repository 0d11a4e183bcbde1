"""One logger for the package; people see messages on standard error, machines read standard output."""

from __future__ import annotations

import logging
import sys

LOGGER = logging.getLogger("rushes")


class _StandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment, so that a redirected stream gets the message."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # a message that cannot be written must not end a training run
            self.handleError(record)


def set_up(*, verbose: bool = False) -> None:
    """Send the package's log to standard error, once; `verbose` shows debug messages as well."""
    if not any(isinstance(handler, _StandardError) for handler in LOGGER.handlers):
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(message)s"))
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG if verbose else logging.INFO)
