"""The tables of the studio, brought up to date by Alembic's migrations under a lock that one process holds."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from rushes.serve.client import queue
from rushes.serve.client.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_305_771  # a number of our own among PostgreSQL's advisory locks


def alembic_config(database: Database) -> Config:
    """Return Alembic's settings for `database`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring every table up to `revision`, the queue's own too; two processes that start at once wait for each other."""
    config = alembic_config(database)
    if database.is_sqlite:
        command.upgrade(config, revision)
    else:
        with database.engine.connect() as connection:
            connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))
            try:
                command.upgrade(config, revision)
            finally:
                connection.execute(sa.text(f"SELECT pg_advisory_unlock({LOCK})"))
    queue.set_up(database)
