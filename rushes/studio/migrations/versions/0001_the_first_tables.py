"""The first tables."""

from __future__ import annotations

from alembic import op

from rushes.serve.client.database import Base

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    """Go up."""
    Base.metadata.create_all(op.get_bind())
