"""Alembic runs this file: it binds the migrations to the engine that the studio opened."""

from __future__ import annotations

from alembic import context

from rushes.serve.client.database import Base
from rushes.studio import tables

assert tables.ALL, "importing the tables is what fills the metadata"

with context.config.attributes["engine"].begin() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
