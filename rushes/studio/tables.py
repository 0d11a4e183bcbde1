"""Every module that defines tables, so that migrations see them all."""

from __future__ import annotations

from rushes.serve.client import jobs, workers
from rushes.studio import accounts

ALL = (jobs, workers, accounts)
