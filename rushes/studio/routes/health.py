"""Whether the studio answers, for load balancers and for people who wonder."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter

from rushes.serve.client import workers
from rushes.studio.who import TheHouse

SPEC = APIRouter()


@SPEC.get("/healthz", include_in_schema=False)
def healthz(house: TheHouse) -> dict[str, object]:
    """Say that the database answers, and how many workers are alive."""
    with house.database.read() as session:
        session.execute(sa.select(1))
        return {"status": "ok", "workers": len(workers.alive(session))}
