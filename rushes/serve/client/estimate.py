"""How long a film will take on this studio's workers: measured where films like it were made, else a fair guess."""

from __future__ import annotations

import statistics

import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes.serve.client.jobs import IS_FILM, SUCCEEDED, Job
from rushes.types import GenerationRequest

NUM_FILMS = 20
GUESS_S_PER_WORK = 7.5e-8  # two idle cores: a feature film of 240 x 1280 x 720 pixels and 20 steps in 20 s
STEP_SHARE = 0.5  # of a film's time that its steps take at STEPS of them; the rest paints and encodes
STEPS = 20
GUESS_S_PER_TRAINED, GUESS_S_BEFORE = 0.45, 20.0  # one idle core: 300 steps in 155 s


def seconds(session: Session, request: GenerationRequest) -> float:
    """Return the seconds that `request` will take, from the last films that succeeded with its model."""
    query = sa.select(Job.request, Job.measured).where(Job.state == SUCCEEDED, IS_FILM).order_by(Job.ended_at.desc())
    rates = [
        measured["seconds"] / _work(made)
        for made, measured in session.execute(query.limit(NUM_FILMS))
        if measured and made["model"] == request.model
    ]
    own = _work({"shape": vars_of(request), "num_steps": request.num_steps})
    return own * (statistics.median(rates) if rates else GUESS_S_PER_WORK)


def training_seconds(session: Session, steps: int) -> float:
    """Return the seconds that a training of so many steps will take, from the last ones that succeeded."""
    query = sa.select(Job.request, Job.measured).where(Job.state == SUCCEEDED, ~IS_FILM)
    found = session.execute(query.order_by(Job.ended_at.desc()).limit(NUM_FILMS))
    rates = [measured["seconds"] / made["steps"] for made, measured in found if measured]
    return steps * statistics.median(rates) if rates else GUESS_S_BEFORE + steps * GUESS_S_PER_TRAINED


def vars_of(request: GenerationRequest) -> dict[str, int]:
    """Return the shape of what is made of a request as plain numbers."""
    return {"frames": request.num_fresh_frames, "height": request.shape.height, "width": request.shape.width}


def _work(request: dict) -> float:
    """Return pixels, counted more where more steps are taken."""
    shape = request["shape"]
    pixels = shape["frames"] * shape["height"] * shape["width"]
    return pixels * (1 - STEP_SHARE + STEP_SHARE * request["num_steps"] / STEPS)
