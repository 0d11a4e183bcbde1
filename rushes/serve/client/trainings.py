"""Trainings: jobs that teach the model a subject from its stills, in the same line as the films.

A training takes minutes where a film takes seconds, so that it is due `LATER_S` later, and while it runs it gives way
to every film that is due before it (`jobs.gives_way`). Films that are sent after it was due wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TRAINING = "training"  # the kind, and the tier, of such a job
LATER_S = 600.0
FEWEST, MOST = 5, 20  # stills


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What is learned: a `character`, by the `name` that prompts shall call it, from the `stills` (keys of the store).

    `like` is what other models hear in its place, empty for what the captioner sees. The adapter is kept in `folder`.
    """

    character: str
    name: str
    stills: tuple[str, ...]
    folder: str
    like: str = ""
    steps: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """A training as somebody asks for it, checked; the rest is as `jobs.Order` has it."""

    request: TrainingRequest
    once: str | None = None
    kind: str = TRAINING
    tier: str = TRAINING
    format: str = "safetensors"
    parent: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def checkpoint_key(job_id: str) -> str:
    """Return where a worker keeps how far a training has come, for whoever goes on with it."""
    return f"films/{job_id}/checkpoint.tar"
