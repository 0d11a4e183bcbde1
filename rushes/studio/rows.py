"""Rows that are there once, however often and from however many sides they are sent."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rushes.serve.client.database import Base

INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def add_once(session: Session, table: type[Base], **values: Any) -> bool:
    """Write a row unless one with its key, or another unique part of it, is there; return whether it was written."""
    insert: Any = INSERT[session.get_bind().dialect.name](table).values(**values)
    written = insert.on_conflict_do_nothing().returning(*table.__mapper__.primary_key)
    return session.execute(written).first() is not None
